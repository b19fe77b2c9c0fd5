# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster that follows another one is not recovered in place: its primary is, and the standby is built anew behind it."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass

from . import postgres
from .postgres import Cluster, NotAnswering
from .problem import Problem, playbook

STANDBY, RECOVERY = "standby.signal", "recovery.signal"
_ASKED = """
select json_build_object('recovers', pg_is_in_recovery(), 'sender', (select sender_host from pg_stat_wal_receiver limit 1))
"""


@dataclass(frozen=True)
class Following:
    """What shows whether a cluster follows another: the signals in its data directory, and what its server says where it answers.

    `recovers` is None where no server answers; `sender` is the host from which it streams, empty for none.
    """

    standby: bool = False
    recovery: bool = False
    recovers: bool | None = None
    sender: str = ""

    @property
    def is_standby(self) -> bool:
        """A server that has ended its recovery is none, whatever lies there; one that recovers by hand to a target is none either."""
        if self.recovers is None:
            return self.standby
        return self.recovers and (self.standby or not self.recovery)


def look(cluster: Cluster) -> Following:
    """Look at it; nothing is changed."""
    directory = cluster.data_directory
    standby, recovery = (os.path.exists(f"{directory}/{name}") for name in (STANDBY, RECOVERY))
    try:
        answer = postgres.ask(cluster.port, _ASKED)
    except NotAnswering:
        return Following(standby, recovery)
    return Following(standby, recovery, bool(answer["recovers"]), str(answer["sender"] or ""))


def judge(cluster: Cluster, seen: Following, target: str) -> Problem | None:
    """Why this cluster is not the one to recover; None where it is."""
    if not seen.is_standby:
        return None
    shown = f"{STANDBY} in {cluster.data_directory}" if seen.standby else "its server is in recovery"
    follows = f", which follows {seen.sender}" if seen.sender else ""
    primary = "PRIMARY" if not seen.sender or seen.sender.startswith("/") else seen.sender
    restore = playbook("restore", f"-l {primary} -e {shlex.quote(f'restore_target={target}')}")
    anew = f"sudo -u postgres pg_basebackup -R -h {primary} -D {cluster.data_directory}"
    empty = playbook("rebuild", "-l EMPTY_HOST")
    return Problem(
        f"a standby, {cluster.version}/{cluster.name} ({shown}){follows}",
        "the primary: a standby that is restored by itself has nobody to follow any more",
        f"restore the primary: {restore}; then rebuild this standby from it, into the empty directory: {anew}; "
        f"where the primary is lost: {_promote(cluster, seen)}; then type the same again, or {empty}",
    )


def _promote(cluster: Cluster, seen: Following) -> str:
    """The command that makes a standby a primary: one that does not answer is started before, which does nothing where it runs."""
    start = f"sudo systemctl start postgresql@{cluster.version}-{cluster.name} && " if seen.recovers is None else ""
    return f"{start}sudo pg_ctlcluster {cluster.version} {cluster.name} promote"
