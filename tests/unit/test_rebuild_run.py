# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rebuild is planned and begun on a host of which the data directory is empty, and perhaps not the rest."""

from __future__ import annotations

import copy
import os
import shutil
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from _recovery import (
    aside,
    backup,
    files,
    horizon,
    host,
    rebuild,
    rebuild_acts,
    rebuild_look,
    rebuild_run,
    restore_acceptance,
    restore_journal,
    restore_look,
    restore_run,
    restoring,
    scratch_look,
    state,
    without_data,
)
from _recovery.archive import Holdings
from _recovery.catalog import Backup, Database, Repository
from _recovery.plan import Plan
from _recovery.postgres import Cluster, NotAnswering
from _recovery.problem import Problem, Refusal, Unfinished
from _recovery.reach import Here
from _recovery.rebuild import Holding, Life, Writer
from _recovery.rebuild_run import Proposal, Wish
from _recovery.restore_preflight import Ground
from _recovery.restore_run import Consent, Stopped
from _recovery.restoring import Check, Home, Journal, Order
from _recovery.run import CommandFailed, Completed
from _recovery.scratch import Goal
from _recovery.scratch_copy import Failed
from _recovery.sight import Sight
from _recovery.window import Outlook, Seen
from test_restoring import planned

OLD, NEW = "0000000100000000000000A1", "0000000100000000000000A2"
AGAIN = "ansible-playbook -i inventory playbooks/rebuild.yml -l vps2"
A = Writer("vps1", "a" * 32, "20261122-020001F")
SET = Backup("20261122-020001F", "full", 1, 900, 1000, "0/3000000", "0/4000000", "000000010000000000000004", False, 1, 1, {})
REPOSITORY = Repository(2, 0, "ok", databases=(Database(1, 7, "17"),), backups=(SET,))
OUTLOOK = Outlook(REPOSITORY, Holdings(1 << 24))
CLUSTER = Cluster("17", "main")
ORDER = Order("latest", "the host is lost", rebuild=True)


@dataclass
class World:
    """What is seen while a rebuild is planned, `archived` are the newest names in the repositories."""

    home: Home
    plan: Plan = field(default_factory=lambda: planned(free_bytes=None))
    sight: Sight = field(default_factory=lambda: Sight("axiomdb", CLUSTER, Here(1.0, "axiomdb"), (OUTLOOK,), {}, Seen(), 1 << 24))
    archived: dict[str, dict[str, str]] = field(default_factory=lambda: {"2": {"00000001": OLD}})

    def propose(self, order: Order = ORDER, wish: Wish | None = None) -> Proposal:
        return rebuild_run.propose(order, "axiomdb", CLUSTER, "vps2", wish or Wish(), AGAIN)

    def begin(self, order: Order = ORDER, wish: Wish | None = None) -> Journal:
        consent = Consent("vps2/axiomdb", again=AGAIN)
        return rebuild_run.begin(
            order, "axiomdb", CLUSTER, "vps2", wish or Wish(target=order.target, directory=self.home.directory), consent
        )

    @property
    def journal(self) -> Journal:
        """A rebuild that has begun."""
        goal = Goal("axiomdb", 2, "20261122-020001F", 1, "latest")
        return Journal("20261122-120000", ORDER, self.home, goal, {"options": [], "only_here": []}, recovered=rebuild.remembered(Life(A)))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    data = tmp_path / "data"
    data.mkdir()
    found = World(Home("axiomdb", "17", "main", 5432, str(data), "vps2", 7))
    monkeypatch.setattr(state, "DIRECTORY", tmp_path / "state")
    monkeypatch.setattr(state, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))
    monkeypatch.setattr(horizon, "look", lambda _stanza, _cluster: found.sight)
    monkeypatch.setattr(rebuild_run, "stand_in", lambda *_words: nullcontext(""))
    monkeypatch.setattr(rebuild_run, "_by_bundle", lambda *_words: ([], []))
    monkeypatch.setattr(rebuild_look, "holdings_of", lambda _sight: [Holding(REPOSITORY)])
    monkeypatch.setattr(rebuild_look, "life_of", lambda _sight: Life(A, newest=copy.deepcopy(found.archived)))
    monkeypatch.setattr(rebuild_look, "newest_of", lambda _stanza: copy.deepcopy(found.archived))
    monkeypatch.setattr(horizon, "foresee", lambda _target, _sight: found.plan)
    monkeypatch.setattr(restore_look, "home_of", lambda *_words: found.home)
    monkeypatch.setattr(restore_look, "ground_of", lambda *_words: Ground())
    monkeypatch.setattr(scratch_look, "databases", lambda *_words: None)
    return found


