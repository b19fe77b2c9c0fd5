# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the jobs do: take backups and verify them. Each run ends as a record and as a line of the operations log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict

from . import backup, capture, judging, postgres, state, verdict
from .ending import PATIENCE, Ended, guarded, remember, silent
from .jobs import DONE, FAILED, JOBS, SKIPPED, VERIFY, Settings, Stanza
from .postgres import Cluster, NotAnswering
from .problem import Refusal
from .run import CommandFailed
from .snapshots import Request
from .survey import survey, writable
from .verdict import Judgement, Limits


def cluster_of(stanza: Stanza) -> Cluster:
    """The cluster of a stanza."""
    return Cluster(stanza.version, stanza.cluster, stanza.port)


def perform(settings: Settings, stanza: Stanza, job: str, name: str, body: Callable[[Callable[[str], None]], Ended]) -> Ended:
    """Run a job when its turn comes, and write down how it ended. It is skipped while jobs are paused, or when it waits already."""
    began = time.time()
    waited = state.Waited()

    def tell(line: str) -> None:
        state.log(name, f"{stanza.name} {job}: {line}")

    def in_turn() -> Ended:
        nonlocal waited
        with state.only_one(stanza.name, job) as alone:
            if paused := state.pause():
                return _not_begun(job, f"jobs are paused: {paused['reason']}")
            if not alone:
                return _not_begun(job, f"a {job} job runs or waits already")
            with state.turn(stanza.name, f"{job} job", tell, PATIENCE) as waited:
                # Whoever was waited for may have been a recovery that was killed.
                if paused := state.pause():
                    return _not_begun(job, f"jobs are paused: {paused['reason']}")
                tell("begins")
                return body(tell)

    ended = guarded(stanza, in_turn)
    tell(f"{ended.outcome}: {ended.text}")
    over = time.time()
    entry = {"operation": job, "host": settings.host, "stanza": stanza.name, "outcome": ended.outcome, "text": ended.text}
    times = {"seconds": round(over - began, 1), "waited_seconds": round(waited.seconds, 1), "waited_for": waited.holder}
    state.operation({**entry, **times, **ended.more})
    remember(stanza.name, job, ended, began, over)
    return ended


def _not_begun(job: str, why: str) -> Ended:
    """The end of a run that did not begin: cron comes again, a person who typed the command waits for a backup that nobody takes."""
    if job in JOBS:
        return Ended(SKIPPED, why, began=False)
    return Ended(FAILED, f"{why}. Nothing was done. Next: sudo /opt/axiomdb/axiomdb-recovery status", began=False)


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
        return silent(stanza, error)
    return Ended(DONE, request.target, {"target": request.target, "snapshots": [asdict(entry) for entry in made]})
