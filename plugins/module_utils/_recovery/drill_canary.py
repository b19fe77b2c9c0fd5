# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The canary: heartbeats in the WAL itself, by the text of `TZ=UTC pg_waldump --rmgr=LogicalMessage --rmgr=Transaction`. Pure.

A heartbeat is a message without a table, so no query shows it; that its transaction is committed, the WAL alone tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .moments import Moment
from .wal import Lsn

PREFIX = "axiomdb.heartbeat"
_RECORD = re.compile(r"rmgr: (\w+) +len \(rec/tot\): +\d+/ *(\d+), tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), prev \S+ desc: (.*)")
_MESSAGE = re.compile(rf'MESSAGE transactional, prefix "{re.escape(PREFIX)}"; payload \(\d+ bytes\): ((?:[0-9A-F]{{2}} ?)+)')


def newest(text: str, until: Lsn) -> float | None:
    """When the newest heartbeat was sent whose commit lies before a position, in Unix seconds. The newest is the last one in the WAL.

    Its time may be an earlier one: a clock goes back.
    """
    sent: dict[str, float] = {}
    found: float | None = None
    for line in text.splitlines():
        record = _RECORD.match(line)
        if record is None or Lsn.parse(record[4]) >= until:
            continue
        if record[1] == "LogicalMessage":
            time = _time(record[5])
            if time is not None:
                sent[record[3]] = time
        elif record[5].startswith("COMMIT") and record[3] in sent:
            found = sent[record[3]]
    return found


def _time(text: str) -> float | None:
    message = _MESSAGE.match(text)
    try:
        return float(bytes.fromhex(message[1]).decode("ascii")) if message else None
    except ValueError:
        return None


def expected(beats: Iterable[Moment], timeline: int, until: Lsn) -> Moment | None:
    """The newest heartbeat that the host remembers, which is the last one, and that was committed before a position."""
    own = [beat for beat in beats if beat.timeline == timeline and beat.lsn <= until]
    return own[-1] if own else None
