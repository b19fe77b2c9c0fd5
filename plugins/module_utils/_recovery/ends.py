# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the WAL itself says of commits: at an end of it, around a fork, and of heartbeats.

Changes nothing on the host; segments that are read are fetched into a directory that is removed again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from . import reach_time, state
from .moments import Moment
from .run import pgbackrest, run
from .sight import Sight
from .stepping_down import ids
from .target import Target
from .wal import Lsn, Segment
from .waldump import Dump, first_commit, last_beat, parse
from .window import Seen, Stretch, Tail, Window, name_of, tail_of

LAST_PART = 1 << 17  # bytes
SCANNED = 8  # segments that are read from an end of WAL backwards, until one has a commit


def read_end(sight: Sight, number: int, window: Window, stretch: Stretch, target: Target | None = None) -> Seen:
    """What the WAL itself says of commits: at the end of a stretch, and around each fork in it of which too little is known.

    That is a fork before which nothing is known of its timeline, or for whose time somebody asks. Without a target an end of which
    enough is known is not read.
    """
    asked = target.time.timestamp() if target and target.time else None
    moments: list[Moment] = []
    with _directory() as directory:
        source = _Source(sight, number, window, directory)
        dumps = _backwards(source, *stretch.numbers) if target or stretch.is_open else []
        tail = _tail(source, stretch.numbers[1], dumps) if dumps else Tail(0, 0)
        for fork in stretch.forks:
            place = fork.lsn.position // sight.size
            near = asked is not None and reach_time.is_near(asked, fork)
            if not fork.is_known or near:
                moments += [one.commit for one in _backwards(source, stretch.numbers[0], place, fork.lsn) if one.commit]
            if fork.before is None or near:
                moments += _forwards(source, place, stretch.numbers[1], fork.lsn)
    return Seen((*moments, *([tail.commit] if tail.commit else [])), (tail,))


def last_heartbeat(sight: Sight, number: int, window: Window, stretch: Stretch) -> float | None:
    """When the server wrote its newest heartbeat that is in a stretch, in Unix seconds; looked for in its last eight segments."""
    first, last = stretch.numbers
    with _directory() as directory:
        source = _Source(sight, number, window, directory)
        for place in range(last, max(first, last - SCANNED + 1) - 1, -1):
            segment = source.segment(place)
            if not _fetch(source, segment):
                return None
            found = last_beat(_waldump(source, segment, segment, "--rmgr=LogicalMessage"))
            if found is not None:
                return found
    return None


@dataclass(frozen=True)
class _Source:
    """Where segments are read from: pg_wal or a repository, by way of a directory that is removed again."""

    sight: Sight
    number: int
    window: Window
    directory: Path

    def segment(self, place: int) -> Segment:
        return Segment.parse(name_of(self.window.path, place, self.sight.size), self.sight.size)


def _backwards(source: _Source, first: int, last: int, until: Lsn | None = None) -> list[Dump]:
    """Read segments from the last one backwards until a commit is found, at most eight; nothing when one cannot be had."""
    dumps: dict[int, Dump] = {}
    end = source.segment(last)
    for place in range(last, max(first, last - SCANNED + 1) - 1, -1):
        segment = source.segment(place)
        end = segment if segment.timeline != end.timeline else end
        if not _fetch(source, segment):
            return []
        # From this segment on, not in it alone: a record may begin in one and end in the next.
        dumps[segment.timeline] = parse(_waldump(source, segment, end), segment.timeline, until)
        if dumps[segment.timeline].commit:
            break
    return list(dumps.values())


def _forwards(source: _Source, first: int, last: int, since: Lsn) -> list[Moment]:
    """The first commit behind a fork, looked for in at most eight segments."""
    for place in range(first, min(last, first + SCANNED - 1) + 1):
        segment = source.segment(place)
        if segment.timeline != source.segment(first).timeline or not _fetch(source, segment):
            return []
        found = first_commit(_waldump(source, source.segment(first), segment), segment.timeline, since)
        if found:
            return [found]
    return []


def _tail(source: _Source, last: int, dumps: list[Dump]) -> Tail:
    newest, here = source.segment(last), source.sight.here
    live = here.lsn if here.lsn and here.running and newest.timeline == here.timeline and newest.start <= here.lsn <= newest.end else None
    return tail_of(newest, dumps, None if live else _final(source, newest), live)


def _fetch(source: _Source, segment: Segment) -> bool:
    """Put a segment of pg_wal or of a repository into the directory; false where nobody has it."""
    sight, target = source.sight, source.directory / segment.name
    if target.exists():
        return True
    if segment.timeline == sight.here.timeline and segment.number in sight.local:
        with suppress(FileNotFoundError):  # recycled meanwhile, and archived then
            shutil.copyfile(Path(sight.data_directory, "pg_wal", segment.name), target)
            _give(target)
            return True
    options = [f"--repo={source.number}", "--no-archive-async", *([f"--pg1-path={sight.stand_in}"] if sight.stand_in else [])]
    return pgbackrest(sight.stanza, ["archive-get", segment.name, str(target)], options).code == 0


def _waldump(source: _Source, first: Segment, last: Segment, *options: str) -> str:
    """Transactions and the like of some segments. At the end of an unfinished one pg_waldump says what it has read, and ends with 1."""
    kinds = options or ("--rmgr=Transaction", "--rmgr=XLOG")
    words = [f"{source.sight.cluster.binaries}/pg_waldump", *kinds, f"--path={source.directory}", first.name, last.name]
    return run(words, user="postgres").stdout


def _final(source: _Source, segment: Segment) -> Lsn | None:
    """Where the last record of a segment begins, of whatever kind; its last part is read alone. None for one that a switch ended."""
    start = Lsn(segment.end.position - LAST_PART)
    return parse(_waldump(source, segment, segment, f"--start={start}"), segment.timeline).last


@contextmanager
def _directory() -> Iterator[Path]:
    """A directory of postgres's that is removed again."""
    path = Path(tempfile.mkdtemp(prefix=state.FETCHED))
    try:
        _give(path)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _give(path: Path) -> None:
    """Root gives what it made to postgres, who reads and writes there."""
    if os.geteuid() == 0:
        os.chown(path, *ids("postgres", "postgres"))
