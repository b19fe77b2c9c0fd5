# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that speaks against a recovery in place, all of it at once; judged from what was seen, before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .plan import Plan
from .problem import Problem
from .restoring import ACTIONS, TOOL, Home, Order
from .spoken import human

LEAST_LEFT = 64 << 20  # bytes that must stay free beside the restored data


@dataclass(frozen=True)
class Ground:
    """What was seen at the cluster. `links` lead out of the data directory, by name; tablespaces and pg_wal are none of them.

    `locations` are those of tablespaces, today's and the set's, and whether postgres may write there. `standbys` and `slots` are
    those of the running server. `foreign` is a process on the data directory that is not the cluster's own. `unverified` is why the
    set is not known to be good. `kept_within` is what lies aside in a data directory that is a mount point; `others` are locations
    that another cluster has, with its data directory.
    """

    parent_writable: bool = True
    links: Mapping[str, str] = field(default_factory=dict)
    locations: Mapping[str, bool] = field(default_factory=dict)
    version: str = ""
    foreign: str = ""
    standbys: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()
    unverified: str = ""
    kept_within: tuple[str, ...] = ()
    wal_is_mount: bool = False
    wal_is_there: bool = True
    others: Mapping[str, str] = field(default_factory=dict)


def judge(order: Order, home: Home, found: Plan, ground: Ground, *, detach: bool, require_verified: bool) -> list[Problem]:
    """All problems; an empty list lets the recovery begin."""
    problems = [*_judge_order(order, found), *_judge_places(order, home, ground), *_judge_others(home, ground, detach=detach)]
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


def judge_reason(order: Order, with_reason: str) -> Problem | None:
    """No reason, or what stands in an example for one. `with_reason` is the command to type."""
    if order.reason.strip(" .") not in ("", "why", "WHY"):
        return None
    return Problem("no reason", "why this is done, for whoever reads the log later", f"with your own words for WHY, type: {with_reason}")


def _judge_order(order: Order, found: Plan) -> list[Problem]:
    problems = []
    if order.action not in ACTIONS:
        problems.append(Problem(f"the action '{order.action}'", f"one of {', '.join(ACTIONS)}", "correct restore_action"))
    if found.free_bytes is not None and order.keep and found.free_bytes < found.needed_bytes + LEAST_LEFT:
        kept = "the old data is kept beside it; without a way back: restore_keep=none"
        problems.append(Problem(f"{human(found.free_bytes)} free", f"{human(found.needed_bytes + LEAST_LEFT)}, as {kept}", "df -h"))
    return problems


def _judge_places(order: Order, home: Home, ground: Ground) -> list[Problem]:
    problems = [*_judge_links(order, home, ground), *_judge_tablespaces(home, ground)]
    if not ground.parent_writable:
        absent = f"no {home.directory}, and its parent a directory where postgres may not write"
        what = f"the mount point {home.directory}, where postgres may not write" if home.mounts else absent
        problems.append(Problem(what, "a place for the restored data", _make(home.directory)))
    if ground.kept_within and not order.keep:
        what = f"{', '.join(ground.kept_within)} in {home.directory}, which is a mount point"
        names = " and ".join(entry.split("-", 1)[1] for entry in ground.kept_within)
        release = f"{TOOL} rollback --stanza={home.stanza} --release=NAME --confirm={home.confirmation()}"
        release = f"keep this data too; or with {names} for NAME, type: {release}"
        problems.append(Problem(what, "nothing kept there: a restore without a way back would remove it", release))
    return problems


def _judge_links(order: Order, home: Home, ground: Ground) -> list[Problem]:
    problems = []
    stop = f"sudo systemctl stop {home.unit}"
    for name, target in ground.links.items():
        what = f"{home.directory}/{name}, a link to {target}"
        back = f"{stop}; then put what lies in {target} back in the link's place, and type the same again"
        problems.append(Problem(what, "no link but pg_wal and those of tablespaces: what it leads to could not be kept", back))
    if not ground.wal_is_there:
        what = f"{home.directory}/pg_wal, a link to {home.wal}, where nothing is"
        mount = f"mount what belongs there; or, for a directory in its place in the restored data: sudo rm {home.directory}/pg_wal"
        problems.append(Problem(what, "a link to the WAL", mount))
    if ground.wal_is_mount and order.keep:
        what = f"{home.directory}/pg_wal, a link to the mount point {home.wal}"
        into = f"{stop}; then move what lies there into {home.wal}/pg_wal, let the link lead to it, and type the same again"
        problems.append(Problem(what, "a link to a directory on it: the restored data gets another one beside", into))
    return problems


def _judge_tablespaces(home: Home, ground: Ground) -> list[Problem]:
    problems = []
    for location, writable in ground.locations.items():
        if location in ground.others:
            what = f"the tablespace {location}, where the cluster in {ground.others[location]} has one"
            problems.append(Problem(what, "nobody else's data there: one of this cluster is to lie there", f"ls -l {location}"))
        elif not writable:
            what = f"the tablespace {location}, where postgres may not write"
            problems.append(Problem(what, "a directory of postgres's", _make(location)))
    return problems


def _make(directory: str) -> str:
    return f"sudo install -d -o postgres -g postgres -m 700 {directory}"


def judge_start(home: Home) -> list[Problem]:
    """Debian starts no cluster that is disabled: a recovery of one could never let its clients in."""
    if home.start != "disabled":
        return []
    file = f"/etc/postgresql/{home.version}/{home.cluster}/start.conf"
    return [
        Problem(
            f"'disabled' in {file}", "a cluster that may be started in the end", f"echo auto | sudo tee {file}; then type the same again"
        )
    ]


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
        problems.append(Problem(", ".join(dependent), expected, "add restore_standbys=detach; build them anew afterwards"))
    return problems
