# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the jobs do: take backups, verify them, write heartbeats. Each run ends as a record and as a line of the operations log."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from . import backup, capture, judging, postgres, state, verdict
from .jobs import DONE, FAILED, HEARTBEAT, JOBS, SKIPPED, VERIFY, Record, Settings, Stanza, next_record, parse_records
from .postgres import Cluster, NotAnswering
from .problem import Refusal
from .run import CommandFailed
from .snapshots import Request
from .summary import age
from .survey import survey, writable
from .verdict import Judgement, Limits

PATIENCE = 6 * 3600.0  # seconds that a job waits for the one before it
BEAT = "select pg_logical_emit_message(true, 'axiomdb.heartbeat', extract(epoch from clock_timestamp())::text)"
BEATEN = """
select json_build_object('time', {began}::float8, 'lsn', pg_current_wal_insert_lsn(),
  'timeline', ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int)
"""


@dataclass(frozen=True)
class Ended:
    """How a run ended, in one sentence; `more` goes into the operations log and the JSON.

    A run that did not begin (`began` is false) says nothing of its job: neither that it works nor that it fails.
    """

    outcome: str
    text: str
    more: dict[str, Any] = field(default_factory=dict)
    began: bool = True


def cluster_of(stanza: Stanza) -> Cluster:
    """The cluster of a stanza."""
    return Cluster(stanza.version, stanza.cluster, stanza.port)


def records(stanza: str) -> dict[str, Record]:
    """How the newest run of each job ended."""
    return parse_records({job: state.load(state.DIRECTORY / stanza / f"job-{job}.json").get("record") for job in JOBS})


def perform(settings: Settings, stanza: Stanza, job: str, name: str, body: Callable[[Callable[[str], None]], Ended]) -> Ended:
    """Run a job when its turn comes, and write down how it ended. It is skipped while jobs are paused, or when it waits already."""
    began = time.time()
    waited = state.Waited()

    def tell(line: str) -> None:
        state.log(name, f"{stanza.name} {job}: {line}")

    def in_turn() -> Ended:
        nonlocal waited
        with state.only_one(stanza.name, job) as alone:
            paused = state.pause()
            if paused:
                return Ended(*_not_begun(job, f"jobs are paused: {paused['reason']}"), began=False)
            if not alone:
                return Ended(*_not_begun(job, f"a {job} job runs or waits already"), began=False)
            with state.turn(stanza.name, f"{job} job", tell, PATIENCE) as waited:
                tell("begins")
                return body(tell)

    ended = _judged(stanza, in_turn)
    tell(f"{ended.outcome}: {ended.text}")
    over = time.time()
    entry = {"operation": job, "host": settings.host, "stanza": stanza.name, "outcome": ended.outcome, "text": ended.text}
    times = {"seconds": round(over - began, 1), "waited_seconds": round(waited.seconds, 1), "waited_for": waited.holder}
    state.operation({**entry, **times, **ended.more})
    remember(stanza.name, job, ended, began, over)
    return ended


def _not_begun(job: str, why: str) -> tuple[str, str]:
    """The outcome and its sentence: cron comes again, a person who typed the command waits for a backup that nobody takes."""
    if job in JOBS:
        return SKIPPED, why
    return FAILED, f"{why}. Nothing was done. Next: sudo /opt/axiomdb/axiomdb-recovery status"


def _judged(stanza: Stanza, body: Callable[[], Ended]) -> Ended:
    """How a run ended, whatever stopped it: a job that only crashed would be no failure of which somebody is told."""
    try:
        return body()
    except TimeoutError as error:
        return Ended(FAILED, f"waited {age(PATIENCE)} for {error}, which still runs")
    except (CommandFailed, Refusal) as error:
        return Ended(FAILED, str(error))
    except NotAnswering as error:
        return Ended(FAILED, f"the server of {stanza.version}/{stanza.cluster} does not answer ({error}). Next: pg_lsclusters")
    except Exception as error:
        with suppress(OSError):
            traceback.print_exc()
        return Ended(FAILED, f"crashed with {type(error).__name__}: {error}. Next: tail {state.LOGS}/backup.log")


