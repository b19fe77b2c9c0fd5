# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be recovered, right now, and everything that bears on it: one answer for a person, one for a program. Changes nothing."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from . import (
    drill_annotation,
    drill_history,
    drill_reports,
    ending,
    horizon,
    judging,
    outline,
    restore_journal,
    restore_told,
    restoring,
    space,
    state,
    telling,
    tool_settings,
    verdict,
    watch,
    work,
)
from .drill_history import Last
from .jobs import Settings, Stanza
from .judging import Sight
from .summary import Picture, judge, lines
from .verdict import Fault, Judgement, Limits
from .window import Outlook


@dataclass(frozen=True)
class Status:
    """The answer as lines, the last of them the verdict, and as a document; `good` when nothing is wrong."""

    good: bool
    lines: list[str]
    document: dict[str, Any]


@dataclass(frozen=True)
class _Seen:
    """What one look has found."""

    picture: Picture
    outlooks: list[Outlook]
    timeline: int
    troubles: dict[str, str]
    faults: list[Fault]
    judged: Judgement | None
    upcoming: dict[str, float]
    space: list[str]
    drilled: Last


def settings_of(host: str, stanza: Stanza) -> Settings:
    """What the jobs of this host are told; defaults on a host that has none."""
    return tool_settings.known() or Settings(host, (stanza,), {})


def take(settings: Settings, stanza: Stanza, picture: Picture) -> Status:
    """Look into every repository and at what the jobs have left, beside a picture that was just taken."""
    seen = _look(settings, stanza, picture)
    recovery, unreadable = restore_journal.peek(stanza.name)
    is_open = restoring.is_open(recovery) or bool(unreadable)
    good = judge(picture).protected and not seen.troubles and not seen.faults and not is_open
    return Status(good, _lines(settings, stanza, seen), _document(settings, stanza, seen))


def _look(settings: Settings, stanza: Stanza, picture: Picture) -> _Seen:
    outlooks, timeline = horizon.outlooks(stanza.name, work.cluster_of(stanza))
    records, pause = ending.records(stanza.name), state.load(state.PAUSE)
    # A job may have ended since the picture was taken: that is not the future.
    memory = watch.recall(settings, stanza, max(picture.now, time.time()))
    drilled = drill_reports.last(stanza.name, settings.host, memory.looked)
    troubles = watch.troubles_of(settings, stanza, picture, records, memory, drilled)
    faults = _faults(settings, stanza, picture, outlooks) if outlooks else []
    faults = [fault for fault in outline.open_faults(faults, troubles) if not (pause and fault.topic.startswith("age "))]
    local = datetime.fromtimestamp(picture.now)
    upcoming = {} if pause else {job: when.timestamp() for job, when in outline.next_jobs(settings, local).items()}
    samples = judging.samples_of(stanza.name)
    room = [space.line(samples, one, picture.places[one.repository].path) for one in judging.free_space(picture)]
    return _Seen(picture, outlooks, timeline, troubles, faults, judging.last(stanza.name), upcoming, room, drilled)


def _faults(settings: Settings, stanza: Stanza, picture: Picture, outlooks: list[Outlook]) -> tuple[Fault, ...]:
    limits = Limits(settings.backup_max_age_seconds, settings.window_days)
    first = Sight(picture, tuple(outlooks))
    return judging.faults_of(first, lambda: judging.look(stanza.name, work.cluster_of(stanza), settings.host), limits)


def _lines(settings: Settings, stanza: Stanza, seen: _Seen) -> list[str]:
    picture, paused = seen.picture, state.pause()
    *body, last = lines(replace(picture, windows=telling.lines(seen.outlooks, seen.timeline, picture.now)))
    text = [*body, *outline.backups(picture), *verdict.lines(seen.judged, picture.now)]
    numbers = [one.number for one in picture.repositories]
    proof = drill_annotation.told(picture.repositories)
    text += drill_history.lines(seen.drilled, settings.drill_interval_days, picture.now, numbers, proof)
    text += outline.jobs(ending.records(stanza.name), seen.judged is not None, seen.upcoming, picture.now)
    recovery, unreadable = restore_journal.peek(stanza.name)
    ends = " They begin again when it is over." if restoring.is_open(recovery) else f" {watch.RESUME}"
    text += [f"  jobs         PAUSED since {paused['since']}: {paused['reason']}.{ends}"] if paused else []
    text += seen.space
    text += restore_told.open_or_kept(recovery, restore_journal.kept(stanza.name), picture.now)
    text += [f"  trouble      {unreadable}"] if unreadable else []
    text += outline.unprotected(picture, settings, webhook=os.path.exists(state.WEBHOOK))
    text += [f"  trouble      {found}" for found in seen.troubles.values()]
    return [*text, *(f"  BROKEN       {fault.sentence}" for fault in seen.faults), last]


def _document(settings: Settings, stanza: Stanza, seen: _Seen) -> dict[str, Any]:
    found = judge(seen.picture)
    return {
        "protected": found.protected,
        "reason": found.reason,
        "paused": state.pause(),
        "troubles": seen.troubles,
        "faults": [asdict(fault) for fault in seen.faults],
        "verdict": verdict.document(seen.judged) if seen.judged else None,
        "jobs": {job: asdict(record) for job, record in ending.records(stanza.name).items()},
        "next_jobs": seen.upcoming,
        "drill": {"newest": seen.drilled.newest, "passed": seen.drilled.passed},  # null where there is none
        "repositories": [asdict(item) for item in seen.picture.repositories],
        "windows": [telling.document(outlook) for outlook in seen.outlooks],
    }
