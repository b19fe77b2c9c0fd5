# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the watch does beside telling: it pushes past what is away for a limited time, and no error of that stops a look."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import state, watch_past
from _recovery.provision import Archiver
from _recovery.push_past import Sender
from pictures import picture, repository

SEEN = replace(picture(repository(1, 60.0), repository(2, 60.0)), archiver=Archiver("on", "pgbackrest --stanza=axiomdb archive-push %p"))


@pytest.fixture
def pushes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sender]:
    made: list[Sender] = []

    def push_past(sender: Sender, goes_on: Callable[[float], bool]) -> str:
        made.append(sender)
        return "3 WAL files pushed past repository 2" if goes_on(0) else ""

    monkeypatch.setattr(watch_past, "push_past", push_past)
    monkeypatch.setattr(watch_past, "as_postgres", lambda act, tell: act(tell))
    monkeypatch.setattr(state, "LOGS", tmp_path)
    monkeypatch.setattr(state, "ids", lambda *_names: (os.getuid(), os.getgid()))
    return made


def _log(directory: Path) -> str:
    file = directory / "alerts.log"
    return file.read_text() if file.exists() else ""


def test_what_was_pushed_is_a_line_of_the_log(pushes: list[Sender], tmp_path: Path) -> None:
    watch_past.push(SEEN, "/data")
    assert pushes == [Sender("axiomdb", "/data", tuple(SEEN.repositories))]
    assert _log(tmp_path).endswith(" axiomdb: 3 WAL files pushed past repository 2\n")


def test_a_server_that_must_not_write_pushes_nothing(pushes: list[Sender], tmp_path: Path) -> None:
    watch_past.push(replace(SEEN, writers={2: "another server"}), "/data")
    assert (pushes, _log(tmp_path)) == ([], "")


def test_it_takes_a_limited_time(pushes: list[Sender], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_past, "PATIENCE", -1.0)
    watch_past.push(SEEN, "/data")
    assert (len(pushes), _log(tmp_path)) == (1, "")


def test_an_error_is_a_line_of_the_log(pushes: list[Sender], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_sender: Sender, _goes_on: Callable[[float], bool]) -> str:
        raise PermissionError("no configuration")

    monkeypatch.setattr(watch_past, "push_past", fail)
    watch_past.push(SEEN, "/data")
    assert _log(tmp_path).endswith(" axiomdb: nothing is pushed past repositories that are away: no configuration\n")
