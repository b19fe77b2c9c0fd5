# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A scratch copy becomes what the plan says: restored and recovered with the plan's own words, and proved by its position and time."""

from __future__ import annotations

import argparse
from dataclasses import replace

import pytest
from _recovery import scratch_cli
from _recovery.plan import Plan
from _recovery.problem import Problem
from _recovery.recovering import Replayed, judge_proof
from _recovery.scratch import Choice, Goal, Layout, judge_goal, recovery_settings, restore_options
from _recovery.scratch_goal import goal_of, of_archive
from _recovery.wal import Lsn
from _recovery.window import Tail
from archives import BEATS, HERE, NEW, NOW, OLD, Moment, Scene, beat, clock

DAY = "2026-11-22T"
WELL = Scene()
LAST = Lsn.parse("0/9000300")
IDLE = Scene(
    tails=(Tail(1, 9, beat("12:00:05", "0/9000200"), LAST, LAST),),
    moments=(*BEATS, beat("12:00:05", "0/9000200"), Moment(NOW, LAST, 1)),
)
LAYOUT = Layout("copy", "/var/lib/axiomdb/scratch/copy")
TARGETS = (
    "latest",
    "immediate",
    f"backup:{OLD.label}",
    f"time:{DAY}10:45:00Z",
    f"before-time:{DAY}11:30:00Z",
    f"time:{DAY}12:00:10Z",
    "name:pre-migration",
    "lsn:0/7000050",
    "xid:1999",
    "before-xid:2500",
)


def goal(target: str, scene: Scene = IDLE) -> Goal:
    found = goal_of(scene.planned(target), "axiomdb")
    assert isinstance(found, Goal), found
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_a_copy_is_restored_with_the_options_of_the_plan(target: str) -> None:
    planned, made = IDLE.planned(target), goal(target)
    assert judge_goal(made) == []
    options = restore_options(made, Choice(), LAYOUT)
    assert [word for word in planned.options if word not in options] == []
    assert [word for word in options if word.startswith("--target") and word not in planned.options] == []


def test_a_time_behind_the_last_commit_is_the_lsn_of_the_plan() -> None:
    made = goal(f"time:{DAY}12:00:10Z")
    assert (made.kind, made.target, made.exclusive, made.lsn, made.until) == ("lsn", "0/9000300", True, LAST, clock("12:00:10"))
    assert recovery_settings(made, LAYOUT)["recovery_target_lsn"] == "0/9000300"


@pytest.mark.parametrize(
    ("target", "lsn", "exact", "until"),
    [
        ("latest", "0/9000318", True, None),
        ("immediate", "0/6000138", True, None),
        ("name:pre-migration", "0/7000050", True, None),
        ("lsn:0/7000050", "0/7000050", False, None),
        ("xid:1999", None, True, None),
        (f"time:{DAY}10:45:00.25Z", None, True, clock("10:45:00.25")),
    ],
)
def test_the_proof_is_what_the_plan_knows(target: str, lsn: str | None, exact: bool, until: float | None) -> None:
    made = goal(target)
    assert (str(made.lsn) if made.lsn else None, made.exact, made.until) == (lsn, exact, until)
    assert made.expected_timeline == (1 if target == "latest" else None)


def test_a_copy_that_is_not_where_the_plan_ends_is_refused() -> None:
    there = Replayed(Lsn.parse("0/7000050"), clock("11:00:00"), 1, 7, "paused", True)
    at_lsn, at_name, at_time = goal("lsn:0/7000050"), goal("name:pre-migration"), goal(f"time:{DAY}11:15:00Z")
    for made in (at_lsn, at_name, at_time):
        assert judge_proof(made, 7, there) == []
    within = replace(there, lsn=Lsn.parse("0/7000090"))
    assert judge_proof(at_lsn, 7, within) == []
    assert [one.expected for one in judge_proof(at_name, 7, within)] == ["exactly 0/7000050"]
    page = replace(there, lsn=Lsn(Lsn.parse("0/7000050").position - 40))
    assert judge_proof(at_lsn, 7, page) == []
    short = replace(there, lsn=Lsn(page.lsn.position - 1 if page.lsn else 0))
    assert [one.expected for one in judge_proof(at_lsn, 7, short)] == ["at least 0/7000050"]
    later = replace(there, time=clock("11:15:00.000001"))
    assert [one.found for one in judge_proof(at_time, 7, later)] == [f"a commit of {DAY}11:15:00.000001Z in the copy"]
    assert judge_proof(at_time, 7, replace(there, time=None)) == []


def test_what_only_the_host_has_is_archived_first() -> None:
    found = goal_of(Scene(here=replace(HERE, lsn=Lsn.parse("0/B000500"))).planned("lsn:0/B000100", own=(10, 11)), "axiomdb")
    assert isinstance(found, Problem)
    assert found.sentence() == (
        "Found the WAL segment 00000001000000000000000A and 1 more up to lsn:0/B000100 on this host alone; expected all of it in "
        "repository 1, from which a copy is made. Next: sudo -u postgres psql -c 'select pg_switch_wal()'; then the same again"
    )
    one = goal_of(Scene(here=replace(HERE, lsn=Lsn.parse("0/A000500"))).planned("lsn:0/A000100", own=(10,)), "axiomdb")
    assert isinstance(one, Problem) and one.found.startswith("the WAL segment 00000001000000000000000A up to")


def test_what_may_need_wal_of_the_host_is_tried_without_it() -> None:
    live = Scene(here=replace(HERE, lsn=Lsn.parse("0/A000500")))
    for target in ("xid:1999", "latest"):
        best = live.planned(target, own=(10,))
        assert best.only_here and of_archive(best, WELL.planned(target)) == WELL.planned(target)
    best = live.planned("xid:1999", own=(10,))
    for other in (WELL.ask("lsn:0/B000000"), WELL.planned("xid:1998"), WELL.planned(f"xid:1999,backup:{NEW.label}")):
        assert of_archive(best, other) == best
    assert of_archive(WELL.planned("xid:1999"), WELL.planned("latest")) == WELL.planned("xid:1999")


def test_the_plan_says_its_target_as_pgbackrest_takes_it() -> None:
    for target in TARGETS:
        planned: Plan = IDLE.planned(target)
        assert (f"--target={planned.value}" in planned.options) == bool(planned.value)


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["latest", "--set=20261122-105951F"], "--set"),
        (["latest", "--type=name", "--target=here"], "--type --target"),
        (["latest", "--lsn=0/0", "--exclusive", "--repository=1", "--timeline=2"], "--repository --exclusive --timeline --lsn"),
    ],
)
def test_a_target_that_is_planned_has_no_words_of_one_by_hand_beside_it(words: list[str], given: str) -> None:
    found = scratch_cli.contradiction(made(words))
    assert found is not None and found.sentence() == (
        f"Found the target latest with {given} beside it; expected the target alone: its plan says the rest. "
        "Next: axiomdb-recovery scratch make latest"
    )


def test_other_words_belong_to_both() -> None:
    assert scratch_cli.contradiction(made(["latest", "--keep", "--memory=256", "--database=app"])) is None
    assert scratch_cli.contradiction(made(["--type=name", "--target=here", "--lsn=0/3000060"])) is None
    assert scratch_cli.contradiction(made([])) is None


def made(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    scratch_cli.add(parser.add_subparsers(), "scratch", "copies")
    return parser.parse_args(["scratch", "make", *words])
