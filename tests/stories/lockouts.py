# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A store that lets a busy host in until one day it does not: what the next backup says, what the webhook is told, what is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import alerting
from converged import SITE, Converged, refusals
from elsewhere import LOCAL
from lab import Host, Run
from outages import QUICK, close, closed, look, segments, settle
from scheduling import TOOL
from stores import EXPIRED_PORT, Stores
from unreachable import STRANGE

_CONFIGURATION = "/etc/pgbackrest"
_PORT = "sed -i 's/^repo2-storage-port *=.*/repo2-storage-port={}/' /etc/pgbackrest/pgbackrest.conf"


@dataclass(frozen=True)
class LockedOut:
    """By what went wrong: the backup, what the webhook was told, and what when it was over; what a backup by a playbook said."""

    backups: Mapping[str, Run]
    told: Mapping[str, list[str]]
    over: list[str]
    playbook: str
    written: set[str]
    archived: Mapping[int, set[str]]


def play(converged: Converged, stores: Stores) -> LockedOut:
    """Let one thing after another go wrong, with WAL in between; then put all of it right."""
    variables = {"pgbackrest_repositories": [LOCAL, stores.s3(f"/locked-out-{converged.system}")], "pgbackrest_options": QUICK}
    host = converged.twin("locked-out", **{**alerting.VARIABLES, **variables})
    stores.known_to(host)
    stores.go_wrong()
    alerting.receive(host)
    converged.lab.ansible(host, SITE)
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    host.run(f"cp -a {_CONFIGURATION} {_CONFIGURATION}.right")
    look(host)
    backups, told = {}, {}
    for name, command in _mischief(host, stores).items():
        host.run(command)
        close(host)
        told[name] = look(host)
        backups[name] = host.run([TOOL, "backup", "--job=hourly"], check=False)
        host.run(f"cp -a {_CONFIGURATION}.right/. {_CONFIGURATION}/")
        host.run([TOOL, "backup", "--job=hourly"])
        look(host)
    host.run(_PORT.format(8444))
    look(host)
    playbook = refusals(converged.lab.ansible(host, "playbooks/backup.yml", expect="failure"))[host.name]
    host.run(f"cp -a {_CONFIGURATION}.right/. {_CONFIGURATION}/")
    settle(host)
    return LockedOut(backups, told, look(host), playbook, closed(host, 2), {number: segments(host, number) for number in (1, 2)})


def _mischief(host: Host, stores: Stores) -> dict[str, str]:
    authority = host.run(f"sed -n 's/^repo2-storage-ca-file *= *//p' {_CONFIGURATION}/pgbackrest.conf").stdout.strip()
    host.put("/var/tmp/foreign.crt", stores.host.read("/srv/tls/foreign.crt"))
    return {
        "wrong port": _PORT.format(8444),
        "wrong key": f"sed -i 's/^repo2-s3-key-secret *=.*/repo2-s3-key-secret={STRANGE}/' {_CONFIGURATION}/conf.d/90-secrets.conf",
        "expired certificate": _PORT.format(EXPIRED_PORT),
        "foreign authority": f"cat /var/tmp/foreign.crt > {authority}",
    }
