# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The summary of a host: what protects it, what does not, and what to type next. Written for a tired person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .catalog import Repository
from .problem import CONTROLLER
from .provision import Archiver, repositories_without_backup
from .snapshots import found_in
from .spoken import age, counted, human, moment
from .writer import Server

BARE = "nothing is installed yet"
TOOL = "sudo /opt/axiomdb/axiomdb-recovery"
STALLED_SECONDS = 900
LATE_SECONDS = 86400  # a server that archived nothing for so long was stopped
FRESH_SECONDS = 90000  # as old as a daily full backup is at most, and an hour
STOP = "sudo systemctl stop postgresql; that on the server that must not live, this one or the other"
SNAPSHOTS_SHOWN = 5
SEGMENT_NAME = 24  # characters; what follows names the backup that began in the segment
NETWORK_FILESYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "9p", "fuse.sshfs", "fuse.glusterfs"})


@dataclass(frozen=True)
class Place:
    """Where a repository lies. `elsewhere` is true when it survives the loss of this host."""

    kind: str
    path: str
    cipher: str
    elsewhere: bool
    published: bool = False

    @property
    def encryption(self) -> str:
        if self.cipher == "none":
            return "NOT ENCRYPTED"
        return "encrypted with a published key" if self.published else self.cipher


@dataclass(frozen=True)
class Picture:
    """Everything that the summary is made of. `server` is None when nothing answers; `now` is in Unix seconds.

    `behind` are the repositories that lack a segment which the server believes archived; `holes` are the first segments
    that are missing after a repository's newest backup; `several` says that the host has further stanzas. `windows` are the
    lines that say what can be recovered, where somebody asked for that. `archive_timeout` is in seconds; `verification` says why
    the last one failed. `writers` say by repository why another server writes to it; `late` are segments of a server that this one
    has left behind, and when the last one arrived. `histories` are the history files in pg_wal, by timeline. `recovery` is the reason and
    the command of a recovery in place that is open. `here` is true when somebody asks on the host itself.
    """

    host: str
    stanza: str
    now: float
    command: str = CONTROLLER
    system: str = ""
    server: Server | None = None
    server_version: str = ""
    checksums: bool = True
    standby: bool = False
    archiver: Archiver = field(default_factory=Archiver)
    repositories: Sequence[Repository] = ()
    places: Mapping[int, Place] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    reason: str = BARE
    behind: Sequence[int] = ()
    unsafe: Sequence[str] = ()
    holes: Mapping[int, str] = field(default_factory=dict)
    several: bool = False
    windows: Sequence[str] = ()
    archive_timeout: int = 60
    verification: str = ""
    writers: Mapping[int, str] = field(default_factory=dict)
    late: Mapping[int, tuple[str, float]] = field(default_factory=dict)
    histories: Mapping[int, str] = field(default_factory=dict)
    recovery: tuple[str, str] = ("", "")
    here: bool = False

    @property
    def backup_command(self) -> str:
        """Takes a full backup; on a host with several stanzas it says of which."""
        if self.here:
            return f"{TOOL} backup --type=full" + (f" --stanza={self.stanza}" if self.several else "")
        chosen = f" -e pgbackrest_stanza={self.stanza}" if self.several else ""
        return f"{self.command} playbooks/backup.yml -l {self.host}{chosen} -e backup_type=full"

    @property
    def drill_command(self) -> str:
        """Proves that the backups can be restored; on a host with several stanzas it says which."""
        if self.here:
            return f"{TOOL} drill" + (f" --stanza={self.stanza}" if self.several else "")
        return f"{self.command} playbooks/drill.yml -l {self.host}" + (f" -e pgbackrest_stanza={self.stanza}" if self.several else "")


@dataclass(frozen=True)
class Verdict:
    """Whether the host is protected, why or why not, and the command that helps. A `topic` is one kind of reason."""

    protected: bool
    reason: str
    command: str
    topic: str = ""


def judge(picture: Picture) -> Verdict:
    """The worst reason decides; a host is protected only when each segment goes to a repository that holds a usable backup."""
    good = "each WAL segment is archived and a backup exists"
    return next(reasons(picture), Verdict(True, good, picture.backup_command))


