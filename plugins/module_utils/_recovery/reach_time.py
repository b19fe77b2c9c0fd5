# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which set of one repository leads to a time, and how: PostgreSQL stops only at a commit or an abort that is later than the target.

A time at or after the newest one is planned as an LSN behind that one; what nobody can know is refused as unknown.
"""

from __future__ import annotations

import math
from datetime import datetime

from .forks import Fork
from .nearest import Around, passes
from .problem import Problem
from .reach import AT_LSN, Choice, Here, behind, newest_set, say, stop_of, unknown_set, window_of
from .spoken import moment
from .target import Target, exact, iso
from .wal import Lsn
from .window import SAFE, Outlook, Stretch, Window

AT_TIME = "time"


def choose(target: Target, outlook: Outlook, here: Here, around: Around) -> Choice | Problem:
    """The set and the end for a `time:` or `before-time:` target. `around` is the nearest that can be recovered in any repository."""
    window = window_of(target, outlook, here)
    if isinstance(window, Problem):
        return window
    time, what = _asked(target).timestamp(), f"the time {_iso_of(target)}"
    oldest = window.stretches[0]
    if time < oldest.sets[0].stopped + SAFE:
        found = f"{what}, before the first backup in repository {outlook.repository.number} ({oldest.sets[0].label}) was complete"
        return Problem(found, f"a time from {moment(oldest.sets[0].stopped + SAFE)} on", around.step())
    if time > here.now:
        return _future(f"{what}, which is in the future: it is {moment(here.now)}", window.stretches[-1], around)
    place = place_of(window, time)
    stretch = window.stretches[place]
    for span in stretch.spans:
        if span.end is not None and (span.first <= time < span.end or (span.first < time == span.end and _ends(target, stretch, time))):
            return _at_time(target, time, window, stretch, outlook)
    fork = next((one for one in stretch.forks if is_near(time, one)), None)
    if fork is not None:
        return _dead(target, fork, window, outlook.windows.get(fork.timeline), around)
    if place + 1 < len(window.stretches):
        return _in_hole(what, outlook, window, stretch, window.stretches[place + 1], around)
    return _at_the_end(target, outlook, window, stretch, around)


def _ends(target: Target, stretch: Stretch, time: float) -> bool:
    """Whether a recovery to the end of a span stops there."""
    return target.exclusive or passes(stretch, time)


def place_of(window: Window, time: float) -> int:
    """Which stretch of a window has the newest set that was complete at this time; the first one before all of them."""
    return max((index for index, one in enumerate(window.stretches) if one.sets[0].stopped + SAFE <= time), default=0)


def is_near(time: float, fork: Fork) -> bool:
    """Whether it is unknown, or not on the path, what was committed at this time."""
    return (fork.after is None or time >= fork.after) and (fork.before is None or time < fork.before)


def _at_time(target: Target, time: float, window: Window, stretch: Stretch, outlook: Outlook) -> Choice | Problem:
    backup = newest_set(stretch, target, lambda one: one.stopped + SAFE <= time)
    if backup is None:
        return unknown_set(target, outlook, stretch.sets)
    text = _asked(target).strftime("%Y-%m-%d %H:%M:%S.%f+00")
    # The first commit that is known to be later: recovery stops there, or before.
    needs = next((one.lsn for one in stretch.commits if one.time > time or (target.exclusive and one.time == time)), stretch.end)
    return Choice(window, backup, AT_TIME, text, target.exclusive, needs, time=_iso_of(target))


def _at_the_end(target: Target, outlook: Outlook, window: Window, stretch: Stretch, around: Around) -> Choice | Problem:
    """A time behind the newest commit that is known in the last stretch."""
    time, what = _asked(target).timestamp(), f"the time {_iso_of(target)}"
    lost = behind(window, stretch)
    if lost:
        found = f"{what}, beyond a hole of repository {outlook.repository.number}: {say(lost[0])}, and no backup was taken after it"
        return Problem(found, _expected(stretch), around.step(around.latest()))
    if stretch.complete is not None and time > stretch.complete:
        found = f"{what}, up to which the WAL is not known to be complete: that is known until {exact(stretch.complete)}"
        return _future(found, stretch, around)
    tail = stretch.tail
    if tail is None or tail.commit is None or tail.stop is None or stretch.complete is None or time < tail.commit.time:
        known = "the newest commit in the WAL is unknown" if stretch.latest is None else f"no commit is known after {exact(stretch.latest)}"
        return Problem(f"{what}; {known}", _expected(stretch), around.step(around.latest(known=False)))
    if target.exclusive and time == tail.commit.time:
        return _at_time(target, time, window, stretch, outlook)
    backup = newest_set(stretch, target, lambda one: stop_of(one) <= (tail.stop or stop_of(one)) and one.stopped + SAFE <= time)
    if backup is None:
        return unknown_set(target, outlook, stretch.sets)
    note = f"nothing was committed from {exact(tail.commit.time)} until {what}: planned as the LSN {tail.stop}, behind that commit"
    needs = min(Lsn(tail.stop.position + 1), stretch.end)
    return Choice(window, backup, AT_LSN, str(tail.stop), True, needs, tail.stop, _iso_of(target), (note,))


def _asked(target: Target) -> datetime:
    if target.time is None:
        raise ValueError(f"Found the target {target}; expected one with a time.")
    return target.time


def _iso_of(target: Target) -> str:
    return iso(_asked(target))


def _future(found: str, stretch: Stretch, around: Around) -> Problem:
    return Problem(found, _expected(stretch), around.step(around.latest()))


def _expected(stretch: Stretch) -> str:
    if stretch.latest is None:
        return "a time before the newest commit that is known to be in the WAL"
    return f"a time before {exact(stretch.latest)}, the newest commit that is known to be in the WAL"


def _in_hole(what: str, outlook: Outlook, window: Window, stretch: Stretch, after: Stretch, around: Around) -> Problem:
    hole = next((one for one in window.holes if one.before_set == after.sets[0].label), None)
    where = say(hole) if hole else "WAL is missing"
    unknown = "" if stretch.latest is not None else ", and it is unknown when the last commit before it was"
    found = f"{what}, which lies in a hole of repository {outlook.repository.number}: {where}{unknown}"
    return Problem(found, "a time before the hole, or from the next backup on", around.step())


def _dead(target: Target, fork: Fork, window: Window, left: Window | None, around: Around) -> Problem:
    what = f"the time {_iso_of(target)}"
    expected = "a time before the two parted, or after"
    parted = f"timeline {window.timeline} left it at LSN {fork.lsn}"
    if not fork.went_on or left is None or not left.stretches:
        found = f"{what}, between the last commit of timeline {fork.timeline} and the first that is known after {parted}"
        return Problem(found, expected, around.step())
    found = f"{what}, which lies on the abandoned timeline {fork.timeline}: {parted}"
    serving = f"timeline {target.timeline}" if target.timeline else "the data that serves now"
    narrowed = f",timeline:{target.timeline}" if target.timeline else ""
    after = around.after.target if around.after else f"latest{narrowed}"
    choices = [f"{around.before.target} for what was there before the two parted"] if around.before else []
    choices.append(f"{after} for {serving}")
    there = f"{_there(target, fork, left)},timeline:{fork.timeline}"
    choices.append(f"or {there} for what was written on the abandoned timeline {fork.timeline} after they parted")
    return Problem(found, expected, f"type {', '.join(choices)}")


def _there(target: Target, fork: Fork, left: Window) -> str:
    """The same time on the abandoned timeline, or the nearest one before it that can be recovered there, behind the fork."""
    time = _asked(target).timestamp()
    for stretch in reversed(left.stretches):
        for span in reversed(stretch.spans):
            if span.end is not None and span.first <= time < span.end:
                return f"time:{_iso_of(target)}"
            if span.end is not None and span.end <= time and (second := math.ceil(span.end) - 1) >= max(span.first, fork.after or 0.0):
                return f"time:{moment(second)}"
    return "latest"
