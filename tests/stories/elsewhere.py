# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host with its own repository and one in each kind of store: built, backed up, verified, restored by hand from each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from converged import SITE, Converged, archive_now
from fleet import DATABASE, info
from lab import Host, Result, Run
from scheduling import TOOL
from snapshots import SUM, copy
from stores import CONNECT, Stores

MOUNT = "/mnt/backup"
LOCAL = {"cipher_pass": "{{ sandbox_cipher_pass }}"}
# What each repository behind the local one is, from number 2 on; its path is its host's alone.
KINDS: Mapping[str, Callable[[Stores, str], dict[str, Any]]] = {
    "s3": lambda stores, path: stores.s3(path),
    "azure": lambda stores, path: stores.azure(path, retention_full_days=30),
    "mount": lambda stores, path: {"path": f"{MOUNT}{path}", "mount_point": MOUNT, "cipher_pass": stores.secret("mount")},
    "sftp": lambda stores, path: stores.sftp(path, retention_full_days=3),
}
WITHOUT_SFTP = ("debian12",)  # pgBackRest 2.45
_ROWS = "create table orders (id int primary key, note text); insert into orders select i, 'before' from generate_series(1, 500) i"
_LATER = "insert into orders select i, 'after' from generate_series(501, 900) i"


@dataclass(frozen=True)
class Mixed:
    """The runs, what the tool did, and the rows of a copy from each repository by its number."""

    host: Host
    secrets: list[str]
    first: Result
    backup: Run
    verify: Run
    rows: str
    copies: dict[int, list[str]]
    second: Result


def kinds(system: str) -> list[str]:
    """The kinds that the system's pgBackRest has."""
    return [kind for kind in KINDS if kind != "sftp" or system not in WITHOUT_SFTP]


def play(converged: Converged, stores: Stores) -> Mixed:
    """Tell the story once for all kinds."""
    items = [KINDS[kind](stores, f"/axiomdb-{converged.system}") for kind in kinds(converged.system)]
    host = converged.twin("mixed", pgbackrest_repositories=[LOCAL, *items], pgbackrest_options=CONNECT)
    stores.known_to(host)
    host.run(f"mkdir -p {MOUNT} && mount -t tmpfs -o size=200m backup {MOUNT}")
    secrets = [
        text for item in items for text in (item["cipher_pass"], *item.get("secrets", {}).values(), item.get("sftp_private_key")) if text
    ]
    first = converged.lab.ansible(host, SITE, "--diff", "-vvv")
    host.sql(_ROWS, db=DATABASE)
    backup = host.run([TOOL, "backup", "--type=diff"], check=False)
    rows, lsn = host.sql(SUM, db=DATABASE), host.sql("select pg_current_wal_insert_lsn()")
    host.sql(_LATER, db=DATABASE)
    archive_now(host)
    verify = host.run([TOOL, "verify"], check=False)
    copies = {number: copy(host, number, {"label": newest(host, number), "lsn": lsn}) for number in range(1, len(items) + 2)}
    return Mixed(host, secrets, first, backup, verify, rows, copies, converged.lab.ansible(host, SITE))


def newest(host: Host, number: int) -> str:
    """The label of the newest backup in a repository."""
    labels = [backup["label"] for stanza in info(host) for backup in stanza["backup"] if backup["database"]["repo-key"] == number]
    return str(labels[-1])
