# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be recovered, right now: the windows for a tired person, and as a document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from . import abandoned
from .forks import Span
from .reach import left_without_history, say
from .spoken import age, counted, moment
from .target import exact
from .window import Hole, Outlook, Stretch, Window

SHOWN = 3  # windows, holes and broken sets of a repository; the document has all


def lines(outlooks: Iterable[Outlook], timeline: int, now: float) -> list[str]:
    """The windows of each repository; `timeline` is the server's, 0 when it does not answer: the newest of each repository then."""
    text: list[str] = []
    for outlook in outlooks:
        head = f"repository {outlook.repository.number}"
        if not outlook.repository.readable:
            text.append(f"  recovers     {head}: UNKNOWN, it cannot be read: {outlook.repository.message}")
            continue
        window = outlook.windows.get(timeline) or (outlook.newest if not timeline else None)
        if window is None or not window.stretches:
            text.append(f"  recovers     {head}: NOTHING" + (f" of timeline {timeline}" if timeline and outlook.windows else ""))
        else:
            text += _window(head, window, now)
        text += _trouble(head, outlook, window)
        text += _others(head, outlook, window)
    return text


def _window(head: str, window: Window, now: float) -> list[str]:
    text = []
    for stretch in window.stretches[-SHOWN:]:
        text += [f"  recovers     {head}, timeline {window.timeline}: {span}" for span in _times(stretch, now)]
        sets = f"{counted(len(stretch.sets), 'set')}, newest {stretch.sets[-1].label}"
        text.append(f"               LSN {stretch.first} to {stretch.end}, from {sets}")
    older = len(window.stretches) - SHOWN
    return [*text, *([f"               and {counted(older, 'older window')} before further holes"] if older > 0 else [])]


def _times(stretch: Stretch, now: float) -> list[str]:
    if not stretch.spans:
        return ["by LSN alone; no time is known in it"]
    if stretch.latest is None and stretch.tail is not None and stretch.tail.commit is not None:
        return [f"the state of {moment(stretch.sets[-1].stopped)}; nothing was committed in its WAL since. Type the target latest"]
    *earlier, last = stretch.spans
    return [*(f"any moment from {moment(span.first)} until {moment(span.end or span.first)}" for span in earlier), _span(last, now)]


def _span(span: Span, now: float) -> str:
    if span.end is None:
        return f"from {moment(span.first)} on; until when is UNKNOWN: no commit is known in its WAL"
    return f"any moment from {moment(span.first)} until {moment(span.end)}, {age(max(0.0, now - span.end))} ago"


def _trouble(head: str, outlook: Outlook, window: Window | None) -> list[str]:
    holes = window.holes if window else ()
    text = [f"  HOLE         {head}: {say(hole)}; {_around(hole)}" for hole in holes[-SHOWN:]]
    text += [f"               and {counted(len(holes) - SHOWN, 'older hole')}"] if len(holes) > SHOWN else []
    if window and window.lost:
        text.append(f"  BROKEN       {head}: {left_without_history(outlook, window)}")
    text += [f"  BROKEN       {head}: nothing can be recovered from set {one.label}: {one.reason}" for one in outlook.broken[-SHOWN:]]
    return text + ([f"               and {counted(len(outlook.broken) - SHOWN, 'further set')}"] if len(outlook.broken) > SHOWN else [])


def _around(hole: Hole) -> str:
    if not hole.before_set:
        return f"what was committed since is LOST to this repository until there is a newer backup than {hole.after_set}"
    return f"no moment in it can be recovered until the end of set {hole.before_set}"


def _others(head: str, outlook: Outlook, window: Window | None) -> list[str]:
    """Every abandoned timeline from which something can be recovered that is not on the server's own path, the newest first."""
    text: list[str] = []
    for other, behind in abandoned.others(outlook, window):
        last = abandoned.last_of(other, behind)
        until = f"until LSN {other.stretches[-1].end}" if last is None else f"until {moment(last)}"
        target = f"a target with ,timeline:{other.timeline} behind it"
        text.append(f"  abandoned    {head}, timeline {other.timeline}: {until}; type {target}")
    return text


def document(outlook: Outlook) -> dict[str, Any]:
    """Windows, holes and broken sets of one repository, as JSON has them."""
    windows = [_stretch(window, stretch) for window in outlook.windows.values() for stretch in window.stretches]
    holes = [{"timeline": window.timeline, **asdict(hole)} for window in outlook.windows.values() for hole in window.holes]
    return {
        "repository": outlook.repository.number,
        "readable": outlook.repository.readable,
        "windows": windows,
        "holes": holes,
        "broken": [asdict(one) for one in outlook.broken],
    }


def _stretch(window: Window, stretch: Stretch) -> dict[str, Any]:
    return {
        "timeline": window.timeline,
        "path": [step.timeline for step in window.path],
        "first_lsn": str(stretch.first),
        "end_lsn": str(stretch.end),
        "times": [{"first": _iso(span.first), "end": _iso(span.end)} for span in stretch.spans],
        "complete_until": _iso(stretch.complete),
        "sets": len(stretch.sets),
        "oldest_set": stretch.sets[0].label,
        "newest_set": stretch.sets[-1].label,
    }


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else exact(seconds)
