# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the newest WAL segments say of commits: the text of `TZ=UTC pg_waldump --rmgr=Transaction --rmgr=XLOG`.

Source: PostgreSQL 15 to 18. Commits and aborts have a time, restore points, checkpoints and switches have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from .moments import Moment
from .wal import Lsn

_RECORD = re.compile(r"rmgr: (\w+) +len \(rec/tot\): +\d+/ *(\d+), tx: +\d+, lsn: ([0-9A-F]+/[0-9A-F]+), prev \S+ desc: (.*)")
_BEAT = re.compile(r'MESSAGE \w+, prefix "axiomdb\.heartbeat"; payload \(\d+ bytes\): ((?:[0-9A-F]{2} ?)+)')
_ENDED = re.compile(r"(?:COMMIT|ABORT)(?:_PREPARED)?\b[^;]*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC")


@dataclass(frozen=True)
class Dump:
    """The newest commit or abort in some WAL, where the newest record of these kinds begins, and whether that one is a switch.

    `after` is where the first record behind that commit begins; the first one of all where there is no commit.
    """

    commit: Moment | None = None
    last: Lsn | None = None
    switched: bool = False
    after: Lsn | None = None


def parse(text: str, timeline: int, until: Lsn | None = None) -> Dump:
    """Read the output for segments of one timeline, up to a position; other lines count for nothing."""
    commit: Moment | None = None
    last: Lsn | None = None
    after: Lsn | None = None
    switched = False
    for begin, end, seconds, is_switch in _records(text):
        if until is not None and begin >= until:
            break
        last, switched = begin, is_switch
        if seconds is not None:
            newest = max(seconds, commit.time) if commit else seconds
            commit, after = Moment(newest, end, timeline, commit=True), None
        else:
            after = after or begin
    return Dump(commit, last, switched, after)


def first_commit(text: str, timeline: int, since: Lsn) -> Moment | None:
    """The first commit or abort from a position on."""
    found = ((seconds, end) for begin, end, seconds, _switch in _records(text) if seconds is not None and begin >= since)
    return next((Moment(seconds, end, timeline, commit=True) for seconds, end in found if seconds is not None), None)


def last_beat(text: str) -> float | None:
    """The time in the newest heartbeat, in Unix seconds; from the text of `pg_waldump --rmgr=LogicalMessage`."""
    found = _BEAT.findall(text)
    try:
        return float(bytes.fromhex(found[-1]).decode()) if found else None
    except ValueError:
        return None


def _records(text: str) -> Iterator[tuple[Lsn, Lsn, float | None, bool]]:
    """Where each record begins and ends, the time of a commit or an abort, and whether it is a switch."""
    for line in text.splitlines():
        record = _RECORD.match(line)
        if record is not None:
            begin = Lsn.parse(record[3])
            ended = _ENDED.match(record[4]) if record[1] == "Transaction" else None
            seconds = datetime.fromisoformat(ended[1]).replace(tzinfo=UTC).timestamp() if ended else None
            yield begin, Lsn(begin.position + int(record[2])), seconds, record[4].startswith("SWITCH")
