# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back from a recovery that is open: it finds its journal and the cluster's own settings wherever it was killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
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
    restore_undo,
    restoring,
    state,
)
from _recovery.restore_phases import PUT_ASIDE
from _recovery.restoring import Journal
from _recovery.run import Completed
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
        Path(journal.moves[str(data)]).mkdir()
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
    monkeypatch.setattr(files, "sync", synced.append)
    journal = opened(restoring.RELEASE)
    assert synced == [str(state.DIRECTORY / "axiomdb")]
    restore_undo.instead_of(journal)
    assert synced[-1] == str(state.DIRECTORY / "axiomdb")


def test_a_server_that_is_being_stopped_is_not_taken_for_one_that_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter(["deactivating", "activating"])

    def run(words: list[str], **_options: object) -> Completed:
        return Completed("", 0, next(states) if "show" in words else "", "")

    monkeypatch.setattr(restore_acceptance, "run", run)
    monkeypatch.setattr(restore_acceptance.postgres, "state", lambda _port: {"answers": True})
    monkeypatch.setattr(restore_acceptance, "LOOK", 0.0)
    assert restore_acceptance.start_cluster(JOURNAL) == {"answers": True}
    assert list(states) == []


@pytest.mark.parametrize("phase", [restoring.SAVE, restoring.QUIET])
def test_before_the_server_was_stopped_nothing_is_moved(
    phase: str, opened: Callable[[str], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(phase)
    for name in ("start_cluster", "end_restores", "resume_jobs"):
        monkeypatch.setattr(restore_return, name, lambda _journal: None)
    monkeypatch.setattr(restore_return, "start_file", lambda _journal: f"{journal.home.directory}/start.conf")
    for name in ("take_back", "lost"):
        monkeypatch.setattr(restore_places, name, lambda _journal: pytest.fail("moved"))
    monkeypatch.setattr(held_server, "kill", lambda _place: None)
    monkeypatch.setattr(state, "operation", lambda _line: None)
    over = restore_return.go_back(journal, lambda _line: None)
    assert over.outcome == restoring.RETURNED