def said(problems: tuple[Problem, ...]) -> str:
    return " ".join(one.sentence() for one in problems)


# --- tablespaces that are left -------------------------------------------------------------------------------------------


@pytest.fixture
def space(world: World, tmp_path: Path) -> Path:
    """The place of a tablespace, with a file in it."""
    place = tmp_path / "space" / "PG_17_202406281"
    place.mkdir(parents=True)
    (place / "16384").touch()
    world.home = replace(world.home, tablespaces=(str(place),))
    return place


def test_an_empty_host_is_rebuilt(world: World) -> None:
    assert world.propose().problems == ()


def test_tablespaces_whose_data_directory_is_gone_are_not_removed(world: World, space: Path) -> None:
    assert f"Found data in {space} on vps2; expected tablespaces without data" in said(world.propose().problems)
    assert f"sudo mv {space} {space.parent}/left-PG_17_202406281" in said(world.propose().problems)
    (space / "16384").unlink()
    assert world.propose().problems == ()


def test_but_what_this_very_rebuild_has_restored_there_is_restored_anew(world: World, space: Path) -> None:
    restore_journal.save(replace(world.journal, phase=restoring.RESTORE))
    assert world.propose().problems == ()
    restore_journal.save(replace(world.journal, phase=restoring.KEEP))
    assert f"data in {space}" in said(world.propose().problems)


# --- a cluster that is never started -------------------------------------------------------------------------------------


def test_a_cluster_that_is_disabled_is_refused_before_its_timeline_is_archived(world: World) -> None:
    world.home = replace(world.home, start="disabled")
    assert "Found 'disabled' in /etc/postgresql/17/main/start.conf" in said(world.propose().problems)
    restore_journal.save(replace(world.journal, phase=restoring.RECOVER))
    assert world.propose().problems == (), "this very rebuild keeps it from starting"


def test_a_configuration_without_data_may_be_started_wherever_it_was_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Killed before the data that never served is removed, the next run goes on with it."""
    directory = tmp_path / "main"
    beside = Path(f"{directory}{without_data.NEVER_SERVED}")
    beside.mkdir()
    directory.mkdir()
    written: list[str] = []

    def killed(_place: str, _owner: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(host, "cluster_exists", lambda _version, _name: True)
    monkeypatch.setattr(host, "data_directory", lambda _version, _name: str(directory))
    monkeypatch.setattr(shutil, "chown", lambda *_words: None)
    monkeypatch.setattr(without_data, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))
    monkeypatch.setattr(files, "write", lambda file: written.append(file.content))
    monkeypatch.setattr(aside, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        without_data.configure(CLUSTER, str(directory), [])
    assert written == ["auto\n"]


# --- the timeline that is begun ------------------------------------------------------------------------------------------


def test_a_timeline_that_another_repository_has_already_is_not_begun_a_second_time(world: World) -> None:
    older = Outlook(REPOSITORY, Holdings(1 << 24, {3: ((1, 9),)}, frozenset({2, 3})))
    newer = Outlook(replace(REPOSITORY, number=1), Holdings(1 << 24, {4: ((1, 9),)}, frozenset({2, 3, 4})))
    world.sight = replace(world.sight, outlooks=(older,))
    assert world.propose().problems == ()
    world.sight = replace(world.sight, outlooks=(newer, older))
    assert "Found timeline 4 in repository 1; expected none from timeline 4 on" in said(world.propose().problems)
    assert world.propose(replace(ORDER, rehearsal=True)).problems == (), "nothing of it is archived"


# --- a repository that was named -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lsn", "leads"), [("0/3000060", False), ("0/5000060", True)])
def test_what_another_repository_has_more_is_told_and_not_called_lost_for_ever(
    lsn: str, leads: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = Outlook(replace(REPOSITORY, number=1), Holdings(1 << 24))
    world.sight = replace(world.sight, outlooks=(newer, OUTLOOK))
    best = replace(world.plan, repository=1, lsn=lsn)
    monkeypatch.setattr(horizon, "foresee", lambda _target, sight: best if newer in sight.outlooks else world.plan)
    proposal = world.propose(wish=Wish(repository=2))
    assert (f"repository 1 leads further, to LSN {lsn} on timeline 3" in proposal.plan.notes) == leads
    told = "\n".join(rebuild.report(rebuild.Recovered("latest", "0/3000060", 1.0, rebuild.remembered(proposal.life))))
    assert ("nothing later can be recovered" in told) != leads
    assert (f"repository 1 leads further, to LSN {lsn} on timeline 3, and was not asked for" in told) == leads


# --- a rebuild that was accepted -----------------------------------------------------------------------------------------


def test_what_comes_behind_an_accepted_rebuild_is_gone_on_with_while_its_data_is_there(world: World) -> None:
    done = restore_journal.save(replace(world.journal, phase="", outcome=restoring.ACCEPTED))
    (Path(world.home.directory) / "PG_VERSION").touch()
    assert world.begin().name == done.name


def test_a_host_that_has_lost_its_data_again_is_rebuilt_again(world: World) -> None:
    done = restore_journal.save(replace(world.journal, phase="", outcome=restoring.ACCEPTED))
    again = world.begin()
    assert (again.name != done.name, again.phase, again.is_open) == (True, restoring.SAVE, True)


def test_but_not_below_a_mount_point_on_which_nothing_is_mounted(world: World) -> None:
    home = replace(world.home, mounts=(world.home.directory,))
    restore_journal.save(replace(world.journal, home=home, phase="", outcome=restoring.ACCEPTED))
    with pytest.raises(Refusal, match="Found nothing mounted on"):
        world.begin()


def test_the_first_backup_is_one_of_the_new_timeline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the machine is the one that has lost its disk: what it took before is of the timeline of before."""
    begun = replace(SET, label="20261122-020001F_20261122-130000I", wal_stop="00000002000000000000000B")
    taken: list[int] = []
    repositories = (replace(REPOSITORY, number=1, backups=(SET, begun)), REPOSITORY)
    seen = SimpleNamespace(repositories=repositories)
    monkeypatch.setattr(restore_acceptance, "survey", lambda *_words: seen)
    monkeypatch.setattr(restore_acceptance, "writable", lambda *_words: ([1, 2], []))
    monkeypatch.setattr(backup, "impossible", lambda _seen: None)
    monkeypatch.setattr(backup, "take_each", lambda _seen, numbers, _kind, _tell: (taken.extend(numbers), [], [])[1:])
    journal = replace(world.journal, phase=restoring.SETTLE, timeline=2)
    assert restore_acceptance._back_up(journal, lambda _line: None) == []
    assert taken == [2]


