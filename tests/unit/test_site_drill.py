# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The drill of a lost site ends where an acceptance would begin, whatever is asked for, and leaves a host as it found it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import (
    aside,
    drill,
    drill_annotation,
    drill_choice,
    drill_document,
    drill_history,
    drill_report,
    drill_site,
    drill_site_host,
    held_server,
    host,
    rebuild_run,
    restore_journal,
    restore_places,
    restore_record,
    restore_return,
    restore_run,
    restore_told,
    restoring,
    scratch_goal,
    state,
    survey,
)
from _recovery.drill import SITE, SITE_LADDER, Order
from _recovery.drill_ladder import Ladder
from _recovery.drill_look import Chosen
from _recovery.drill_run import Climb
from _recovery.drill_site_host import Notes
from _recovery.jobs import Stanza
from _recovery.postgres import Cluster
from _recovery.problem import Problem, Refusal
from _recovery.rebuild_run import Wish
from _recovery.restore_run import Consent
from _recovery.restoring import Journal
from _recovery.run import Completed
from _recovery.scratch_copy import Failed
from _recovery.sight import Sight
from _recovery.window import Seen
from archives import HERE, NEW, OLD, SIZE, Scene
from drilled import BEST, ended
from test_restoring import HOME, JOURNAL

SITE_ORDER = Order(kind=SITE)
REHEARSAL = restoring.Order("latest", "a drill", rebuild=True, rehearsal=True)
OPEN = replace(JOURNAL, order=REHEARSAL, home=replace(HOME, host="spare1"), phase=restoring.RELEASE, had=())
REMOVE = "ansible-playbook -i inventory playbooks/drill.yml -l spare1 -e drill_kind=site -e drill_state=absent"
CLUSTER = Cluster("17", "main", 5432)


def silent(_line: str) -> None:
    """Tell nobody."""


