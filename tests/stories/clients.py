# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clients of a host that is recovered in place: a service, a pooled client that nobody stops, hooks on both ends, an endpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converged import started
from fleet import DATABASE, STANZA
from lab import Expected, Host, Lab, Result
from scheduling import TOOL

ROWS = "select count(*) from served where who = '{who}' and at > to_timestamp({since})"
TARGET = {"restore_target": "name:before-the-mistake", "restore_reason": "orders lost their keys"}
HOOKED = "/var/tmp/hooked"
# Appends what it was told, and whether the service ran then.
_HOOK = """
import json, subprocess, sys
told = json.load(sys.stdin)
active = subprocess.run(['systemctl', 'is-active', 'shop'], capture_output=True, text=True).stdout.strip()
with open('{file}', 'a') as stream:
    stream.write(json.dumps({{**told, 'shop': active}}) + '\\n')
"""
_SHOP = """
[Unit]
Description=Writes a row each 100 ms through the pooler
[Service]
User=postgres
Environment=PGPASSWORD={password}
ExecStart=/bin/bash -o pipefail -c "while echo \\"insert into served (who) values ('shop');\\"; do sleep 0.1; done | {psql} -q"
"""
_RUNNING = """
set -e
systemctl daemon-reload
systemctl start shop
mkdir -p /srv/web && echo up > /srv/web/health
systemd-run -q --unit=web python3 -m http.server 8080 --bind 127.0.0.1 --directory /srv/web
printf "insert into served (who) values ('bench');\\n\\\\\\\\sleep 50 ms\\n" > /var/tmp/bench.sql
systemd-run -q --unit=bench --uid=postgres --setenv=PGPASSWORD={password} \\
  pgbench -n -c 2 -T 7200 -f /var/tmp/bench.sql -h 127.0.0.1 -p 6432 -U axiomdb {database}
"""


@dataclass
class Told:
    """A host with its clients; what each recovery said, and what was seen around it."""

    host: Host
    files: Path
    said: dict[str, Result] = field(default_factory=dict)
    started: dict[str, tuple[str, str]] = field(default_factory=dict)
    hooked: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    clients: dict[str, dict[str, str]] = field(default_factory=dict)
    paused: tuple[int, str, str] = (0, "", "")


def psql(database: str = DATABASE) -> str:
    return f"psql -X -v ON_ERROR_STOP=1 -h 127.0.0.1 -p 6432 -U axiomdb -d {database}"


def console(host: Host, command: str, seconds: int = 20) -> tuple[int, str]:
    run = host.run(
        f"timeout -s KILL {seconds} psql -XAtw -h /var/run/postgresql -p 6432 -U pgbouncer -d pgbouncer -c '{command}'",
        user="postgres",
        check=False,
    )
    return run.rc, run.output


def is_paused(host: Host) -> str:
    """The column of the console that says whether the database is paused."""
    run = host.run(
        "psql -Xw --csv -h /var/run/postgresql -p 6432 -U pgbouncer -d pgbouncer -c 'SHOW DATABASES' | "
        f"python3 -c \"import csv,sys; print(*(r['paused'] for r in csv.DictReader(sys.stdin) if r['name'] == '{DATABASE}'))\"",
        user="postgres",
    )
    return run.stdout.strip()


def prepare(host: Host, files: Path) -> Told:
    """The clients at work, and a moment with a name."""
    password = host.secret("role-password")
    host.run(["systemctl", "stop", "axiomdb-recovery-watch.timer"])
    host.sql("create table served (number bigserial primary key, who text, at timestamptz default clock_timestamp())", db=DATABASE)
    host.sql("alter table served owner to axiomdb", db=DATABASE)
    host.put("/etc/systemd/system/shop.service", _SHOP.format(password=password, psql=psql()))
    host.run(_RUNNING.format(password=password, database=DATABASE))
    host.run("sleep 1")
    host.run([TOOL, "snapshot", "before-the-mistake", "--reason", "a story"])
    return Told(host, files)


def hold_a_transaction(host: Host) -> None:
    """A client within a transaction that does not end by itself."""
    password = host.secret("role-password")
    held = f"{psql()} -c 'begin' -c 'select pg_sleep(3600)'"
    host.run(f"systemd-run -q --unit=held --uid=postgres --setenv=PGPASSWORD={password} {held}")
    host.run(
        "until psql -XAtc \"select 1 from pg_stat_activity where query ~ '^select pg_sleep'\" | grep -q 1; do sleep 0.1; done",
        user="postgres",
    )


def kill_a_pause(told: Told) -> None:
    """Who asks for a pause is killed while it waits: is the pause still on?"""
    hold_a_transaction(told.host)
    code, _said = console(told.host, f"PAUSE {DATABASE}", 2)
    after = is_paused(told.host)
    console(told.host, f"RESUME {DATABASE}")
    told.host.run("systemctl stop held")
    told.paused = (code, after, is_paused(told.host))


def hooks(told: Told, **more: Any) -> dict[str, Any]:
    """Both kinds of hooks, each on both ends."""
    here = str(told.files / "hooked")
    given = {
        place: [
            {"name": f"{place} on the host", "where": "host", "command": ["python3", "-c", _HOOK.format(file=HOOKED)]},
            {"name": f"{place} here", "command": ["sh", "-c", f"cat >> {here}; echo >> {here}"]},
        ]
        for place in ("before", "after")
    }
    return {"restore_hooks_before": given["before"], "restore_hooks_after": given["after"], "restore_services": ["shop.service"], **more}


def play(lab: Lab, told: Told, name: str, variables: Mapping[str, Any], expect: Expected = "success") -> None:
    """Print the plan, type what it says, and look at the clients."""
    host = told.host
    (told.files / "hooked").unlink(missing_ok=True)
    host.run(["rm", "-f", HOOKED])
    before = started(host)
    given = {**TARGET, **variables}
    printed = lab.ansible(host, "playbooks/restore.yml", extra_vars=given)
    told.said[f"{name} planned"] = printed
    found = re.search(r"-e restore_confirm=(\S+) -e restore_plan=(\S+)", printed.stdout)
    assert found is not None, printed.output
    sure = {"restore_confirm": found[1], "restore_plan": found[2]}
    told.said[name] = lab.ansible(host, "playbooks/restore.yml", extra_vars={**given, **sure}, expect=expect)
    look(told, name, before)


def look(told: Told, name: str, before: str) -> None:
    """What the clients do a second after it."""
    host = told.host
    told.started[name] = (before, started(host))
    told.hooked[name] = [json.loads(line) for line in host.run(f"cat {HOOKED} || true").stdout.splitlines()]
    now = host.run(["date", "+%s.%N"]).stdout.strip()
    host.run("sleep 2")
    units = {unit: host.run(["systemctl", "is-active", unit], check=False).stdout.strip() for unit in ("shop", "bench", "web")}
    rows = {f"rows of {who}": host.sql(ROWS.format(who=who, since=now), db=DATABASE) for who in ("shop", "bench")}
    errors = host.run("journalctl -u bench -u shop --no-pager -o cat | grep -iE 'error|fatal|aborted' || true").stdout
    told.clients[name] = {**units, **rows, "errors": errors, "paused": is_paused(host)}


def give_up(lab: Lab, told: Told) -> None:
    """The way back from a recovery that has stopped nothing yet."""
    before = started(told.host)
    sure = {"rollback_confirm": f"{told.host.name}/{STANZA}"}
    told.said["given up"] = lab.ansible(told.host, "playbooks/rollback.yml", extra_vars=sure)
    look(told, "given up", before)
