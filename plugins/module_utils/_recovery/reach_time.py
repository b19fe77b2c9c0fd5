# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which set of one repository leads to a time, and how: PostgreSQL stops only at a commit or an abort that is later than the target.

A time at or after the newest one is planned as an LSN behind that one; what nobody can know is refused as unknown.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from . import reach_abandoned
from .abandoned import is_own
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
    if _is_within(target, stretch):
        return _at_time(target, time, window, stretch, outlook)
    fork = fork_near(target, window)
    if fork is not None:
        return reach_abandoned.refuse(target, fork, window, outlook, around, lying(target, outlook, window), here.timeline)
    if place + 1 < len(window.stretches):
        return _in_hole(what, outlook, window, stretch, window.stretches[place + 1], around)
    return _at_the_end(target, outlook, window, stretch, around)


def _is_within(target: Target, stretch: Stretch) -> bool:
    """Whether recovery stops at a commit or an abort that is known to be later, in a span of the stretch."""
    time = _asked(target).timestamp()
    ended = [one for one in stretch.spans if one.end is not None and one.first <= time]
    return any(time < one.end or (one.first < time == one.end and _ends(target, stretch, time)) for one in ended if one.end is not None)


def _ends(target: Target, stretch: Stretch, time: float) -> bool:
    """Whether a recovery to the end of a span stops there."""
    return target.exclusive or passes(stretch, time)


def fork_near(target: Target, window: Window) -> Fork | None:
    """The fork around which a time lies that is not on the path, or of which nobody knows that; None where it is on the path."""
    time = _asked(target).timestamp()
    stretch = window.stretches[place_of(window, time)]
    return None if _is_within(target, stretch) else next((one for one in stretch.forks if is_near(time, one)), None)


def lying(target: Target, outlook: Outlook, window: Window) -> list[Target]:
    """The same time on each other timeline on which something was written then, where there is a plan for that."""
    time, found = _asked(target).timestamp(), []
    for other in outlook.windows.values():
        if other.timeline != window.timeline and not other.lost and is_own(other, time):
            there = replace(target, timeline=other.timeline)
            found += [one for one in (there, replace(there, backup="")) if _is_planned(one, outlook, other)][:1]
    return found


def _is_planned(target: Target, outlook: Outlook, window: Window) -> bool:
    time = _asked(target).timestamp()
    stretch = window.stretches[place_of(window, time)]
    if _is_within(target, stretch):
        return isinstance(_at_time(target, time, window, stretch, outlook), Choice)
    last = stretch == window.stretches[-1] and fork_near(target, window) is None
    return last and isinstance(_at_the_end(target, outlook, window, stretch, Around()), Choice)


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
