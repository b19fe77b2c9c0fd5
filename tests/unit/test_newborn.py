# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server is restarted without a permit only when it has never served anybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from _recovery import newborn
from _recovery.newborn import Life, is_newborn
from _recovery.sql import NotAnswering

EMPTY = Life("off", False, 0, 0, {"postgres": 0, "template1": 0, "axiomdb": 0})
SEEN = {"archive_mode": "off", "standby": False, "clients": 0, "closed": 0, "databases": ["postgres", "template1", "axiomdb"]}


def test_an_empty_server_that_archives_nothing_is_newborn() -> None:
    assert is_newborn(EMPTY)


@pytest.mark.parametrize(
    "change",
    [
        {"archive_mode": "on"},
        {"archive_mode": "always"},
        {"standby": True},
        {"clients": 1},
        {"closed": 1},
        {"objects": {"postgres": 0, "axiomdb": 1}},
        {"objects": {"template1": 1}},
    ],
)
def test_any_sign_of_life_makes_it_one_that_lives(change: dict[str, Any]) -> None:
    assert not is_newborn(replace(EMPTY, **change))


@pytest.mark.parametrize(("objects", "expected"), [({}, True), ({"axiomdb": 3}, False)])
def test_every_database_is_asked(objects: dict[str, int], expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(_port: int, sql: str, database: str = "postgres") -> Any:
        if sql == newborn.LIFE:
            return SEEN
        asked.append(database)
        return objects.get(database, 0)

    monkeypatch.setattr(newborn, "ask", ask)
    assert newborn.look(5432) is expected
    assert asked == SEEN["databases"]


def test_a_server_that_does_not_answer_is_taken_for_one_that_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_arguments: Any, **_options: Any) -> Any:
        raise NotAnswering("starting up")

    monkeypatch.setattr(newborn, "ask", ask)
    assert not newborn.look(5432)
