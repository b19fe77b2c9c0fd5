# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""May this server write to this stanza? Asked before every write to a repository.

The system identifier alone proves nothing: a copy of a server has the same one. So the timeline, the position in the
log, the bytes of segments that both sides have, and the machine that took the newest backup are compared too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest

from .archive import Listing
from .catalog import Backup, Database, Repository
from .history import lines, parse_history
from .problem import Problem, playbook
from .wal import Lsn, Segment


@dataclass(frozen=True)
class Server:
    """A running server. `archived` maps complete segments that it still has to the SHA-1 of their bytes.

    `host` is its own name, `inventory_host` the one that commands for it name.
    """

    host: str
    inventory_host: str
    machine_id: str
    stanza: str
    system_id: int
    version: str
    timeline: int
    lsn: Lsn
    segment_size: int
    archived: Mapping[str, str] = field(default_factory=dict)
    history: str = ""


@dataclass(frozen=True)
class Evidence:
    """One repository, the listing of its archive and, where it has one, its history file of the server's timeline.

    `arrived` says when that file and the newest segments of every other timeline arrived, in Unix seconds.
    """

    repository: Repository
    listing: Listing
    history: str | None = None
    arrived: Mapping[str, float] = field(default_factory=dict)


def judge_writer(server: Server, evidence: Evidence, takes_over_from: str = "") -> Problem | None:
    """Return the reason why `server` must not write to this stanza, or None.

    `takes_over_from` is the machine-id or host name of a lost server whose place this one takes.
    """
    repository = evidence.repository
    if not repository.readable:
        return _unreadable(server, repository)
    current = repository.current
    if current is None:
        return None
    if current.system_id != server.system_id:
        return None if is_upgrade(server, repository) else _foreign(server, repository.number, current)
    return (
        _other_timeline(server, evidence)
        or _other_position(server, evidence)
        or _other_bytes(server, evidence)
        or _other_machine(server, repository, takes_over_from)
    )


def latecomer(server: Server, evidence: Evidence) -> tuple[str, float] | None:
    """The last segment that arrived from a server which this one has left behind, and when: a lost host that is back, and archives.

    It is none of this server's own path, and younger than this server's timeline is in the repository.
    """
    began = evidence.arrived.get(f"{server.timeline:08X}.history")
    if began is None:
        return None
    ends: dict[int, Lsn | None] = {}
    with suppress(ValueError):
        ends = {step.timeline: step.end for step in parse_history(server.history, server.timeline)}
    late = [(time, name) for name, time in evidence.arrived.items() if time > began and _is_beside(name, ends, server)]
    return max(late)[::-1] if late else None


def _is_beside(name: str, ends: Mapping[int, Lsn | None], server: Server) -> bool:
    if "." in name or not ends:
        return False
    segment = Segment.parse(name, server.segment_size)
    end = ends.get(segment.timeline, segment.start)
    return end is not None and segment.end > end


def is_upgrade(server: Server, repository: Repository) -> bool:
    """True when this machine's own cluster was replaced by a newer major version.

    pg_upgrade makes a new identifier and goes on behind the old cluster's last position. A new and empty cluster beside
    the old one begins at the beginning: it is foreign, and an upgrade of the stanza would end the old one's archiving.
    """
    current, newest = repository.current, _newest(repository.current_backups)
    if current is None or newest is None or current.system_id == server.system_id:
        return False
    same_machine = server.machine_id != "" and newest.annotations.get("axiomdb-machine-id") == server.machine_id
    goes_on = newest.lsn_stop is not None and server.lsn > Lsn.parse(newest.lsn_stop)
    return same_machine and goes_on and float(current.version) < float(server.version)


def _newest(backups: Iterable[Backup]) -> Backup | None:
    return max(backups, key=lambda backup: backup.stopped, default=None)


def _unreadable(server: Server, repository: Repository) -> Problem:
    return Problem(
        f"repository {repository.number} unreadable (status {repository.code}: {repository.message})",
        f"to see what it holds of the stanza {server.stanza} before anything is written to it",
        repository.remedy or f"sudo -u postgres pgbackrest --stanza={server.stanza} --repo={repository.number} info",
    )


def _foreign(server: Server, number: int, current: Database) -> Problem:
    return Problem(
        f"a foreign stanza: {server.stanza} in repository {number} belongs to the cluster with system identifier "
        f"{current.system_id} (PostgreSQL {current.version})",
        f"this server's system identifier {server.system_id} (PostgreSQL {server.version})",
        "choose another pgbackrest_stanza or another repository path; only if this server was made from that cluster by "
        f"pg_upgrade, type: {upgrade_command(server.inventory_host, server.stanza)}",
    )


