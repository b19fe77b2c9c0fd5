# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back from a recovery that is open: it finds its journal and the cluster's own settings wherever it was killed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import (
    files,
    held_server,
    restore_acceptance,
    restore_journal,
    restore_phases,
    restore_places,
    restore_return,
    restore_run,
    restore_undo,
    restoring,
    state,
)
from _recovery.jobs import Settings, Stanza, render_settings
from _recovery.problem import Problem, Refusal
from _recovery.restore_phases import PUT_ASIDE
from _recovery.restoring import Journal
from _recovery.run import Completed
from _recovery.scratch_copy import Failed
from kills import each_kill
from test_restoring import GOAL, JOURNAL

OWN = "work_mem = '5MB'\n"


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Journal]:
    """An open recovery in a phase, its data restored, with the settings put aside; its own pause, and a server kept from starting."""
    data = tmp_path / "data"
    monkeypatch.setattr(state, "DIRECTORY", tmp_path / "state")
    monkeypatch.setattr(state, "PAUSE", tmp_path / "state" / "pause.json")
    monkeypatch.setattr(files, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))
    monkeypatch.setattr(state, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))
    monkeypatch.setattr(held_server, "stop", lambda _place: None)
    monkeypatch.setattr(restore_undo, "_serving", lambda home, _chosen: home)
    monkeypatch.setattr(restore_undo.scratch_look, "control_of", lambda _version, _directory: GOAL)

    def made(phase: str) -> Journal:
        shutil.rmtree(tmp_path, ignore_errors=True)
        data.mkdir(parents=True)
        home = replace(JOURNAL.home, directory=str(data), tablespaces=())
        journal = replace(JOURNAL, home=home, phase=phase, had=(str(data),))
        Path(journal.moves[str(data)], "global").mkdir(parents=True)
        Path(journal.moves[str(data)], "global", "pg_control").touch()
        place = restore_journal.place(home.stanza)
        Path(place.directory).mkdir(parents=True)
        Path(place.own_settings).write_text(OWN, encoding="utf-8")
        (data / "postgresql.auto.conf").write_text(PUT_ASIDE, encoding="utf-8")
        state.save(state.PAUSE, {"since": 0, "reason": f"recovery {journal.name}"})
        return restore_journal.save(journal)

    return made


@pytest.mark.parametrize("phase", [restoring.RELEASE, restoring.SERVE, restoring.SETTLE])
def test_its_own_pause_and_its_own_disabled_start_are_not_taken_for_somebody_elses(phase: str, opened: Callable[[str], Journal]) -> None:
    journal = opened(phase)
    back = restore_undo.instead_of(journal)
    assert (back.home.start, back.home.paused) == ("auto", False)
    assert (back.undoes, back.phase) == (journal.name, restoring.SAVE)
    assert restore_journal.load("axiomdb") == back
    assert [one.name for one in restore_journal.kept("axiomdb")] == [journal.name]


