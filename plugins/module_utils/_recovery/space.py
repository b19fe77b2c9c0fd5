# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When the disk below a repository is full, from how its free space went down in the days before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from .spoken import age, human, moment

DAY = 86400.0
KEPT, EACH, ENOUGH = 14 * DAY, DAY / 4, 2 * DAY  # seconds: how long samples are kept, how far they are apart, what a growth is seen in


@dataclass(frozen=True)
class Sample:
    """Free and total bytes of the filesystem of a repository at a time in Unix seconds."""

    repository: int
    time: float
    free: int
    total: int


def added(known: Sequence[Sample], seen: Iterable[Sample]) -> tuple[Sample, ...]:
    """The samples with those that were just seen: one of each repository in six hours, of the newest two weeks. None of the future."""
    samples = list(known)
    for one in seen:
        samples = [other for other in samples if other.repository != one.repository or one.time - KEPT <= other.time <= one.time]
        newest = max((other.time for other in samples if other.repository == one.repository), default=None)
        if newest is None or one.time - newest >= EACH:
            samples.append(one)
    return tuple(samples)


def end_of(known: Iterable[Sample], now: Sample) -> tuple[float, float] | None:
    """When it is full at the growth since the oldest sample, and how long ago that is, in seconds. None for too short a time.

    A disk that does not fill ends never: the first is infinite.
    """
    own = [one for one in known if one.repository == now.repository and one.time <= now.time - ENOUGH and one.total == now.total]
    oldest = min(own, key=lambda one: one.time, default=None)
    if oldest is None:
        return None
    seen = now.time - oldest.time
    growth = (oldest.free - now.free) / seen
    return (now.time + now.free / growth if growth > 0 else float("inf")), seen


def line(known: Iterable[Sample], now: Sample, path: str) -> str:
    """The space of one repository for a person."""
    found = end_of(known, now)
    head = f"  space        repository {now.repository}: {human(now.free)} of {human(now.total)} free in {path}"
    if found is None:
        return f"{head}; when it is full cannot be told before it was watched for two days"
    end, seen = found
    if end > now.time + 3650 * DAY:
        return f"{head}; in the last {age(seen)} it did not fill"
    return f"{head}; it is FULL on {moment(end)[:10]} if it goes on as in the last {age(seen)}"


def document(samples: Iterable[Sample]) -> dict[str, Any]:
    """Samples as the state file has them."""
    return {"samples": [asdict(one) for one in samples]}


def parse(found: Mapping[str, Any]) -> tuple[Sample, ...]:
    """Samples that were kept; what cannot be read is left out."""
    samples = []
    entries = found.get("samples")
    for entry in entries if isinstance(entries, list) else ():
        with suppress(KeyError, TypeError, ValueError):
            samples.append(Sample(int(entry["repository"]), float(entry["time"]), int(entry["free"]), int(entry["total"])))
    return tuple(samples)
