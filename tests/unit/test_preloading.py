# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The copy of a drill loads what its extensions need, if it is named, is a name, and is there."""

from __future__ import annotations

from typing import Any

import pytest
from _recovery import cli, drill_choice, drill_cli, drill_look, drill_run, preloading, scratch, scratch_cli, scratch_look
from _recovery.control import Control
from _recovery.drill import Order
from _recovery.drill_choice import NothingDrilled
from _recovery.drill_ladder import Ladder
from _recovery.drill_look import Chosen
from _recovery.drill_run import Climb
from _recovery.horizon import Sight
from _recovery.jobs import Stanza
from _recovery.postgres import Cluster
from _recovery.problem import Problem, Refusal
from _recovery.scratch import Goal, Layout, Wish
from _recovery.scratch_goal import of_plan
from _recovery.window import Seen
from archives import HERE, SIZE, Scene
from drilled import BEST

STANZA = Stanza("axiomdb", "17", "main", 5432)
BAD = ["", "../evil", "/tmp/evil", "a b", "timescaledb,evil", "it's", "evil\n", "pg_stat_statements.so", "é"]


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_name_of_a_library_is_refused(name: str) -> None:
    (problem,) = drill_choice.judge(Order(preload=("timescaledb", name)))
    assert problem.found == f"the library '{name}' to preload" and problem.next_step == "correct drill_preload_libraries, or --preload"


def test_a_lost_site_has_its_own_settings() -> None:
    (problem,) = drill_choice.judge(Order(kind="site", preload=("timescaledb",)))
    assert problem.found == "drill_preload_libraries=timescaledb for a lost site"


def test_a_library_that_this_host_does_not_have_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"/usr/lib/postgresql/17/lib/pg_stat_statements.so"}
    monkeypatch.setattr(preloading.os.path, "isfile", lambda path: path in there)
    (problem,) = preloading.missing(["pg_stat_statements", "timescaledb"], "17")
    assert problem.sentence() == (
        "Found no library timescaledb to preload in /usr/lib/postgresql/17/lib; expected the one that the source preloads. "
        "Next: install its package for PostgreSQL 17 on this host, or correct drill_preload_libraries (--preload)"
    )


def test_a_drill_on_a_host_without_its_library_has_failed_and_was_not_mistyped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill_look.os.path, "exists", lambda _path: True)
    monkeypatch.setattr(scratch_look, "live_control", lambda *_given: None)
    monkeypatch.setattr(preloading, "missing", lambda names, version: [Problem(f"{names} of {version}", "", "")] if names else [])
    seen = Sight("axiomdb", Cluster("17", "main", 5432), HERE, (Scene().outlook(),), {}, Seen(), SIZE)
    with pytest.raises(Refusal, match="of 17") as refused:
        drill_look._chosen(Order(preload=("timescaledb",)), "latest", BEST, of_plan(BEST, "axiomdb"), seen)
    assert not isinstance(refused.value, NothingDrilled)
    found = drill_look._chosen(Order(), "latest", BEST, of_plan(BEST, "axiomdb"), seen)
    assert found.stopped == next(one.stopped for one in Scene().backups if one.label == BEST.backup)


def test_the_copy_of_a_drill_is_started_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    wishes: list[Wish] = []

    def made(_goal: Goal, wish: Wish, **_more: Any) -> None:
        wishes.append(wish)
        raise Refusal(Problem("enough", "no more", "nothing"))

    monkeypatch.setattr(drill_run.scratch_copy, "scratch", made)
    climb = Climb(Order(preload=("timescaledb",)), STANZA, Ladder(lambda: 0.0, str))
    goal = of_plan(BEST, "axiomdb")
    with pytest.raises(Refusal, match="enough"):
        drill_run._in_copy(climb, Chosen("latest", BEST, goal, "17", 7, True))
    layout, control = Layout("one", "/srv/one"), Control(7, "in production", 1)
    values = scratch.server_settings(goal, wishes[0], layout, 17, [control])
    assert values["shared_preload_libraries"] == "timescaledb"
    assert "shared_preload_libraries = 'timescaledb'" in scratch.files(values, layout)[layout.file("postgresql.conf")]


def test_it_is_typed_on_the_host_too() -> None:
    words = ["drill", "--preload=timescaledb", "--preload=pg_stat_statements"]
    assert drill_cli.order_of(cli._parser(words).parse_args(words)).preload == ("timescaledb", "pg_stat_statements")


def test_a_scratch_copy_may_have_some_and_refuses_what_is_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["scratch", "make", "--preload=../evil"]
    monkeypatch.setattr(scratch_cli, "_goal", lambda *_given: of_plan(BEST, "axiomdb"))
    with pytest.raises(Refusal, match="the library '../evil' to preload"):
        scratch_cli._make(None, [STANZA], cli._parser(words).parse_args(words))
