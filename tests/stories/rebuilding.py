# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host under load whose disk is gone, another one that is rebuilt from an object store, and what the lost disk says of the truth.

A copy of the disk, as it was when the host died, knows what was committed; it comes back as the host that was not lost after all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from commits import start_load
from converged import SITE, VARIABLES, Converged, archive_now
from elsewhere import LOCAL
from fleet import DATABASE, STANZA
from lab import Host, Lab, Result, Run
from scheduling import TOOL
from stores import CONNECT, Stores

REBUILD = "playbooks/rebuild.yml"
# One client that commits rows one after the other, each with the time before its commit.
_COUNT = """
create table counted (number bigint generated always as identity primary key, at timestamptz not null default clock_timestamp());
create procedure count_up() language plpgsql as $$
begin
  loop insert into counted default values; commit; perform pg_sleep(0.05); end loop;
end $$;
"""
_COUNTING = ["systemd-run", "-q", "--unit=story-count", "--uid=postgres", "psql", "-X", "-q", "-d", DATABASE, "-c", "call count_up()"]
_KNOWN = "select count(*), max(number), min(number), to_char(max(at) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from counted"
_AT = "select to_char(at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from counted where number = {number}"


@dataclass
class Lost:
    """The host that is lost: its name and machine-id, the copy of its disk, and how many rows were surely archived."""

    name: str
    machine: str
    image: str
    archived: int
    variables: dict[str, Any]
    system: str


@dataclass
class Rebuilt:
    """The story of one rebuild: the runs, and the rows on either side."""

    lost: Lost
    host: Host
    refused: Result
    run: Result
    rows: tuple[int, int, int, str]
    log: str
    wanted: str = ""
    planned: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    second: Result | None = None
    returned: Host | None = None
    truth: tuple[int, int, int, str] = (0, 0, 0, "")
    answers: dict[str, Run] = field(default_factory=dict)


def lose(converged: Converged, stores: Stores, seed: int, name: str = "lost", prepare: Callable[[Host], None] | None = None) -> Lost:
    """Provision a host with a repository elsewhere, load it, keep a copy of its disk, and destroy it.

    `prepare` is done before the load begins.
    """
    lab, system = converged.lab, converged.system
    item = stores.s3(f"/rebuild-{name}-{system}")
    variables = {"pgbackrest_repositories": [LOCAL, item], "pgbackrest_options": CONNECT}
    host = converged.twin(name, **variables)
    stores.known_to(host)
    lab.ansible(host, SITE)
    host.sql(_COUNT, db=DATABASE)
    if prepare is not None:
        prepare(host)
    start_load(host, seed)
    host.run(_COUNTING)
    host.run([TOOL, "heartbeat"], user="postgres")
    host.run("sleep 2")
    archive_now(host)
    archived = int(host.sql("select coalesce(max(number), 0) from counted", db=DATABASE))
    archive_now(host)
    host.run("sleep 2")
    image = lab.lose(host)
    return Lost(host.name, converged.machine_id, image, archived, {**host.vars}, system)


def empty_host(lab: Lab, stores: Stores, lost: Lost, name: str, **more: Any) -> Host:
    """A bare host with the lost one's declarations."""
    host = lab.up(f"{lost.system}-{name}", lost.system, **{**VARIABLES, **lost.variables, **more})
    stores.known_to(host)
    return host


def sure(host: Host, **words: Any) -> dict[str, Any]:
    """The words by which a rebuild is carried out."""
    return {"rebuild_confirm": f"{host.name}/{STANZA}", **words}


def rows(host: Host) -> tuple[int, int, int, str]:
    """How many rows there are, the last and the first, and the time of the last."""
    count, last, first, at = host.sql(_KNOWN, db=DATABASE).split("|")
    return int(count), int(last), int(first), at


def rebuild(lab: Lab, stores: Stores, lost: Lost) -> Rebuilt:
    """Rebuild it onto an empty host: once without naming the lost one, once by one command. Then write, and archive."""
    host = empty_host(lab, stores, lost, "rebuilt")
    refused = lab.ansible(host, REBUILD, extra_vars=sure(host), expect="failure")
    run = lab.ansible(host, REBUILD, extra_vars=sure(host, rebuild_lost_host=lost.name), expect="either")
    told = Rebuilt(lost, host, refused, run, rows(host) if run.rc == 0 else (0, 0, 0, ""), "")
    if run.rc == 0:
        told.log = host.read("/var/log/axiomdb/restore.log")
        told.wanted = host.run("systemctl show -p Wants --value postgresql.service; ls /etc/postgresql").stdout
        told.planned = json.loads(host.read(f"/var/lib/axiomdb/{STANZA}/restore.json"))["plan"]
        for _beat in range(2):
            host.run([TOOL, "heartbeat"], user="postgres")
        archive_now(host)
        told.status = json.loads(host.run([TOOL, "status", "--json"], check=False).stdout)[STANZA]
    return told


def boot_again(lab: Lab, stores: Stores, lost: Lost, name: str = "back") -> Host:
    """The lost host with its own disk and machine-id; its server answers."""
    host = lab.up(f"{lost.system}-{name}", lost.system, image=lost.image, **{**VARIABLES, **lost.variables})
    host.put("/etc/machine-id", lost.machine + "\n")
    stores.known_to(host)
    host.run("timeout 60 bash -c 'until psql -qAtc \"select 1\" >/dev/null 2>&1; do sleep 0.2; done'", user="postgres")
    return host


def come_back(lab: Lab, stores: Stores, told: Rebuilt) -> Rebuilt:
    """The lost host is back, with its own disk and its own name, and its next jobs begin."""
    host = told.returned = boot_again(lab, stores, told.lost)
    told.truth = rows(host)
    told.answers["backup"] = host.run([TOOL, "backup", "--type=incr"], check=False)
    told.answers["site"] = lab.ansible(host, SITE, expect="either").run
    return told


def at(host: Host, number: int) -> str:
    """When a row was about to be committed."""
    return host.sql(_AT.format(number=number), db=DATABASE)


def reported(text: str) -> datetime:
    """The newest commit that a rebuild says it has brought back."""
    found = re.search(r"its newest commit is of (\S+Z)", text)
    assert found is not None, text
    return datetime.fromisoformat(found[1])


def from_a_spare(lab: Lab, host: Host) -> tuple[Result, Result]:
    """A host without a cluster opens every repository; and then one whose vault has another passphrase for the one elsewhere."""
    good = lab.ansible(host, "playbooks/verify.yml", extra_vars={"backup_jobs_spare": True}, expect="either")
    items = [{**item} for item in host.vars["pgbackrest_repositories"]]
    items[1]["cipher_pass"] = "a passphrase of another vault, long enough"
    wrong = {"backup_jobs_spare": True, "pgbackrest_repositories": items}
    return good, lab.ansible(host, "playbooks/verify.yml", extra_vars=wrong, expect="either")
