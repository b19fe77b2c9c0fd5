# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that speaks against a recovery in place, all of it at once; judged from what was seen, before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .plan import Plan
from .problem import Problem
from .restoring import ACTIONS, Home, Order
from .spoken import human

LEAST_LEFT = 64 << 20  # bytes that must stay free beside the restored data


@dataclass(frozen=True)
class Ground:
    """What was seen at the cluster. `links` lead out of the data directory, by name; tablespaces are none of them.

    `standbys` and `slots` are those of the running server. `foreign` is a process on the data directory that is not the
    cluster's own. `unverified` is why the set is not known to be good.
    """

    is_mount: bool = False
    parent_writable: bool = True
    links: Mapping[str, str] = field(default_factory=dict)
    tablespace_parents: Mapping[str, bool] = field(default_factory=dict)
    version: str = ""
    foreign: str = ""
    standbys: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()
    unverified: str = ""


def judge(order: Order, home: Home, found: Plan, ground: Ground, *, detach: bool, require_verified: bool) -> list[Problem]:
    """All problems; an empty list lets the recovery begin."""
    problems = [*_judge_order(order, found), *_judge_places(home, ground), *_judge_others(home, ground, detach=detach)]
    if ground.version and ground.version != home.version:
        problems.append(
            Problem(
                f"a set of PostgreSQL {ground.version} in repository {found.repository}",
                f"one of PostgreSQL {home.version}, which this cluster is",
                f"axiomdb-recovery scratch make --repository {found.repository} --set {found.backup}",
            )
        )
    if require_verified and ground.unverified:
        problems.append(Problem(ground.unverified, f"a verified set {found.backup}", "sudo /opt/axiomdb/axiomdb-recovery verify"))
    return problems


def _judge_order(order: Order, found: Plan) -> list[Problem]:
    problems = []
    if not order.reason.strip():
        problems.append(
            Problem(
                "no reason",
                "why this is done, for whoever reads the log later",
                "say it: restore_reason='...', or --reason='...' on the host",
            )
        )
    if order.action not in ACTIONS:
        problems.append(Problem(f"the action '{order.action}'", f"one of {', '.join(ACTIONS)}", "correct restore_action"))
    if found.free_bytes is not None and order.keep and found.free_bytes < found.needed_bytes + LEAST_LEFT:
        kept = "the old data is kept beside it; without a way back: restore_keep=none"
        problems.append(Problem(f"{human(found.free_bytes)} free", f"{human(found.needed_bytes + LEAST_LEFT)}, as {kept}", "df -h"))
    return problems


def _judge_places(home: Home, ground: Ground) -> list[Problem]:
    problems = []
    if ground.is_mount:
        what = f"{home.directory}, which is a mount point and cannot be renamed"
        problems.append(Problem(what, "a directory within a filesystem", "recover it with restore_keep=none, which keeps nothing"))
    elif not ground.parent_writable:
        what = f"no {home.directory}, and its parent a directory where postgres may not write"
        make = f"sudo install -d -o postgres -g postgres -m 700 {home.directory}"
        problems.append(Problem(what, "a place for the restored data", make))
    for name, target in ground.links.items():
        problems.append(
            Problem(f"{home.directory}/{name}, a link to {target}", "no link but those of tablespaces", "recover it with restore_keep=none")
        )
    for place, writable in ground.tablespace_parents.items():
        if not writable:
            problems.append(
                Problem(
                    f"the tablespace {place}, where postgres may not write", "a directory of postgres's", f"sudo chown postgres: {place}"
                )
            )
    return problems


def _judge_others(home: Home, ground: Ground, *, detach: bool) -> list[Problem]:
    problems = []
    if ground.foreign:
        problems.append(
            Problem(
                f"{ground.foreign} on {home.directory}",
                f"the server of {home.version}/{home.cluster} alone",
                "stop it, and type the same again",
            )
        )
    dependent = [f"the standby {name}" for name in ground.standbys] + [f"the replication slot {name}" for name in ground.slots]
    if dependent and not detach:
        expected = "nobody who follows this server: after the recovery they are on another timeline"
        problems.append(Problem(", ".join(dependent), expected, "add restore_standbys=detach, and build them anew afterwards"))
    return problems
