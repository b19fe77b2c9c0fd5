# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why there is no plan for a time that lies where a path left a timeline, and where it lies instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .abandoned import is_own, others
from .forks import Fork
from .nearest import Around, Near, around
from .problem import Problem
from .target import TIME, Target, iso
from .window import Outlook, Window


def refuse(target: Target, fork: Fork, window: Window, outlook: Outlook, near: Around, lying: Sequence[Target], serving: int) -> Problem:
    """The refusal of a time near a fork. `near` is the nearest on the path; `lying` the same time on other timelines that had it.

    `serving` is the timeline of the data that is there now.
    """
    what, left_it = f"the time {iso(target.time) if target.time else target}", f"timeline {window.timeline} left it at LSN {fork.lsn}"
    left = f"timeline {window.timeline} left timeline {fork.timeline} at LSN {fork.lsn}"
    places = {one.timeline: str(one) for one in lying}
    if places:
        where = " and ".join(_called(one, serving) for one in places)
        found = f"{what}, which lies on {where}: {left_it if [*places] == [fork.timeline] else left}"
    elif (last := _last_before(target, fork, window, outlook)) is not None:
        timeline, places = last[1], {last[1]: last[0].target}
        told = f"the last commit that is known of {_called(timeline, serving)} and the first that is known after"
        found = f"{what}, between {told} {left_it if timeline == fork.timeline else left}"
    elif fork.went_on and any(other.timeline == fork.timeline for other, _behind in others(outlook, window)):
        places = {fork.timeline: f"latest,timeline:{fork.timeline}"}
        found = f"{what}, which lies on {_called(fork.timeline, serving)}: {left_it}"
    else:
        found = f"{what}, between the last commit of timeline {fork.timeline} and the first that is known after {left_it}"
        return Problem(found, "a time before the two parted, or after", near.step())
    two = [*places] == [fork.timeline]
    expected = "a time before the two parted, or after" if two else f"a time on the path of timeline {window.timeline}"
    return Problem(found, expected, f"type {', '.join(_choices(target, fork, window, near, places, serving))}")


def _choices(target: Target, fork: Fork, window: Window, near: Around, places: Mapping[int, str], serving: int) -> Iterator[str]:
    two = [*places] == [fork.timeline]
    if near.before:
        parted = "was there before the two parted" if two else f"timeline {window.timeline} had before it left timeline {fork.timeline}"
        yield f"{near.before.target} for what {parted}"
    narrowed = f",timeline:{target.timeline}" if target.timeline else ""
    served = f"timeline {target.timeline}" if target.timeline else "the data that serves now"
    yield f"{near.after.target if near.after else f'latest{narrowed}'} for {served}"
    for timeline, typed in places.items():
        yield f"or {typed} for what was written on {_called(timeline, serving)}{' after they parted' if two else ''}"


def _called(timeline: int, serving: int) -> str:
    return f"timeline {timeline}, which serves now" if timeline == serving else f"the abandoned timeline {timeline}"


def _last_before(target: Target, fork: Fork, window: Window, outlook: Outlook) -> tuple[Near, int] | None:
    """The nearest moment before the time that another timeline has behind the fork alone, and which; None for none."""
    time = target.time.timestamp() if target.time else 0.0
    found = [(_last_of(other, time), other) for other, _behind in others(outlook, window)]
    return max(
        ((near, one.timeline) for near, one in found if near and near.moment > (fork.after or 0.0) and is_own(one, near.moment)),
        default=None,
    )


def _last_of(other: Window, time: float) -> Near | None:
    """The nearest before a time on another timeline: its end where nothing else that can be typed has its last commit."""
    narrowed, tail = f",timeline:{other.timeline}", other.stretches[-1].tail
    near = around([other], time, narrowed).before
    if tail is not None and tail.commit is not None and tail.commit.time <= time and (near is None or near.moment < tail.commit.time):
        return Near(tail.commit.time, f"latest{narrowed}")
    return near if near is not None and near.target.startswith(f"{TIME}:") else None
