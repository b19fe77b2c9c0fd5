# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks before a scratch copy is made: at the set in its repository, at the live server, at the place. Changes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import host, postgres, repository
from .catalog import Backup, Repository
from .control import Control, parse_control
from .postgres import NotAnswering
from .problem import Problem, Refusal
from .run import CommandFailed, pgbackrest, require, run
from .scratch import Ground, Source
from .wal import Segment

_CLUSTERS = re.compile(r"^\s*pg[0-9]+-path\s*=\s*(/.*?)\s*$", re.MULTILINE)
_REPOSITORY = "/var/lib/pgbackrest"  # pgBackRest's default
_ON_FILES = ("posix", "cifs")
_SIZES = "select json_object_agg(datname, pg_database_size(oid)) from pg_database"


def backup_of(stanza: str, number: int, label: str = "") -> tuple[Repository, Backup]:
    """A set of a repository; the newest one without a label. Raises Refusal when it cannot be read, or has no such set."""
    seen = repository.look(stanza, [number], [f"--repo={number}"])[0]
    info = f"sudo -u postgres pgbackrest --stanza={stanza} info"
    if not seen.readable:
        raise Refusal(Problem(f"repository {number} unreadable: {seen.message}", "one that can be read", seen.remedy or info))
    found = seen.newest_backup if not label else next((backup for backup in seen.backups if backup.label == label), None)
    if found is None:
        labels = ", ".join(backup.label for backup in seen.backups[-5:])
        wanted = f"the set {label}" if label else "a set"
        raise Refusal(Problem(f"no such set in repository {number}; its newest: {labels or 'none'}", wanted, info))
    return seen, found


def timeline_of(backup: Backup) -> int:
    """The timeline on which a set became consistent."""
    return Segment.parse(backup.wal_stop).timeline if backup.wal_stop else 1


def source_of(stanza: str, number: int, label: str, port: int = 0) -> Source:
    """What is known of a set, and of the server on `port` if it answers. Raises Refusal."""
    seen, backup = backup_of(stanza, number, label)
    database = next(item for item in seen.databases if item.number == backup.database)
    live = live_control(database.version, database.system_id)
    sizes = _sizes(port) if live is not None and port else {}
    return Source(database.version, database.system_id, backup.size, databases(stanza, number, label), live, sizes)


def databases(stanza: str, number: int, label: str) -> tuple[str, ...] | None:
    """The databases of a set; None when pgBackRest does not say them."""
    try:
        return tuple(str(item["name"]) for item in _set(stanza, number, label)["database-ref"])
    except (LookupError, TypeError):
        return None


def tablespaces(stanza: str, number: int, label: str) -> tuple[str, ...]:
    """Where the tablespaces of a set lie, without repetition; none when pgBackRest does not say them."""
    try:
        return tuple(dict.fromkeys(str(item["destination"]) for item in _set(stanza, number, label).get("tablespace", ())))
    except (LookupError, TypeError):
        return ()


def _set(stanza: str, number: int, label: str) -> Mapping[str, Any]:
    """What pgBackRest says of one set; nothing when it says nothing that can be read."""
    done = pgbackrest(stanza, ["info", "--output=json"], [f"--repo={number}", f"--set={label}"])
    try:
        found: dict[str, Any] = json.loads(done.stdout)[0]["backup"][0]
        return found
    except (ValueError, LookupError, TypeError):
        return {}


def control_of(version: str, directory: str) -> Control:
    """What pg_controldata says of a data directory. Raises CommandFailed or ValueError."""
    command = [f"/usr/lib/postgresql/{version}/bin/pg_controldata", directory]
    return parse_control(require(run(command, user="postgres", env={"LC_ALL": "C"})).stdout)


def live_control(version: str, system_id: int) -> Control | None:
    """The data directory on this host that has this system identifier, if there is one."""
    for directory in data_directories():
        try:
            found = control_of(version, directory)
        except (CommandFailed, ValueError):
            continue
        if found.system_id == system_id:
            return found
    return None


def data_directories() -> list[str]:
    """The data directories of all clusters of this host."""
    found = (host.data_directory(path.parent.parent.name, path.parent.name) for path in sorted(host.CLUSTERS.glob("*/*/postgresql.conf")))
    return [directory for directory in found if directory]


def _sizes(port: int) -> Mapping[str, int]:
    try:
        answer: dict[str, Any] = postgres.ask(port, _SIZES)
        return {name: int(size) for name, size in answer.items()}
    except NotAnswering:
        return {}


def ground_of(directory: str) -> Ground:
    """The place as it is. Directories that belong to a cluster or to a repository are taken, with their links resolved."""
    path = Path(directory)
    # A directory into which postgres may not look is none for it.
    standing = next((parent for parent in (path, *path.parents) if os.path.isdir(parent)), Path("/"))
    entries = tuple(os.listdir(path)) if os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK) else ()
    if os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path)):
        entries = ("no directory",)
    # Only the last part of the path is made.
    writable = os.access(standing, os.W_OK | os.X_OK) and standing in (path, path.parent) and _is_own(path)
    usage = shutil.disk_usage(standing)
    return Ground(os.path.isdir(path), entries, writable, usage.free, _taken(), usage.total)


def _is_own(path: Path) -> bool:
    return not os.path.isdir(path) or path.stat().st_uid == os.geteuid()


def _taken() -> tuple[str, ...]:
    text = repository.MAIN_FILE.read_text(encoding="utf-8", errors="replace") if repository.MAIN_FILE.is_file() else ""
    here = [item for item in repository.configured().values() if item.get("type", "posix") in _ON_FILES and "host" not in item]
    named = {*data_directories(), *_CLUSTERS.findall(text), *(item.get("path", _REPOSITORY) for item in here)}
    links = (str(link.resolve()) for directory in data_directories() for link in Path(directory, "pg_tblspc").glob("*"))
    return tuple(sorted({*named, *(os.path.realpath(path) for path in named), *links}))


def mount_point(directory: str) -> str:
    """The mount point on which a directory lies; empty for the root filesystem. One bound to a directory of the same is one too."""
    path = Path(directory)
    found = next((str(parent) for parent in (path, *path.parents) if host.mounted(str(parent))), "/")
    return "" if found == "/" else found


def links(directory: str) -> dict[str, str]:
    """Every link at the top of a data directory and among its tablespaces, with the place to which it leads."""
    places = [path for top in (Path(directory), Path(directory, "pg_tblspc")) if top.is_dir() for path in top.iterdir()]
    return {str(path): os.path.realpath(path) for path in places if path.is_symlink()}
