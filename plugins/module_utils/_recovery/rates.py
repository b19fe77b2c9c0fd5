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
    """What was measured: so many bytes in so many seconds, at a time (Unix seconds), by what."""

    size: int
    seconds: float
    at: float
    what: str

    def seconds_for(self, size: int) -> float:
        return size * self.seconds / self.size


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
    """Seconds that a recovery takes, None where nobody knows, and where that figure is from."""
    if known.restore is None:
        return None, UNKNOWN
    seconds = AROUND + known.restore.seconds_for(restore_bytes)
    source = f"{known.restore.what} of {moment(known.restore.at)} restored {human(known.restore.size)} in {known.restore.seconds:.1f} s"
    if known.replay is None:
        return seconds, f"{source}; replay was never measured"
    seconds += known.replay.seconds_for(wal_bytes)
    return seconds, f"{source}, and {human(known.replay.size)} of WAL were replayed in {known.replay.seconds:.1f} s"
