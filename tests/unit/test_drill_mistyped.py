# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was mistyped is refused, and is no recovery that failed: it leaves no report, and whoever typed it is told what there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import (
    cli,
    drill_choice,
    drill_look,
    drill_run,
    ends,
    horizon,
    in_child,
    rebuild_run,
    repository,
    restoring,
    scratch_look,
    state,
)
from _recovery.drill import NEWEST, OLDEST, RANDOM, SITE, Order
from _recovery.drill_choice import NothingDrilled
from _recovery.drill_ladder import Ladder
from _recovery.drill_run import Climb
from _recovery.drill_site import Site, _Rehearsal
from _recovery.drill_site_host import Notes
from _recovery.jobs import Settings, Stanza
from _recovery.postgres import Cluster
from _recovery.problem import Problem, Refusal
from _recovery.reach import Here
from _recovery.rebuild_run import Wish
from _recovery.sight import Sight
from _recovery.window import Outlook, Seen
from archives import HERE, NEW, OLD, SIZE, Scene, clock

STANZA = Stanza("axiomdb", "17", "main", 5432)
ABSENT = "20200101-000000F"
NOWHERE = replace(HERE, directory="")


def sight(*outlooks: Outlook) -> Sight:
    """What there is: two sets, or what is given."""
    return Sight("axiomdb", Cluster("17", "main", 5432), NOWHERE, outlooks or (Scene().outlook(),), {}, Seen(), SIZE)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Let a drill see these repositories, on a host of its own."""
    monkeypatch.setattr(state, "DIRECTORY", tmp_path / "state")
    monkeypatch.setattr(state, "LOGS", tmp_path / "state")
    monkeypatch.setattr(state.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(repository, "configured", lambda: {1: {}, 2: {}})
    monkeypatch.setattr(drill_look.work, "cluster_of", lambda _stanza: Cluster("17", "main", 5432))
    monkeypatch.setattr(horizon, "with_host", lambda _sight, outlook, *_more: outlook)
    monkeypatch.setattr(ends, "read_end", lambda *_given: Seen())
    monkeypatch.setattr(horizon, "told", lambda found: list(found.outlooks))

    def see(*outlooks: Outlook) -> None:
        monkeypatch.setattr(horizon, "look", lambda _stanza, _cluster: sight(*outlooks))

    see()
    return see


def drill(order: Order, tell: Callable[[str], None] = str) -> None:
    """Drill it."""
    drill_run.carry_out(order, STANZA, "vps1", HERE.now, tell)


def planned(order: Order, found: Sight, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan a drill beside a server, or of a lost site, for which a rebuild has no plan."""
    if order.kind != SITE:
        drill_look.plan(order, STANZA, "seed")
        return

    def propose(_asked: restoring.Order, *_more: object) -> None:
        raise Refusal(Problem("no plan", "one", "look"))

    monkeypatch.setattr(rebuild_run, "sight_of", lambda _stanza, _cluster: found)
    monkeypatch.setattr(rebuild_run, "propose", propose)
    notes = Notes("axiomdb", "17", "main", 5432, "/var/lib/postgresql/17/main", 0.0, 0.0, "")
    climb = Climb(order, STANZA, Ladder(lambda: 0.0, str, order.ladder))
    _Rehearsal(Site(Wish()), "spare1", notes).plan(climb, "seed")


# --- nothing is kept of it ---------------------------------------------------------------------------------------------

MISTYPED = {
    "a set": Order(label=ABSENT),
    "what is no set": Order(label="nope"),
    "a set of a target": Order(f"backup:{ABSENT}"),
    "a set for the oldest": Order(OLDEST, ABSENT),
    "a repository": Order(repository=7),
    "before the window": Order("time:2026-11-22T08:00:00Z"),
    "in the future": Order("time:2026-12-22T08:00:00Z"),
    "a bad form": Order("time:yesterday"),
    "an unknown kind": Order("tme:2026-11-22T08:00:00Z"),
    "a name": Order("name:pre-migratoin"),
    "a scenario": Order(scenario="moon"),
    "a library": Order(preload=("../evil",)),
}


@pytest.mark.parametrize("what", MISTYPED)
def test_a_mistyped_drill_is_refused_and_nothing_is_kept_of_it(what: str, seen: Callable[..., None], tmp_path: Path) -> None:
    with pytest.raises(NothingDrilled) as refused:
        drill(MISTYPED[what])
    (problem,) = refused.value.problems
    assert problem.found and problem.expected and problem.next_step
    assert {path.name for path in (tmp_path / "state").rglob("*") if path.is_file()} <= {"drill.running"}
    with pytest.raises(NothingDrilled):
        drill_run.foretell(MISTYPED[what], STANZA, HERE.now)


