# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes a named snapshot: a backup, a restore point, its WAL seen in every repository, and only then the catalogue entry."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from . import backup, postgres, repository, snapshots, state
from .catalog import Backup
from .postgres import Cluster, NotAnswering
from .problem import Problem, Refusal, Unfinished, playbook
from .provision import first_hole, first_missing
from .run import CommandFailed
from .snapshots import Request, Snapshot
from .spoken import moment
from .survey import Survey, refuse_other_writers, refuse_unknown_stanza, survey

POINT = """
with point as (select pg_create_restore_point('{name}') as lsn)
select json_build_object('lsn', lsn, 'segment', pg_walfile_name(lsn), 'time', extract(epoch from clock_timestamp())) from point
"""
SWITCH = "select to_json(pg_switch_wal())"


def perform(request: Request, stanza: str, cluster: Cluster, inventory_host: str) -> list[Snapshot]:
    """Judge, look, refuse; then wait for the turn, look again, take, prove. The entries that every repository shows afterwards.

    Raises Refusal before anything is made; Unfinished or CommandFailed later, when the catalogue has no entry.
    """
    refuse_words(request)
    state.refuse_pause()
    refuse(look(stanza, cluster, inventory_host), request)
    line = {"operation": "snapshot", "host": inventory_host, "stanza": stanza, "text": request.reason, "target": request.target}
    with state.turn_within_an_hour(stanza, f"snapshot {request.name}"):
        # Another snapshot may have begun and ended since the first look, or a recovery that was killed.
        state.refuse_pause()
        seen = look(stanza, cluster, inventory_host)
        refuse(seen, request)
        try:
            made = take(seen, cluster, request)
        except (CommandFailed, Unfinished, NotAnswering) as error:
            state.operation({**line, "outcome": "failed", "error": str(error)})
            raise
    state.operation({**line, "outcome": "done", "snapshots": [asdict(snapshot) for snapshot in made]})
    return made


def refuse_words(request: Request) -> None:
    """Raise Refusal with every problem of what was typed."""
    problems = snapshots.judge(request)
    if problems:
        raise Refusal(*problems)


def look(stanza: str, cluster: Cluster, inventory_host: str) -> Survey:
    """The survey that a snapshot needs. Raises Refusal where there is nothing to take one of."""
    seen = survey(stanza, cluster, inventory_host)
    if seen is None:
        raise Refusal(Problem("no cluster, or no pgBackRest with a repository", "both", playbook("site")))
    refuse_unknown_stanza(stanza)
    return seen


def refuse(seen: Survey, request: Request) -> None:
    """Raise Refusal with every reason why no snapshot can be taken now; nothing has been made then."""
    refuse_other_writers(seen, request.takes_over_from)
    possible = [backup.impossible(seen) or _failing(seen), snapshots.judge_unique(request.name, seen.repositories)]
    if not request.with_backup and not seen.standby:
        possible += _sets_problems(seen, request.name)
    problems = [problem for problem in possible if problem]
    if problems:
        raise Refusal(*problems)


def _failing(seen: Survey) -> Problem | None:
    if seen.archiver.stopped:
        start = f"sudo -u postgres pgbackrest --stanza={seen.server.stanza} start"
        return Problem("pgBackRest told to stop on this host", "each WAL segment to reach each repository", start)
    if not seen.archiver.failing:
        return None
    return Problem("that archiving fails", "each WAL segment to reach each repository: the snapshot could not be recovered", _log(seen))


def _sets_problems(seen: Survey, name: str) -> list[Problem | None]:
    """Why a restore point alone would not be recoverable: no set to which it belongs, a hole after it, or a name twice in the WAL."""
    sets = newest_sets(seen)
    command = playbook("snapshot", f"-l {seen.server.inventory_host} with snapshot_backup=true")
    without = [f"no usable backup in repository {number}" for number, found in sets.items() if found is None]
    holes = {item.repository.number: first_hole(seen.server, seen.archiver, item) for item in seen.evidence}
    without += [f"no WAL segment {hole} in repository {number}" for number, hole in holes.items() if hole]
    point = snapshots.judge_point(name, state.points(seen.server.stanza), [found for found in sets.values() if found])
    expected = "a backup to which the restore point belongs, and each segment since"
    return [*(Problem(found, expected, command) for found in without), point]


def newest_sets(seen: Survey) -> dict[int, Backup | None]:
    """The set of each repository from which a restore point made now will be restored."""
    usable = {item.number: item.usable_backups(seen.server.system_id) for item in seen.repositories}
    return {number: max(sets, key=lambda found: found.stopped, default=None) for number, sets in usable.items()}