@pytest.fixture
def acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The phases that were carried out, on a host of its own."""
    done: list[str] = []
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(state, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))
    monkeypatch.setattr(restore_places, "refuse_unmounted", lambda _home: None)

    def act(name: str) -> Callable[[Journal, object], Journal]:
        return lambda journal, _tell: (done.append(name), journal)[1]

    monkeypatch.setattr(restore_run, "ACTS", {name: act(name) for name in restoring.PHASES})
    return done


# --- it is never accepted ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("until", restoring.PHASES)
def test_a_rehearsal_has_no_phase_behind_its_new_timeline(until: str, acts: list[str]) -> None:
    names = list(restoring.PHASES)
    known = restore_run.carry_on(restore_journal.save(replace(OPEN, phase=restoring.SAVE)), silent, until)
    assert acts == names[: min(names.index(until), names.index(restoring.PROMOTE)) + 1]
    assert known.is_open, "it is not accepted"


def test_nor_is_one_that_stands_there_gone_on_with(acts: list[str]) -> None:
    assert restore_run.carry_on(restore_journal.save(OPEN), silent, restoring.SETTLE) == OPEN
    assert acts == []


def test_no_other_command_goes_on_with_it_or_works_beside_it(acts: list[str]) -> None:
    restore_journal.save(OPEN)
    consent = Consent("spare1/axiomdb")
    commands: dict[str, Callable[[], object]] = {
        "rebuild": lambda: rebuild_run.begin(restoring.Order("latest", "", rebuild=True), "axiomdb", CLUSTER, "spare1", Wish(), consent),
        "restore": lambda: restore_run.begin(restoring.Order("latest", "why"), "axiomdb", CLUSTER, "spare1", consent, silent),
        "rollback": lambda: restore_run.way_back("axiomdb", "", "why"),
        "site": lambda: survey.survey("axiomdb", CLUSTER, "spare1"),
    }
    for what, command in commands.items():
        with pytest.raises(Refusal, match="which a drill has left; expected none: it is never accepted") as refused:
            command()
        assert refused.value.problems[0].next_step == REMOVE, what
    assert restore_journal.open_of(stanza="axiomdb") == OPEN, "whatever meets it is told"
    assert acts == []


def test_whoever_asks_is_told_how_it_is_removed_and_nothing_else() -> None:
    said = "\n".join(restore_told.lines(OPEN))
    assert f"  rehearsal    of a lost site, which is never accepted; remove it: {REMOVE}" in said
    assert "go on" not in said and "go back" not in said
    assert restore_told.ways_on(OPEN) == f"to remove it: {REMOVE}"
    problem = restore_return.judge(OPEN)
    assert problem is not None and problem.next_step == REMOVE


def test_a_journal_remembers_that_it_is_a_rehearsal_and_one_of_before_is_none() -> None:
    known = restore_record.document(OPEN)
    assert restore_record.parse(known) == OPEN
    del known["order"]["rehearsal"]
    assert not restore_record.parse(known).order.rehearsal


# --- as a drill --------------------------------------------------------------------------------------------------------


def test_its_ladder_begins_with_the_host_and_its_clock_before_it() -> None:
    ladder = Ladder(lambda: 100.0, silent, SITE_ORDER.ladder)
    ladder.chain.begin(drill.PROVISION, 40.0)
    ladder.fail(ValueError("no package was found"))
    rungs, phases = ladder.all(), ladder.chain.end()
    assert [rung.name for rung in rungs] == list(SITE_LADDER) and rungs[0].problems == ("no package was found",)
    assert [(phase.name, phase.milliseconds) for phase in phases] == [("provision", 60000)]
    assert drill.PROVISION not in Order().ladder, "a copy is made on a host that has everything"


def test_the_rto_of_a_lost_site_counts_what_is_installed() -> None:
    beside = ended()
    site = ended(took={drill.PROVISION: 30000}, order=SITE_ORDER)
    assert (site.rto_seconds or 0) - (beside.rto_seconds or 0) == 30.0
    slow = ended(took={drill.PROVISION: 7_200_000}, order=SITE_ORDER)
    assert "the phase provision took 7200.0 s of it; expected at most 7200 s for site" in slow.problems[0]


def test_it_is_asked_what_a_lost_site_is_asked_and_compared_with_its_own_kind() -> None:
    assert SITE_ORDER.objective.scenario == "site" and Order(kind=SITE, scenario="region").objective.scenario == "region"
    site, beside = (drill_document.document(ended(order=Order(kind=kind, scenario="site"))) for kind in (SITE, drill.COPY))
    later = {**site, "began": site["began"] + 1}
    assert drill_history.before([site, {**beside, "began": beside["began"] + 0.5}], later) == site
    assert "a rebuild, up to its new timeline, takes" in drill_report.lines(site)[-1]


def test_its_proof_is_written_into_no_repository() -> None:
    said = drill_annotation.may_annotate(ended(order=SITE_ORDER), 7, standby=False, paused=False)
    assert said == "the drill of a lost site writes nothing into a repository"
    assert drill_annotation.may_annotate(ended(), 7, standby=False, paused=False) == ""


@pytest.mark.parametrize("given", [{"databases": ("app",)}, {"directory": "/srv/copy"}])
def test_a_lost_site_comes_back_as_a_whole_and_in_its_own_place(given: dict[str, object]) -> None:
    order = replace(SITE_ORDER, **given)
    (problem,) = drill_choice.judge(order)
    assert "for a lost site; expected the whole cluster in its own place" in problem.sentence()


def test_the_phase_that_fails_is_the_one_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ladder = Ladder(lambda: 0.0, silent, SITE_ORDER.ladder)
    ladder.chain.begin(drill.PROVISION, 0.0)
    climb = Climb(SITE_ORDER, Stanza("axiomdb", "17", "main", 5432), ladder)
    notes = Notes("axiomdb", "17", "main", 5432, "/var/lib/postgresql/17/main", 0.0, 0.0, "")
    rehearsal = drill_site._Rehearsal(drill_site.Site(Wish()), "spare1", notes)

    def fails(_rehearsal: object, _ladder: Ladder, _until: str) -> None:
        raise Failed(Problem("a full disk", "room", "df -h"))

    monkeypatch.setattr(drill_site._Rehearsal, "_carry_on", fails)
    monkeypatch.setattr(drill_site, "remove", lambda _stanza, even_kept: [])
    rehearsal.climb(climb, Chosen("latest", BEST, scratch_goal.of_plan(BEST, "axiomdb"), "17", 7, True))
    found = {rung.name: (rung.outcome, rung.problems) for rung in ladder.all()}
    assert found[drill.RESTORE] == (drill.FAILED, ("Found a full disk; expected room. Next: df -h",))
    assert ladder.troubles == [] and ladder.chain.current == drill.REMOVE


def test_the_oldest_set_of_the_repository_that_was_named_is_drilled(monkeypatch: pytest.MonkeyPatch) -> None:
    outlooks = (Scene().outlook(1), Scene(backups=(NEW,)).outlook(2))
    seen = Sight("axiomdb", CLUSTER, HERE, outlooks, {}, Seen(), SIZE)
    monkeypatch.setattr(rebuild_run, "sight_of", lambda _stanza, _cluster: seen)
    asked: list[str] = []

    def propose(order: restoring.Order, *_more: object) -> None:
        asked.append(order.target)
        raise Refusal(Problem("enough", "no more", "nothing"))

    monkeypatch.setattr(rebuild_run, "propose", propose)
    notes = Notes("axiomdb", "17", "main", 5432, "/var/lib/postgresql/17/main", 0.0, 0.0, "")
    for number in (0, 2):
        order = replace(SITE_ORDER, target=drill.OLDEST, repository=number)
        climb = Climb(order, Stanza("axiomdb", "17", "main", 5432), Ladder(lambda: 0.0, silent, order.ladder))
        with pytest.raises(Refusal, match="enough"):
            drill_site._Rehearsal(drill_site.Site(Wish()), "spare1", notes).plan(climb, "")
    assert asked == [f"backup:{OLD.label}", f"backup:{NEW.label}"]


# --- the host afterwards -----------------------------------------------------------------------------------------------


@pytest.fixture
def spare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host below a directory, whose commands say that all went well."""
    me = (os.geteuid(), os.getegid())
    monkeypatch.setattr(state, "DIRECTORY", tmp_path / "state")
    monkeypatch.setattr(state, "PAUSE", tmp_path / "state" / "pause.json")
    monkeypatch.setattr(state, "ids", lambda _user, _group: me)
    monkeypatch.setattr(drill_site, "_has_postgres", lambda: True)
    monkeypatch.setattr(restore_places, "owner", lambda: me)
    monkeypatch.setattr(drill_site_host, "NOTES", tmp_path / "notes")
    monkeypatch.setattr(host, "data_directory", lambda _version, _name: "")
    monkeypatch.setattr(
        drill_site_host, "_configurations", lambda _found: (str(tmp_path / "etc" / "cluster"), str(tmp_path / "etc" / "pgbackrest"))
    )
    monkeypatch.setattr(drill_site_host, "_parents", lambda _found: (str(tmp_path / "data"),))
    monkeypatch.setattr(drill_site_host, "stop_file", lambda _stanza: str(tmp_path / "axiomdb.stop"))
    for name in ("kill", "clear"):
        monkeypatch.setattr(held_server, name, lambda _place: None)
    real = drill_site_host.run
    monkeypatch.setattr(drill_site_host, "run", lambda words: real(words) if words[0] == "cp" else Completed(tuple(words), 0, "", ""))
    (tmp_path / "etc").mkdir()
    return tmp_path