def test_a_journal_of_another_cluster_or_stanza_is_refused(opened: Callable[[str], Journal], monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(restoring.RECOVER)
    settings = Path(journal.home.directory, "settings")
    monkeypatch.setattr(state, "SETTINGS", settings)
    for version, cluster in (("16", "main"), ("17", "other")):
        settings.write_text(render_settings(Settings("vps1", (Stanza("axiomdb", version, cluster, 5432),), {}), ""), encoding="utf-8")
        with pytest.raises(Refusal, match=f"Found the cluster 17/main; expected {version}/{cluster}"):
            restore_journal.load("axiomdb")
    settings.write_text(render_settings(Settings("vps1", (Stanza("axiomdb", "17", "main", 5432),), {}), ""), encoding="utf-8")
    assert restore_journal.load("axiomdb") == journal
    over = restore_journal.save(replace(journal, outcome=restoring.ACCEPTED, phase=""))
    settings.write_text(render_settings(Settings("vps1", (Stanza("axiomdb", "18", "main", 5432),), {}), ""), encoding="utf-8")
    assert restore_journal.load("axiomdb") == over, "one that is over keeps nobody who has a newer version"
    shutil.copytree(state.DIRECTORY / "axiomdb", state.DIRECTORY / "other")
    with pytest.raises(Refusal, match="Found the stanza axiomdb; expected other"):
        restore_journal.load("other")
    assert restore_journal.kept("other") == []


def test_the_old_data_is_not_given_what_alter_system_said_in_the_restored_data(opened: Callable[[str], Journal]) -> None:
    journal = opened(restoring.RELEASE)
    restore_undo.instead_of(journal)
    assert files.read(f"{journal.home.directory}/postgresql.auto.conf") == OWN
    assert not os.path.exists(restore_journal.place("axiomdb").own_settings)


def test_what_clients_said_since_they_came_back_stays(opened: Callable[[str], Journal]) -> None:
    journal = opened(restoring.SETTLE)
    file = Path(journal.home.directory, "postgresql.auto.conf")
    file.write_text("work_mem = '9MB'\n", encoding="utf-8")
    restore_phases.settings_back(journal)
    assert file.read_text("utf-8") == "work_mem = '9MB'\n"


def test_whoever_is_killed_in_it_has_the_one_recovery_or_the_other(opened: Callable[[str], Journal]) -> None:
    for killed in each_kill(lambda: opened(restoring.RELEASE), restore_undo.instead_of):
        found = restore_journal.load("axiomdb")
        assert found is not None
        assert found.is_open
        assert found == killed or found.undoes == killed.name
        assert len(restore_journal.kept("axiomdb")) <= 1
        if not found.undoes:
            restore_undo.instead_of(found)
        assert files.read(f"{killed.home.directory}/postgresql.auto.conf") == OWN


def test_a_journal_is_on_the_disk_before_the_next_step(opened: Callable[[str], Journal], monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(state, "sync", synced.append)
    journal = opened(restoring.RELEASE)
    assert synced[-1] == str(state.DIRECTORY / "axiomdb")
    synced.clear()
    restore_undo.instead_of(journal)
    assert synced == [str(state.DIRECTORY / "axiomdb")] * 2, "the one that was accepted, and then the next one"


def test_a_server_that_is_being_stopped_is_not_taken_for_one_that_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter(["deactivating", "activating"])

    def run(words: list[str], **_options: object) -> Completed:
        return Completed("", 0, next(states) if "show" in words else "", "")

    monkeypatch.setattr(restore_acceptance, "run", run)
    monkeypatch.setattr(restore_acceptance.postgres, "state", lambda _port: {"answers": True})
    monkeypatch.setattr(restore_acceptance, "LOOK", 0.0)
    assert restore_acceptance.start_cluster(JOURNAL) == {"answers": True}
    assert list(states) == []


@pytest.fixture
def going_back(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lets a way back happen where no server is; what was done, in its order."""
    done: list[str] = []
    for name in ("end_restores", "resume_jobs"):
        monkeypatch.setattr(restore_return, name, lambda _journal: None)
    monkeypatch.setattr(restore_return, "start_cluster", lambda *_words: done.append("started"))
    monkeypatch.setattr(restore_return, "start_file", lambda journal: f"{journal.home.directory}.start.conf")
    monkeypatch.setattr(restore_return, "reload_units", lambda: done.append("units"))
    monkeypatch.setattr(restore_places, "owner", lambda: (os.geteuid(), os.getegid()))
    monkeypatch.setattr(held_server, "kill", lambda _place: done.append("killed"))
    monkeypatch.setattr(state, "operation", lambda _line: None)
    return done


def restored(journal: Journal) -> Journal:
    """The same, with its old data known by inode, and said to start by hand."""
    data, kept = journal.home.directory, Path(journal.moves[journal.home.directory])
    (kept / "PG_VERSION").write_text("17", encoding="utf-8")
    Path(f"{data}.start.conf").write_text("disabled\n", encoding="utf-8")
    return replace(journal, inodes={data: {"": kept.stat().st_ino}})


def full(monkeypatch: pytest.MonkeyPatch, *, reserved: bool) -> None:
    """A disk that takes nothing any more, but what was reserved on it."""
    real = state.save

    def save(file: Path, document: dict[str, object]) -> None:
        room = state.DIRECTORY / "axiomdb" / "restore.room"
        if state.DIRECTORY in file.parents and (room.exists() or not reserved):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file, document)

    def write(_file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(state, "save", save)
    monkeypatch.setattr(files, "write", write)


def test_a_full_disk_keeps_nobody_from_going_back_into_the_room_that_was_reserved(
    opened: Callable[[str], Journal], going_back: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = restore_journal.save(restored(opened(restoring.RECOVER)))
    told: list[str] = []
    assert (state.DIRECTORY / "axiomdb" / "restore.room").stat().st_size == restore_journal.ROOM
    full(monkeypatch, reserved=True)
    monkeypatch.setattr(state, "reserve", lambda _file, _size: None)
    over = restore_return.go_back(journal, told.append)
    assert Path(journal.home.directory, "PG_VERSION").exists()
    assert Path(f"{journal.home.directory}.start.conf").read_text("utf-8") == "auto\n"
    assert going_back == ["killed", "units", "started"]
    assert restore_journal.load("axiomdb") == over
    assert not any("NOT WRITTEN DOWN" in line for line in told)


@pytest.mark.parametrize("memory", [True, False])
def test_a_full_disk_that_takes_nothing_keeps_nobody_from_going_back(
    memory: bool, opened: Callable[[str], Journal], going_back: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    journal = restore_journal.save(restored(opened(restoring.RECOVER)))
    told: list[str] = []
    monkeypatch.setattr(state, "MEMORY", tmp_path / "memory" if memory else tmp_path / "state" / "none")
    with monkeypatch.context() as patch:
        full(patch, reserved=False)
        over = restore_return.go_back(journal, told.append)
    assert over.outcome == restoring.RETURNED
    assert Path(journal.home.directory, "PG_VERSION").exists()
    assert going_back == ["killed", "units", "started"]
    assert any("NOT WRITTEN DOWN: the disk does not take the journal" in line and "df -h" in line for line in told)
    assert restore_journal.load("axiomdb") == (over if memory else journal)
    # After a boot the disk says what was true before; nothing restores into the old data, or recovers it.
    monkeypatch.setattr(state, "MEMORY", tmp_path / "state" / "none")
    monkeypatch.setattr(restore_run, "_alone", lambda _journal, _tell: nullcontext())
    never = dict.fromkeys(restoring.REPLACED_IN, lambda _journal, _tell: pytest.fail("went on"))
    monkeypatch.setattr(restore_run, "ACTS", {**restore_run.ACTS, **never})
    stale = restore_journal.load("axiomdb")
    assert stale == journal
    assert restore_run.carry_on(stale, told.append).outcome == restoring.RETURNED
    assert Path(journal.home.directory, "PG_VERSION").exists()


def test_a_trouble_that_no_disk_takes_is_gone_back_from(
    opened: Callable[[str], Journal], going_back: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    journal = restore_journal.save(restored(opened(restoring.PROVE)))
    monkeypatch.setattr(state, "MEMORY", tmp_path / "state" / "none")
    monkeypatch.setattr(restore_run, "_alone", lambda _journal, _tell: nullcontext())

    def fails(_journal: Journal, _tell: object) -> Journal:
        full(monkeypatch, reserved=False)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(restore_run.ACTS, restoring.PROVE, fails)
    with pytest.raises(restore_run.Stopped, match=f"It went back by itself: the old data is in {journal.home.directory} again"):
        restore_run.carry_on(journal, lambda _line: None)
    assert going_back == ["killed", "units", "started"]


def test_without_its_kept_data_nothing_is_taken_back_and_the_held_server_lives(
    opened: Callable[[str], Journal], going_back: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = restore_journal.save(restored(opened(restoring.PROMOTE)))
    os.rename(journal.moves[journal.home.directory], tmp_path / "elsewhere")
    with pytest.raises(Refusal, match=r"nothing at .*\.kept-20261122-120000; expected the old data .*Next: sudo find / -type d -inum"):
        restore_return.go_back(journal, lambda _line: None)
    assert going_back == []
    assert restore_journal.load("axiomdb") == journal, "what it may go on with"
    monkeypatch.setattr(restore_run.host, "postmaster", lambda _directory: (7, 5432))
    monkeypatch.setattr(held_server, "state", lambda _place: "")
    safe = restore_run._give_up(journal, Failed(Problem("no answer", "one", "wait")), lambda _line: None)
    assert f"The held server runs on {journal.home.directory}, which nobody has accepted" in safe
    assert safe.endswith(restoring.go_back(journal))


@pytest.mark.parametrize("phase", [restoring.SAVE, restoring.QUIET])
def test_before_the_server_was_stopped_nothing_is_moved(
    phase: str, opened: Callable[[str], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(phase)
    for name in ("start_cluster", "end_restores", "resume_jobs"):
        monkeypatch.setattr(restore_return, name, lambda *_words: None)
    monkeypatch.setattr(restore_return, "start_file", lambda _journal: f"{journal.home.directory}/start.conf")
    monkeypatch.setattr(restore_return, "reload_units", lambda: None)
    for name in ("take_back", "lost"):
        monkeypatch.setattr(restore_places, name, lambda _journal: pytest.fail("moved"))
    monkeypatch.setattr(held_server, "kill", lambda _place: None)
    monkeypatch.setattr(state, "operation", lambda _line: None)
    over = restore_return.go_back(journal, lambda _line: None)
    assert over.outcome == restoring.RETURNED
