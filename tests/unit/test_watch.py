# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The watch: nothing is lost and nothing told twice, whatever happens to the disk, the clock, the webhook or the watch itself."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _recovery import drill_document, drill_reports, ending, jobs, judging, metrics, state, verdict, watch, webhook, work
from _recovery import picture as looking
from _recovery.ending import Ended
from _recovery.jobs import DONE, FAILED, SKIPPED, Settings, Stanza
from _recovery.picture import failed_verification
from _recovery.problem import Refusal
from _recovery.run import CommandFailed, Completed
from _recovery.summary import Picture
from _recovery.verdict import Fault, Judgement, Reading
from _recovery.webhook import Answer
from drilled import ended
from pictures import NOW, picture, repository

STANZA = Stanza("axiomdb", "17", "main", 5432)
WELL = picture(repository(1, 60.0))
SICK = replace(WELL, archiver=replace(WELL.archiver, spool_errors=("disk full",)))
RED, GREEN = "\U0001f534", "\U0001f7e2"


class Host:
    """A host whose clock, picture and webhook are the test's own. Its files are real."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = NOW
        self.picture: Picture | BaseException = WELL
        self.answers: list[Answer | BaseException] = []
        self.sent: list[str] = []
        self.settings = Settings(
            "vps1", (STANZA,), {"heartbeat": "* * * * *"}, "incr", {"heartbeat": 300}, alert_after_seconds=0, metrics_file=""
        )

    def look(self, after: float = 60.0) -> list[str]:
        """One look; what arrived at the webhook meanwhile."""
        self.now += after
        before = len(self.sent)
        watch.run(self.settings, self.settings.stanzas)
        return self.sent[before:]

    def deliver(self, _url: str, message: Mapping[str, str]) -> Answer:
        answer = self.answers.pop(0) if self.answers else Answer()
        if isinstance(answer, BaseException):
            raise answer
        if not answer.reason:
            self.sent.append(message["text"])
        return answer

    def take_picture(self, *_arguments: Any) -> Picture:
        if isinstance(self.picture, BaseException):
            raise self.picture
        return replace(self.picture, now=self.now)

    def ran(self, job: str, outcome: str = DONE, text: str = "did it", *, began: bool = True) -> None:
        ending.remember(STANZA.name, job, Ended(outcome, text, began=began), self.now, self.now)

    def log(self) -> str:
        file = self.directory / "log" / "alerts.log"
        return file.read_text(encoding="utf-8") if file.exists() else ""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path)
    for name in ("lib", "log", "run"):
        (tmp_path / name).mkdir()
    (tmp_path / "webhook-url").write_text("https://chat.example.com/hook\n", encoding="utf-8")
    monkeypatch.setattr(state, "DIRECTORY", tmp_path / "lib")
    monkeypatch.setattr(state, "LOGS", tmp_path / "log")
    monkeypatch.setattr(state, "MEMORY", tmp_path / "run")
    monkeypatch.setattr(state, "PAUSE", tmp_path / "lib" / "pause.json")
    monkeypatch.setattr(state, "RESUMED", tmp_path / "lib" / "resumed.json")
    monkeypatch.setattr(state, "WEBHOOK", tmp_path / "webhook-url")
    monkeypatch.setattr(state.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(watch.time, "time", lambda: host.now)
    monkeypatch.setattr(looking, "take_picture", host.take_picture)
    monkeypatch.setattr(webhook, "deliver", host.deliver)
    return host


@pytest.fixture
def full_disk(host: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the disk below these directories take nothing more."""
    really = Path.open

    def fill(*names: str) -> None:
        full = tuple(str(host.directory / name) for name in names)

        def opened(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if "w" in mode and str(path).startswith(full):
                raise OSError(errno.ENOSPC, "No space left on device")
            return really(path, mode, *arguments, **options)

        monkeypatch.setattr(Path, "open", opened)

    return fill


# --- the first minutes, and a job that does not run ------------------------------------------------------------------


def test_the_first_minutes_are_silent_and_then_a_job_that_never_ran_is_told(host: Host) -> None:
    assert [host.look() for _minute in range(6)] == [[]] * 6
    (told,) = host.look()
    assert told == f"{RED} vps1/axiomdb: the heartbeat job has not run without failure never, in 360 s; its schedule is '* * * * *'"


def test_a_job_added_later_is_not_overdue_at_once(host: Host) -> None:
    host.look()
    host.now += 600
    host.ran("heartbeat")
    host.settings = replace(host.settings, schedules={"heartbeat": "* * * * *", "full": "0 2 * * *"}, overdue_seconds={"full": 300})
    assert host.look(0) == []


def test_a_job_that_hangs_is_overdue_although_the_next_runs_skip(host: Host) -> None:
    host.ran("heartbeat")
    host.look(0)
    for _minute in range(5):
        host.now += 60
        host.ran("heartbeat", jobs.SKIPPED, "a heartbeat job runs or waits already", began=False)
    (told,) = host.look(1)
    assert "the heartbeat job has not run without failure for 301 s" in told


def test_a_skipped_run_ends_no_failure(host: Host) -> None:
    host.ran("heartbeat", FAILED, "disk full")
    assert len(host.look()) == 1
    host.ran("heartbeat", jobs.SKIPPED, "jobs are paused", began=False)
    assert host.look() == []


def test_a_pause_is_no_recovery_and_no_delay_after_it(host: Host) -> None:
    host.ran("heartbeat", FAILED, "disk full")
    assert len(host.look()) == 1
    state.save(state.PAUSE, {"since": host.now, "reason": "a restore"})
    assert [host.look(), host.look(3600)] == [[], []]
    state.save(state.RESUMED, {"at": host.now})
    state.PAUSE.unlink()
    assert host.look() == []
    host.ran("heartbeat")
    assert [text[0] for text in host.look()] == [GREEN]


def test_a_pause_that_nobody_ends_is_told(host: Host) -> None:
    state.save(state.PAUSE, {"since": host.now, "reason": "a restore"})
    assert host.look(86400) == []
    assert ": jobs are paused for 1 day: a restore. Type: " in host.look()[0]


# --- a look that cannot look ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [CommandFailed(Completed("pgbackrest repo-ls", 41, "", ""), "access was denied", "ls"), KeyError("lsn")])
def test_what_keeps_it_from_looking_is_told(host: Host, stop: Exception) -> None:
    host.picture = stop
    (told,) = host.look()
    assert told.startswith(f"{RED} vps1/axiomdb: the host cannot be looked at: ")
    host.picture = WELL
    assert [text[0] for text in host.look()] == [GREEN]


def test_a_look_that_hangs_is_told_by_the_next_and_keeps_no_failed_job_secret(host: Host) -> None:
    host.picture = WELL
    host.ran("heartbeat")
    host.look(0)
    host.picture = Killed()
    for _look in range(2):
        with pytest.raises(Killed):
            host.look(1)
    host.ran("heartbeat", FAILED, "no answer")
    before = len(host.sent)
    with pytest.raises(Killed):
        host.look(1)
    hangs, failed = host.sent[before:]
    assert "the last 2 looks did not end" in hangs
    assert "the heartbeat job failed" in failed
    host.picture = WELL
    host.look()
    assert host.look()[0].startswith(f"{GREEN} vps1/axiomdb: over after ")


def test_every_stanza_is_looked_at_and_measured_before_the_first_message_goes_out(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    stanzas = (STANZA, replace(STANZA, name="second", port=5433))
    host.settings = replace(host.settings, stanzas=stanzas, metrics_file=str(host.directory / "axiomdb_recovery.prom"))
    host.picture = SICK
    measured: list[list[str]] = []

    def deliver(url: str, message: Mapping[str, str]) -> Answer:
        measured.append(sorted(file.name for file in host.directory.glob("*.prom")))
        return host.deliver(url, message)

    monkeypatch.setattr(webhook, "deliver", deliver)
    first, second = host.look()
    assert measured == [["axiomdb_recovery-axiomdb.prom", "axiomdb_recovery-second.prom"]] * 2
    assert (first[:15], second[:14]) == (f"{RED} vps1/axiomdb:", f"{RED} vps1/second:")


def test_a_webhook_that_takes_nothing_is_asked_once_for_all_stanzas(host: Host) -> None:
    host.settings = replace(host.settings, stanzas=(STANZA, replace(STANZA, name="second", port=5433)))
    host.picture = SICK
    host.answers = [Answer("the webhook answers 503")]
    assert host.look() == []
    assert [text.split(":")[0] for text in host.look()] == [f"{RED} vps1/axiomdb", f"{RED} vps1/second"]


def test_what_the_jobs_have_written_is_told_first_after_a_look_that_did_not_end(host: Host) -> None:
    host.ran("heartbeat", FAILED, "no answer")
    host.picture = Killed()
    with pytest.raises(Killed):
        host.look()
    assert host.sent == [], "it waits for the look"
    with pytest.raises(Killed):
        host.look()
    (told,) = host.sent
    assert "the heartbeat job failed" in told


class Killed(BaseException):
    """Ends a look as systemd does."""


def test_two_looks_at_once_tell_it_once(host: Host) -> None:
    host.picture = SICK
    looks = [threading.Thread(target=host.look, args=(0,)) for _look in range(4)]
    for one in looks:
        one.start()
    for one in looks:
        one.join()
    assert len(host.sent) == 1


def test_a_look_that_somebody_stopped_stops_no_other(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0.0)
    host.picture = SICK
    with state.in_order("axiomdb", "watch", 0.0):
        assert len(host.look()) == 1


# --- a webhook that does not take everything ------------------------------------------------------------------------


def test_what_waits_arrives_in_its_order(host: Host) -> None:
    host.picture, host.answers = SICK, [Answer("the webhook answers 503")]
    assert host.look() == []
    host.picture = WELL
    assert [text[0] for text in host.look()] == [RED, GREEN]


def test_a_message_that_is_refused_for_itself_keeps_no_other_waiting(host: Host) -> None:
    host.picture, host.answers = SICK, [Answer("the webhook answers 400", unwanted=True)]
    assert host.look() == []
    host.picture = WELL
    assert [text[0] for text in host.look()] == [GREEN]
    assert "the webhook answers 400" in host.log()


def test_what_arrived_is_not_sent_again_by_the_look_after_a_killed_one(host: Host) -> None:
    state.keep(state.path("axiomdb", "troubles.json"), {"outbox": [{"text": "one"}, {"text": "two"}, {"text": "three"}]})
    host.answers = [Answer(), Killed()]
    with pytest.raises(Killed):
        host.look()
    assert host.look() == ["two", "three"]


def test_the_outbox_is_bounded_and_says_what_it_drops(host: Host) -> None:
    waiting = [{"text": f"message {number}"} for number in range(watch.OUTBOX)]
    state.keep(state.path("axiomdb", "troubles.json"), {"outbox": waiting})
    host.picture, host.answers = SICK, [Answer("the webhook answers 503")]
    host.look()
    assert "500 messages wait for the webhook; the oldest 1 will not be sent" in host.log()
    sent = host.look()
    assert (len(sent), sent[0], "archiving fails" in sent[-1]) == (watch.OUTBOX, "message 1", True)


def test_an_address_that_cannot_be_read_loses_nothing(host: Host) -> None:
    (host.directory / "webhook-url").unlink()
    (host.directory / "webhook-url").mkdir()
    host.picture = SICK
    assert host.look() == []
    (host.directory / "webhook-url").rmdir()
    (host.directory / "webhook-url").write_text("https://chat.example.com/hook", encoding="utf-8")
    assert len(host.look()) == 1


# --- metrics ---------------------------------------------------------------------------------------------------------


def test_the_metrics_of_a_stanza_that_is_gone_do_not_stay(host: Host) -> None:
    host.settings = replace(host.settings, metrics_file=str(host.directory / "axiomdb_recovery.prom"))
    for name in ("axiomdb_recovery-old.prom", "somebody-else.prom"):
        (host.directory / name).write_text("", encoding="utf-8")
    host.look()
    watch.forget(host.settings)
    assert sorted(file.name for file in host.directory.glob("*.prom")) == ["axiomdb_recovery-axiomdb.prom", "somebody-else.prom"]


def test_deadlines_follow_what_is_declared(host: Host) -> None:
    host.settings = replace(host.settings, backup_max_age_seconds=1000, overdue_seconds={"heartbeat": 77})
    memory = watch.recall(host.settings, STANZA, NOW)
    found = watch.deadlines_of(host.settings, STANZA, WELL, {}, {}, memory)
    assert (found.jobs, found.backups, found.pause) == ({"heartbeat": NOW + 77}, {1: NOW - 60 + 1000}, None)
    paused = watch.deadlines_of(host.settings, STANZA, WELL, {}, {"since": NOW - 5}, memory)
    assert (paused.jobs, paused.backups, paused.pause) == ({}, {}, NOW - 5 + 86400)


# --- the drill that is due -------------------------------------------------------------------------------------------


def test_a_drill_that_is_due_is_told_once_and_so_is_one_that_passed(host: Host) -> None:
    host.settings = replace(host.settings, schedules={}, overdue_seconds={}, backup_max_age_seconds=10**9, drill_interval_days=92)
    assert [host.look(), host.look(91 * 86400)] == [[], []]
    state.RESUMED.write_text(json.dumps({"format": 1, "at": host.now}), encoding="utf-8")  # a pause moves no drill
    (told,) = host.look(2 * 86400)
    assert told.startswith(f"{RED} vps1/axiomdb: no drill has ever passed, in 93 days; one each 92 days is asked for. Type: sudo ")
    assert host.look() == []
    passed = drill_document.document(ended(host.now))
    assert drill_reports.keep(STANZA.name, passed, [passed], host.now) == ""
    (over,) = host.look()
    assert over.startswith(f"{GREEN} vps1/axiomdb: over after ")
    deadlines = watch.deadlines_of(host.settings, STANZA, WELL, {}, {}, watch.recall(host.settings, STANZA, host.now))
    known = drill_reports.last(STANZA.name, "vps1", host.now)
    text = metrics.render(STANZA.name, WELL, {}, {}, deadlines, drilled=known)
    assert f'axiomdb_recovery_drill_last_passed_time_seconds{{stanza="axiomdb"}} {int(passed["began"])}\n' in text
    assert 'axiomdb_recovery_drill_passed{stanza="axiomdb"} 1\n' in text
    assert 'axiomdb_recovery_drill_rto_seconds{stanza="axiomdb"} 7\n' in text
    assert deadlines.jobs == {"drill": passed["began"] + 92 * 86400}


# --- the verdict of the verify job -----------------------------------------------------------------------------------


def test_what_the_next_verification_finds_more_is_told_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "is_standby", lambda _stanza: False)
    first, second = Fault("hole 1 X", 1, "X is missing", "this"), Fault("hole 1 Y", 1, "Y is missing", "that")

    def verify(*faults: Fault) -> list[str]:
        monkeypatch.setattr(judging, "verify", lambda *_arguments: Judgement(host.now, (), faults))
        work.verify(host.settings, STANZA)
        return host.look()

    assert verify(first) == [f"{RED} vps1/axiomdb: the verify job failed: X is missing. Type: this"]
    assert verify(replace(first, found="X is missing still")) == []
    assert verify(first, second) == [f"{RED} vps1/axiomdb: the verify job failed: X is missing. Type: this | Y is missing. Type: that"]
    assert verify(second) == []
    assert [text[0] for text in verify()] == [GREEN]


def test_a_broken_verdict_is_an_alert_with_what_to_type_and_a_metric(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = (Fault("hole 1 X", 1, "the WAL segment X is missing", verdict.FULL),)
    found = Judgement(host.now, (Reading(1, 0, 2, 7),), faults)
    monkeypatch.setattr(work, "is_standby", lambda _stanza: False)
    monkeypatch.setattr(judging, "verify", lambda *_arguments: found)
    host.settings = replace(host.settings, metrics_file=str(host.directory / "axiomdb_recovery.prom"))
    ended = work.verify(host.settings, STANZA)
    assert (ended.outcome, ended.text) == (FAILED, f"the WAL segment X is missing. Type: {verdict.FULL}")
    assert host.look() == [f"{RED} vps1/axiomdb: the verify job failed: the WAL segment X is missing. Type: {verdict.FULL}"]
    written = (host.directory / "axiomdb_recovery-axiomdb.prom").read_text(encoding="utf-8")
    assert f'axiomdb_recovery_verdict_time_seconds{{stanza="axiomdb"}} {int(NOW)}\n' in written
    assert 'axiomdb_recovery_verdict_faults{stanza="axiomdb"} 1\n' in written
    assert 'axiomdb_recovery_verify_exit_code{stanza="axiomdb",repository="1"} 0\n' in written
    monkeypatch.setattr(judging, "verify", lambda *_arguments: replace(found, faults=()))
    assert work.verify(host.settings, STANZA).outcome == DONE
    assert judging.last("axiomdb") == replace(found, faults=())
    (over,) = host.look()
    assert over.endswith("the verify job failed: the WAL segment X is missing")


def test_a_standby_leaves_the_last_verdict_as_it_was(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "is_standby", lambda _stanza: True)
    assert work.verify(host.settings, STANZA).outcome == SKIPPED
    assert judging.last("axiomdb") is None


# --- a disk that takes nothing, and a memory that nobody can read -----------------------------------------------------


def test_a_full_disk_loses_no_alert_and_repeats_none(host: Host, full_disk: Callable[..., None]) -> None:
    host.settings = replace(host.settings, alert_after_seconds=60)
    host.ran("heartbeat")
    host.look(0)
    full_disk("lib", "log")
    host.picture = SICK
    assert host.look() == []
    host.ran("heartbeat")
    told = host.look()
    assert ["archiving fails" in text or "does not keep what the jobs remember: No space left" in text for text in told] == [True, True]
    host.ran("heartbeat")
    assert host.look() == []


def test_where_nothing_at_all_can_be_kept_each_look_tells(host: Host, full_disk: Callable[..., None]) -> None:
    host.settings = replace(host.settings, alert_after_seconds=60)
    host.ran("heartbeat")
    full_disk("lib", "log", "run")
    host.picture = SICK
    for _look in range(2):
        assert any("archiving fails" in text for text in host.look())


def test_the_disk_is_believed_again_when_it_takes_something(
    host: Host, full_disk: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context():
        really = Path.open
        full_disk("lib")
        host.ran("heartbeat", FAILED, "disk full")
        assert ending.records("axiomdb")["heartbeat"].text == "disk full"
        monkeypatch.setattr(Path, "open", really)
    host.ran("heartbeat")
    assert ending.records("axiomdb")["heartbeat"].outcome == DONE
    assert list((host.directory / "run").iterdir()) == []


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "not JSON",
        "[]",
        '{"format": 1, "troubles": 7, "outbox": 7, "counted": 7, "looked": "x", "unended": []}',
        '{"format": 1, "troubles": {"archiving": {}}}',
    ],
)
def test_a_damaged_memory_is_no_reason_for_silence(host: Host, damaged: str) -> None:
    state.path("axiomdb", "troubles.json").write_text(damaged, encoding="utf-8")
    state.path("axiomdb", "job-heartbeat.json").write_text(damaged, encoding="utf-8")
    host.picture = SICK
    assert ["archiving fails" in text for text in host.look()] == [True]
    assert host.look() == []


def test_a_clock_that_went_back_tells_nothing_false_and_hides_nothing(host: Host) -> None:
    host.settings = replace(host.settings, backup_max_age_seconds=10**9)
    host.now += 1e7
    host.ran("heartbeat")
    assert host.look(0) == []
    host.now = NOW
    assert [host.look() for _minute in range(6)] == [[]] * 6
    assert "has not run without failure" in host.look()[0]


def test_a_job_that_crashes_is_a_failure(host: Host) -> None:
    def crash(_tell: Callable[[str], None]) -> Ended:
        raise ValueError("Expecting value")

    ended = work.perform(host.settings, STANZA, "heartbeat", "backup.log", crash)
    assert ended.outcome == FAILED
    assert ended.text.startswith("crashed with ValueError: Expecting value. Next: ")
    assert "the heartbeat job failed: crashed" in host.look()[0]
    (line,) = (host.directory / "log" / "operations.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["outcome"] == FAILED


def test_only_the_newest_verification_that_failed_is_no_protection(host: Host) -> None:
    assert failed_verification(STANZA.name) == ""
    host.ran("verify", FAILED, "repository 1: a manifest is missing. Next: pgbackrest verify")
    assert failed_verification(STANZA.name) == "repository 1: a manifest is missing"
    host.ran("verify")
    assert failed_verification(STANZA.name) == ""


@pytest.mark.parametrize(("job", "outcome"), [("hourly", SKIPPED), ("manual", FAILED)])
def test_during_a_pause_cron_is_silent_and_a_person_is_told(host: Host, job: str, outcome: str) -> None:
    state.save(state.PAUSE, {"since": host.now, "reason": "disks are moved"})
    ended = work.perform(host.settings, STANZA, job, "backup.log", lambda _tell: Ended(DONE, "did it"))
    assert (ended.outcome, ended.began) == (outcome, False)
    assert ended.text.startswith("jobs are paused: disks are moved")
    with pytest.raises(Refusal, match=r"^Found jobs paused since 20\d\d-.*: disks are moved; expected nobody to have paused them\. Next: "):
        state.refuse_pause()


def test_a_full_disk_stops_no_job(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for call in ("write", "pwrite"):
        monkeypatch.setattr(state.os, call, full)
    ended = work.perform(host.settings, STANZA, "heartbeat", "backup.log", lambda _tell: Ended(DONE, "did it"))
    assert ended == Ended(DONE, "did it")


def test_a_read_only_disk_stops_no_job_and_silences_no_alert(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.ran("heartbeat")
    really, disk = os.open, str(host.directory / "lib")

    def read_only(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if str(path).startswith(disk) and flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(errno.EROFS, "Read-only file system")
        return really(path, flags, *arguments, **options)

    monkeypatch.setattr(state.os, "open", read_only)
    ended = work.perform(host.settings, STANZA, "heartbeat", "backup.log", lambda _tell: Ended(DONE, "did it"))
    assert ended == Ended(DONE, "did it")
    host.picture = SICK
    assert any("archiving fails" in text for text in host.look())


def test_two_jobs_may_make_the_same_directory(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    made = state.path("axiomdb", "lock").parent
    monkeypatch.setattr(Path, "is_dir", lambda _path: False)  # as the other one saw it
    assert state.path("axiomdb", "lock").parent == made
