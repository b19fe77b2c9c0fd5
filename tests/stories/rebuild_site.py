# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A site that is more than a server: data at a mount point, a tablespace, a pooler, a role and a service of its own, hooks that change DNS.

It is lost, and rebuilt onto a host that has none of it: paused at an earlier moment first, then led to the newest, where no backup can
be taken at first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from converged import SITE, archive_now, refusals
from elsewhere import LOCAL
from fleet import DATABASE, STANZA
from lab import Host, Lab, Result
from placing import DATA, MOUNT
from rebuilding import REBUILD, sure
from scheduling import TOOL
from stores import CONNECT, Stores

SPACE = "/srv/fast"
EARLY, LATE = 1000, 500  # rows before the named moment, and behind it
SEEN = "/var/tmp/seen-by-the-component"
HOOKED = "/var/tmp/hooked"
_MAKE_SPACE = f"install -d -o postgres -g postgres -m 700 {SPACE}"
_TABLES = f"""
create tablespace fast location '{SPACE}';
create table orders (number serial primary key, note text) tablespace fast;
create table served (at timestamptz default clock_timestamp());
alter table served owner to axiomdb;
insert into orders (note) select 'early ' || i from generate_series(1, {EARLY}) i;
"""
_LATER = f"insert into orders (note) select 'late ' || i from generate_series(1, {LATE}) i"
_WHERE = "select (select spcname from pg_tablespace where oid = reltablespace) from pg_class where relname = 'orders'"
_POOLED = f"psql -X -v ON_ERROR_STOP=1 -h 127.0.0.1 -p 6432 -U axiomdb -d {DATABASE}"
_SHOP = f"""[Unit]
Description=Writes a row each 100 ms through the pooler
[Service]
User=postgres
Environment=PGPASSWORD={{{{ sandbox_role_password }}}}
ExecStart=/bin/bash -o pipefail -c "while echo 'insert into served default values;'; do sleep 0.1; done | {_POOLED} -q"
[Install]
WantedBy=multi-user.target
"""
# What the site's own role does: its unit, and a look at what was there before it.
_GATEWAY = [
    {"name": "Look at the data", "ansible.builtin.command": f"sh -c 'ls {DATA} > {SEEN}'", "changed_when": True},
    {
        "name": "Write the unit of the shop",
        "ansible.builtin.copy": {"content": _SHOP, "dest": "/etc/systemd/system/shop.service", "mode": "0600"},
    },
    {"name": "Read it", "ansible.builtin.systemd_service": {"daemon_reload": True}},
]
# Appends what it was told, and whether the service ran then.
_HOOK = f"""
import json, subprocess, sys
told = json.load(sys.stdin)
active = subprocess.run(['systemctl', 'is-active', 'shop'], capture_output=True, text=True).stdout.strip()
with open('{HOOKED}', 'a') as stream:
    stream.write(json.dumps({{**told, 'shop': active}}) + '\\n')
"""
# No command but a backup reads it, and refuses it.
_NO_BACKUP = "/etc/pgbackrest/conf.d/99-story.conf", "[global:backup]\narchive-timeout=no-time\n"
_LEFT = f"find {DATA} {SPACE} -maxdepth 2 \\( -name '*.kept-*' -o -name '.re*-2*' -o -name '*.never-served' \\)"


@dataclass
class Site:
    """The runs, what each refusal said, and what the rebuilt site is."""

    lost: str
    host: Host
    said: dict[str, str] = field(default_factory=dict)
    paused: str = ""
    unbacked: Result | None = None
    meanwhile: dict[str, str] = field(default_factory=dict)
    run: Result | None = None
    again: Result | None = None
    hooked: list[dict[str, Any]] = field(default_factory=list)
    dns: list[dict[str, Any]] = field(default_factory=list)
    rows: str = ""
    where: str = ""
    facts: dict[str, str] = field(default_factory=dict)


def variables(lost: Host, item: dict[str, Any]) -> dict[str, Any]:
    """What is declared of the site, whichever host it is on."""
    return {
        "sandbox_secrets": str(lost.secrets / lost.name),
        "pgbackrest_repositories": [LOCAL, item],
        "pgbackrest_options": CONNECT,
        "postgresql_data_directory": DATA,
        "pgbouncer_enabled": True,
        "recovery_services": ["shop.service"],
    }


