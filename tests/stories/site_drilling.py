# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that lives, with a repository in an object store, and a spare one on which the loss of its site is drilled."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converged import DATA, SITE, VARIABLES, Converged, archive_now, refusals, started
from elsewhere import LOCAL
from fleet import DATABASE, STANZA
from lab import Host, Lab, Result, Run
from rebuild_kills import step
from rebuilding import REBUILD, sure
from refusing import quiet
from scheduling import TOOL
from stores import BUCKET, CONNECT, KEY, NAME, S3_PORT, Stores

DRILL = "playbooks/drill.yml"
ROWS = 500
CHECKS = [{"name": "orders are there", "database": DATABASE, "sql": "select count(*) from orders", "expected": str(ROWS)}]
_TABLE = f"create table orders as select n, md5(n::text) as note from generate_series(1, {ROWS}) as n; grant select on orders to axiomdb"
# Every object with the checksum that the store computes of it, and when it came.
_OBJECTS = """
import boto3, botocore.config, json
path = botocore.config.Config(s3={{"addressing_style": "path"}})
keys = {{"aws_access_key_id": "{key}", "aws_secret_access_key": "{secret}", "region_name": "us-east-1"}}
client = boto3.client("s3", endpoint_url="https://{name}:{port}", verify="/srv/tls/ours.crt", config=path, **keys)
pages = client.get_paginator("list_objects_v2").paginate(Bucket="{bucket}", Prefix="{prefix}")
found = [one for page in pages for one in page.get("Contents", [])]
print(json.dumps({{one["Key"]: [one["ETag"], one["Size"], one["LastModified"].isoformat()] for one in found}}))
"""
_SETTINGS = "select md5(string_agg(concat_ws('|', name, setting, source, sourcefile, pending_restart), ',' order by name)) from pg_settings"
_ARCHIVER = "select archived_count, last_archived_wal, failed_count from pg_stat_archiver"
# What would write, typed by hand where the site is kept.
_WRITERS = {
    "stanza": "stanza-create",
    "backup": "--repo=2 backup",
    "expire": "--repo=2 expire",
    "push": f"archive-push $(ls -d {DATA}/pg_wal/0000000[1-9]* | head -n 1)",
}
# What stays of a drill: its reports, what it has measured, and locks that nobody holds.
STAYS = (STANZA, "drills", "rates.json", "lock", "drill.running")


@dataclass
class SiteDrill:
    """What a drill of a lost site has said and left. `before` and `after` are the repository and the host that lives."""

    lost: Host
    spare: Host
    result: Result | None = None
    reports: dict[str, str] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    meanwhile: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    bare: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    asked: str = ""
    started: Run | None = None
    refused: dict[str, str] = field(default_factory=dict)
    typed: dict[str, Run] = field(default_factory=dict)
    gone: Result | None = None
    again: Result | None = None
    several: str = ""
    on_live: str = ""

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(next(text for name, text in self.reports.items() if name.endswith(".json")))
        return found


def _seen(stores: Stores, lost: Host, prefix: str) -> dict[str, Any]:
    """The repository, object by object, and whatever of the server a drill could touch."""
    script = _OBJECTS.format(key=KEY, secret=stores.secret("s3"), name=NAME, port=S3_PORT, bucket=BUCKET, prefix=prefix)
    objects: dict[str, Any] = json.loads(stores.host.run(["python3", "-"], stdin=script).stdout)
    status = lost.run(f"ls {DATA}/pg_wal/archive_status/*.ready", check=False).stdout  # the server itself removes what is done
    server = {"started": started(lost), "settings": lost.sql(_SETTINGS), "archiver": lost.sql(_ARCHIVER), "status": status}
    return {**objects, **server, **lost.tree("/etc", "/var/lib/axiomdb", "/var/lib/pgbackrest")}


