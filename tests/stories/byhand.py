# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person types on a provisioned host: pgBackRest's own check, another judge's, and a restore in the wrong moment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet import STANZA
from lab import Host, Run

_JUDGE = f"check_pgbackrest --stanza={STANZA} --service="


@dataclass(frozen=True)
class Typed:
    """The answers; the restore on the stopped server with its data directory just before and just after it.

    `stopped` is from when to when the server was stopped, Unix seconds.
    """

    check: Run
    retention: Run
    archives: Run
    directory: str
    restore: Run
    before: Mapping[str, list[Any]]
    after: Mapping[str, list[Any]]
    recovering: str
    stopped: tuple[float, float]


def type_them(host: Host) -> Typed:
    """Type all of them, the restore last. The server runs again when this returns."""
    host.run("DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends check-pgbackrest")
    check = host.run(f"sudo -u postgres pgbackrest --stanza={STANZA} --log-level-console=info check", check=False)
    retention = host.run(f"{_JUDGE}retention --retention-full=1", user="postgres", check=False)
    archives = host.run(f"{_JUDGE}archives", user="postgres", check=False)
    fields = host.run(["pg_lsclusters", "--no-header"]).stdout.split()
    unit, directory = f"postgresql@{fields[0]}-{fields[1]}", fields[-2]
    stopped = time.time()
    host.run(["systemctl", "stop", unit])
    try:
        before = host.tree(directory)
        restore = host.run(f"sudo -u postgres pgbackrest --stanza={STANZA} restore", check=False)
        after = host.tree(directory)
    finally:
        host.run(["systemctl", "start", unit])
    recovering = host.sql("select pg_is_in_recovery()")
    return Typed(check, retention, archives, directory, restore, before, after, recovering, (stopped, time.time()))
