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
from _recovery.catalog import Repository, unreadable
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
from _recovery.target import parse
from _recovery.wal import Lsn
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


# --- by its form alone -------------------------------------------------------------------------------------------------

FORMS = {
    "tme:2026-11-22T11:30:00Z": "Found the target 'tme:2026-11-22T11:30:00Z'; expected newest, oldest, random, one of latest, immediate, ",
    "newst": "Found the target 'newst'; expected newest, oldest, random, one of latest, ",
    "time:yesterday": "Found the time 'yesterday'; expected an ISO 8601 time with an offset or Z. Next: type one such as time:",
    "lsn:here": "Found the LSN 'here'; expected two hexadecimal numbers with a slash between them. Next: type one such as lsn:0/3000050",
    "backup:newest": "Found the backup 'newest'; expected the label of a backup set",
}


@pytest.mark.parametrize("text", FORMS)
@pytest.mark.parametrize("kind", ["copy", SITE])
def test_a_target_that_cannot_be_read_is_refused_before_anything_is_looked_at(text: str, kind: str) -> None:
    (problem,) = drill_choice.judge(Order(text, kind=kind))  # of a site: before its host is provisioned
    assert problem.sentence().startswith(FORMS[text])


def test_a_set_that_is_no_label_is_refused_too() -> None:
    (problem,) = drill_choice.judge(Order(label="newest"))
    assert problem.found == "the set 'newest'" and "20261122-020001F" in problem.expected
    for text in (NEWEST, OLDEST, RANDOM, "latest", "name:pre-migration", f"xid:1234,backup:{OLD.label}"):
        assert drill_choice.judge(Order(text, OLD.label)) == []


# --- by what there is --------------------------------------------------------------------------------------------------


def test_a_repository_that_is_not_there_is_refused_with_those_that_are() -> None:
    problem = drill_choice.judge_repository(Order(repository=7), {1: {}, 2: {}})
    assert problem is not None and problem.sentence() == (
        "Found no repository 7 on this host; expected one of 1, 2. Next: correct drill_repository, or --repository"
    )
    assert drill_choice.judge_repository(Order(repository=2), {1: {}, 2: {}}) is None
    assert drill_choice.judge_repository(Order(), {1: {}}) is None


@pytest.mark.parametrize(
    ("order", "typed"),
    [
        (Order(label=ABSENT), f"drill_set={OLD.label}, or --set={OLD.label}"),
        (Order(f"backup:{ABSENT}"), f"backup:{OLD.label}"),
        (Order(f"xid:1200,backup:{ABSENT}"), f"backup:{OLD.label}"),
    ],
)
def test_a_set_that_is_not_there_is_refused_with_those_that_are(order: Order, typed: str) -> None:
    problem = drill_choice.judge_label(order, (Scene().outlook(),))
    assert problem is not None and problem.sentence() == (
        f"Found no set {ABSENT} in repository 1; expected one of {OLD.label}, {NEW.label}. Next: type the same with {typed}"
    )


def test_a_set_that_is_lost_or_that_nobody_can_look_for_is_not_called_mistyped() -> None:
    lost = Scene(backups=(replace(OLD, error=True, lost=True), NEW)).outlook()
    blind = replace(Scene().outlook(2), repository=unreadable(2, "the passphrase does not open the repository"))
    nothing = Scene(backups=()).outlook()
    assert drill_choice.judge_label(Order(label=OLD.label), (lost,)) is None
    for outlooks in ((Scene().outlook(), blind), (nothing,)):
        assert drill_choice.judge_label(Order(label=ABSENT), outlooks) is None
        assert not drill_choice.is_mistyped(parse("time:2020-01-01T00:00:00Z"), outlooks, (), HERE)


@pytest.mark.parametrize(
    ("text", "mistyped"),
    [
        ("time:2026-11-22T09:59:59Z", True),  # before the first set
        ("time:2026-11-22T10:30:00Z", False),
        ("time:2026-11-22T13:00:00Z", True),  # in the future
        ("before-time:2026-11-22T13:00:00Z", True),
        ("lsn:0/3000000", True),
        ("lsn:0/5000000", False),
        ("name:pre-migration", False),
        ("name:pre-migratoin", True),
        ("latest,timeline:9", True),
        ("latest,timeline:1", False),
        ("xid:5", False),  # nobody says which there were
    ],
)
def test_what_was_there_and_is_lost_is_told_apart_from_what_never_was(text: str, mistyped: bool) -> None:
    scene = Scene()
    assert drill_choice.is_mistyped(parse(text), (scene.outlook(),), scene.snapshots, HERE) == mistyped


def test_an_lsn_behind_the_one_at_which_the_server_writes_never_was() -> None:
    writes = replace(HERE, lsn=Lsn.parse("0/A000000"))
    assert drill_choice.is_mistyped(parse("lsn:0/B000000"), (Scene().outlook(),), (), writes)
    assert not drill_choice.is_mistyped(parse("lsn:0/9800000"), (Scene().outlook(),), (), writes)


# --- nothing is kept of it ---------------------------------------------------------------------------------------------

MISTYPED = {
    "a set": Order(label=ABSENT),
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


def test_a_set_that_no_repository_has_is_refused_with_those_of_the_one_that_was_named() -> None:
    problem = drill_choice.judge_label(Order(label=ABSENT, repository=2), (FIRST, SECOND))
    assert problem is not None and problem.sentence() == (
        f"Found no set {ABSENT} in repository 1, 2; expected one of {NEW.label}. "
        f"Next: type the same with drill_set={NEW.label}, or --set={NEW.label}"
    )
    assert drill_choice.judge_label(Order(label=ABSENT, repository=2), (FIRST, Scene(backups=()).outlook(2))) is None


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


def test_the_catalogue_of_an_older_cluster_is_none_of_this_one() -> None:
    found = Scene().outlook()
    other: Repository = replace(found.repository, databases=(*found.repository.databases, replace(found.repository.databases[0], number=2)))
    assert drill_choice.judge_label(Order(label=ABSENT), (replace(found, repository=other),)) is None
