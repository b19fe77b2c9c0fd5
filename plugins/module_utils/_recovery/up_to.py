# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Up to which moment a recovery brings the data back, so that whoever confirms it knows what is lost."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from .reach import Choice, stop_of
from .snapshots import Snapshot
from .spoken import age
from .target import BACKUP, IMMEDIATE, LATEST, LSN, POINT, TIME, Target, exact
from .window import Stretch


@dataclass(frozen=True)
class UpTo:
    """A moment in UTC, how many seconds ago it was, and what it is; the first two are empty and None where nobody knows."""

    time: str = ""
    seconds: float | None = None
    means: str = ""

    def line(self) -> str:
        """What a person reads behind "up to"; empty where nothing is to be said."""
        if self.seconds is None:
            return f"UNKNOWN: {self.means}" if self.means else ""
        return f"{self.time}, {age(max(0.0, self.seconds))} ago: {self.means}"


def of(target: Target, choice: Choice, snapshots: Sequence[Snapshot], now: float) -> UpTo:
    """Up to when what was chosen for a target brings the data back, as far as it is known. `now` is in Unix seconds."""
    if target.kind == TIME and target.time is not None:
        return _at(target.time.timestamp(), now, "as it was asked for")
    if target.kind in (IMMEDIATE, BACKUP):
        return _at(choice.backup.stopped, now, "the end of the set")
    if target.kind == POINT:
        taken = next((one.time for one in snapshots if one.name == target.name), "")
        with suppress(ValueError):
            return _at(datetime.fromisoformat(taken).timestamp(), now, "when the snapshot was taken")
        return UpTo()
    stretch = next((one for one in choice.window.stretches if choice.backup in one.sets), None)
    if target.kind == LATEST and stretch is not None:
        return _of_latest(stretch, now)
    if target.kind == LSN and stretch is not None and choice.lsn is not None:
        known = [one.time for one in stretch.commits if stop_of(choice.backup) <= one.lsn <= choice.lsn]
        return _at(max(known), now, "the newest commit that is known before it; there may be later ones") if known else UpTo()
    return UpTo()


def _of_latest(stretch: Stretch, now: float) -> UpTo:
    newest = max((one.time for one in stretch.commits), default=None)
    if newest is None:
        return UpTo(means="no commit is known in its WAL")
    read = stretch.tail is not None and stretch.tail.commit is not None
    return _at(
        newest, now, "the newest commit in its WAL" if read else "the newest commit that is known in its WAL; there may be later ones"
    )


def _at(seconds: float, now: float, means: str) -> UpTo:
    return UpTo(exact(seconds), now - seconds, means)