def reasons(picture: Picture) -> Iterator[Verdict]:
    """Every reason why a host is not protected, the worst one first."""
    site = f"{picture.command} playbooks/site.yml -l {picture.host}"
    found, command = picture.recovery
    if found:
        yield Verdict(False, found, command, "server" if picture.server is None else "recovery")
    if picture.server is None:
        if not found:
            damaged = "" if picture.reason == BARE else f"; where its data is damaged, what can be recovered: {TOOL} plan latest"
            yield Verdict(False, picture.reason, f"{site}{damaged}", "server")
        if picture.archiver.waiting:
            waits = counted(picture.archiver.waiting, "WAL segment waits", "WAL segments wait")
            alone = f"{waits} on this host alone while no server archives"
            yield Verdict(False, alone, "pg_lsclusters", "waiting")
    elif picture.standby:
        yield Verdict(False, "a standby, which archives nothing itself; what protects it is its primary", site, "standby")
    else:
        yield from _archiver_reasons(picture, site)
        yield from _repository_reasons(picture, picture.server, site)


def _archiver_reasons(picture: Picture, site: str) -> Iterator[Verdict]:
    archiver = picture.archiver
    if not archiver.on:
        if "archive_mode" in picture.pending:
            restart = f"{site} -e postgresql_restart_allowed=true"
            yield Verdict(False, "archive_mode is off until PostgreSQL is restarted", restart, "archiver")
        else:
            yield Verdict(False, "archive_mode is off", site, "archiver")
    elif not archiver.uses_pgbackrest:
        yield Verdict(False, "archive_command does not call pgBackRest", site, "archiver")
    elif not archiver.pushes_to(picture.stanza):
        yield Verdict(False, f"archive_command does not name the stanza {picture.stanza}", site, "archiver")
    if archiver.on and picture.archive_timeout == 0:
        yield Verdict(False, "archive_timeout is 0: what is committed in a quiet hour waits for a busy one", site, "archiver")
    for repository in picture.repositories:
        if not repository.readable:
            info = repository.remedy or f"sudo -u postgres pgbackrest --stanza={picture.stanza} info"
            reason = f"repository {repository.number} is unreadable: {repository.message}"
            yield Verdict(False, reason, info, f"repository {repository.number}")
    if archiver.stopped:
        start = f"sudo -u postgres pgbackrest --stanza={picture.stanza} start"
        yield Verdict(False, "pgBackRest was told to stop on this host", start, "stopped")
    if picture.unsafe:
        yield Verdict(False, f"{' and '.join(picture.unsafe)} off: a crash of this host damages the data", site, "unsafe")
    log = f"tail /var/log/pgbackrest/{picture.stanza}-archive-push-async.log"
    if archiver.failing:
        yield Verdict(False, "archiving fails" + (f": {archiver.fault}" if archiver.fault else ""), log, "archiving")
    elif archiver.oldest_waiting is not None and picture.now - archiver.oldest_waiting > STALLED_SECONDS:
        oldest = age(picture.now - archiver.oldest_waiting)
        several = f"{archiver.waiting} WAL segments wait, the oldest for {oldest}"
        waiting = several if archiver.waiting != 1 else f"1 WAL segment waits for {oldest}"
        yield Verdict(False, waiting, log, "archiving")


def _repository_reasons(picture: Picture, server: Server, site: str) -> Iterator[Verdict]:
    unreadable = {repository.number for repository in picture.repositories if not repository.readable}
    for number, found in picture.writers.items():
        yield Verdict(False, found, STOP, f"writer {number}")
    for number, (name, arrived) in picture.late.items():
        past = picture.now - arrived
        if number not in picture.writers and past < LATE_SECONDS:
            where = f"another server writes to this stanza ({picture.stanza} in repository {number})"
            left = f"the WAL segment {name} of timeline {int(name[:8], 16)}, which this server has left, arrived {age(max(0.0, past))} ago"
            yield Verdict(False, f"{where}: {left}", STOP, f"writer {number}")
    for number in picture.behind:
        if number not in unreadable:
            lost = f"repository {number} lacks the WAL segment {picture.archiver.last_segment}, which PostgreSQL believes archived"
            check = f"sudo -u postgres pgbackrest --stanza={picture.stanza} --log-level-console=info check"
            yield Verdict(False, lost, check, f"behind {number}")
    for number, name in picture.holes.items():
        lost = f"the WAL segment {name} is missing in repository {number}: what was committed after it cannot be recovered from there"
        yield Verdict(False, lost, picture.backup_command, f"hole {number}")
    for number in repositories_without_backup(server, picture.repositories):
        if number not in unreadable:
            yield Verdict(False, f"repository {number} holds no usable backup", site, f"backup {number}")
    if not picture.repositories:
        yield Verdict(False, "no repository is configured", site, "repositories")
    if picture.verification:
        failed = f"the last verification failed: {picture.verification}"
        yield Verdict(False, failed, f"{TOOL} verify", "verification")


