# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host with a repository in each of two regions, whose own region is gone, the nearer repository with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from converged import SITE, VARIABLES, Converged, archive_now, refusals
from elsewhere import LOCAL
from fleet import DATABASE, STANZA, info
from lab import Host, Result
from rebuilding import REBUILD, sure
from scheduling import TOOL
from stores import CONNECT, Stores

GONE = 8499  # a port on which nobody listens
LOST, NEW, OTHER = 2, 2, 3  # numbers of the repositories: the lost one, what takes its place, the one of the other region


@dataclass
class Region:
    """What was said while the region was gone, and what the new host has."""

    lost: str
    host: Host
    refused: dict[str, str] = field(default_factory=dict)
    plan: str = ""
    run: Result | None = None
    rows: str = ""
    repository: int = 0
    backups: list[int] = field(default_factory=list)
    archived: dict[int, bool] = field(default_factory=dict)


def play(converged: Converged, stores: Stores) -> Region:
    """Lose host and region; bring the site back in another one, with a new repository beside the one that is left."""
    lab, system = converged.lab, converged.system
    one, two, three = (stores.s3(f"/region-{name}-{system}") for name in ("one", "two", "three"))
    lost = converged.twin("region-lost", pgbackrest_repositories=[LOCAL, one, two], pgbackrest_options=CONNECT)
    stores.known_to(lost)
    lab.ansible(lost, SITE)
    lost.sql("create table kept as select n from generate_series(1, 100) as n", db=DATABASE)
    lost.run([TOOL, "heartbeat"], user="postgres")
    archive_now(lost)
    lab.lose(lost)
    silent = {**one, "options": {**one["options"], "storage-port": GONE}}
    new = {**VARIABLES, **lost.vars, "pgbackrest_repositories": [LOCAL, silent, two]}
    host = lab.up(f"{system}-region-new", system, **new)
    stores.known_to(host)
    told = Region(lost.name, host)
    words = {"rebuild_lost_host": lost.name}
    told.refused["gone"] = refusals(lab.ansible(host, REBUILD, extra_vars=sure(host, **words), expect="failure"))[host.name]
    words["pgbackrest_repositories"] = [LOCAL, {**three, "replaces": one["path"]}, two]
    empty = {**words, "rebuild_repository": NEW}
    told.refused["empty"] = refusals(lab.ansible(host, REBUILD, extra_vars=empty, expect="failure"))[host.name]
    words["rebuild_repository"] = OTHER
    told.plan = lab.ansible(host, REBUILD, extra_vars=words).stdout
    told.run = lab.ansible(host, REBUILD, extra_vars=sure(host, **words), expect="either")
    if told.run.rc == 0:
        _look(told)
    return told


def _look(told: Region) -> None:
    host = told.host
    told.rows = host.sql("select count(*), sum(n) from kept", db=DATABASE)
    told.repository = json.loads(host.read(f"/var/lib/axiomdb/{STANZA}/restore.json"))["plan"]["repository"]
    mine = host.read("/etc/machine-id").strip()
    sets = [backup for stanza in info(host) for backup in stanza["backup"] if backup["annotation"]["axiomdb-machine-id"] == mine]
    told.backups = sorted(backup["database"]["repo-key"] for backup in sets)
    segment = archive_now(host)
    for number in (1, NEW, OTHER):
        listed = host.run(f"pgbackrest --repo={number} repo-ls --recurse archive/{STANZA}", user="postgres").stdout
        told.archived[number] = segment in listed
