# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whoever reads of a recovery reads what comes next, how to go on, how to go back and what is kept: each as a command to type."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import cli, ending, jobs, postgres, restore_journal, restore_told, restoring, state, watch
from _recovery.jobs import Settings, Stanza
from _recovery.postgres import Cluster
from _recovery.problem import Refusal
from _recovery.restore_told import Ways
from _recovery.sql import NotAnswering
from _recovery.up_to import UpTo
from test_restoring import DATA, HOME, JOURNAL, ORDER, planned

TOOL = "sudo /opt/axiomdb/axiomdb-recovery"
BACK = f"{TOOL} rollback --stanza=axiomdb --of=20261122-120000 --confirm=vps1/axiomdb"
RELEASE = f"{TOOL} rollback --stanza=axiomdb --release=20261122-120000 --confirm=vps1/axiomdb"
ON = f"{TOOL} restore name:before --stanza=axiomdb --confirm=vps1/axiomdb"
OVER = replace(JOURNAL, phase="", outcome="accepted", timeline=4, ended={"keep": 5.0, "settle": 3000.0}, last_commit=0.5)
PAUSED = replace(JOURNAL, phase=restoring.PROMOTE, order=replace(ORDER, action=restoring.PAUSES))
STANZA = Stanza("axiomdb", "17", "main", 5432)
SETTINGS = Settings("vps1", (STANZA,), {})


@pytest.fixture(autouse=True)
def states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(state, "LOGS", tmp_path)
    monkeypatch.setattr(state, "PAUSE", tmp_path / "pause.json")
    monkeypatch.setattr(state, "RESUMED", tmp_path / "resumed.json")
    monkeypatch.setattr(state, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))


def test_a_person_reads_what_comes_next_and_what_is_kept() -> None:
    text = "\n".join(restore_told.lines(replace(JOURNAL, phase=restoring.PROVE, trouble="a check failed")))
    assert "next         proves what was recovered" in text
    assert f"go back      {TOOL} rollback --stanza=axiomdb --confirm=vps1/axiomdb" in text
    assert "trouble      a check failed" in text
    assert "NO WAY BACK" in "\n".join(restore_told.lines(replace(JOURNAL, order=replace(ORDER, keep=False))))
    over = "\n".join(restore_told.lines(OVER))
    assert "outcome      accepted, on timeline 4" in over
    assert f"kept         {DATA}.kept-20261122-120000" in over


def test_each_phase_has_words_for_what_it_does() -> None:
    assert list(restore_told.COMING) == list(restoring.PHASES)
    assert not set(restore_told.COMING.values()) & set(restoring.PHASES.values())
    assert "puts the old data back" in restore_told.coming(replace(JOURNAL, goes_back=True))
    undoing = replace(JOURNAL, undoes="20261121-080000", phase=restoring.KEEP)
    assert restore_told.coming(undoing) == "puts the serving data aside, and the kept data in its place"


def test_a_paused_recovery_that_moves_on_says_up_to_when() -> None:
    plan = planned(up_to=UpTo("2026-11-22T11:20:00Z", 60.0, "when the snapshot was taken"))
    told = restore_told.further(PAUSED, ORDER, plan)
    assert "  up to        2026-11-22T11:20:00Z, 1 minute ago: when the snapshot was taken" in told


def test_one_that_is_paused_says_where_to_look() -> None:
    found = restore_told.coming(PAUSED)
    socket = restore_journal.place("axiomdb").socket
    assert found == f"nothing by itself: it is paused at its target; look: sudo -u postgres psql -h {socket} -p 65432"
    down = restore_told.coming(replace(PAUSED, order=replace(ORDER, action=restoring.SHUTS_DOWN)))
    assert down == "nothing by itself: it is proven, at its target, and the server is down"


def test_how_to_go_back_is_said_first_and_the_release_last() -> None:
    text = restore_told.lines(OVER)
    assert text[1] == f"  go back      Wrong moment? Type: {BACK}"
    assert text[-1] == f"  release      Not needed any more? Type: {RELEASE}"
    told = restore_told.lines(OVER, Ways("ansible-playbook back", "ansible-playbook release"))
    assert (told[1][15:], told[-1][15:]) == (
        "Wrong moment? Type: ansible-playbook back",
        "Not needed any more? Type: ansible-playbook release",
    )
    for nothing in (replace(OVER, outcome=restoring.RETURNED), replace(OVER, order=replace(ORDER, keep=False))):
        assert "Type: " not in "\n".join(restore_told.lines(nothing))


def test_without_a_reason_there_is_no_bare_colon() -> None:
    assert restore_told.lines(replace(OVER, order=replace(ORDER, reason=" ")))[0].endswith(" to name:before")


