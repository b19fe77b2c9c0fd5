# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A whole recovery, and each way back, loses its power before each change in turn: what a boot serves, and what one more command makes.

The host is a model: its units live in a directory that no boot outlives. The engine is the real one, and so are its files.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _recovery import (
    files,
    held_server,
    host,
    postgres,
    restore_acceptance,
    restore_data,
    restore_journal,
    restore_look,
    restore_phases,
    restore_places,
    restore_return,
    restore_run,
    restore_undo,
    restoring,
    state,
)
from _recovery.postgres import NotAnswering
from _recovery.problem import Problem, Refusal
from _recovery.recovering import Log, Replayed, Seen
from _recovery.restore_phases import PUT_ASIDE
from _recovery.restoring import Journal
from _recovery.run import Completed
from _recovery.scratch_copy import Failed
from kills import each_kill
from test_restoring import GOAL
from worlds import GROUP, NEW, OWNER, World, give, pgbackrest, put, rows

OLD_ROWS = ["live rows", "live rows in both", "live rows in since", "", "unarchived"]
NEW_ROWS = ["older rows", "older rows", "", "older rows", "unarchived"]
SAID = {"old": OLD_ROWS, "new": NEW_ROWS}
BEHIND_THE_PROOF = (restoring.SERVE, restoring.SETTLE)
AUTO = "postgresql.auto.conf"


