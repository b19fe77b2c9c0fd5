# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges a server that recovers, by what it says and shows: its log, its position, its state. Exit codes and clocks prove nothing.

Source of the messages: PostgreSQL 15 to 18, src/backend/access/transam/xlogrecovery.c, with lc_messages=C.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .problem import Problem
from .scratch import LATEST, Goal
from .target import exact
from .wal import Lsn
from .window import HEADER

WAITING, REACHED, PAUSE = "waiting", "reached", "pause"
ENDED_AT = 2  # times that the server asked in vain for the same WAL
_READY = re.compile(r"database system is ready to accept (read-only )?connections")  # the second: its recovery is over
_DEAD = re.compile(r"\] (?:FATAL|PANIC): +(.*)")
_VISITOR = re.compile(
    r"the database system is (starting up|shutting down|in recovery mode|not (yet )?accepting connections)|FATAL: +terminating connection"
)
_RESTORED = re.compile(r'restored log file "([0-9A-F]{24})" from archive')
_AWAITED = re.compile(r"waiting for WAL to become available at ([0-9A-F]+/[0-9A-F]+)")
_STOPPED = re.compile(r"LOG: +(recovery stopping .*)")
_FULL = re.compile(r"[A-Z]+: +(.*No space left on device)")  # also of what fetches WAL
_TOO_LOW = re.compile(r"DETAIL: +(\w+ = \d+ is a lower setting than on the primary server.*)")


@dataclass(frozen=True)
class Log:
    """What the server's log has said so far. `lines` counts those that show that something happens."""

    lines: int = 0
    ready: bool = False
    fatal: str = ""
    restored: str = ""
    stopped: str = ""
    too_low: str = ""
    full: str = ""
    awaited: str = ""
    awaited_times: int = 0


def read_log(log: Log, text: str) -> Log:
    """The log after some more complete lines."""
    for line in text.splitlines():
        log = _read_line(log, line)
    return log


def _read_line(log: Log, line: str) -> Log:
    if match := _AWAITED.search(line):
        times = log.awaited_times + 1 if match[1] == log.awaited else 1
        return replace(log, awaited=match[1], awaited_times=times)
    if match := _FULL.search(line):
        log = replace(log, full=match[1])
    if (match := _DEAD.search(line)) and not _VISITOR.search(line):
        log = replace(log, fatal=match[1])
    elif match := _RESTORED.search(line):
        log = replace(log, restored=match[1])
    elif match := _STOPPED.search(line):
        log = replace(log, stopped=match[1])
    elif match := _TOO_LOW.search(line):
        log = replace(log, too_low=match[1])
    elif _READY.search(line):
        log = replace(log, ready=True)
    # Whoever is turned away has a line too, and proves no movement.
    return log if _DEAD.search(line) else replace(log, lines=log.lines + 1)


@dataclass(frozen=True)
class Replayed:
    """Where the server stands. `time` is that of the last commit replayed, in Unix seconds; `timeline` of the last segment replayed."""

    lsn: Lsn | None
    time: float | None
    timeline: int | None
    system_id: int
    pause: str
    in_recovery: bool


def parse_replayed(answer: Mapping[str, Any], log: Log) -> Replayed:
    """The server's own answer, with the timeline that its log shows."""
    lsn, time = answer["lsn"], answer["time"]
    return Replayed(
        Lsn.parse(lsn) if lsn else None,
        float(time) if time is not None else None,
        int(log.restored[:8], 16) if log.restored else None,
        int(answer["system_id"]),
        str(answer["pause"]),
        bool(answer["in_recovery"]),
    )


@dataclass(frozen=True)
class Seen:
    """One look: `ended` says how the server's process ended, empty while it lives; `still` is for how many seconds nothing moved."""

    log: Log
    replayed: Replayed | None = None
    ended: str = ""
    still: float = 0.0


def movement(seen: Seen, control_changed: float) -> tuple[object, ...]:
    """What changes while a recovery goes on."""
    return seen.log.lines, seen.log.restored, seen.replayed.lsn if seen.replayed else None, control_changed


