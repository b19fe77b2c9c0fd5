# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes a named snapshot: a backup, a restore point, its WAL segment seen in every repository, and only then the catalogue entry."""

from __future__ import annotations

import time
from collections.abc import Mapping

from . import backup, postgres, repository, snapshots
from .postgres import Cluster
from .problem import Problem, Refusal
from .run import pgbackrest_when_free, require
from .snapshots import Snapshot
from .summary import moment
from .survey import Survey, refuse_other_writers, survey

POINT = """
with point as (select pg_create_restore_point('{name}') as lsn)
select json_build_object('lsn', lsn, 'segment', pg_walfile_name(lsn), 'time', extract(epoch from clock_timestamp())) from point
"""
SWITCH = "select to_json(pg_switch_wal())"


def refuse(seen: Survey, name: str, takes_over_from: str = "") -> None:
    """Raise Refusal with every reason why no snapshot can be taken now; nothing has been made then."""
    refuse_other_writers(seen, takes_over_from)
    unreadable = [item for item in seen.repositories if not item.readable]
    possible = (
        backup.impossible(seen),
        _failing(seen),
        snapshots.judge_unique(name, seen.repositories),
        *(
            Problem(
                f"repository {item.number} unreadable: {item.message}", "to see the snapshot in every repository", _info(seen, item.number)
            )
            for item in unreadable
        ),
    )
    problems = [problem for problem in possible if problem]
    if problems:
        raise Refusal(*problems)


def _failing(seen: Survey) -> Problem | None:
    if not seen.archiver.failing and not seen.archiver.stopped:
        return None
    log = f"tail /var/log/pgbackrest/{seen.server.stanza}-archive-push-async.log"
    return Problem("that archiving fails", "each WAL segment to reach each repository: the snapshot could not be recovered", log)


def take(
    seen: Survey,
    cluster: Cluster,
    name: str,
    reason: str = "",
    annotations: Mapping[str, str] | None = None,
    kind: str = "incr",
    with_backup: bool = True,
    patience: float = 120.0,
) -> list[Snapshot]:
    """Take it; the entries that every repository shows afterwards. Raises Refusal or CommandFailed; the catalogue has no entry then."""
    stanza = seen.server.stanza
    numbers = [item.number for item in seen.repositories]
    if with_backup:
        labels = {number: str(backup.take(seen, number, kind)["label"]) for number in numbers}
    else:
        labels = _newest_sets(seen)
    before = {item.number: {found.label for found in item.backups} for item in repository.look(stanza, numbers)}
    point = postgres.ask(cluster.port, POINT.format(name=name))
    postgres.ask(cluster.port, SWITCH)
    for number in numbers:
        _wait_for(seen, cluster, number, name, point["segment"], patience)
    made = [
        Snapshot(name, number, labels[number], point["lsn"], int(point["segment"][:8], 16), moment(point["time"]), reason)
        for number in numbers
    ]
    for snapshot in made:
        given = [f"--annotation={key}={value}" for key, value in (annotations or {}).items()]
        # Without its number, annotate writes the catalogue of another repository over that of the first one.
        options = [f"--repo={snapshot.repository}", f"--set={snapshot.label}", f"--annotation={snapshots.annotation(snapshot)}", *given]
        require(pgbackrest_when_free(stanza, ["annotate"], options), stanza)
    _prove(seen, made, before)
    return made


def _newest_sets(seen: Survey) -> dict[int, str]:
    """The set of each repository from which a restore point made now will be restored."""
    labels = {}
    for item in seen.repositories:
        usable = item.usable_backups(seen.server.system_id)
        if not usable:
            what = f"no usable backup in repository {item.number}"
            command = f"ansible-playbook playbooks/snapshot.yml -l {seen.server.inventory_host} with snapshot_backup=true"
            raise Refusal(Problem(what, "one, to which the restore point belongs", command))
        labels[item.number] = max(usable, key=lambda found: found.stopped).label
    return labels


def _wait_for(seen: Survey, cluster: Cluster, number: int, name: str, segment: str, patience: float) -> None:
    """Wait until a repository holds the segment. Raises Refusal with what exists and what does not."""
    deadline = time.monotonic() + patience
    while True:
        found = repository.look(seen.server.stanza, [number], [f"--repo={number}"])[0]
        if found.has_stanza and segment in repository.list_archive(seen.server.stanza, found, int(segment[:8], 16)).segments:
            return
        if time.monotonic() > deadline:
            what = f"the WAL segment {segment} of snapshot {name} not in repository {number} after {patience:g} s"
            expected = "it there; the restore point exists in the WAL, the catalogue has no entry, and the name may be used again"
            raise Refusal(Problem(what, expected, f"tail /var/log/pgbackrest/{seen.server.stanza}-archive-push-async.log"))
        time.sleep(0.5)


def _prove(seen: Survey, made: list[Snapshot], before: Mapping[int, set[str]]) -> None:
    """Raise Refusal unless each repository shows its entry, and every backup that it showed before."""
    after = repository.look(seen.server.stanza, [snapshot.repository for snapshot in made])
    shown = snapshots.found_in(after)
    for snapshot, found in zip(made, after, strict=True):
        lost = before[snapshot.repository] - {item.label for item in found.backups}
        if snapshot not in shown or lost:
            what = f"repository {snapshot.repository} without " + (
                f"the backups {', '.join(sorted(lost))}" if lost else f"snapshot {snapshot.name}"
            )
            raise Refusal(Problem(what, "both after pgbackrest annotate said that it succeeded", _info(seen, snapshot.repository)))


def _info(seen: Survey, number: int) -> str:
    return f"sudo -u postgres pgbackrest --stanza={seen.server.stanza} --repo={number} info"


def look_again(seen: Survey, cluster: Cluster) -> Survey:
    """The same survey, taken now. Raises Refusal when the server or its configuration has gone meanwhile."""
    again = survey(seen.server.stanza, cluster, seen.server.inventory_host)
    if again is None:
        raise Refusal(Problem("no cluster or no pgBackRest any more", "both", "pg_lsclusters"))
    return again
