# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at the cluster before it is recovered in place. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import aside_within, host, kept_inodes, postgres, repository, restore_places, restore_wal, scratch_look, state
from .jobs import DONE, VERIFY, parse_records
from .kept_names import is_kept
from .plan import Plan
from .postgres import Cluster, NotAnswering
from .problem import Problem, Refusal
from .restore_phases import home_now
from .restore_preflight import Ground
from .restoring import Home, Journal
from .spoken import moment

STANDARD = "/var/lib/postgresql"
_FOLLOWERS = """
select json_build_object(
  'standbys', (select coalesce(json_agg(coalesce(nullif(application_name, ''), host(client_addr), pid::text) order by 1), '[]')
               from pg_stat_replication where not coalesce(application_name like 'pg\\_basebackup%', false)),
  'slots', (select coalesce(json_agg(slot_name order by slot_name), '[]') from pg_replication_slots where not temporary))
"""


def home_of(stanza: str, cluster: Cluster, inventory_host: str, found: Plan) -> Home:
    """The cluster, and the system identifier that its set has. Raises Refusal when there is no such cluster."""
    if not host.cluster_exists(cluster.version, cluster.name):
        what = f"no cluster {cluster.version}/{cluster.name} on this host"
        raise Refusal(Problem(what, "one to recover in place", "ansible-playbook -i inventory playbooks/site.yml"))
    seen = repository.look(stanza, [found.repository], [f"--repo={found.repository}"])[0]
    if seen.current is None:
        raise Refusal(
            Problem(f"no stanza {stanza} in repository {found.repository}", "one", f"sudo -u postgres pgbackrest --stanza={stanza} info")
        )
    directory = os.path.realpath(cluster.data_directory)
    locations = [os.path.realpath(one) for one in scratch_look.tablespaces(stanza, found.repository, found.backup)]
    home = Home(
        stanza,
        cluster.version,
        cluster.name,
        cluster.port,
        directory,
        inventory_host,
        seen.current.system_id,
        mounts=(directory,) if host.mounted(directory) else (),
        wal=restore_wal.leads_to(directory),
        locations=tuple(dict.fromkeys(locations)),
    )
    home = replace(home, tablespaces=_tablespaces(home))
    return home_now(replace(home, above=restore_places.mounts_above(home)))


def _tablespaces(home: Home) -> tuple[str, ...]:
    """Those of today, and what lies where the set had some: the data directory that leads there may be gone."""
    others = of_others(home)
    left = [place for one in home.locations if one not in others for place in restore_places.of_version(home, one)]
    return tuple(dict.fromkeys((*tablespaces(home.directory), *left)))


def as_stopped(journal: Journal) -> Journal:
    """The journal with the places where data lies now that no server runs: a tablespace may have been made since it was begun.

    Before anything is put aside. A rebuild had no data.
    """
    if journal.order.rebuild:
        return journal
    home = replace(journal.home, tablespaces=tuple(dict.fromkeys((*journal.home.tablespaces, *_tablespaces(journal.home)))))
    home, had = replace(home, above=restore_places.mounts_above(home)), restore_places.there(home)
    return replace(journal, home=home, had=had, inodes=kept_inodes.seen(home, had))


def of_others(home: Home) -> dict[str, str]:
    """Locations of tablespaces that another cluster of the same version has on this host, with its data directory.

    One of another version has a directory of its own beside ours there.
    """
    names = {path.parent.name for path in host.CLUSTERS.glob(f"{home.version}/*/postgresql.conf")} - {home.cluster}
    directories = [directory for name in sorted(names) if (directory := host.data_directory(home.version, name))]
    return {os.path.realpath(link): one for one in directories for link in Path(one, "pg_tblspc").glob("*")}


def tablespaces(directory: str) -> tuple[str, ...]:
    """The directories of this version in the tablespaces to which a data directory leads."""
    top = Path(directory, "pg_tblspc")
    links = sorted(top.iterdir()) if top.is_dir() else []
    found = [
        version for link in links if link.is_symlink() for version in sorted(link.resolve().glob("PG_*")) if ".kept-" not in version.name
    ]
    mine = {_catalog(directory)}
    return tuple(str(version) for version in found if version.name.split("_")[1] in mine)


def _catalog(directory: str) -> str:
    try:
        return Path(directory, "PG_VERSION").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def ground_of(home: Home, found: Plan) -> Ground:
    """What stands in the way, as it is now."""
    path = Path(home.directory)
    followers = _followers(home)
    seen = repository.look(home.stanza, [found.repository], [f"--repo={found.repository}"])[0]
    label = next((one for one in seen.backups if one.label == found.backup), None)
    version = next((one.version for one in seen.databases if label is not None and one.number == label.database), "")
    others = of_others(home)
    locations = sorted({*home.locations, *(str(Path(place).parent) for place in home.tablespaces)})
    return Ground(
        _may_be_there(home),
        {name: os.path.realpath(path / name) for name in _links(path) if name != "pg_wal"},
        {location: _is_postgres(Path(location)) for location in locations},
        version,
        _foreign(home),
        tuple(str(name) for name in followers.get("standbys", ())),
        tuple(str(name) for name in followers.get("slots", ())),
        _unverified(home, found, next((float(one.stopped) for one in seen.backups if one.label == found.backup), None)),
        tuple(entry for entry in aside_within.ours(home.directory) if is_kept(entry)) if home.mounts else (),
        bool(home.wal) and host.mounted(home.wal),
        not home.wal or os.path.isdir(home.wal),
        {location: others[location] for location in locations if location in others},
    )


def _may_be_there(home: Home) -> bool:
    """Whether the restored data can come to lie in its place: root makes a directory in Debian's own, and renames any other."""
    path = Path(home.directory)
    if home.mounts:
        return _is_postgres(path)
    return path.parent.is_dir() and (path.is_dir() or path.parent == Path(STANDARD, home.version) or _is_postgres(path.parent))


def _links(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if entry.is_symlink()) if path.is_dir() else []


def _is_postgres(path: Path) -> bool:
    return path.is_dir() and path.owner() == "postgres"


def _followers(home: Home) -> Mapping[str, Any]:
    try:
        answer: dict[str, Any] = postgres.ask(home.port, _FOLLOWERS)
        return answer
    except NotAnswering:
        return {}


def _foreign(home: Home) -> str:
    """A process on the data directory that does not belong to the cluster's unit."""
    running = host.postmaster(home.directory)
    if running is None:
        return ""
    try:
        cgroup = Path(f"/proc/{running[0]}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return ""
    return "" if home.unit in cgroup else f"the process {running[0]}, which systemd did not start as {home.unit},"


def _unverified(home: Home, found: Plan, stopped: float | None) -> str:
    """Why the set is not known to be good; empty when the newest verification found nothing, and began when the set was whole."""
    document = state.load(state.DIRECTORY / home.stanza / "job-verify.json")
    record = parse_records({VERIFY: document.get("record")}).get(VERIFY)
    if record is None or record.outcome != DONE:
        return f"the set {found.backup}, which no verification has found good"
    if stopped is None or record.began <= stopped:
        made = f"made {moment(stopped)}" if stopped is not None else "of which no time is known"
        return f"the set {found.backup}, {made}, and the newest verification of {moment(record.began)}, which is older"
    return ""
