# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a data directory says of itself: the output of pg_controldata, as a frozen dataclass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .wal import DEFAULT_SEGMENT_SIZE, Lsn

# A server in hot standby must have each of these at least as high as the server that wrote the WAL. By pg_controldata's own name.
FLOORS = {
    "max_connections setting": "max_connections",
    "max_worker_processes setting": "max_worker_processes",
    "max_wal_senders setting": "max_wal_senders",
    "max_prepared_xacts setting": "max_prepared_transactions",
    "max_locks_per_xact setting": "max_locks_per_transaction",
}
_LINE = re.compile(r"^([^:\n]+):[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Control:
    """`floors` are settings by PostgreSQL's name; `hints_logged` is true where a change of hint bits alone is in the WAL as a page.

    Replay after a crash begins at `redo`.
    """

    system_id: int
    state: str
    timeline: int
    segment_size: int = DEFAULT_SEGMENT_SIZE
    hints_logged: bool = False
    floors: Mapping[str, int] = field(default_factory=dict)
    redo: Lsn | None = None


def parse_control(text: str) -> Control:
    """Read the output of pg_controldata in the C locale. Raises ValueError when it is another text."""
    found = dict(_LINE.findall(text))
    try:
        return Control(
            int(found["Database system identifier"]),
            found["Database cluster state"],
            int(found["Latest checkpoint's TimeLineID"]),
            int(found["Bytes per WAL segment"]),
            int(found["Data page checksum version"]) > 0 or found["wal_log_hints setting"] == "on",
            {name: int(found[key]) for key, name in FLOORS.items()},
            Lsn.parse(found["Latest checkpoint's REDO location"]),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"Found a text without {error}; expected what pg_controldata prints.") from error
