# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The jobs of a host: what is declared of them, how their last runs ended, and which of them is overdue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 1
FULL, HOURLY, VERIFY, HEARTBEAT = "full", "hourly", "verify", "heartbeat"
DRILL = "drill"  # no job of cron; a person's, once in a quarter
JOBS = (FULL, HOURLY, VERIFY, HEARTBEAT)
DONE, SKIPPED, FAILED = "done", "skipped", "failed"


@dataclass(frozen=True)
class Stanza:
    """A stanza of this host and the cluster that it belongs to."""

    name: str
    version: str
    cluster: str
    port: int


@dataclass(frozen=True)
class Settings:
    """What the tool is told. Schedules are the five time fields of cron; all ages are in seconds.

    `overdue_seconds` says for each job how old its last run may be that did not fail. `alert_after_seconds` is how long a
    trouble must last before somebody is told. `window_days` is how far back each repository must be able to recover; 0 demands nothing.
    `drill_interval_days` is how long ago a drill may have passed last; 0 asks for none.
    """

    host: str
    stanzas: tuple[Stanza, ...]
    schedules: Mapping[str, str]
    hourly_type: str = "incr"
    overdue_seconds: Mapping[str, int] = field(default_factory=dict)
    backup_max_age_seconds: int = 90000
    alert_after_seconds: int = 60
    pause_max_seconds: int = 86400
    metrics_file: str = ""
    window_days: int = 0
    drill_interval_days: int = 0


@dataclass(frozen=True)
class Record:
    """How a job's newest run ended: `text` is one sentence. Times are Unix seconds; `good` is when one last did not fail."""

    outcome: str
    text: str
    began: float
    ended: float
    good: float | None = None


def render_settings(settings: Settings, written_by: str) -> str:
    """The settings file: JSON with one sentence about its writer."""
    document = {"format": FORMAT, "written_by": written_by, **asdict(settings)}
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def parse_settings(text: str) -> Settings:
    """Read the settings file. Raises ValueError with a sentence when it is not one of ours."""
    try:
        document: dict[str, Any] = json.loads(text)
        if document.pop("format") != FORMAT:
            raise ValueError("another format")
        document.pop("written_by")
        stanzas = tuple(Stanza(**item) for item in document.pop("stanzas"))
        if not stanzas:
            raise ValueError("no stanza in them")
        return Settings(stanzas=stanzas, **document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"Found settings that cannot be read ({error}); expected those of format {FORMAT}.") from error


def next_record(known: Record | None, outcome: str, text: str, began: float, ended: float) -> Record:
    """The record after one more run; a run that failed leaves the time of the last good one."""
    good = ended if outcome != FAILED else (known.good if known else None)
    return Record(outcome, text, began, ended, good)


def failures(records: Mapping[str, Record]) -> dict[str, str]:
    """One sentence for each job whose newest run failed, by topic."""
    return {f"job {job}": f"the {job} job failed: {record.text}" for job, record in records.items() if record.outcome == FAILED}


@dataclass(frozen=True)
class Counted:
    """From when on a job is counted that runs by this schedule; Unix seconds."""

    schedule: str
    since: float


def count(settings: Settings, known: Mapping[str, Counted], now: float, looked: float, resumed: float) -> dict[str, Counted]:
    """From when on each job is counted: when its schedule was first looked at, or the pause ended after it.

    A clock that was behind itself at the last look (`looked`) makes every older time worthless: all are counted from now on.
    """
    counted = {}
    drills = {DRILL: f"each {settings.drill_interval_days} days"} if settings.drill_interval_days else {}
    for job, schedule in {**settings.schedules, **drills}.items():
        before = known.get(job)
        first = before is None or before.schedule != schedule or looked > now or before.since > now
        since = now if first or before is None else before.since
        # A pause of some hours is no reason to drill a quarter later.
        counted[job] = Counted(schedule, max(since, resumed) if resumed <= now and job != DRILL else since)
    return counted


def parse_counted(document: object) -> dict[str, Counted]:
    """What is remembered of it; whatever cannot be read is not remembered."""
    found = {}
    for job, entry in document.items() if isinstance(document, dict) else ():
        with suppress(KeyError, TypeError, ValueError):
            found[str(job)] = Counted(str(entry["schedule"]), float(entry["since"]))
    return found


def deadlines(settings: Settings, records: Mapping[str, Record], counted: Mapping[str, Counted], now: float) -> dict[str, float]:
    """When each job is overdue unless it ends without failure before. A run in the future proves nothing: the clock went back."""
    found = {}
    for job, limit in settings.overdue_seconds.items():
        if job in settings.schedules and job in counted:
            good = _good(records.get(job), now)
            found[job] = max(counted[job].since, good or 0.0) + limit
    return found


def overdue(settings: Settings, records: Mapping[str, Record], counted: Mapping[str, Counted], now: float) -> dict[str, str]:
    """One sentence for each job that did not run when it should have, by topic."""
    late = {}
    for job, deadline in deadlines(settings, records, counted, now).items():
        if now > deadline:
            good = _good(records.get(job), now)
            ran = f"for {int(now - good)} s" if good is not None else f"never, in {int(now - counted[job].since)} s"
            late[f"overdue {job}"] = f"the {job} job has not run without failure {ran}; its schedule is '{settings.schedules[job]}'"
    return late


def _good(record: Record | None, now: float) -> float | None:
    return record.good if record is not None and record.good is not None and record.good <= now else None


def parse_records(documents: Mapping[str, object]) -> dict[str, Record]:
    """Records by job, from the state file; one that cannot be read is none."""
    found = {}
    for job, document in documents.items():
        if isinstance(document, dict):
            with suppress(KeyError, TypeError, ValueError):
                good = document.get("good")
                times = (float(document["began"]), float(document["ended"]), None if good is None else float(good))
                found[job] = Record(str(document["outcome"]), str(document["text"]), *times)
    return found


def kind_of(job: str, settings: Settings) -> str:
    """The kind of backup that a scheduled job takes."""
    return "full" if job == FULL else settings.hourly_type


def chosen(settings: Settings, names: Sequence[str]) -> tuple[Stanza, ...]:
    """The stanzas with these names, or all of them. Raises ValueError with a sentence for a name that is not declared."""
    known = {stanza.name: stanza for stanza in settings.stanzas}
    for name in names:
        if name not in known:
            expected = ", ".join(known)
            raise ValueError(f"Found the stanza {name}; expected one of {expected}. Next: sudo /opt/axiomdb/axiomdb-recovery status")
    return tuple(known[name] for name in names) if names else settings.stanzas