@dataclass
class Machine:
    """A host: the world of its data, its units, and the timelines that its repository knows.

    `wanted` is what systemd has read last of whether postgresql.service starts the cluster.
    """

    world: World
    unproven: bool = False
    wanted: str = ""

    @property
    def top(self) -> Path:
        return self.world.top

    @property
    def data(self) -> Path:
        return self.world.data

    def made(self) -> Machine:
        """A server that serves, and no recovery yet."""
        for name in ("run", "repository", "etc"):
            shutil.rmtree(self.top / name, ignore_errors=True)
        put(self.top, {"etc/17/main/start.conf": "auto\n", "run/cluster/": "", "repository/3/": ""})
        self.wanted = ""  # as where the cluster was made without data
        self.world.made()
        put(self.data, {AUTO: "work_mem = 'old'\n", "global/timeline": "3"})
        give(self.data)
        return self

    # --- its units ---------------------------------------------------------------------------------------------------

    def is_up(self, unit: str) -> bool:
        return (self.top / "run" / unit).exists()

    def up(self, unit: str) -> None:
        if not self.is_up(unit):
            assert not (self.is_up("cluster") or self.is_up("held")), "two servers on one directory"
            os.mkdir(self.top / "run" / unit)

    def down(self, unit: str) -> None:
        if self.is_up(unit):
            for begun in (self.top / "run").glob("promotes-*"):
                os.rmdir(begun)
            os.rmdir(self.top / "run" / unit)

    def boot(self) -> None:
        """As after a power cut."""
        shutil.rmtree(self.top / "run")
        (self.top / "run").mkdir()
        self.read_units()
        self.start()

    @property
    def conf(self) -> str:
        return (self.top / "etc/17/main/start.conf").read_text("utf-8").strip()

    def read_units(self) -> None:
        """Debian's generator reads start.conf then, and never else."""
        self.wanted = self.conf

    def start(self) -> None:
        if self.conf == "auto" and (self.data / "PG_VERSION").exists():
            self.up("cluster")

    # --- what is asked of them ----------------------------------------------------------------------------------------

    def systemctl(self, words: list[str], **_options: object) -> Completed:
        if "daemon-reload" in words:
            self.read_units()
        if "stop" in words:
            self.down("cluster")
        if "start" in words:
            self.start()
        return Completed("", 0, "active" if self.is_up("cluster") else "failed", "")

    def answer(self, _port: int, *_words: object) -> Any:
        if not self.is_up("cluster"):
            raise NotAnswering("no server")
        return {"in_recovery": False, "timeline": self.timeline(self.data), "system_id": 7711944285235987502}

    def timeline(self, directory: Path) -> int:
        return int((directory / "global" / "timeline").read_text("utf-8"))

    def control(self, _version: str, directory: str) -> SimpleNamespace:
        return SimpleNamespace(timeline=self.timeline(Path(directory)), system_id=7711944285235987502)

    def hold(self, _place: object, _binaries: str, _directory: str) -> SimpleNamespace:
        self.up("held")
        return SimpleNamespace(look=self.look)

    def look(self) -> Seen:
        """A server with an order to recover stands at its target; one without a target ends its recovery by itself."""
        self.finish()
        recovers = (self.data / "recovery.signal").exists()
        if recovers and rows(self.world)[0] == OLD_ROWS[0]:
            self.promote()
            recovers = False
        seen = Replayed(GOAL.lsn, None, 3, 7711944285235987502, "paused" if recovers else "", recovers)
        return Seen(Log(ready=True, stopped="there"), seen)

    def promote(self) -> None:
        """As PostgreSQL does: the order to recover goes first. A server that dies then has none, and no timeline of its own either."""
        known = [int(name) for name in os.listdir(self.top / "repository")]
        os.mkdir(self.top / "run" / f"promotes-{max(*known, self.timeline(self.data)) + 1}")
        self.finish()

    def finish(self) -> None:
        """What a server has begun it ends, whoever has asked for it and was killed."""
        for begun in sorted((self.top / "run").glob("promotes-*")):
            with suppress(FileNotFoundError):
                os.unlink(self.data / "recovery.signal")
            (self.top / "timeline").write_text(begun.name.partition("-")[2], encoding="utf-8")
            os.replace(self.top / "timeline", self.data / "global" / "timeline")
            os.rmdir(begun)

    def query(self, _place: object, _database: str, sql: str, *_timeout: object) -> Completed:
        if "resume" in sql and (self.data / "recovery.signal").exists():
            self.promote()
        return Completed("", 0, "1", "")

    def ask(self, _place: object, sql: str, *_database: object) -> Any:
        if "pg_switch_wal" in sql:
            return f"{self.timeline(self.data):08X}0000000000000009"
        return self.timeline(self.data) if sql == restore_acceptance._TIMELINE else False

    def missing(self, _stanza: str, timeline: int, _segment: str) -> list[int]:
        """What the server archives, once it may."""
        if not (self.top / "repository" / str(timeline)).exists():
            os.mkdir(self.top / "repository" / str(timeline))
        return []

    # --- what is found -------------------------------------------------------------------------------------------------

    def judge_boot(self) -> None:
        """Nothing unproven serves, and no job runs."""
        journal = restore_journal.load("axiomdb")
        if journal is None or not journal.is_open or journal.phase in (restoring.SAVE, restoring.QUIET):
            assert not self.is_up("cluster") or rows(self.world) in (OLD_ROWS, NEW_ROWS)
            return
        assert state.load(state.PAUSE) or journal.phase == restoring.SETTLE or journal.goes_back, journal.phase
        if self.is_up("cluster"):
            assert journal.goes_back or journal.phase in BEHIND_THE_PROOF, journal.phase
            self.judge("old" if journal.goes_back != bool(journal.undoes) else "new")

    def judge(self, which: str) -> None:
        """These rows serve, with what ALTER SYSTEM had said among them."""
        assert self.is_up("cluster")
        assert rows(self.world) == SAID[which]
        assert f"'{which}'" in (self.data / AUTO).read_text("utf-8")

    def judge_end(self, which: str) -> None:
        """Nothing is left to do, and whatever is kept is whole."""
        self.judge(which)
        journal = restore_journal.load("axiomdb")
        assert journal is not None
        assert not journal.is_open
        assert not state.load(state.PAUSE)
        assert (self.conf, self.wanted) == ("auto", "auto"), "systemctl restart postgresql reaches it too"
        assert not self.is_up("held")
        for kept in restore_journal.kept("axiomdb"):
            text = (Path(kept.moves[str(self.data)]) / AUTO).read_text("utf-8")
            assert text != PUT_ASIDE, "settings were lost"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Machine]]:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o711)
        yield lambda layout: _model(Machine(World(Path(directory), layout)), monkeypatch)


