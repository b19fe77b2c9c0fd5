# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that is well, at a moment that stands still; the tests change one thing of it at a time."""

from __future__ import annotations

from _recovery.catalog import Backup, Database, Repository
from _recovery.provision import Archiver
from _recovery.summary import Picture
from _recovery.wal import Lsn
from _recovery.writer import Server

NOW = 1_795_500_000.0
SYSTEM_ID = 7512345678901234567
SERVER = Server("vps1", "vps1", "0" * 32, "axiomdb", SYSTEM_ID, "17", 1, Lsn.parse("0/5000100"), 2**24)
ARCHIVER = Archiver("on", "pgbackrest --stanza=axiomdb archive-push %p", last_segment="000000010000000000000004", last_time=NOW - 30)


def repository(number: int, *ages: float, error: bool = False, system_id: int = SYSTEM_ID) -> Repository:
    """A repository with one full backup of each age, in seconds."""
    stops = [int(NOW - age) for age in ages]
    backups = tuple(Backup(f"{stop}F", "full", 1, stop, stop, None, None, None, error, 2**20, 2**20) for stop in stops)
    return Repository(number, 0, "ok", databases=(Database(1, system_id, "17"),), backups=backups)


def picture(*repositories: Repository, standby: bool = False, server: Server | None = SERVER) -> Picture:
    """What a look sees."""
    return Picture("vps1", "axiomdb", NOW, server=server, standby=standby, archiver=ARCHIVER, repositories=repositories)
