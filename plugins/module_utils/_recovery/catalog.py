# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a repository says it holds: the JSON of `pgbackrest info`, as frozen dataclasses.

Source: the output of pgBackRest 2.45, 2.55 and 2.60. Its exit code is 0 also for a repository that could not be read; only
the status codes 0, 1 and 2 mean that somebody looked inside. With a wrong passphrase 2.45 prints JSON that is not JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .wal import DEFAULT_SEGMENT_SIZE, LEGAL_SIZES, Lsn, Segment, sizes_that_fit

OK, MISSING_STANZA, NO_BACKUP = 0, 1, 2
FULL_LABEL = len("20261122-020001F")
LOOKED_INSIDE = (OK, MISSING_STANZA, NO_BACKUP)
NOT_OPENED = "the passphrase does not open the repository"
NOT_TRUSTED = "the store's certificate is not trusted"
_HTTP = re.compile(r"HTTP request failed with (\d{3}(?: \([^)\n]*\))?)")
_STORE_SAYS = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_NOISE = re.compile(r"HINT:|\n *\[\w+\] on (?:retry|\d+ retries)|\n\*\*\* ")


@dataclass(frozen=True)
class Database:
    """One database history entry of a stanza; `system_id` is the cluster's system identifier."""

    number: int
    system_id: int
    version: str


@dataclass(frozen=True)
class Archive:
    """Names of the first and last WAL segment under one archive id such as `15-1`. Holes do not show."""

    archive_id: str
    database: int
    first: str | None
    last: str | None


@dataclass(frozen=True)
class Backup:
    """One backup set; `wal_stop` is the segment that makes it consistent. Times are Unix seconds, cut off; sizes bytes.

    `references` are the sets in which some of its files lie; `lost` says that a directory which it needs or its manifest is gone.
    """

    label: str
    kind: str
    database: int
    started: int
    stopped: int
    lsn_start: str | None
    lsn_stop: str | None
    wal_stop: str | None
    error: bool
    size: int
    repository_size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    lost: bool = False

    @property
    def timeline(self) -> int:
        """The timeline on which it was taken; 0 when pgBackRest does not say."""
        return int(self.wal_stop[:8], 16) if self.wal_stop else 0

    def first_segment(self, size: int) -> str | None:
        """The first segment without which it cannot become consistent; None when pgBackRest does not say."""
        return Segment.containing(Lsn.parse(self.lsn_start), self.timeline, size).name if self.lsn_start and self.wal_stop else None


@dataclass(frozen=True)
class Repository:
    """What one repository holds of one stanza. `readable` is false when nobody could look inside; `remedy` is what helps, if known.

    `busy` says that a backup or an expiry of the stanza is at work on this host.
    """

    number: int
    code: int
    message: str
    cipher: str = "none"
    databases: tuple[Database, ...] = ()
    archives: tuple[Archive, ...] = ()
    backups: tuple[Backup, ...] = ()
    remedy: str = ""
    busy: bool = False

    @property
    def readable(self) -> bool:
        return self.code in LOOKED_INSIDE

    @property
    def has_stanza(self) -> bool:
        return self.readable and len(self.databases) > 0

    @property
    def current(self) -> Database | None:
        return max(self.databases, key=lambda database: database.number, default=None)

    @property
    def current_backups(self) -> tuple[Backup, ...]:
        """Backups of the current entry: those of a cluster from before an upgrade tell nothing about this one."""
        return tuple(backup for backup in self.backups if self.current is not None and backup.database == self.current.number)

    @property
    def newest_backup(self) -> Backup | None:
        return max(self.backups, key=lambda backup: backup.stopped, default=None)

    @property
    def newest_whole(self) -> Backup | None:
        """The newest one of which nothing is known to be broken or lost."""
        return max((backup for backup in self.backups if not backup.error), key=lambda backup: backup.stopped, default=None)

    def usable_backups(self, system_id: int) -> tuple[Backup, ...]:
        """Backups without page errors that belong to the cluster with this system identifier and are of its current entry."""
        if self.current is None or self.current.system_id != system_id:
            return ()
        return tuple(backup for backup in self.current_backups if not backup.error)


def unreadable(number: int, message: str, remedy: str = "") -> Repository:
    """A repository into which nobody could look, with the reason in one line and the command that helps, where it is known."""
    return Repository(number, 99, reason(message) or "no reason given", remedy=remedy)