def _model(one: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Put the model in the place of what touches a real host."""
    for module in (restore_places, files, state):
        monkeypatch.setattr(module, "ids", lambda _user, _group: (OWNER, GROUP))
    for name in ("DIRECTORY", "PAUSE", "RESUMED"):
        monkeypatch.setattr(state, name, one.top / "state" / {"PAUSE": "pause.json", "RESUMED": "resumed.json"}.get(name, ""))
    monkeypatch.setattr(state, "operation", lambda _line: None)
    monkeypatch.setattr(host, "CLUSTERS", one.top / "etc")
    monkeypatch.setattr(postgres, "ask", lambda port, _sql: one.answer(port) and "000000030000000000000001")
    monkeypatch.setattr(postgres, "state", one.answer)
    for module in (restore_phases, restore_acceptance):
        monkeypatch.setattr(module, "run", one.systemctl)
    monkeypatch.setattr(restore_phases, "_newest", lambda *_words: "Z")
    monkeypatch.setattr(restore_phases, "_seen_again", lambda journal: journal)
    monkeypatch.setattr(restore_phases, "_controls", lambda _journal: [])
    monkeypatch.setattr(restore_phases.held, "values", lambda *_words, **_options: {})
    monkeypatch.setattr(restore_phases.measuring, "remember", lambda *_words: None)
    monkeypatch.setattr(restore_data.measuring, "remember", lambda *_words: None)
    monkeypatch.setattr(restore_phases.recovering, "judge_proof", lambda *_words: [])
    monkeypatch.setattr(restore_phases.scratch_look, "control_of", one.control)
    monkeypatch.setattr(restore_data, "stream", pgbackrest(one.world))
    for module in (restore_data, restore_return):
        monkeypatch.setattr(module, "end_restores", lambda _journal: None)
    monkeypatch.setattr(restore_acceptance, "_without", one.missing)
    monkeypatch.setattr(restore_acceptance, "survey", lambda *_words: None)
    monkeypatch.setattr(restore_look, "of_others", lambda _home: {})
    monkeypatch.setattr(held_server, "state", lambda _place: "" if one.is_up("held") else "dead")
    monkeypatch.setattr(held_server, "start", one.hold)
    for name in ("stop", "kill"):
        monkeypatch.setattr(held_server, name, lambda _place: one.down("held"))
    monkeypatch.setattr(held_server, "query", one.query)
    monkeypatch.setattr(held_server, "ask", one.ask)
    monkeypatch.setattr(restore_run, "_alone", lambda _journal, _tell: nullcontext())
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setitem(NEW, AUTO, "work_mem = 'new'\nrecovery_target_name = 'before'\n")
    monkeypatch.setitem(NEW, "global/timeline", "3")
    monkeypatch.setattr(restore_acceptance, "LOOK", 0.0)
    seconds = itertools.count(1_795_000_000)  # each recovery is called by its second
    clock = SimpleNamespace(time=lambda: float(next(seconds)), strftime=time.strftime, gmtime=time.gmtime)
    monkeypatch.setattr(restore_undo, "time", clock)
    return one


def silent(_line: str) -> None:
    """Tell nobody."""


def begun(one: Machine) -> Journal:
    """The journal of a recovery that begins; the open one, when it has begun."""
    known = restore_journal.load("axiomdb")
    if known is not None and known.is_open:
        return known
    plan = {"options": [], "only_here": ["000000010000000000000009"], "restore_bytes": 1, "wal_bytes": 1, "segments": 1}
    return restore_journal.save(replace(one.world.journal, plan=plan, phase=restoring.SAVE, had=()))


def recover(one: Machine) -> Machine:
    restore_run.carry_on(begun(one), silent)
    return one


def back(one: Machine) -> Machine:
    restore_run.take_back(restore_run.way_back("axiomdb", "", "the wrong moment"), silent)
    return one


def failing(one: Machine) -> Machine:
    """A recovery whose proof fails: it goes back by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(restore_run.ACTS, restoring.PROVE, _fails)
        with suppress(restore_run.Stopped):
            restore_run.carry_on(begun(one), silent)
    return one


def failing_back(one: Machine) -> Machine:
    """A way back that fails when the old data has its timeline: it goes back to what served."""

    def fails(journal: Journal, tell: Callable[[str], None]) -> Journal:
        return _fails(restore_undo.begin_timeline(journal, tell), tell)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(restore_run.UNDOING, restoring.PROMOTE, fails)
        with suppress(restore_run.Stopped):
            back(one)
    return one


def _fails(_journal: Journal, _tell: object) -> Journal:
    raise Failed(Problem("rows that differ", "those of the check", "choose another target"))


LAYOUTS = ("plain", "mount and linked")
BOOTS = pytest.mark.parametrize("boots", [True, False], ids=["power", "kill"])
# Each change in a long run; some of them each time.
STEPS = pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.tier("torture"))], ids=["some", "each"])


def lost(killed: Machine, boots: bool) -> None:
    if boots:
        killed.boot()
    killed.judge_boot()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_model_recovers_and_goes_back(layout: str, machine: Callable[[str], Machine]) -> None:
    one = machine(layout)
    recover(one.made()).judge_end("new")
    back(one).judge_end("old")
    assert sorted(os.listdir(one.top / "repository")) == ["3", "4", "5"]
    failing(one.made()).judge_end("old")
    assert sorted(os.listdir(one.top / "repository")) == ["3"]


def test_the_way_back_of_a_disabled_cluster_is_refused_before_anything_is_touched(machine: Callable[[str], Machine]) -> None:
    one = recover(machine("plain").made())
    put(one.top, {"etc/17/main/start.conf": "disabled\n"})
    with pytest.raises(Refusal, match="Found 'disabled' in /etc/postgresql/17/main/start.conf"):
        back(one)
    one.judge("new")
    put(one.top, {"etc/17/main/start.conf": "auto\n"})
    back(one).judge_end("old")