def take(seen: Survey, cluster: Cluster, request: Request) -> list[Snapshot]:
    """Take it; nothing has been refused. Raises Unfinished or CommandFailed; the catalogue has no entry then."""
    stanza, numbers = seen.server.stanza, [item.number for item in seen.repositories]
    if request.with_backup:
        labels = {number: str(backup.take(seen, number, request.kind)["label"]) for number in numbers}
    else:
        labels = {number: found.label for number, found in newest_sets(seen).items() if found}
    before = {item.number: {found.label: found for found in item.backups} for item in repository.look(stanza, numbers)}
    state.point(stanza, request.name)
    point = postgres.ask(cluster.port, POINT.format(name=request.name))
    postgres.ask(cluster.port, SWITCH)
    for number in numbers:
        _wait_for(seen, number, request, point["segment"])
    timeline, when = int(point["segment"][:8], 16), moment(point["time"])
    made = [Snapshot(request.name, number, labels[number], point["lsn"], timeline, when, request.reason) for number in numbers]
    _enter(stanza, made, request, before)
    _prove(seen, made, before)
    return made


def _wait_for(seen: Survey, number: int, request: Request, segment: str) -> None:
    """Wait until a repository holds every segment from its newest backup to this one. Raises Unfinished."""
    deadline = time.monotonic() + request.patience
    while True:
        missing = _missing(seen, number, segment)
        if missing is None:
            return
        if time.monotonic() > deadline:
            what = f"the WAL segment {missing} of snapshot {request.name} not in repository {number} after {request.patience:g} s"
            expected = "it there; a restore point exists in the WAL alone, no catalogue has an entry"
            raise Unfinished(Problem(what, expected, f"{_log(seen)}; then take the snapshot again"))
        time.sleep(0.5)


def _missing(seen: Survey, number: int, segment: str) -> str | None:
    """The first segment that a repository lacks from its newest backup to this one."""
    found = repository.look(seen.server.stanza, [number], [f"--repo={number}"])[0]
    if not found.has_stanza:
        return segment
    listing = repository.list_archive(seen.server.stanza, found, int(segment[:8], 16))
    stop = found.newest_backup.wal_stop if found.newest_backup else None
    first = stop if stop and stop[:8] == segment[:8] else segment
    return first_missing(listing, first, segment, seen.server.segment_size)


def _enter(stanza: str, made: list[Snapshot], request: Request, before: Mapping[int, Mapping[str, Backup]]) -> None:
    """Write the entry into every repository, or take it back from all. Raises CommandFailed, or Unfinished when one has kept it."""
    try:
        for snapshot in made:
            repository.annotate(stanza, snapshot.repository, snapshot.label, {**snapshots.annotation(snapshot), **request.annotations})
    except CommandFailed:
        for snapshot in made:
            old = before[snapshot.repository][snapshot.label].annotations
            given = {key: old.get(key, "") for key in (*snapshots.annotation(snapshot), *request.annotations)}
            with suppress(CommandFailed):  # what was kept is looked for below
                repository.annotate(stanza, snapshot.repository, snapshot.label, given)
        kept = [found for found in snapshots.found_in(repository.look(stanza, list(before))) if found.name == request.name]
        if kept:
            where = " and ".join(f"repository {found.repository}" for found in kept)
            next_step = f"sudo -u postgres pgbackrest --stanza={stanza} info; then take a snapshot under another name"
            raise Unfinished(Problem(f"snapshot {request.name} in {where} alone", "it in every repository", next_step)) from None
        raise


def _prove(seen: Survey, made: list[Snapshot], before: Mapping[int, Mapping[str, Any]]) -> None:
    """Raise Unfinished unless each repository shows its entry, and every backup that it showed before."""
    after = repository.look(seen.server.stanza, [snapshot.repository for snapshot in made])
    shown = snapshots.found_in(after)
    for snapshot, found in zip(made, after, strict=True):
        lost = before[snapshot.repository].keys() - {item.label for item in found.backups}
        if snapshot not in shown or lost:
            what = f"the backups {', '.join(sorted(lost))}" if lost else f"snapshot {snapshot.name}"
            expected = "both after pgbackrest annotate said that it succeeded"
            raise Unfinished(Problem(f"repository {snapshot.repository} without {what}", expected, _info(seen, snapshot.repository)))


def _info(seen: Survey, number: int) -> str:
    return f"sudo -u postgres pgbackrest --stanza={seen.server.stanza} --repo={number} info"


def _log(seen: Survey) -> str:
    return f"tail /var/log/pgbackrest/{seen.server.stanza}-archive-push-async.log"


def look_again(seen: Survey, cluster: Cluster) -> Survey:
    """The same survey, taken now. Raises Refusal when the server or its configuration has gone meanwhile."""
    return look(seen.server.stanza, cluster, seen.server.inventory_host)
