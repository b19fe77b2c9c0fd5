# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the newest WAL segments say of commits: the text of `TZ=UTC pg_waldump --rmgr=Transaction --rmgr=XLOG`.

Source: PostgreSQL 15 to 18. Commits and aborts have a time, restore points, checkpoints and switches have none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from .moments import Moment
from .wal import Lsn

_RECORD = re.compile(r"rmgr: (\w+) +len \(rec/tot\): +\d+/ *(\d+), tx: +\d+, lsn: ([0-9A-F]+/[0-9A-F]+), prev \S+ desc: (.*)")
_ENDED = re.compile(r"(?:COMMIT|ABORT)(?:_PREPARED)?\b[^;]*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC")


@dataclass(frozen=True)
class Dump:
    """The newest commit or abort in some WAL, where the newest record of these kinds begins, and whether that one is a switch."""

    commit: Moment | None = None
    last: Lsn | None = None
    switched: bool = False


def parse(text: str, timeline: int) -> Dump:
    """Read the output for segments of one timeline; other lines count for nothing."""
    commit: Moment | None = None
    last: Lsn | None = None
    switched = False
    for line in text.splitlines():
        record = _RECORD.match(line)
        if record is None:
            continue
        last, switched = Lsn.parse(record[3]), record[4].startswith("SWITCH")
        ended = _ENDED.match(record[4]) if record[1] == "Transaction" else None
        if ended:
            seconds = datetime.fromisoformat(ended[1]).replace(tzinfo=UTC).timestamp()
            newest = max(seconds, commit.time) if commit else seconds
            commit = Moment(newest, Lsn(last.position + int(record[2])), timeline, commit=True)
    return Dump(commit, last, switched)
