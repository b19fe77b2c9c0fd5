# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Timelines that a path has left, or never was on: what can still be recovered of them alone."""

from __future__ import annotations

from collections.abc import Iterator

from .wal import Lsn
from .window import SAFE, Outlook, Window

READ = 8  # timelines of a repository of which the WAL is read, the newest ones


def others(outlook: Outlook, window: Window | None) -> Iterator[tuple[Window, Lsn]]:
    """The windows with WAL that is not on the path of this one, the newest first, and the LSN behind which it lies.

    Without a window that is every one. Along a lost history nothing can be recovered but the ends of sets: that is none.
    """
    left = {step.timeline: step.end for step in window.path} if window else {}
    own = window.timeline if window else 0
    for other in sorted(outlook.windows.values(), key=lambda one: -one.timeline):
        if other.timeline == own or other.lost or not other.stretches:
            continue
        behind = left.get(other.timeline) or other.path[-1].begin
        if other.stretches[-1].end > behind:
            yield other, behind


def last_of(window: Window, behind: Lsn) -> float | None:
    """The newest commit that is known behind an LSN. One before the two parted says nothing of what was written there afterwards."""
    return max((one.time for one in window.stretches[-1].commits if one.lsn > behind), default=None)


def is_own(window: Window, time: float) -> bool:
    """Whether what was written at this time on the path is known to have been written on its last timeline, behind its fork."""
    begin = window.path[-1].begin
    for stretch in window.stretches:
        if stretch.end > begin and stretch.sets[0].stopped + SAFE <= time:
            before = stretch.forks[-1].before if stretch.forks else stretch.sets[0].stopped
            if before is not None and before <= time:
                return True
    return False


def unread(outlook: Outlook, window: Window) -> list[Window]:
    """Other windows that may tell more of a time once their WAL is read, the newest first."""
    found = [other for other, _behind in others(outlook, window) if other.stretches[-1].tail is None]
    return found[:READ]