def test_a_recovery_that_is_lost_fails_and_is_kept(seen: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    monkeypatch.setattr(drill_run.drill_reports, "keep", lambda _stanza, one, *_more: (kept.append(one["target"]), "")[1])
    monkeypatch.setattr(drill_look.Faults, "of_repository", lambda _faults: "read")
    monkeypatch.setattr(drill_look.Faults, "of_wal", lambda _faults, _plan: "whole")
    monkeypatch.setattr(drill_run.drill_look, "annotate", lambda *_given: "")
    monkeypatch.setattr(state, "operation", lambda _entry: None)
    seen(Scene(numbers=(3, 6, 7, 8, 9)).outlook())  # two segments are gone
    for order in (Order("lsn:0/5000000"), Order("time:2026-11-22T10:45:00Z")):
        found = drill_run.carry_out(order, STANZA, "vps1", HERE.now, str)
        assert not found["passed"] and "hole" in found["problems"][0]
    assert len(kept) == 2


NAMED = replace(NEW, annotations={"axiomdb-snapshot-pre-migration": '{"lsn": "0/7000050", "timeline": 1, "time": "2026-11-22T11:20:00Z"}'})
FIRST, SECOND = Scene(backups=(OLD, NAMED)).outlook(), Scene(backups=(NEW,)).outlook(2)  # the second has neither the name nor the old set
LOST = ["name:pre-migration", "time:2026-11-22T10:30:00Z", "lsn:0/4000000", f"backup:{OLD.label}"]


@pytest.mark.parametrize("order", [*(Order(text, repository=2) for text in LOST), Order(label=OLD.label, repository=2)])
@pytest.mark.parametrize("kind", ["copy", SITE])
def test_what_another_repository_knows_was_not_mistyped_for_the_one_that_was_named(
    order: Order, kind: str, seen: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen(FIRST, SECOND)
    with pytest.raises(Refusal) as refused:
        planned(replace(order, kind=kind), sight(FIRST, SECOND), monkeypatch)
    assert not isinstance(refused.value, NothingDrilled)


@pytest.mark.parametrize("order", [Order("name:pre-migratoin"), Order("time:2026-11-22T09:00:00Z"), Order("lsn:0/3000000")])
@pytest.mark.parametrize("kind", ["copy", SITE])
def test_what_no_repository_knows_is_mistyped_for_each(
    order: Order, kind: str, seen: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen(FIRST, SECOND)
    with pytest.raises(NothingDrilled):
        planned(replace(order, kind=kind, repository=2), sight(FIRST, SECOND), monkeypatch)


BEHIND = Here(clock("09:00:00"), "axiomdb")  # a spare host whose clock is behind everything that was archived


@pytest.mark.parametrize("order", [Order(NEWEST), Order(OLDEST), Order(RANDOM), Order(RANDOM, NEW.label)])
def test_what_nobody_typed_is_never_mistyped(order: Order, seen: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(horizon, "look", lambda _stanza, _cluster: replace(sight(), here=BEHIND))
    monkeypatch.setattr(horizon, "foresee", lambda *_given: Problem("no WAL for it", "all of it", "look"))
    with pytest.raises(Refusal, match="no WAL for it") as refused:
        drill_look.plan(order, STANZA, "seed")
    assert not isinstance(refused.value, NothingDrilled)


def test_a_database_that_the_set_does_not_have_is_refused(seen: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch_look, "databases", lambda *_given: ("axiomdb", "shop"))
    with pytest.raises(NothingDrilled, match="no database shpo in set .* of repository 1; expected some of axiomdb, shop"):
        drill(Order(OLDEST, databases=("shpo", "axiomdb", "postgres")))


def test_the_tool_says_that_it_was_refused(seen: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["drill", f"--set={ABSENT}"]
    options = cli._parser(words).parse_args(words)
    assert options.act(Settings("vps1", (STANZA,), {}), [STANZA], options) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.splitlines()[-1] == (
        f"REFUSED, nothing was drilled. Found no set {ABSENT} in repository 1; expected one of {OLD.label}, {NEW.label}. "
        f"Next: type the same with drill_set={OLD.label}, or --set={OLD.label}"
    )


def test_a_child_hands_it_over_as_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_child, "become", lambda _user: None)
    monkeypatch.setattr(in_child, "end_with_parent", lambda: None)

    def act(_tell: object) -> None:
        raise NothingDrilled(Problem("a", "b", "c"))

    assert in_child._result_of(act, str) == {"refused": [{"found": "a", "expected": "b", "next_step": "c"}]}


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        (Order("time:2026-11-22T08:00:00Z", kind=SITE), NothingDrilled),
        (Order(label=ABSENT, kind=SITE), NothingDrilled),
        (Order(repository=7, kind=SITE), NothingDrilled),
        (Order("time:2026-11-22T11:30:00Z", kind=SITE), Refusal),
        (Order(kind=SITE), Refusal),
        (Order(RANDOM, kind=SITE), Refusal),
        (Order(OLDEST, kind=SITE), Refusal),
    ],
)
def test_what_was_mistyped_for_a_lost_site_is_no_rebuild_that_failed(
    order: Order, kind: type[Refusal], seen: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refusal) as refused:
        planned(order, replace(sight(), here=NOWHERE if drill_choice.is_typed(order) else BEHIND), monkeypatch)
    assert isinstance(refused.value, NothingDrilled) == (kind is NothingDrilled)
