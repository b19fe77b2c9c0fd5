# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs as `million.py write DIRECTORY` and `million.py measure DIRECTORY`: an archive of 1,000,000 WAL segments and 10,000 backups.

It is what `pgbackrest info` and `repo-ls` print of one: three timelines, a hundred holes, a full backup each week and incremental
ones between, a heartbeat each minute of the last month. Measured is everything from these texts to the windows and six plans.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins" / "module_utils"))

from _recovery.archive import read_holdings
from _recovery.catalog import mark_lost, parse_info, segment_size
from _recovery.history import tree_of
from _recovery.moments import parse_heartbeats
from _recovery.plan import Archives, Plan, plan
from _recovery.reach import Here
from _recovery.target import parse
from _recovery.wal import Lsn, Segment
from _recovery.window import Seen, look_out

SEGMENTS, BACKUPS, BEGUN = 1_000_000, 10_000, 1_700_000_000
SIZE, PER_BACKUP, APART = 1 << 24, SEGMENTS // BACKUPS, 3600
FORKS = (0, 400_000, 800_000)  # the segment in which each timeline begins
NOW = BEGUN + BACKUPS * APART
HISTORIES = {2: "1\t{}\tx\n", 3: "1\t{}\tx\n2\t{}\tx\n"}


def timeline(number: int) -> int:
    """The timeline of a segment."""
    return sum(number >= begin for begin in FORKS)


def names() -> Iterator[str]:
    """The names of the segments as repo-ls prints them; one of each ten thousand is missing."""
    for number in range(SEGMENTS):
        if number % 10_000 != 5_050:
            name = Segment(timeline(number), number + 1, SIZE).name
            yield f"{name[:16]}/{name}-{number:040x}.zst\n"
    yield "".join(f"{one:08X}.history\n" for one in HISTORIES)


def backup(place: int) -> dict[str, object]:
    """A backup as info prints it: every 168th is a full one, the others build on it and on the one before."""
    started, first = BEGUN + place * APART, place * PER_BACKUP
    label, full = (datetime.fromtimestamp(one, UTC).strftime("%Y%m%d-%H%M%SF") for one in (started, started - place % 168 * APART))
    name = Segment(timeline(first), first + 1, SIZE).name
    return {
        "label": label if label == full else f"{full}_{label[:-1]}I",
        "type": "full" if label == full else "incr",
        "database": {"id": 1, "repo-key": 1},
        "timestamp": {"start": started, "stop": started + 60},
        "lsn": {"start": str(Lsn((first + 1) * SIZE + 0x28)), "stop": str(Lsn((first + 1) * SIZE + 0x138))},
        "archive": {"start": name, "stop": name},
        "error": False,
        "info": {"size": 1 << 40, "delta": 1 << 30, "repository": {"size": 1 << 38, "delta": 1 << 28}},
        "annotation": {"axiomdb-host": "vps1", "axiomdb-machine-id": "0" * 32, "axiomdb-xid-stop": str(1000 + place * 500)},
        "reference": None if label == full else [full],
    }


def write(directory: Path) -> None:
    """Write the texts."""
    with (directory / "repo-ls").open("w", encoding="ascii") as file:
        file.writelines(names())
    status = {"code": 0, "message": "ok"}
    stanza = {
        "name": "axiomdb",
        "repo": [{"key": 1, "cipher": "aes-256-cbc", "status": status}],
        "db": [{"id": 1, "repo-key": 1, "system-id": 7512345678901234567, "version": "17"}],
        "backup": [backup(place) for place in range(BACKUPS)],
    }
    (directory / "info").write_text(json.dumps([stanza]), encoding="ascii")
    with (directory / "heartbeats").open("w", encoding="ascii") as file:
        for minute in range(30 * 24 * 60, 0, -1):
            time_of, lsn = NOW - minute * 60, Lsn((SEGMENTS - minute) * SIZE + 0x100)
            file.write(json.dumps({"time": time_of, "lsn": str(lsn), "timeline": 3}) + "\n")


def pieces(path: Path) -> Iterator[bytes]:
    """A file in pieces, as a pipe gives them."""
    with path.open("rb") as file:
        while piece := file.read(1 << 16):
            yield piece


def measure(directory: Path) -> dict[str, float]:
    """Read everything, see the windows and plan; the seconds of the processor, which is busy all the time, and the most memory."""
    begun = time.process_time()
    [found] = parse_info((directory / "info").read_text(encoding="ascii"), "axiomdb", [1])
    found = mark_lost(found, frozenset(one.label for one in found.backups))
    holdings = read_holdings(pieces(directory / "repo-ls"), segment_size([found]))
    ends = [str(Lsn((begin + 1) * SIZE)) for begin in FORKS[1:]]
    tree = tree_of({one: text.format(*ends) for one, text in HISTORIES.items()}, holdings.timelines)
    seen = Seen(parse_heartbeats((directory / "heartbeats").read_text(encoding="ascii")))
    outlook = look_out(found, holdings, tree, seen)
    # As the tool does it: once for the repository, once with the WAL that only the host has, once more when an end of WAL was read.
    for _look in range(2):
        whole = look_out(found, holdings.with_segments(3, [SEGMENTS + 1]), tree, seen)
    here = Here(NOW, "axiomdb", 3)
    moment = datetime.fromtimestamp(NOW - 86_400, UTC).isoformat()
    lsns = [f"lsn:{Lsn((place + 1) * SIZE + 0x5000)}" for place in (1_000, SEGMENTS // 2, SEGMENTS - 1_000)]
    for target in ("latest", f"time:{moment}", f"xid:{1000 + BACKUPS * 500}", *lsns):
        planned = plan(parse(target), Archives((outlook,), {1: whole}), here)
        if not isinstance(planned, Plan):
            raise SystemExit(f"{target}: {planned.sentence()}")
    held = sum(last - first + 1 for runs in holdings.runs.values() for first, last in runs)
    counts = held, len(found.backups), len(outlook.windows[3].holes)
    if counts != (SEGMENTS - SEGMENTS // 10_000, BACKUPS, SEGMENTS // 10_000):
        raise SystemExit(f"Found {counts[0]} segments, {counts[1]} backups and {counts[2]} holes.")
    return {"seconds": time.process_time() - begun, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]))
    else:
        sys.stdout.write(json.dumps(measure(Path(sys.argv[2]))) + "\n")