def judge(goal: Goal, seen: Seen, patience: float) -> str | Problem:
    """WAITING, REACHED, PAUSE (replay is to be paused now), or why it will never be reached."""
    if seen.ended:
        return _dead(goal, seen)
    log, found = seen.log, seen.replayed
    if log.full:
        return _no_room(log)
    if log.too_low:
        return Problem(
            f"recovery stopped by a setting: {log.too_low}", "settings as high as the source had", _again(goal, "a later backup")
        )
    if found is not None and not found.in_recovery:
        return Problem("a copy that ended its recovery", "one that pauses at the target", _again(goal, "the same set"))
    if found is not None and found.pause == "paused" and (goal.kind == LATEST or log.stopped):
        return REACHED
    if goal.kind == LATEST and found is not None and (verdict := _at_the_end(goal, log, found)):
        return verdict
    if seen.still > patience:
        where = f"at {found.lsn}" if found and found.lsn else "before it is consistent"
        said = f"; the last message is '{log.fatal}'" if log.fatal else ""
        return Problem(
            f"a recovery that stands still {where} for {int(seen.still)} s{said}", "its log or its position to move", _list_archive(goal)
        )
    return WAITING


def _at_the_end(goal: Goal, log: Log, found: Replayed) -> str | Problem | None:
    """Of a standby that replays until its repository has no more."""
    if found.lsn is not None and goal.lsn is not None and found.lsn >= goal.lsn:
        return PAUSE if found.pause == "not paused" else WAITING
    if log.awaited_times >= ENDED_AT:
        return Problem(f"an archive of which nothing follows {log.awaited}", f"WAL up to {goal.lsn}", _list_archive(goal))
    return None


def _dead(goal: Goal, seen: Seen) -> Problem:
    said = ": ".join(part for part in (seen.log.fatal, seen.log.too_low) if part) or "its log does not say why"
    if seen.log.full:
        return _no_room(seen.log)
    if "invalid pages" in said:
        return Problem(f"a copy that died: {said}", "a set whose pages fit its WAL", "restore all databases, not some of them")
    if "before configured recovery target was reached" in said or "before consistent recovery point" in said:
        return Problem(
            f"a copy that died: {said}", f"a target that {goal.label} and its archive reach", _again(goal, "another target or set")
        )
    return Problem(f"a copy that died ({seen.ended}): {said}", "a server that recovers", _list_archive(goal))


def _no_room(log: Log) -> Problem:
    return Problem(f"a full disk: {log.full}", "room for the data and its WAL", "df -h; make room there, and type the same again")


def _again(goal: Goal, what: str) -> str:
    return f"sudo -u postgres pgbackrest --stanza={goal.stanza} --repo={goal.repository} info; then choose {what}"


def _list_archive(goal: Goal) -> str:
    return f"sudo -u postgres pgbackrest --repo={goal.repository} repo-ls --recurse archive/{goal.stanza}"


def judge_proof(goal: Goal, system_id: int, found: Replayed) -> list[Problem]:
    """What is not as it was planned: another cluster, position or timeline."""
    problems = []
    again = _again(goal, "another target")
    if found.system_id != system_id:
        problems.append(Problem(f"the system identifier {found.system_id} in the copy", f"{system_id}, which is the set's", again))
    if goal.lsn is not None and not _stands(goal, goal.lsn, found.lsn):
        how = "exactly" if goal.exact and goal.kind != LATEST else "at least"
        problems.append(Problem(f"the copy at {found.lsn}", f"{how} {goal.lsn}", again))
    if goal.until is not None and found.time is not None and found.time > goal.until:
        problems.append(Problem(f"a commit of {exact(found.time)} in the copy", f"none after {exact(goal.until)}", again))
    if goal.expected_timeline is not None and found.timeline != goal.expected_timeline:
        problems.append(Problem(f"the copy on timeline {found.timeline}", f"timeline {goal.expected_timeline}", again))
    return problems


def _stands(goal: Goal, planned: Lsn, found: Lsn | None) -> bool:
    """Whether replay ended where it had to. Between the end of a record and the next one a page's header may lie."""
    if found is None:
        return False
    if goal.kind == LATEST:
        return found >= planned
    return found == planned if goal.exact else found.position + HEADER >= planned.position