def content(top: Path) -> dict[str, str]:
    return {str(path.relative_to(top)): path.read_text() if path.is_file() else "" for path in sorted(top.rglob("*"))}


def provision(spare: Path) -> Journal:
    """What provisioning and a rehearsal leave."""
    for path in ("etc/cluster/postgresql.conf", "etc/pgbackrest/secrets.conf", "data/main/PG_VERSION", "axiomdb.stop"):
        (spare / path).parent.mkdir(parents=True, exist_ok=True)
        (spare / path).write_text("of the drill")
    home = replace(HOME, directory=str(spare / "data" / "main"), tablespaces=(), host="spare1")
    state.path("axiomdb", "pause.json")
    state.PAUSE.write_text("{}")
    (state.DIRECTORY / "axiomdb" / "restore").mkdir()
    return restore_journal.save(replace(OPEN, home=home))


@pytest.mark.parametrize("configured", [False, True])
def test_the_host_is_left_as_it_was(spare: Path, configured: bool) -> None:
    if configured:
        (spare / "etc" / "pgbackrest").mkdir()
        (spare / "etc" / "pgbackrest" / "pgbackrest.conf").write_text("of before")
    before = content(spare)
    drill_site_host.note("axiomdb", CLUSTER, str(spare / "data" / "main"))
    provision(spare)
    found = drill_site_host.load("axiomdb")
    assert found is not None and drill_site_host.leave(found) == [str(spare / "data" / "main")]
    kept = {name: text for name, text in content(spare).items() if name not in ("state", "state/axiomdb", "state/axiomdb/lock")}
    assert kept == before
    assert drill_site_host.load("axiomdb") is None and restore_journal.load("axiomdb") is None


