# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of times in the WAL: positions that were read at a time, and commits. Archived WAL itself names no times."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from .snapshots import Snapshot
from .wal import Lsn


@dataclass(frozen=True, order=True)
class Moment:
    """At `time` (Unix seconds) the server wrote before `lsn` on this timeline: what was committed until then ends before it.

    With `commit` a commit or an abort that is not older than `time` ends before `lsn` too: recovery can stop at an earlier time.
    """

    time: float
    lsn: Lsn
    timeline: int
    commit: bool = False


def parse_heartbeats(text: str) -> tuple[Moment, ...]:
    """The heartbeats of a host, from the file that they are remembered in; a line that was cut off is left out."""
    found = []
    for line in text.splitlines():
        with suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            found.append(Moment(float(entry["time"]), Lsn.parse(str(entry["lsn"])), int(entry["timeline"]), commit=True))
    return tuple(found)


def of_snapshots(snapshots: Iterable[Snapshot]) -> tuple[Moment, ...]:
    """The moments of named snapshots. A restore point is no commit; its time is cut off, and taken a moment after its position."""
    found = []
    for snapshot in snapshots:
        with suppress(ValueError):
            seconds = datetime.fromisoformat(snapshot.time).timestamp() - 1
            found.append(Moment(seconds, Lsn.parse(snapshot.lsn), snapshot.timeline))
    return tuple(found)
