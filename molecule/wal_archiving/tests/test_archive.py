# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each repository has the stanza, a first backup that says where it comes from, and every segment."""

from __future__ import annotations

import json
from typing import Any

import pytest


def as_postgres(host: Any, command: str) -> str:
    done = host.run(f"runuser -u postgres -- {command}")
    assert done.rc == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.mark.parametrize("repository", [1, 2])
def test_a_repository_has_one_full_backup_of_this_machine(host: Any, repository: int) -> None:
    stanza = json.loads(as_postgres(host, f"pgbackrest --stanza=orders --repo={repository} info --output=json"))[0]
    assert stanza["status"]["code"] == 0
    assert [backup["type"] for backup in stanza["backup"]] == ["full"]
    notes = stanza["backup"][0]["annotation"]
    assert notes["axiomdb-machine-id"] == host.file("/etc/machine-id").content_string.strip()
    assert notes["axiomdb-host"] == "molecule-wal-archiving"
    assert int(notes["axiomdb-xid-start"]) <= int(notes["axiomdb-xid-stop"])


def test_a_segment_reaches_each_repository(host: Any) -> None:
    as_postgres(host, "pgbackrest --stanza=orders check")
    newest = as_postgres(host, "psql -Atc 'select last_archived_wal from pg_stat_archiver'").strip()[:24]
    for repository in (1, 2):
        listing = as_postgres(host, f"pgbackrest --repo={repository} repo-ls archive/orders/17-1 --recurse")
        assert newest in listing
