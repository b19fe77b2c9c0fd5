# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole status of a host: one answer with everything in it, whose last line is the verdict, and nothing written for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import (
    cli,
    drill_annotation,
    drill_document,
    drill_history,
    drill_reports,
    ending,
    horizon,
    jobs,
    judging,
    restore_journal,
    state,
    status,
    verdict,
    watch,
)
from _recovery.drill_history import Last
from _recovery.jobs import Settings, Stanza
from _recovery.status import Status
from _recovery.summary import Picture, Place
from _recovery.verdict import Judgement, Reading
from archives import Scene
from drilled import ended
from test_restoring import JOURNAL
from test_verdict import WITHOUT_5, picture

STANZA = Stanza("axiomdb", "17", "main", 5432)
SETTINGS = Settings("vps1", (STANZA,), {"full": "0 2 * * *", "verify": "0 4 * * *"})
GOOD = replace(picture(), places={1: Place("posix", "/", "aes-256-cbc", False)}, archive_timeout=60)


class Host:
    """A host whose repository is a scene; its state files are real."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.scene = Scene()
        self.now = GOOD.now
        monkeypatch.setattr(status.time, "time", lambda: self.now)
        monkeypatch.setattr(horizon, "outlooks", lambda *_arguments: ([self.scene.outlook()], 1))
        monkeypatch.setattr(judging, "look", lambda *_arguments: judging.Sight(GOOD, (self.scene.outlook(),)))
        monkeypatch.setattr(judging.time, "sleep", lambda _seconds: None)

    def status(self, seen: Picture = GOOD) -> Status:
        self.now = seen.now
        return status.take(SETTINGS, STANZA, seen)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    (tmp_path / "lib").mkdir()
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(state, "DIRECTORY", tmp_path / "lib")
    monkeypatch.setattr(state, "MEMORY", tmp_path / "run")
    monkeypatch.setattr(state, "PAUSE", tmp_path / "lib" / "pause.json")
    monkeypatch.setattr(state, "RESUMED", tmp_path / "lib" / "resumed.json")
    monkeypatch.setattr(state, "WEBHOOK", tmp_path / "webhook-url")
    monkeypatch.setattr(state, "SETTINGS", tmp_path / "recovery.json")
    monkeypatch.setattr(state.os, "geteuid", lambda: 1000)
    return Host(tmp_path, monkeypatch)


def test_everything_a_person_asks_for_is_in_it(host: Host) -> None:
    judging.remember("axiomdb", Judgement(GOOD.now - 3600, (Reading(1, 0, 2, 7),)))
    ending.remember("axiomdb", "full", ending.Ended(jobs.DONE, "took it"), GOOD.now - 60, GOOD.now - 50)
    found = host.status()
    told = [line[:15].strip() for line in found.lines]
    for head in (
        "recovers",
        "newest full",
        "verdict",
        "job",
        "next job",
        "space",
        "does not",
    ):
        assert head in told, found.lines
    assert found.good
    assert found.lines[-1].startswith("PROTECTED, but only while this host lives: ")
    assert json.loads(json.dumps(found.document))["verdict"]["time"] == GOOD.now - 3600
    assert set(found.document["next_jobs"]) == {"full", "verify"}


def test_a_hole_in_the_middle_is_no_good_status(host: Host) -> None:
    host.scene = Scene(WITHOUT_5)
    found = host.status()
    assert not found.good
    (line,) = [line for line in found.lines if line.startswith("  BROKEN       repository 1: the WAL segment 000000010000000000000005")]
    assert line.endswith(f"Type: {verdict.STATUS}")
    assert [fault["topic"] for fault in found.document["faults"]] == ["hole 1 000000010000000000000005"]


def test_it_writes_nothing(host: Host) -> None:
    host.status()
    assert list((host.directory / "lib").iterdir()) == []


def test_in_a_pause_nobody_is_told_of_jobs_to_come_and_old_backups(host: Host) -> None:
    much_later = replace(GOOD, now=GOOD.now + 100000)
    state.save(state.PAUSE, {"since": much_later.now - 60, "reason": "a restore"})
    found = host.status(much_later)
    assert found.document["faults"] == []
    assert [line for line in found.lines if line.startswith(("  next job", "  BROKEN", "  trouble"))] == []
    assert any(line.startswith("  jobs         PAUSED since") and line.endswith(watch.RESUME) for line in found.lines)


def test_in_an_open_recovery_nobody_is_told_to_resume(host: Host) -> None:
    state.save(state.PAUSE, {"since": GOOD.now - 60, "reason": "a restore"})
    restore_journal.save(JOURNAL)
    text = host.status().lines
    assert any(line.startswith("  jobs         PAUSED since") and line.endswith("They begin again when it is over.") for line in text)
    assert watch.RESUME not in "\n".join(text)


def test_a_host_without_jobs_has_a_status_too(host: Host) -> None:
    assert status.settings_of("vps1", STANZA) == Settings("vps1", (STANZA,), {})
    state.SETTINGS.write_text(jobs.render_settings(SETTINGS, "a test"), encoding="utf-8")
    assert status.settings_of("vps1", STANZA) == SETTINGS


@pytest.mark.parametrize(("numbers", "code"), [(Scene().numbers, cli.GOOD), (WITHOUT_5, cli.BAD)])
def test_the_tool_ends_with_what_the_status_says(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], numbers: tuple[int, ...], code: int
) -> None:
    host.scene = Scene(numbers)
    state.SETTINGS.write_text(jobs.render_settings(SETTINGS, "a test"), encoding="utf-8")
    monkeypatch.setattr(cli, "_become", lambda _user: None)
    monkeypatch.setattr(watch, "any_picture", lambda *_arguments: GOOD)
    assert cli.main(["status"]) == code
    assert capsys.readouterr().out.splitlines()[-1].startswith("PROTECTED")
    assert cli.main(["status", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["axiomdb"]["protected"] is True


def test_a_job_that_ended_while_the_status_looked_is_not_overdue(host: Host) -> None:
    settings = replace(SETTINGS, overdue_seconds={"full": 3600})
    counted = {"full": {"schedule": "0 2 * * *", "since": GOOD.now - 86400}}
    state.save(state.path("axiomdb", "troubles.json"), {"looked": GOOD.now - 60, "counted": counted})
    host.now = GOOD.now + 10
    assert "overdue full" in status.take(settings, STANZA, GOOD).document["troubles"]
    ending.remember("axiomdb", "full", ending.Ended(jobs.DONE, "took it"), GOOD.now + 1, GOOD.now + 5)
    assert "overdue full" not in status.take(settings, STANZA, GOOD).document["troubles"]


def test_the_reports_of_drills_are_read_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    known = drill_history.last([drill_document.document(ended(GOOD.now - 86400))], GOOD.now)

    def last(stanza: str, _host: str, _now: float) -> Last:
        read.append(stanza)
        return known

    monkeypatch.setattr(drill_reports, "last", last)
    settings = replace(SETTINGS, drill_interval_days=92)
    found = status.take(settings, STANZA, GOOD)
    assert read == ["axiomdb"] and known.passed is not None
    assert found.document["drill"] == {"newest": known.newest, "passed": known.passed}
    assert any(line.startswith("  drill        passed on ") for line in found.lines)


def test_a_host_that_was_rebuilt_is_told_what_a_set_says_of_its_drill(host: Host) -> None:
    backup = GOOD.repositories[0].backups[-1]
    noted = replace(backup, annotations=drill_annotation.annotation(ended(GOOD.now - 86400)))
    found = host.status(replace(GOOD, repositories=(replace(GOOD.repositories[0], backups=(noted,)),)))
    at = next(
        number for number, line in enumerate(found.lines) if line.startswith("  drill        no recovery was ever drilled on this host")
    )
    assert found.lines[at + 1].startswith(
        f"               set {backup.label} of repository 1 was drilled on another host, or before a rebuild"
    )