def lose_site(lab: Lab, stores: Stores, system: str) -> tuple[str, dict[str, Any]]:
    """Provision the site, fill it, name a moment, and destroy it with its disk; its name and its declarations."""
    host = lab.up(f"{system}-site", system)
    given = variables(host, stores.s3(f"/rebuild-site-{system}"))
    host.vars.update(given)
    stores.known_to(host)
    host.run(MOUNT)
    lab.ansible(host, SITE)
    host.run(_MAKE_SPACE)
    host.sql(_TABLES, db=DATABASE)
    host.run([TOOL, "snapshot", "early", "--reason", "a story"])
    host.sql(_LATER, db=DATABASE)
    archive_now(host, DATA)
    name = host.name
    lab.down(host)
    return name, given


def play(lab: Lab, stores: Stores, system: str, files: Path) -> Site:
    """Tell the story."""
    lost, given = lose_site(lab, stores, system)
    (files / "gateway" / "tasks").mkdir(parents=True)
    (files / "gateway" / "tasks" / "main.yml").write_text(yaml.safe_dump(_GATEWAY, sort_keys=False), encoding="utf-8")
    dns = files / "dns"
    hooks = [
        {"name": "till", "command": ["sh", "-c", "echo no answer; exit 3"]},
        {"name": "dns", "command": ["sh", "-c", f"cat >> {dns}; echo >> {dns}"]},
        {"name": "on the host", "where": "host", "command": ["python3", "-c", _HOOK]},
    ]
    more = {"rebuild_components": [str(files / "gateway")], "rebuild_hooks_after": hooks}
    host = lab.up(f"{system}-new-site", system, **given, **more)
    stores.known_to(host)
    told = Site(lost, host)
    told.said["nothing mounted"] = refusals(lab.ansible(host, REBUILD, extra_vars={"rebuild_lost_host": lost}, expect="failure"))[host.name]
    host.run(MOUNT)
    told.said["no tablespace"] = refusals(lab.ansible(host, REBUILD, extra_vars={"rebuild_lost_host": lost}, expect="failure"))[host.name]
    host.run(_MAKE_SPACE)
    words = sure(host, rebuild_lost_host=lost)
    lab.ansible(host, REBUILD, extra_vars={**words, "rebuild_target": "name:early", "rebuild_action": "pause"})
    held = f"psql -X -qAt -h /var/lib/axiomdb/{STANZA}/restore/socket -p 65432 -d {DATABASE} -c 'select count(*) from orders'"
    told.paused = host.run(held, user="postgres").stdout.strip()
    host.put(*_NO_BACKUP)
    told.unbacked = lab.ansible(host, REBUILD, extra_vars=words, expect="failure")
    told.meanwhile = _let_in(host, dns)
    host.run(["rm", "-f", _NO_BACKUP[0], HOOKED])
    dns.unlink(missing_ok=True)
    told.run = lab.ansible(host, REBUILD, extra_vars=words, expect="either")
    if told.run.rc == 0:
        _look(told, dns)
        told.again = lab.ansible(host, REBUILD, extra_vars=words, expect="either")
        told.facts["after the second"] = host.sql("select count(*) from orders", db=DATABASE)
    return told


def _let_in(host: Host, dns: Path) -> dict[str, str]:
    """Who is served, and who was told, although there is no backup."""
    host.run("sleep 1")
    shop = host.run("systemctl is-active shop", check=False).stdout.strip()
    told = [json.loads(line) for line in dns.read_text(encoding="utf-8").splitlines() if line.strip()] if dns.exists() else []
    return {
        "shop": shop,
        "pooled": host.sql("select count(*) > 0 from pg_stat_activity where usename = 'axiomdb'"),
        "dns": " ".join(f"{one['outcome']} {one['recovery']['phase']}" for one in told),
        "trouble": " ".join(one["recovery"]["trouble"] for one in told),
    }


def _look(told: Site, dns: Path) -> None:
    """What the site is now."""
    host = told.host
    told.dns = [json.loads(line) for line in dns.read_text(encoding="utf-8").splitlines() if line.strip()]
    told.hooked = [json.loads(line) for line in host.read(HOOKED).splitlines()]
    told.rows, told.where = host.sql("select count(*) from orders", db=DATABASE), host.sql(_WHERE, db=DATABASE)
    host.run("sleep 1")
    told.facts = {
        "component saw": host.read(SEEN).strip(),
        "directory": host.sql("show data_directory"),
        "mounted": host.run(["mountpoint", "-q", DATA], check=False).output or "yes",
        "left": host.run(_LEFT).stdout.strip(),
        "shop": host.run("systemctl is-active shop; systemctl is-enabled shop").stdout.split()[0],
        "enabled": host.run("systemctl is-enabled shop").stdout.strip(),
        "served": host.sql("select count(*) > 3 from served where at > now() - interval '1 second'", db=DATABASE),
        "pooled": host.sql("select count(*) > 0 from pg_stat_activity where usename = 'axiomdb'"),
    }
