# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How fast this host restored and replayed before, and how long the next recovery will take by that. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .spoken import human, moment

UNKNOWN = "no restore was measured yet"
LEAST_SECONDS = 0.5  # what ends sooner says nothing of a rate
AROUND = 15.0  # seconds for what is no copying: stop, start, proof, promotion


@dataclass(frozen=True)
class Rate:
    """What was measured: so many bytes in so many seconds, by what, and when that began (of a recovery: ended), in Unix seconds."""

    size: int
    seconds: float
    at: float
    what: str

    def seconds_for(self, size: int) -> float:
        return size * self.seconds / self.size

    @property
    def source(self) -> str:
        return f"{self.what} of {moment(self.at)}"


@dataclass(frozen=True)
class Rates:
    """The newest measurement of each kind, as far as there is one."""

    restore: Rate | None = None
    replay: Rate | None = None


def parse(found: Mapping[str, Any]) -> Rates:
    """Read what was written down; anything else is no measurement."""
    return Rates(_rate(found.get("restore")), _rate(found.get("replay")))


def _rate(found: Any) -> Rate | None:
    try:
        rate = Rate(int(found["size"]), float(found["seconds"]), float(found["at"]), str(found["what"]))
    except (KeyError, TypeError, ValueError):
        return None
    return rate if rate.size > 0 and rate.seconds > 0 else None


def measured(size: int, seconds: float, at: float, what: str) -> Rate | None:
    """A measurement, if there was anything to measure."""
    return Rate(size, max(seconds, LEAST_SECONDS), at, what) if size > 0 else None


def expected(restore_bytes: int, wal_bytes: int, known: Rates) -> tuple[float | None, str]:
    """Seconds that a recovery takes, None where nobody knows, and of what they are the sum, by which measurements."""
    if known.restore is None:
        return None, UNKNOWN
    restore, replay = known.restore, known.replay
    seconds = [restore.seconds_for(restore_bytes)]
    parts, by = [f"{seconds[0]:.1f} s to restore {human(restore_bytes)}"], [f"{restore.source}: {_told(restore)} restored"]
    if replay is not None:
        seconds.append(replay.seconds_for(wal_bytes))
        parts.append(f"{seconds[1]:.1f} s to replay {human(wal_bytes)} of WAL")
        other = "" if replay.source == restore.source else f"{replay.source}: "
        by.append(f"{other}{_told(replay)} of WAL replayed")
    around = f"{AROUND:.0f} s to stop, start, prove and promote"
    unknown = "" if replay else "; the replay is not in it, it was never measured"
    return AROUND + sum(seconds), f"{', '.join(parts)}, {around}{unknown}; by {', '.join(by)}"


def _told(rate: Rate) -> str:
    return f"in {rate.seconds:.1f} s {human(rate.size)}"