def reason(message: str) -> str:
    """What pgBackRest says of a failure, as one printable line without its hints, retries and the headers of a request.

    With a wrong passphrase it either notices that, or takes for an info file what it deciphered, and prints that. It calls a
    certificate that it does not trust by the same name.
    """
    if refused := _HTTP.search(message):
        code = _STORE_SAYS.search(message)
        return f"the store answers {refused[1]}" + (f": {code[1]}" if code else "")
    printable = "".join(letter if letter.isprintable() and letter != "\ufffd" else " " for letter in _NOISE.split(message)[0])
    if "certificate" in printable:
        return f"{NOT_TRUSTED}: {_shorten(printable.removeprefix('[CryptoError] '))}"
    if "CryptoError" in printable:
        return NOT_OPENED
    if "[FormatError] unable to load info file" in printable:
        return f"{NOT_OPENED}, or its info file is damaged"
    return _shorten(printable)


def _shorten(text: str) -> str:
    return " ".join(text.split())[:300]


def segment_size(repositories: Iterable[Repository]) -> int:
    """The size of a WAL segment, as the ends of current backups tell it; the default where they tell nothing, or several fit."""
    fits = frozenset(LEGAL_SIZES)
    for repository in repositories:
        for backup in repository.current_backups:
            if backup.wal_stop and backup.lsn_stop:
                fits &= sizes_that_fit(backup.wal_stop, Lsn.parse(backup.lsn_stop))
    return DEFAULT_SEGMENT_SIZE if not fits or DEFAULT_SEGMENT_SIZE in fits else min(fits)


def mark_lost(repository: Repository, directories: frozenset[str], without_manifest: frozenset[str] = frozenset()) -> Repository:
    """The repository as it is when only these backup directories exist: what lies in others, or builds on them, is broken.

    So are backups `without_manifest`, by which a restore begins; what builds on one has its own.
    """

    def is_whole(backup: Backup) -> bool:
        return {backup.label, backup.label[:FULL_LABEL], *backup.references} <= directories and backup.label not in without_manifest

    backups = (backup if is_whole(backup) else replace(backup, error=True, lost=True) for backup in repository.backups)
    return replace(repository, backups=tuple(backups))


def parse_info(text: str, stanza: str, numbers: Iterable[int]) -> tuple[Repository, ...]:
    """Read the output of `info --stanza=… --output=json` for the repositories `numbers`.

    Raises ValueError when the text is not JSON, or not the document that pgBackRest writes.
    """
    document = json.loads(text)
    try:
        entry: dict[str, Any] = next((item for item in document if item.get("name") == stanza), {})
        return tuple(_repository(entry, number) for number in numbers)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("Found another document than the list of stanzas that pgbackrest info prints.") from error


def _repository(entry: dict[str, Any], number: int) -> Repository:
    states = {int(item["key"]): item for item in entry.get("repo", [])}
    state = states.get(number)
    if state is None:
        return unreadable(number, "the answer of pgbackrest info does not mention this repository")
    status = state.get("status", {})
    return Repository(
        number,
        int(status.get("code", 99)),
        reason(str(status.get("message", ""))),
        str(state.get("cipher", entry.get("cipher", "none"))),
        tuple(
            Database(int(item["id"]), int(item["system-id"]), str(item["version"]))
            for item in entry.get("db", [])
            if int(item.get("repo-key", 1)) == number
        ),
        tuple(
            Archive(str(item["id"]), int(item["database"]["id"]), item.get("min"), item.get("max"))
            for item in entry.get("archive", [])
            if int(item["database"].get("repo-key", 1)) == number
        ),
        tuple(_backup(item) for item in entry.get("backup", []) if int(item["database"].get("repo-key", 1)) == number),
        busy=bool(entry.get("status", {}).get("lock", {}).get("backup", {}).get("held", False)),
    )


def _backup(item: dict[str, Any]) -> Backup:
    lsn = item.get("lsn") or {}
    info = item.get("info") or {}
    repository_info = info.get("repository") or {}
    return Backup(
        str(item["label"]),
        str(item["type"]),
        int(item["database"]["id"]),
        int(item["timestamp"]["start"]),
        int(item["timestamp"]["stop"]),
        lsn.get("start"),
        lsn.get("stop"),
        (item.get("archive") or {}).get("stop"),
        bool(item.get("error", False)),
        int(info.get("size", 0)),
        int(repository_info.get("delta", 0)),
        {str(key): str(value) for key, value in (item.get("annotation") or {}).items()},
        tuple(str(label) for label in item.get("reference") or ()),
    )
