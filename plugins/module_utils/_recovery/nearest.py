# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The nearest moments before and after a time that can be recovered, in whatever repository, as they can be typed.

Whoever asks for a time before a disaster must not be led past it: each is named with the side on which it lies.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from .problem import Problem
from .reach import behind
from .target import LSN, TIME, Target, exact
from .window import SAFE, Stretch, Window


@dataclass(frozen=True, order=True)
class Near:
    """A moment in Unix seconds, and as it can be typed."""

    moment: float
    target: str


@dataclass(frozen=True)
class Around:
    """The nearest moments on either side; None for none."""

    before: Near | None = None
    after: Near | None = None

    def latest(self, *, known: bool = True) -> str:
        """The target `latest`, with the side on which it lies where that is the wrong one; not `known` is that it lies on the right one."""
        return "latest, which lies after it" if self.after else "latest" if known else "latest, which may lie after it"

    def step(self, *more: str) -> str:
        """What to type next, and what `more` there is to type."""
        near = [(self.before, "the nearest before it"), (self.after, "the nearest after it")]
        words = [f"{one.target}, {side}" for one, side in near if one is not None]
        return f"type {', or '.join((*words, *more))}"


def around(windows: Iterable[Window], time: float, narrowed: str = "") -> Around:
    """The nearest moments in these windows. `narrowed` stands behind each time that is named."""
    found = [_around(stretch, window, time, narrowed) for window in windows for stretch in window.stretches]
    before, after = [one.before for one in found if one.before], [one.after for one in found if one.after]
    return Around(max(before, default=None), min(after, default=None))


def to(target: Target, windows: Iterable[Window]) -> Around:
    """The nearest moments to a target that is a time; none to any other."""
    if target.kind != TIME or target.time is None:
        return Around()
    return around(windows, target.time.timestamp(), f",timeline:{target.timeline}" if target.timeline else "")


def least(target: Target, problems: Sequence[tuple[Problem, Window | None]]) -> Problem:
    """Why there is no plan, by the repository that comes nearest before the target, or else after it; by one that has nothing at last."""
    return min(problems, key=lambda one: _distance(target, one[1]))[0]


def _distance(target: Target, window: Window | None) -> tuple[float, ...]:
    """What is smaller for a window that comes nearer."""
    if window is None:
        return (3,)
    if target.kind == LSN and target.lsn is not None:
        ends = [min(one.end, target.lsn) for one in window.stretches if one.first <= target.lsn]
        return (1, -max(ends).position) if ends else (2, window.stretches[0].first.position)
    near = to(target, [window])
    return (1, -near.before.moment) if near.before else (2, near.after.moment if near.after else 0)


def passes(stretch: Stretch, time: float) -> bool:
    """Whether this is the last commit that is known before a fork, and one that is known behind the fork stops a recovery after it."""
    return any(one.after == time and any(it.time > time and it.lsn > one.lsn for it in stretch.commits) for one in stretch.forks)


def _around(stretch: Stretch, window: Window, time: float, narrowed: str) -> Around:
    """The nearest in one stretch. The end of a set counts only where no time on that side is known, and alone along a lost history."""
    spans = [] if window.lost else list(_typed(stretch, window))
    before = [last if last <= time else math.floor(time) for first, last in spans if first <= time]
    after = [max(first, math.floor(time) + 1) for first, last in spans if last > time and max(first, math.floor(time) + 1) <= last]
    ends = [Near(one.stopped, f"backup:{one.label}") for one in stretch.sets]
    earlier, later = [one for one in ends if one.moment + SAFE <= time], [one for one in ends if one.moment + SAFE > time]
    return Around(
        Near(max(before), f"time:{exact(max(before))}{narrowed}") if before else max(earlier, default=None),
        Near(min(after), f"time:{exact(min(after))}{narrowed}") if after else min(later, default=None),
    )


def _typed(stretch: Stretch, window: Window) -> Iterator[tuple[int, float]]:
    """The first whole second of each span, and its last moment: its last commit where a recovery can end right behind that.

    Recovery stops at a later commit: a whole second before the last one would lose it.
    """
    for span in stretch.spans:
        if span.end is None:
            continue
        first, last = math.ceil(span.first), span.end if _has_end(stretch, window, span.end) else math.ceil(span.end) - 1
        if last >= first:
            yield first, last


def _has_end(stretch: Stretch, window: Window, end: float) -> bool:
    """Whether a plan for the very end of a span is possible, and the end one that can be typed: no target is finer than a microsecond."""
    if datetime.fromtimestamp(end, UTC).timestamp() != end:
        return False
    tail = stretch.tail
    read = tail is not None and tail.commit is not None and tail.stop is not None and tail.commit.time == end
    return passes(stretch, end) or (read and stretch == window.stretches[-1] and not behind(window, stretch))