def test_a_status_tells_of_an_open_recovery_and_of_what_is_kept() -> None:
    assert restore_told.open_or_kept(None, [], 9.0) == []
    assert "  next         saves the last WAL" in restore_told.open_or_kept(JOURNAL, [], 9.0)
    text = restore_told.open_or_kept(OVER, [OVER], 3605.0)
    assert text[0] == f"  kept         {DATA}.kept-20261122-120000 for 1 hour"
    assert [line[15:] for line in text[2:]] == [f"Wrong moment? Type: {BACK}", f"Not needed any more? Type: {RELEASE}"]


def test_kept_data_is_as_old_as_when_it_was_put_aside() -> None:
    of_before = replace(OVER, ended={}, began=3605.0)
    listed = restore_told.listed([of_before, OVER], 7205.0)
    assert [line.rsplit(" for ")[-1] for line in listed if line.startswith("  kept ")] == ["1 hour", "1 hour", "2 hours", "2 hours"]
    assert listed[0] == "  recovery     20261122-120000 of vps1/axiomdb to name:before: orders lost their keys"
    assert listed[-1].endswith(RELEASE)


def test_what_an_accepted_recovery_has_reached_is_said_in_two_lines() -> None:
    said = restore_told.ended(OVER)
    assert said[0] == "  RESTORED     to name:before, data as of 1970-01-01T00:00:00Z, its last commit, on timeline 4"
    assert said[1].startswith(f"               the data that served before is kept in {DATA}.kept-20261122-120000, ")
    assert restore_told.ended(replace(OVER, last_commit=0.0))[0] == "  RESTORED     to name:before, on timeline 4"
    assert restore_told.ended(JOURNAL) == restore_told.ended(replace(OVER, outcome=restoring.RETURNED)) == []


BOTH = f"to go on with it: {ON}; to go back: "


@pytest.mark.parametrize(
    ("journal", "where", "ways"),
    [
        (
            replace(JOURNAL, phase=restoring.RESTORE),
            "in the phase restore (next: restores the set)",
            f"to go on with it: {ON}; to go back: ",
        ),
        (PAUSED, "at its target, proven, and waits for whoever asked it to", BOTH),
        (replace(JOURNAL, goes_back=True), "on its way back to the old data", f"to go on with it: {ON}"),
    ],
)
def test_an_open_recovery_says_where_it_stands_and_what_ends_it(journal: restoring.Journal, where: str, ways: str) -> None:
    restore_journal.save(journal)
    found, command = restore_told.seen("axiomdb")
    assert found == f"recovery 20261122-120000 to name:before is open, {where}"
    assert command.startswith(ways)
    assert command.endswith(ON if journal.goes_back else restoring.go_back(journal))
    restore_journal.save(OVER)
    assert restore_told.seen("axiomdb") == ("", "")


def test_the_jobs_do_not_begin_in_the_middle_of_a_recovery(capsys: pytest.CaptureFixture[str]) -> None:
    state.save(state.PAUSE, {"since": 1.0, "reason": "a recovery"})
    restore_journal.save(PAUSED)
    assert cli._resume(SETTINGS, (), argparse.Namespace()) == cli.BAD
    said = capsys.readouterr().err
    assert said.startswith("REFUSED, nothing was done: Found recovery 20261122-120000 to name:before, which is open, at its target")
    assert f"expected its end. Next: to go on with it: {ON}; to go back: " in said
    assert state.load(state.PAUSE)
    assert ON in watch._end_of_pause(STANZA)
    restore_journal.save(OVER)
    assert cli._resume(SETTINGS, (), argparse.Namespace()) == cli.GOOD
    assert not state.load(state.PAUSE)
    assert watch._end_of_pause(STANZA) == watch.RESUME


def test_a_job_and_a_role_that_meet_an_open_recovery_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster("17", "main", 5432)
    monkeypatch.setattr(Cluster, "data_directory", HOME.directory)
    monkeypatch.setattr(postgres.host, "postmaster", lambda _directory: None)
    restore_journal.save(PAUSED)
    found = "recovery 20261122-120000 to name:before"
    assert ending.silent(STANZA, NotAnswering("no socket")).text.startswith(f"{found} is open, at its target")
    assert postgres.other_server(cluster, DATA, 65432).found.startswith(f"{found}, which is open, at its target")
    with pytest.raises(Refusal, match=f"Found {found}, which is open"):
        postgres.refuse_other_server(cluster)
    restore_journal.save(replace(PAUSED, order=replace(PAUSED.order, rebuild=True)))
    postgres.refuse_open_recovery(cluster)  # a rebuild declares its host itself
    restore_journal.save(OVER)
    postgres.refuse_open_recovery(cluster)
    assert ending.silent(STANZA, NotAnswering("no socket")) == ending.Ended(
        jobs.FAILED, "the server of 17/main does not answer (no socket). Next: pg_lsclusters"
    )
    assert postgres.other_server(cluster, DATA, 65432).next_step == "pg_lsclusters, then correct postgresql_port or postgresql_cluster"