def remember(stanza: str, job: str, ended: Ended, began: float, over: float) -> None:
    """Keep how a run ended, for alerts and status. Where nothing can be kept, the job is overdue some time."""
    if ended.began:
        record = next_record(records(stanza).get(job), ended.outcome, ended.text, began, over)
        with suppress(OSError):
            state.keep(state.path(stanza, f"job-{job}.json"), {"record": asdict(record)})


def take_backups(settings: Settings, stanza: Stanza, kind: str, job: str) -> Ended:
    """A backup into each repository; one that cannot be reached does not keep the others from theirs."""
    return perform(settings, stanza, job, "backup.log", lambda tell: _take(settings, stanza, kind, tell))


def _take(settings: Settings, stanza: Stanza, kind: str, tell: Callable[[str], None]) -> Ended:
    seen = survey(stanza.name, cluster_of(stanza), settings.host)
    if seen is None:
        next_step = "sudo /opt/axiomdb/axiomdb-recovery status"
        return Ended(FAILED, f"there is no cluster {stanza.version}/{stanza.cluster}, or no pgBackRest. Next: {next_step}")
    if seen.standby:
        return Ended(SKIPPED, f"{settings.host} is a standby; its primary takes the backups")
    impossible = backup.impossible(seen)
    if impossible:
        return Ended(FAILED, impossible.sentence())
    able, problems = writable(seen)
    made, failed = backup.take_each(seen, able, kind, tell)
    problems += failed
    done = ", ".join(f"{item['label']} in repository {item['repository']}" for item in made)
    if problems:
        return Ended(FAILED, " | ".join([*problems, *([f"taken: {done}"] if done else [])]), {"backups": made})
    return Ended(DONE, f"took {done}", {"backups": made})


def verify(settings: Settings, stanza: Stanza) -> Ended:
    """Let pgBackRest read every file of every repository, judge what it says and what it does not see, and keep the verdict."""
    return perform(settings, stanza, VERIFY, "backup-verify.log", lambda tell: judged(settings, stanza, tell))


def judged(settings: Settings, stanza: Stanza, tell: Callable[[str], None]) -> Ended:
    """The verdict as the end of a run. It is kept."""
    if is_standby(stanza):
        return Ended(SKIPPED, "a standby; its primary verifies the repositories")
    limits = Limits(settings.backup_max_age_seconds, settings.window_days)
    found = judging.verify(stanza.name, cluster_of(stanza), settings.host, limits, tell)
    judging.remember(stanza.name, found)
    return end_of(found)


def end_of(found: Judgement) -> Ended:
    """A verdict as the end of a run."""
    return Ended(FAILED if found.faults else DONE, verdict.said(found), verdict.document(found))


def is_standby(stanza: Stanza) -> bool:
    """False also for a server that does not answer: its repositories can be read all the same."""
    try:
        return bool(postgres.ask(stanza.port, "select to_json(pg_is_in_recovery())"))
    except NotAnswering:
        return False


def snapshot(settings: Settings, stanza: Stanza, request: Request) -> Ended:
    """Name this moment, as the module does; the answer is the recovery target to type later."""
    try:
        made = capture.perform(request, stanza.name, cluster_of(stanza), settings.host)
    except (CommandFailed, Refusal) as error:
        return Ended(FAILED, str(error))
    except NotAnswering as error:
        return Ended(FAILED, f"the server of {stanza.version}/{stanza.cluster} does not answer ({error}). Next: pg_lsclusters")
    return Ended(DONE, request.target, {"target": request.target, "snapshots": [asdict(entry) for entry in made]})


def heartbeat(stanza: Stanza) -> Ended:
    """One commit without a table, so that even an idle server has a moment to which it can be recovered. A standby skips."""
    began = time.time()

    def beat() -> Ended:
        if state.load(state.PAUSE):
            return Ended(SKIPPED, "jobs are paused", began=False)
        if postgres.ask(stanza.port, "select to_json(pg_is_in_recovery())"):
            return Ended(SKIPPED, "a standby; its primary writes the heartbeat")
        entry = postgres.ask(stanza.port, BEATEN.format(began=began), before=BEAT)
        with suppress(OSError):  # the watch tells of a disk that keeps nothing; the commit is made
            state.beat(stanza.name, entry)
        return Ended(DONE, f"committed before LSN {entry['lsn']}", entry)

    ended = _judged(stanza, beat)
    remember(stanza.name, HEARTBEAT, ended, began, time.time())
    return ended
