# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks before a site is rebuilt: at the host that should be empty, and for signs of life of the one that is lost. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from . import aside_within, ends, host, rebuild, repository, waking
from .postgres import Cluster
from .problem import Problem, Unfinished
from .rebuild import Ground, Holding, Life
from .sight import Sight
from .waking import Newest


def ground_of(cluster: Cluster, directory: str, databases: Sequence[str] = ()) -> Ground:
    """The host as it is, before anything is installed on it."""
    place = os.path.realpath(host.data_directory(cluster.version, cluster.name) or directory or cluster.data_directory)
    server = host.postmaster(place)
    running = f"a server (process {server[0]}) on {place}" if server else ""
    held = aside_within.content(place) if os.path.isdir(place) else []
    data = f"data in {place} ({', '.join(held[:3])} and so on)" if held else ""
    return Ground(place, data, running, cluster.version, tuple(databases))


def holdings_of(sight: Sight) -> list[Holding]:
    """The repositories, and what else is in those that lack the stanza."""
    found = [outlook.repository for outlook in sight.outlooks]
    return [Holding(one, () if one.has_stanza or not one.readable else tuple(repository.others(one.number))) for one in found]


def named(sight: Sight, number: int) -> Sight:
    """The same with the repository alone that was named; all of them with 0."""
    return replace(sight, outlooks=tuple(one for one in sight.outlooks if number in (0, one.repository.number)))


def life_of(sight: Sight) -> Life:
    """The newest signs of life in the repositories, of whatever timeline. Raises CommandFailed for one that cannot be listed."""
    found = [outlook.repository for outlook in sight.outlooks if outlook.repository.has_stanza]
    writer = rebuild.writer_of(found)
    arrivals = {one.number: repository.newest_arrivals(sight.stanza, one) for one in found}
    segments = [(time, name, number) for number, names in arrivals.items() for name, time in names.items() if "." not in name]
    newest = max(segments, default=None)
    last = {str(number): waking.newest(names) for number, names in arrivals.items()}
    beats = [beat for outlook in sight.outlooks if (beat := _heartbeat(sight, outlook.repository.number)) is not None]
    heartbeat = max(beats, default=None)
    if newest is None:
        return Life(writer, heartbeat=heartbeat, newest=last)
    return Life(writer, newest[1], newest[0], heartbeat, newest[2], last)


def newest_of(stanza: str) -> dict[str, Newest]:
    """The last names in each repository that has the stanza, as they are now. Raises Unfinished or CommandFailed for an unread one."""
    found: dict[str, Newest] = {}
    for number in repository.configured():
        one = repository.look(stanza, [number], [f"--repo={number}"])[0]
        if not one.readable:
            info = one.remedy or f"sudo -u postgres pgbackrest --stanza={stanza} --repo={number} info"
            raise Unfinished(Problem(f"repository {number} unreadable: {one.message}", "to see whether another host writes to it", info))
        if one.has_stanza:
            found[str(number)] = waking.newest(repository.newest_arrivals(stanza, one))
    return found


def _heartbeat(sight: Sight, number: int) -> float | None:
    """The newest heartbeat in the WAL of a repository; None where there is none, or none can be read."""
    outlook = next(one for one in sight.outlooks if one.repository.number == number)
    window = outlook.newest
    if window is None or not window.stretches:
        return None
    return ends.last_heartbeat(sight, number, window, window.stretches[-1])