def test_a_server_that_dies_behind_its_proof_is_started_again(machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch) -> None:
    one = machine("plain").made()
    restore_run.carry_on(begun(one), silent, until=restoring.SERVE)
    one.down("cluster")
    asked: list[bool] = []
    monkeypatch.setattr(restore_acceptance, "survey", lambda *_words: (asked.append(one.is_up("cluster")), one.down("cluster"))[1])
    recover(one).judge_end("new")
    assert asked == [True]


def test_a_server_that_dies_before_its_own_timeline_is_told_again_where_to_stop(machine: Callable[[str], Machine]) -> None:
    one = machine("plain").made()
    restore_run.carry_on(begun(one), silent, until=restoring.PROVE)
    one.boot()
    os.unlink(one.data / "recovery.signal")
    recover(one).judge_end("new")


@pytest.mark.parametrize("undoes", [False, True], ids=["restore", "rollback"])
def test_nothing_is_put_aside_on_which_somebody_has_started_a_server(
    undoes: bool, machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = machine("plain").made()
    if undoes:
        recover(one)
        journal = restore_run.way_back("axiomdb", "", "the wrong moment")
        restore_run.carry_on(restore_journal.save(journal), silent, until=restoring.QUIET)
    else:
        restore_run.carry_on(begun(one), silent, until=restoring.QUIET)
    inode = one.data.stat().st_ino
    monkeypatch.setattr(host, "postmaster", lambda _directory: (4711, 5432))
    known = restore_journal.load("axiomdb")
    assert known is not None
    with pytest.raises(restore_run.Stopped, match=f"the process 4711 on {one.data}; expected no server there"):
        restore_run.carry_on(known, silent)
    one.judge_end("new" if undoes else "old")
    assert one.data.stat().st_ino == inode


@STEPS
@BOOTS
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_recovery_that_is_lost_is_gone_on_with(layout: str, boots: bool, step: int, machine: Callable[[str], Machine]) -> None:
    for killed in each_kill(machine(layout).made, recover, step):
        lost(killed, boots)
        if not is_over():
            recover(killed)
        killed.judge_end("new")


@STEPS
@BOOTS
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_recovery_that_is_lost_is_taken_back(layout: str, boots: bool, step: int, machine: Callable[[str], Machine]) -> None:
    for killed in each_kill(machine(layout).made, recover, step):
        lost(killed, boots)
        if restore_journal.load("axiomdb") is None:
            continue
        back(killed).judge_end("old")


@STEPS
@BOOTS
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_way_back_that_is_lost_is_gone_on_with(layout: str, boots: bool, step: int, machine: Callable[[str], Machine]) -> None:
    one = machine(layout)
    for killed in each_kill(lambda: recover(one.made()), back, step):
        lost(killed, boots)
        if rows(one.world) == NEW_ROWS or not is_over():
            back(killed)
        killed.judge_end("old")


@STEPS
@BOOTS
@pytest.mark.parametrize("phase", [restoring.RECOVER, restoring.RELEASE, restoring.SERVE, restoring.SETTLE])
def test_the_way_back_of_an_open_one_is_gone_on_with(phase: str, boots: bool, step: int, machine: Callable[[str], Machine]) -> None:
    one = machine("plain")
    before = list(restoring.PHASES)[list(restoring.PHASES).index(phase) - 1]

    def half() -> Machine:
        restore_run.carry_on(begun(one.made()), silent, until=before)
        return one

    for killed in each_kill(half, back, step):
        lost(killed, boots)
        if not is_over():
            back(killed)
        killed.judge_end("old")


@STEPS
@BOOTS
@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_that_goes_back_by_itself_and_is_lost_goes_back(layout: str, boots: bool, step: int, machine: Callable[[str], Machine]) -> None:
    for killed in each_kill(machine(layout).made, failing, step):
        lost(killed, boots)
        journal = restore_journal.load("axiomdb")
        if journal is None:
            continue
        if journal.is_open:
            back(killed)
        killed.judge_end("old")


def is_over() -> bool:
    journal = restore_journal.load("axiomdb")
    return journal is not None and not journal.is_open


@STEPS
@BOOTS
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_way_back_that_fails_leaves_both_data_whole(layout: str, boots: bool, step: int, machine: Callable[[str], Machine]) -> None:
    one = machine(layout)
    failing_back(recover(one.made())).judge_end("new")
    back(one).judge_end("old")
    for killed in each_kill(lambda: recover(one.made()), failing_back, step):
        lost(killed, boots)
        while rows(one.world) != OLD_ROWS or not is_over():
            back(killed)
        killed.judge_end("old")
