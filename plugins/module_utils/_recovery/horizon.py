# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks as far as recovery reaches: every repository's whole archive, the host's own WAL, heartbeats, and the ends of WAL themselves.

Changes nothing on the host.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import abandoned, data_space, ends, host, measuring, plan, postgres, reach, reach_time, remembered, repository, stopped
from .archive import Holdings
from .catalog import Repository, segment_size, unreadable
from .history import Tree, tree_of
from .moments import Moment, of_snapshots
from .plan import Archives, Plan
from .postgres import Cluster, NotAnswering
from .problem import Problem, Refusal, playbook
from .reach import Here
from .run import CommandFailed
from .sight import Sight
from .snapshots import found_in
from .target import LATEST, TIME, Target
from .wal import Lsn, Segment
from .window import Outlook, Seen, Stretch, Window, look_out

NOTHING = Seen()
_SEGMENT = re.compile(r"[0-9A-F]{24}")


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
    looked = [_archive(stanza, one, size) for one in found]
    trees = {one.number: tree for one, _holdings, tree in looked}
    systems = [one.current.system_id for one in found if one.current]
    rebuilt = remembered.of_rebuilds(stanza, systems, trees.values())
    seen = Seen((*remembered.heartbeats(stanza), *of_snapshots(found_in(found)), *rebuilt))
    outlooks = [look_out(one, holdings, tree, seen) for one, holdings, tree in looked]
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
    return _elsewhere(target, sight, outlook, window, ends.read_end(sight, outlook.repository.number, window, stretch, target))


def _elsewhere(target: Target, sight: Sight, outlook: Outlook, window: Window, seen: Seen) -> Outlook:
    """An outlook with what was seen; for a time that is not on the path others are read until one is known that it lies on."""
    whole = with_host(sight, outlook, seen)
    path = whole.windows[window.timeline]
    if target.kind != TIME or reach_time.fork_near(target, path) is None:
        return whole
    for other in abandoned.unread(whole, path):
        if reach_time.lying(target, whole, path):
            break
        more = ends.read_end(sight, outlook.repository.number, other, other.stretches[-1], target)
        seen = Seen((*seen.moments, *more.moments), (*seen.tails, *more.tails))
        whole = with_host(sight, outlook, seen)
    return whole


def outlooks(stanza: str, cluster: Cluster) -> tuple[list[Outlook], int]:
    """What can be recovered, and the server's timeline (0 when it does not answer); nothing where there is nothing to look at."""
    try:
        sight = look(stanza, cluster)
    except Refusal:
        return [], 0
    return told(sight), sight.here.timeline


def told(sight: Sight) -> list[Outlook]:
    """The outlooks for a person: where it is not known until when can be recovered, at the end or before a fork, the WAL is read.

    So it is of abandoned timelines; what is found of one in a repository is not read again in the next.
    """
    outlooks = []
    shared: tuple[Moment, ...] = ()
    for one in sight.outlooks:
        window = one.windows.get(sight.here.timeline) or one.newest
        stretches = window.stretches if window is not None else ()
        seen = [
            ends.read_end(sight, one.repository.number, window, stretch) for stretch in stretches if window and _is_asked(stretch, window)
        ]
        one = _more(sight, one, seen, shared)
        unknown = [other.timeline for other, behind in abandoned.others(one, window) if abandoned.last_of(other, behind) is None]
        for timeline in unknown[: abandoned.READ]:
            other = one.windows[timeline]
            seen.append(ends.read_end(sight, one.repository.number, other, other.stretches[-1], Target(LATEST)))
            shared = (*shared, *seen[-1].moments)
        one = _more(sight, one, seen, shared)
        outlooks.append(one)
    return outlooks


def _more(sight: Sight, outlook: Outlook, seen: Sequence[Seen], moments: Iterable[Moment] = ()) -> Outlook:
    """An outlook with what was read of its WAL, and further moments."""
    moments = (*moments, *(moment for found in seen for moment in found.moments))
    tails = tuple(tail for found in seen for tail in found.tails)
    if not moments and not tails:
        return outlook
    known = dict.fromkeys((*sight.seen.moments, *moments))
    return look_out(outlook.repository, outlook.holdings, sight.trees[outlook.repository.number], Seen(tuple(known), tails))


def _is_asked(stretch: Stretch, window: Window) -> bool:
    """Whether the WAL of a stretch is read for a person: what lies before a hole is told as far as it is known, but for a life before."""
    return not stretch.is_known and (stretch == window.stretches[-1] or bool(stretch.forks))
