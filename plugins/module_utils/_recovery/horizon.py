# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks as far as recovery reaches: every repository's whole archive, the host's own WAL, heartbeats, and the ends of WAL themselves.

Changes nothing on the host; segments that are read at an end of WAL are fetched into a directory that is removed again.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import data_space, host, measuring, plan, postgres, reach, reach_time, repository, state, stopped
from .archive import Holdings
from .catalog import Repository, segment_size, unreadable
from .history import Tree, tree_of
from .moments import Moment, of_snapshots, parse_heartbeats
from .plan import Archives, Plan
from .postgres import Cluster, NotAnswering
from .problem import Problem, Refusal, playbook
from .reach import Here
from .run import CommandFailed, pgbackrest, run
from .snapshots import found_in
from .stepping_down import ids
from .target import Target
from .wal import Lsn, Segment
from .waldump import Dump, first_commit, last_beat, parse
from .window import Outlook, Seen, Stretch, Tail, Window, look_out, name_of, tail_of

NOTHING = Seen()
LAST_PART = 1 << 17  # bytes
SCANNED = 8  # segments that are read from an end of WAL backwards, until one has a commit
_SEGMENT = re.compile(r"[0-9A-F]{24}")


@dataclass(frozen=True)
class Sight:
    """What was looked at. `trees` are by repository; `local` are the segments in pg_wal of the server's timeline, by number.

    `stand_in` is a directory by which pgBackRest knows the cluster where its data directory is not there yet.
    """

    stanza: str
    cluster: Cluster
    here: Here
    outlooks: tuple[Outlook, ...]
    trees: Mapping[int, Tree]
    seen: Seen
    size: int
    local: tuple[int, ...] = ()
    data_directory: str = ""
    stand_in: str = ""


def look(stanza: str, cluster: Cluster) -> Sight:
    """Look into every repository and at this host. A server that does not answer is no obstacle.

    Raises Refusal where no repository is configured.
    """
    numbers = tuple(repository.configured())
    if not numbers or not host.pgbackrest_version():
        raise Refusal(Problem("no pgBackRest with a repository on this host", "both", playbook("site")))
    answer = _answer(cluster)
    found = repository.look(stanza, numbers)
    size = int(answer["segment_size"]) if answer else stopped.segment_size(cluster) or segment_size(found)
    here = replace(_here(stanza, cluster, answer, time.time()), rates=measuring.known(stanza, found))
    heartbeats = state.DIRECTORY / stanza / "heartbeats.jsonl"
    beats = parse_heartbeats(heartbeats.read_text(encoding="utf-8", errors="replace")) if heartbeats.exists() else ()
    seen = Seen((*beats, *of_snapshots(found_in(found))))
    outlooks, trees = [], {}
    for one in found:
        one, holdings, tree = _archive(stanza, one, size)
        trees[one.number] = tree
        outlooks.append(look_out(one, holdings, tree, seen))
    local = _local(cluster.data_directory, here, size)
    return Sight(stanza, cluster, here, tuple(outlooks), trees, seen, size, local, cluster.data_directory)


def _answer(cluster: Cluster) -> dict[str, Any] | None:
    try:
        return postgres.state(cluster.port)
    except NotAnswering:
        return None


def _here(stanza: str, cluster: Cluster, answer: Mapping[str, Any] | None, now: float) -> Here:
    directory = cluster.data_directory
    present = Path(directory).is_dir()
    free = shutil.disk_usage(directory if present else "/").free
    if answer is None and (left := stopped.left_behind(cluster)):
        return Here(now, stanza, left.timeline, left.lsn, 0, free, 0, directory, running=False)
    if answer is None or answer["data_directory"] != directory:
        return Here(now, stanza, free_bytes=free, directory=directory if present else "")
    lsn = None if answer["in_recovery"] else Lsn.parse(answer["lsn"])
    return Here(now, stanza, int(answer["timeline"]), lsn, int(answer["next_xid"]), free, directory=directory)


def _archive(stanza: str, found: Repository, size: int) -> tuple[Repository, Holdings, Tree]:
    """A repository with its lost sets marked, all its segments and its histories. One that cannot be listed is unreadable."""
    if not found.has_stanza:
        return found, Holdings(size), Tree()
    try:
        found = repository.without_lost_backups(stanza, found)
        holdings = repository.list_everything(stanza, found, size)
        texts = {one: repository.history(stanza, found, one) for one in sorted(holdings.histories)}
        return found, holdings, tree_of(texts, holdings.timelines)
    except (CommandFailed, ValueError) as error:
        return unreadable(found.number, str(error)), Holdings(size), Tree()