def settling(world: World, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A rebuild that was accepted, and whose server answers."""
    monkeypatch.setattr(restore_acceptance, "start_cluster", lambda *_words: {})
    monkeypatch.setattr(restore_acceptance, "resume_jobs", lambda _journal: None)
    monkeypatch.setattr(restore_run, "_alone", lambda _journal, _tell: nullcontext())
    monkeypatch.setattr(host, "postmaster", lambda _directory: (7, 5432))
    ended = {restoring.SERVE: 1.0}
    return restore_journal.save(replace(world.journal, phase=restoring.SETTLE, timeline=2, ended=ended))


@pytest.mark.parametrize(
    "failure",
    [
        CommandFailed(Completed("pgbackrest backup", 32, "", ""), "a value that is not allowed", "help"),
        NotAnswering("no server"),
        Refusal(Problem("another writer", "none", "look")),
    ],
    ids=["command", "server", "writer"],
)
def test_a_first_backup_that_fails_keeps_nobody_out_who_was_accepted(
    failure: Exception, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts the pooler and the services goes on, and fails at the end; the same command takes it then."""

    def fails(*_words: object) -> None:
        raise failure

    journal = settling(world, monkeypatch)
    monkeypatch.setattr(restore_acceptance, "survey", fails)
    after, unbacked = rebuild_run.carry_on(journal, lambda _line: None, restoring.SETTLE, require_backup=False)
    assert (after.phase, after.is_open) == (restoring.SETTLE, True), "the same command goes on with it"
    assert unbacked.startswith(f"Found no backup of this host in each repository ({failure}")
    assert unbacked.endswith(f"expected one. Next: {restoring.go_on(journal)}")
    told = rebuild_run.document(after)
    assert (told["outcome"], told["recovery"]["trouble"]) == (restoring.ACCEPTED, unbacked), "hooks read that it serves, and what it lacks"
    with pytest.raises(Stopped, match="Found no backup of this host"):
        rebuild_run.carry_on(after, lambda _line: None, restoring.SETTLE)
    monkeypatch.setattr(restore_acceptance, "survey", lambda *_words: None)
    over, unbacked = rebuild_run.carry_on(after, lambda _line: None, restoring.SETTLE)
    assert (over.outcome, unbacked) == (restoring.ACCEPTED, "")


def test_a_server_that_does_not_answer_keeps_them_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(*_words: object) -> None:
        raise Failed(Problem("no answer of 17/main", "its server", "tail"))

    journal = settling(world, monkeypatch)
    monkeypatch.setattr(restore_acceptance, "start_cluster", dead)
    with pytest.raises(Stopped, match="no answer of 17/main"):
        rebuild_run.carry_on(journal, lambda _line: None, restoring.SETTLE, require_backup=False)


def test_hooks_are_told_of_no_acceptance_before_the_clients_are_let_in(world: World) -> None:
    assert rebuild_run.document(replace(world.journal, phase=restoring.RELEASE))["outcome"] == ""


# --- room ----------------------------------------------------------------------------------------------------------------


def test_what_a_rebuild_has_restored_makes_room_for_what_it_restores_instead(world: World) -> None:
    """Else a disk of less than twice the data would have none for another target, or after the lost host woke up."""
    (Path(world.home.directory) / "16384").write_bytes(b"x" * 65536)
    world.sight = replace(world.sight, here=replace(world.sight.here, free_bytes=1000))
    assert rebuild_run.sight_of("axiomdb", CLUSTER).here.free_bytes == 1000
    restore_journal.save(replace(world.journal, phase=restoring.PROVE))
    assert (rebuild_run.sight_of("axiomdb", CLUSTER).here.free_bytes or 0) >= 1000 + 65536


# --- the lost host meanwhile ---------------------------------------------------------------------------------------------


def test_what_arrives_while_it_is_planned_stops_it_before_it_archives(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The segment is not in the plan, so nobody would recover it."""

    def look(_stanza: str, _cluster: Cluster) -> Sight:
        seen = world.sight
        world.archived["2"]["00000001"] = NEW
        return seen

    monkeypatch.setattr(horizon, "look", look)
    begun = world.begin()
    with pytest.raises(Failed, match=f"signs that vps1 lives: since the rebuild was planned {NEW} in repository 2"):
        rebuild_acts.unwoken(replace(begun, phase=restoring.RELEASE, timeline=2), lambda _line: None)


def test_what_could_not_be_read_is_not_taken_for_empty(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(_stanza: str) -> dict[str, dict[str, str]]:
        raise Unfinished(Problem("repository 2 unreadable", "it", "info"))

    monkeypatch.setattr(rebuild_look, "newest_of", unread)
    with pytest.raises(Unfinished, match="repository 2 unreadable"):
        world.propose()


def test_the_command_that_plans_it_anew_says_again_from_where_and_without_which_mounts(world: World) -> None:
    begun = world.begin(wish=Wish(repository=2, mounts=False, target="latest"))
    assert " -e rebuild_repository=2 -e rebuild_mounts=ignored -e rebuild_confirm=" in restoring.begin_anew(begun)


# --- two commands at once ------------------------------------------------------------------------------------------------


def test_a_rebuild_is_begun_and_gone_on_with(world: World) -> None:
    begun = world.begin()
    known = restore_journal.load("axiomdb")
    assert known is not None
    assert (known.name, known.phase) == (begun.name, restoring.SAVE)
    assert world.begin().name == begun.name


@pytest.mark.parametrize("target", ["latest", "name:before"])
def test_a_check_that_was_wrong_can_be_taken_out_of_the_inventory(target: str, world: World) -> None:
    wrong = replace(ORDER, checks=(Check("wrong", "select 1", "2"),), services=("gone.service",))
    restore_journal.save(replace(world.journal, phase=restoring.PROVE, order=wrong))
    found = world.begin(replace(ORDER, target=target))
    assert (found.name, found.order.target, found.order.checks) == (world.journal.name, target, ())
    assert target == ORDER.target or found.order.services == ()


@pytest.mark.parametrize("phase", [restoring.RESTORE, restoring.RELEASE])
def test_indexes_that_were_to_be_made_anew_are_made_by_whatever_goes_on(phase: str, world: World) -> None:
    restore_journal.save(replace(world.journal, phase=phase, order=replace(ORDER, reindex=True)))
    assert world.begin(ORDER).order.reindex


@pytest.mark.parametrize("target", ["latest", "name:before"])
def test_what_another_command_has_done_meanwhile_is_not_begun_anew(target: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new rebuild, and one that is led to another target: each is planned for a while, and nobody else waits for it."""
    if target != "latest":
        restore_journal.save(replace(world.journal, phase=restoring.RESTORE))
    serving = replace(world.journal, phase=restoring.SETTLE)

    def foresee(_target: object, _sight: object) -> Plan:
        restore_journal.save(serving)
        return world.plan

    monkeypatch.setattr(horizon, "foresee", foresee)
    with pytest.raises(Refusal, match="with which another command has gone on meanwhile"):
        world.begin(replace(ORDER, target=target))
    assert restore_journal.load("axiomdb") == serving, "its clients are served: nothing is restored over it"