def lines(picture: Picture) -> list[str]:
    """The summary; its last line begins with PROTECTED or NOT PROTECTED."""
    verdict = judge(picture)
    text = [f"  system       {picture.system or 'not supported'}"]
    if picture.server is not None:
        checksums = "on" if picture.checksums else "OFF: damaged pages are not noticed"
        text.append(f"  PostgreSQL   {picture.server_version}, system identifier {picture.server.system_id}, data checksums {checksums}")
        text.append(f"  archiving    {_archiving(picture)}")
        for repository in picture.repositories:
            text += _repository(picture, repository)
        text += _snapshots(picture)
    elif picture.archiver.waiting:
        text.append(f"  archiving    no server archives, {_waiting(picture)}")
    text += picture.windows
    for name, value in sorted(picture.pending.items()):
        text.append(f"  RESTART      {name} waits for a restart; the server still runs with '{value}'. Nothing was restarted.")
    if picture.pending:
        text.append(f"               {picture.command} playbooks/site.yml -l {picture.host} -e postgresql_restart_allowed=true")
    return text + _last_lines(picture, verdict)


def _last_lines(picture: Picture, verdict: Verdict) -> list[str]:
    if not verdict.protected:
        return [f"NOT PROTECTED: {picture.host}: {' '.join(verdict.reason.split())}. Type: {verdict.command}"]
    text = ["  protects     against dropped tables, bad migrations and damaged files"]
    if not picture.windows:
        text.append(f"               back to which moments: {TOOL} status")
    if not any(place.elsewhere for place in picture.places.values()):
        text.append("  does not     NOT PROTECTED AGAINST LOSS OF THIS HOST: no repository lies elsewhere")
        text.append("               add one of type s3, azure, gcs or sftp to pgbackrest_repositories (inventories/single_vps shows one)")
    if any(place.published for place in picture.places.values() if place.cipher != "none"):
        text.append("  does not     keep the backups secret: they are encrypted with a published key")
    text.append(f"  next         {picture.drill_command if _all_fresh(picture) else verdict.command}")
    limit = "" if any(place.elsewhere for place in picture.places.values()) else ", but only while this host lives"
    return [*text, f"PROTECTED{limit}: {picture.host}: {verdict.reason}."]


def _all_fresh(picture: Picture) -> bool:
    """Whether each repository has a full backup of today, so that nobody needs to be told to take one."""
    system_id = picture.server.system_id if picture.server else 0
    ended = [
        max((one.stopped for one in repository.usable_backups(system_id) if one.kind == "full"), default=0)
        for repository in picture.repositories
    ]
    return all(abs(picture.now - newest) <= FRESH_SECONDS for newest in ended)


def _archiving(picture: Picture) -> str:
    archiver = picture.archiver
    if not archiver.on:
        return "OFF"
    parts = [f"last segment {(archiver.last_segment or 'none yet')[:SEGMENT_NAME]}"]
    if archiver.last_time:
        parts.append(f"{age(picture.now - archiver.last_time)} ago")
    return ("FAILING, " if archiver.failing else "on, ") + ", ".join([*parts, _waiting(picture)])


def _waiting(picture: Picture) -> str:
    archiver = picture.archiver
    oldest = f", the oldest for {age(picture.now - archiver.oldest_waiting)}" if archiver.oldest_waiting and archiver.waiting else ""
    return f"{archiver.waiting} waiting{oldest}"


def _repository(picture: Picture, repository: Repository) -> list[str]:
    place = picture.places.get(repository.number)
    where = f"{place.kind} {place.path}, {place.encryption}" if place else "not configured"
    head = f"  repository {repository.number} {where}"
    if not repository.readable:
        return [head, f"               UNREADABLE: {repository.message}"]
    newest = repository.newest_whole or repository.newest_backup
    oldest = min(repository.backups, key=lambda item: item.stopped, default=None)
    if newest is None or oldest is None:
        return [head, f"               stanza {picture.stanza}: no backup yet"]
    count = counted(len(repository.backups), "backup")
    size = f"{human(newest.size)} of database, {human(newest.repository_size)} in the repository"
    return [
        head,
        f"               stanza {picture.stanza}: {count}, newest {newest.kind} {newest.label}, {age(picture.now - newest.stopped)} old",
        f"               {size}; oldest ended {moment(oldest.stopped)}",
    ]


def _snapshots(picture: Picture) -> list[str]:
    """The newest snapshots, as targets to type; one that several repositories hold is one line."""
    known = list({snapshot.name: snapshot for snapshot in found_in(picture.repositories)}.values())
    newest, older = known[-SNAPSHOTS_SHOWN:], len(known) - SNAPSHOTS_SHOWN
    text = [f"  snapshot     {item.target} of {item.time}{f': {item.reason}' if item.reason else ''}" for item in reversed(newest)]
    return text + ([f"               and {older} older. Type: {TOOL} snapshots"] if older > 0 else [])