def _local(directory: str, here: Here, size: int) -> tuple[int, ...]:
    """Numbers of the segments in pg_wal of the server's timeline, the unfinished one included; later ones are empty files for later."""
    if here.lsn is None:
        return ()
    writes = Segment.containing(here.lsn, here.timeline, size)
    names = [name for name in os.listdir(Path(directory, "pg_wal")) if _SEGMENT.fullmatch(name) and name[:8] == writes.name[:8]]
    return tuple(sorted(Segment.parse(name, size).number for name in names if name <= writes.name))


def with_host(sight: Sight, outlook: Outlook, more: Seen = NOTHING) -> Outlook:
    """An outlook as it is once the WAL that only this host has is saved too, with what more was seen."""
    here, holdings, moments = sight.here, outlook.holdings, (*sight.seen.moments, *more.moments)
    if here.lsn is not None:
        holdings = holdings.with_segments(here.timeline, sight.local)
        moments = (*moments, Moment(here.now, here.lsn, here.timeline))
    return look_out(outlook.repository, holdings, sight.trees[outlook.repository.number], Seen(moments, more.tails))


def archived(sight: Sight) -> Sight:
    """The same without the WAL that only this host has, as of a host that is lost."""
    return replace(sight, here=replace(sight.here, lsn=None), local=())


def foresee(target: Target, sight: Sight) -> Plan | Problem:
    """The plan for a target; for a time or an LSN the end of the WAL is read first."""
    snapshots = tuple(found_in(one.repository for one in sight.outlooks))
    whole = {one.repository.number: _foreseen(target, sight, one) for one in sight.outlooks if one.repository.readable}
    here = sight.here
    if here.directory:
        taken, rooms = data_space.held(here.directory)
        here = replace(here, data_bytes=taken, rooms=rooms)
    return plan.plan(target, Archives(sight.outlooks, whole, snapshots), here)


def _foreseen(target: Target, sight: Sight, outlook: Outlook) -> Outlook:
    whole = with_host(sight, outlook)
    window = reach.window_of(target, whole, sight.here)
    stretch = None if isinstance(window, Problem) else plan.end_to_read(target, window)
    if stretch is None or isinstance(window, Problem):
        return whole
    return with_host(sight, outlook, read_end(sight, outlook.repository.number, window, stretch, target))


def outlooks(stanza: str, cluster: Cluster) -> tuple[list[Outlook], int]:
    """What can be recovered, and the server's timeline (0 when it does not answer); nothing where there is nothing to look at."""
    try:
        sight = look(stanza, cluster)
    except Refusal:
        return [], 0
    return told(sight), sight.here.timeline


def told(sight: Sight) -> list[Outlook]:
    """The outlooks for a person: where no commit is known in the newest WAL, or behind the last fork, its end is read."""
    outlooks = []
    for one in sight.outlooks:
        window = one.windows.get(sight.here.timeline) or one.newest
        if window is not None and window.stretches and window.stretches[-1].is_open:
            seen = read_end(sight, one.repository.number, window, window.stretches[-1])
            moments = (*sight.seen.moments, *seen.moments)
            one = look_out(one.repository, one.holdings, sight.trees[one.repository.number], Seen(moments, seen.tails))
        outlooks.append(one)
    return outlooks


def read_end(sight: Sight, number: int, window: Window, stretch: Stretch, target: Target | None = None) -> Seen:
    """What the WAL itself says of commits: at the end of a stretch, and around each fork in it of which too little is known.

    That is a fork of which nothing is known, or for whose time somebody asks.
    """
    asked = target.time.timestamp() if target and target.time else None
    moments: list[Moment] = []
    with _directory() as directory:
        source = _Source(sight, number, window, directory)
        dumps = _backwards(source, *stretch.numbers)
        tail = _tail(source, stretch.numbers[1], dumps) if dumps else Tail(0, 0)
        for fork in stretch.forks:
            place = fork.lsn.position // sight.size
            near = asked is not None and reach_time.is_near(asked, fork)
            if fork.after is None or near:
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