def _traces(host: Host) -> list[str]:
    """Processes, schedules and files by which a host would be more than a spare one."""
    places = "/etc/pgbackrest /etc/pgbackrest.conf /etc/cron.d /etc/axiomdb /opt /tmp/pgbackrest /var/lib/axiomdb /var/lib/axiomdb-drill"
    find = f"find {places} /etc/postgresql /var/lib/postgresql /var/lib/pgbackrest -mindepth 1 ! -path '/etc/cron.d/*dpkg*' | sort"
    names = host.run(f"{find} 2>/dev/null", check=False).stdout.splitlines()
    processes = host.run("pgrep -a -u postgres", check=False).stdout.splitlines()
    units = host.run("systemctl list-units --plain --no-legend 'axiomdb*' 'postgresql@*'").stdout.splitlines()
    return [*names, *processes, *units]


def _left(host: Host) -> list[str]:
    return [name for name in _traces(host) if name.rpartition("/")[2] not in STAYS and "/drills/" not in name]


def play(converged: Converged, stores: Stores, directory: Path) -> SiteDrill:
    """Drill, with the site kept; try whatever could make it an acceptance; remove it."""
    lab, system = converged.lab, converged.system
    prefix = f"/site-drill-{system}"
    variables = {"pgbackrest_repositories": [LOCAL, stores.s3(prefix)], "pgbackrest_options": CONNECT}
    lost = converged.twin("living", **variables)
    stores.known_to(lost)
    lab.ansible(lost, SITE)
    lost.sql(_TABLE, db=DATABASE)
    lost.run([TOOL, "heartbeat"], user="postgres")
    quiet(lost)
    lost.run("systemctl stop axiomdb-recovery-watch.timer cron")
    archive_now(lost)
    spare = lab.up(f"{system}-spare", system, **{**VARIABLES, **lost.vars})
    stores.known_to(spare)
    told = SiteDrill(lost, spare, bare=_traces(spare))
    told.several = lab.ansible([lost, spare], DRILL, extra_vars={"drill_kind": "site"}, expect="failure").stdout
    told.on_live = refusals(lab.ansible(lost, DRILL, extra_vars={"drill_kind": "site"}, expect="failure"))[lost.name]
    told.before = _seen(stores, lost, prefix[1:])
    given = {"drill_kind": "site", "drill_keep": True, "drill_checks": CHECKS, "recovery_reports_dir": str(directory)}
    told.result = lab.ansible(spare, DRILL, extra_vars=given, expect="either")
    told.reports = {file.name: file.read_text(encoding="utf-8") for file in (directory / spare.name).iterdir()}
    told.meanwhile = _seen(stores, lost, prefix[1:])
    if told.result.rc == 0:
        _try_to_accept(lab, told, converged.secret("role-password"))
    told.gone = lab.ansible(spare, DRILL, extra_vars={"drill_kind": "site", "drill_state": "absent"})
    told.left = _left(spare)
    told.after = _seen(stores, lost, prefix[1:])
    return told


def _try_to_accept(lab: Lab, told: SiteDrill, password: str) -> None:
    """What a tired person could type on the spare host, or cron could."""
    spare, name = told.spare, told.lost.name
    psql = "read PGPASSWORD; export PGPASSWORD; psql -h 127.0.0.1 -p 15432 -U axiomdb -qAt -d"
    told.asked = spare.run(f"{psql} {DATABASE} -c 'select count(*) from orders'", stdin=f"{password}\n", check=False).output.strip()
    lost = {"rebuild_lost_host": name}
    runs = {
        "rebuild": lab.ansible(spare, REBUILD, extra_vars=sure(spare, **lost), expect="failure"),
        "settle": lab.ansible(spare, step(spare, lost_host=name, until="settle"), expect="failure"),
        "site": lab.ansible(spare, SITE, expect="failure"),
        "drill": lab.ansible(spare, DRILL, extra_vars={"drill_kind": "site"}, expect="failure"),
    }
    told.refused = {what: refusals(run)[spare.name] for what, run in runs.items()}
    for what, words in _WRITERS.items():
        told.typed[what] = spare.run(f"pgbackrest --stanza={STANZA} {words}", user="postgres", check=False)
    told.started = spare.run("v=$(ls /etc/postgresql); systemctl start postgresql@$v-main || pg_ctlcluster $v main start", check=False)
