# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which set of one repository leads to a time, and how: PostgreSQL stops only at a commit or an abort that is later than the target.

A time at or after the newest one is planned as an LSN behind that one; what nobody can know is refused as unknown.
"""

from __future__ import annotations

import math
from datetime import datetime

from .forks import Fork
from .problem import Problem
from .reach import AT_LSN, Choice, Here, behind, newest_set, say, stop_of, unknown_set, window_of
from .spoken import moment
from .target import Target, exact, iso
from .wal import Lsn
from .window import SAFE, Outlook, Stretch, Window

AT_TIME = "time"


def choose(target: Target, outlook: Outlook, here: Here) -> Choice | Problem:
    """The set and the end for a `time:` or `before-time:` target."""
    window = window_of(target, outlook, here)
    if isinstance(window, Problem):
        return window
    time, what = _asked(target).timestamp(), f"the time {_iso_of(target)}"
    oldest = window.stretches[0]
    if time < oldest.sets[0].stopped + SAFE:
        found = f"{what}, before the first backup in repository {outlook.repository.number} ({oldest.sets[0].label}) was complete"
        first = oldest.sets[0].stopped + SAFE
        return Problem(found, f"a time from {moment(first)} on", f"type time:{moment(first)}")
    if time > here.now:
        return _future(f"{what}, which is in the future: it is {moment(here.now)}", window.stretches[-1])
    place = place_of(window, time)
    stretch = window.stretches[place]
    for span in stretch.spans:
        if span.end is not None and (span.first <= time < span.end or (target.exclusive and span.first < time == span.end)):
            return _at_time(target, time, window, stretch, outlook)
    fork = next((one for one in stretch.forks if is_near(time, one)), None)
    if fork is not None:
        return _dead(target, what, fork, window, outlook.windows.get(fork.timeline))
    if place + 1 < len(window.stretches):
        return _in_hole(what, outlook, window, stretch, window.stretches[place + 1])
    return _at_the_end(target, time, what, outlook, window, stretch, here)


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


def _at_the_end(target: Target, time: float, what: str, outlook: Outlook, window: Window, stretch: Stretch, here: Here) -> Choice | Problem:
    """A time behind the newest commit that is known in the last stretch."""
    lost = behind(window, stretch)
    if lost:
        found = f"{what}, beyond a hole of repository {outlook.repository.number}: {say(lost[0])}, and no backup was taken after it"
        return Problem(found, _expected(stretch), f"type {_nearest(stretch)} or latest")
    if stretch.complete is not None and time > stretch.complete:
        return _future(f"{what}, up to which the WAL is not known to be complete: that is known until {exact(stretch.complete)}", stretch)
    tail = stretch.tail
    if tail is None or tail.commit is None or tail.stop is None or stretch.complete is None or time < tail.commit.time:
        known = "the newest commit in the WAL is unknown" if stretch.latest is None else f"no commit is known after {exact(stretch.latest)}"
        return Problem(f"{what}; {known}", _expected(stretch), f"type {_nearest(stretch)} or latest")
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


def _future(found: str, stretch: Stretch) -> Problem:
    return Problem(found, _expected(stretch), f"type {_nearest(stretch)} or latest")


def _expected(stretch: Stretch) -> str:
    if stretch.latest is None:
        return "a time before the newest commit that is known to be in the WAL"
    return f"a time before {exact(stretch.latest)}, the newest commit that is known to be in the WAL"


def _nearest(stretch: Stretch) -> str:
    """The last whole second that can be recovered; the end of the newest set where none is known."""
    for span in reversed(stretch.spans):
        if span.end is not None and (second := math.ceil(span.end) - 1) >= span.first:
            return f"time:{moment(second)}"
    return f"backup:{stretch.sets[-1].label}"


def _in_hole(what: str, outlook: Outlook, window: Window, stretch: Stretch, after: Stretch) -> Problem:
    hole = next((one for one in window.holes if one.before_set == after.sets[0].label), None)
    where = say(hole) if hole else "WAL is missing"
    unknown = "" if stretch.latest is not None else ", and it is unknown when the last commit before it was"
    found = f"{what}, which lies in a hole of repository {outlook.repository.number}: {where}{unknown}"
    first = after.sets[0].stopped + SAFE
    committed = any(span.end is not None and span.first <= first < span.end for span in after.spans)
    following = f"time:{moment(first)}" if committed else f"backup:{after.sets[0].label}"
    return Problem(found, "a time before the hole, or from the next backup on", f"type {_nearest(stretch)} or {following}")


def _dead(target: Target, what: str, fork: Fork, window: Window, left: Window | None) -> Problem:
    near = [f"time:{moment(math.ceil(fork.after) - 1)}"] if fork.after is not None else [f"lsn:{fork.lsn}"]
    near += [f"time:{moment(math.ceil(fork.before))}"] if fork.before is not None else []
    expected, next_step = "a time before the two parted, or after", f"type {' or '.join(near)}"
    parted = f"timeline {window.timeline} left it at LSN {fork.lsn}"
    if not fork.went_on or left is None or not left.stretches:
        found = f"{what}, between the last commit of timeline {fork.timeline} and the first that is known after {parted}"
        return Problem(found, expected, next_step)
    found = f"{what}, which lies on the abandoned timeline {fork.timeline}: {parted}"
    there = _there(target, left)
    serving = f"timeline {target.timeline}" if target.timeline else "the data that serves now"
    after = near[1] if fork.before is not None else "latest"
    narrowed = f",timeline:{target.timeline}" if target.timeline else ""
    choices = [f"{near[0]}{narrowed} for what was there before the two parted", f"{after}{narrowed} for {serving}"]
    choices.append(f"or {there},timeline:{fork.timeline} for what was written on the abandoned timeline {fork.timeline} after they parted")
    return Problem(found, expected, f"type {', '.join(choices)}")


def _there(target: Target, left: Window) -> str:
    """The same time on the abandoned timeline, or the nearest one before it that can be recovered there."""
    time = target.time.timestamp() if target.time else 0.0
    for stretch in reversed(left.stretches):
        for span in reversed(stretch.spans):
            if span.end is not None and span.first <= time < span.end:
                return f"time:{_iso_of(target)}"
            if span.end is not None and span.end <= time and (second := math.ceil(span.end) - 1) >= span.first:
                return f"time:{moment(second)}"
    return "latest"