def test_a_removal_that_is_killed_at_its_very_end_takes_no_configuration_with_it(spare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (spare / "etc" / "pgbackrest").mkdir()
    (spare / "etc" / "pgbackrest" / "pgbackrest.conf").write_text("of before")
    found = drill_site_host.note("axiomdb", CLUSTER, str(spare / "data" / "main"))
    provision(spare)
    real = drill_site_host.shutil.rmtree

    def killed(path: Path, **_more: object) -> None:
        if path == drill_site_host._home("axiomdb"):
            real(path / "1")  # the copy of the configuration
            raise KeyboardInterrupt
        real(path, ignore_errors=True)

    monkeypatch.setattr(drill_site_host.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        drill_site_host.leave(found)
    monkeypatch.setattr(drill_site_host.shutil, "rmtree", real)
    left = drill_site_host.load("axiomdb")
    if left is not None:
        drill_site_host.leave(left)
    assert (spare / "etc" / "pgbackrest" / "pgbackrest.conf").read_text() == "of before"


def test_an_empty_directory_that_was_there_is_there_again(spare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (spare / "data" / "main").mkdir(parents=True)
    monkeypatch.setattr(aside, "make", lambda path, _owner, _group: os.mkdir(path, 0o700))
    drill_site_host.note("axiomdb", CLUSTER, str(spare / "data" / "main"))
    provision(spare)
    found = drill_site_host.load("axiomdb")
    assert found is not None
    drill_site_host.leave(found)
    assert (spare / "data" / "main").is_dir() and not any((spare / "data" / "main").iterdir())


@pytest.mark.parametrize("accepted", [False, True])
def test_a_host_that_has_become_somebodys_keeps_data_and_configuration(spare: Path, accepted: bool) -> None:
    found = drill_site_host.note("axiomdb", CLUSTER, str(spare / "data" / "main"))
    known = provision(spare)
    if accepted:
        restore_journal.save(replace(known, order=replace(REHEARSAL, rehearsal=False), phase="", outcome=restoring.ACCEPTED))
    else:
        (state.DIRECTORY / "axiomdb" / "restore.json").unlink()
    assert drill_site_host.leave(found) == []
    assert (spare / "data" / "main" / "PG_VERSION").exists() and (spare / "etc" / "cluster" / "postgresql.conf").exists()
    assert not (spare / "axiomdb.stop").exists(), "it may write again"
    assert drill_site_host.load("axiomdb") is None


def test_one_that_is_to_stay_is_kept_and_told(spare: Path) -> None:
    drill_site_host.keep(drill_site_host.note("axiomdb", CLUSTER, str(spare / "data" / "main")))
    with pytest.raises(Refusal, match="the site that an earlier drill has left on spare1") as refused:
        drill_site_host.refuse_kept("axiomdb", "spare1")
    assert refused.value.problems[0].next_step == REMOVE


def test_beside_a_drill_that_is_at_work_none_begins_and_none_goes_on(spare: Path) -> None:
    found = drill_site_host.note("axiomdb", CLUSTER, str(spare / "data" / "main"))
    stanza, site = Stanza("axiomdb", "17", "main", 5432), drill_site.Site(Wish())
    (state.DIRECTORY / "axiomdb").mkdir(parents=True)
    with state.only_one("axiomdb", "drill"):
        for act in (
            lambda: drill_site.begin(SITE_ORDER, stanza, "spare1", Wish()),
            lambda: drill_site.carry_out(SITE_ORDER, stanza, "spare1", site, "", silent),
        ):
            with pytest.raises(Refusal, match="a drill of this stanza at work"):
                act()
    assert drill_site_host.load("axiomdb") == found


def test_a_host_that_is_not_sealed_is_not_drilled_on(spare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = drill_site_host.note("axiomdb", CLUSTER, str(spare / "data" / "main"))
    monkeypatch.setattr(drill_site_host.files, "write", lambda _file: None)
    monkeypatch.setattr(drill_site_host, "pgbackrest", lambda _stanza, command: Completed(tuple(command), 0, "", ""))
    with pytest.raises(Refusal, match="without it this host could write"):
        drill_site_host.seal(found)
    (spare / "axiomdb.stop").touch()
    drill_site_host.seal(found)