def upgrade_command(inventory_host: str, stanza: str) -> str:
    """What takes a server that pg_upgrade made."""
    return playbook("stanza", f"-l {inventory_host} -e stanza_state=upgraded -e stanza_confirm={inventory_host}/{stanza}")


def _another(server: Server, repository: Repository, found: str, expected: str) -> Problem:
    newest = _newest_signed(repository)
    other = newest.annotations.get("axiomdb-host", "") if newest and took_over(server, repository) else ""
    by = f"; its newest backup {newest.label} was taken by {other}" if newest and other else ""
    return Problem(
        f"another server writes to this stanza ({server.stanza} in repository {repository.number}): {found}{by}",
        expected,
        "stop the server that must not live, this one or the other; give a copy that is to live its own pgbackrest_stanza",
    )


def _other_timeline(server: Server, evidence: Evidence) -> Problem | None:
    newest = evidence.listing.newest_timeline
    if newest > server.timeline:
        return _another(
            server, evidence.repository, f"its archive has timeline {newest}", f"none above this server's timeline {server.timeline}"
        )
    return None if evidence.history is None else _other_history(server, evidence.repository, evidence.history)


def _other_history(server: Server, repository: Repository, history: str) -> Problem | None:
    for theirs, own in zip_longest(lines(history), lines(server.history), fillvalue="nothing"):
        if theirs != own:
            found, expected = f"its history of timeline {server.timeline} says '{theirs}'", f"'{own}', as this server's own says"
            return _another(server, repository, found, expected)
    return None


def _other_position(server: Server, evidence: Evidence) -> Problem | None:
    own = Segment.containing(server.lsn, server.timeline, server.segment_size)
    archived = evidence.listing.newest_segment(server.timeline)
    if archived is not None and archived >= own.name:
        return _another(
            server,
            evidence.repository,
            f"its archive has the WAL segment {archived}",
            f"none from {own.name} on, in which this server still writes (LSN {server.lsn})",
        )
    ahead = next((backup for backup in evidence.repository.current_backups if _is_ahead(backup, server)), None)
    if ahead is not None:
        return _another(
            server,
            evidence.repository,
            f"its backup {ahead.label} ends at LSN {ahead.lsn_stop}",
            f"no backup that ends after this server's LSN {server.lsn}",
        )
    return None


def _is_ahead(backup: Backup, server: Server) -> bool:
    if backup.lsn_stop is None or backup.wal_stop is None:
        return False
    return int(backup.wal_stop[:8], 16) == server.timeline and Lsn.parse(backup.lsn_stop) > server.lsn


def _other_bytes(server: Server, evidence: Evidence) -> Problem | None:
    for name, digest in sorted(server.archived.items(), reverse=True):
        archived = evidence.listing.segments.get(name)
        if archived is not None and archived != digest:
            return _another(
                server,
                evidence.repository,
                f"its WAL segment {name} has the SHA-1 {archived}",
                f"{digest}, as in this server's pg_wal",
            )
    return None


def took_over(server: Server, repository: Repository) -> bool:
    """True when the newest backup was taken by another machine: this one has none of its own yet."""
    newest = _newest_signed(repository)
    return newest is not None and newest.annotations["axiomdb-machine-id"] != server.machine_id


def _newest_signed(repository: Repository) -> Backup | None:
    return _newest(backup for backup in repository.current_backups if backup.annotations.get("axiomdb-machine-id"))


def _other_machine(server: Server, repository: Repository, takes_over_from: str) -> Problem | None:
    newest = _newest_signed(repository)
    if newest is None:
        return None
    machine, host = newest.annotations["axiomdb-machine-id"], newest.annotations.get("axiomdb-host", "")
    if machine == server.machine_id or (takes_over_from and takes_over_from in (machine, host)):
        return None
    host = host or "another host"
    return Problem(
        f"another server writes to this stanza ({server.stanza} in repository {repository.number}): "
        f"its backup {newest.label} was taken by {host} (machine-id {machine})",
        f"this host's machine-id {server.machine_id}",
        f"only if {host} is lost for ever and this server takes its place, type the same command again with "
        f"-e wal_archiving_takes_over_from={machine}",
    )
