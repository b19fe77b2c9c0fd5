# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A restart happens only when it is pending and allowed; until then nobody can miss that it is pending."""

from __future__ import annotations

import json
import shlex

import pytest
from converged import SITE, Converged, changed_tasks, started
from lab import Host, Lab, Result

pytestmark = pytest.mark.tier("torture")

ALLOWED = "postgresql_restart_allowed=true"
HAND_MADE = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends postgresql
runuser -u postgres -- psql -Xq <<'END'
create database shop;
\\c shop
create table orders as select generate_series(1, 1000) as number;
END
"""


def test_a_restart_is_reported_until_it_is_allowed(sandbox: Lab, converged: Converged) -> None:
    host = converged.twin("pending")
    changed = {"postgresql_settings": {**host.vars["postgresql_settings"], "shared_buffers": "80MB"}}
    before, starts = started(host), _starts(host)

    run = sandbox.ansible(host, SITE, extra_vars=changed)
    assert changed_tasks(run) == ["configure | Write settings and access rules"]
    words = " ".join(run.output.split())
    assert f"[WARNING]: RESTART PENDING on postgresql@{converged.version}-main.service: shared_buffers (runs with 64MB)." in words
    assert "Nothing was restarted." in words
    summary = run.stdout.partition("SUMMARY *")[2]
    assert "  RESTART      shared_buffers waits for a restart; the server still runs with '64MB'. Nothing was restarted.\n" in summary
    assert f"playbooks/site.yml -l {host.name} -e {ALLOWED}\n" in summary
    assert run.last_line.startswith("PROTECTED")
    assert (started(host), _starts(host)) == (before, starts)
    assert host.sql("select setting, pending_restart from pg_settings where name = 'shared_buffers'") == "8192|t"

    run = sandbox.ansible(host, SITE, "-e", ALLOWED, extra_vars=changed)
    assert changed_tasks(run) == ["configure | Write settings and access rules"]
    assert "RESTART" not in run.output
    assert host.sql("show shared_buffers") == "80MB"
    after = started(host)
    assert after != before
    # Once, and by its own unit: the umbrella, which restarts every cluster, was left alone.
    assert _starts(host) == (starts[0] + 1, starts[1])

    run = sandbox.ansible(host, SITE, "-e", ALLOWED, extra_vars=changed)
    assert run.changed == 0
    assert started(host) == after


def test_a_live_server_that_does_not_archive_is_not_restarted_unasked(sandbox: Lab, system: str) -> None:
    host = sandbox.up(f"{system}-by-hand", system)
    host.run(HAND_MADE)
    before = started(host)

    run = sandbox.ansible(host, SITE)
    assert run.recap[host.name].failed == 0
    assert run.last_line.startswith(f"NOT PROTECTED: {host.name}: archive_mode is off until PostgreSQL is restarted. Type: ")
    assert started(host) == before
    assert host.sql("show archive_mode") == "off"
    # Everything else is there: the role, the database, the stanza; and no backup was tried.
    assert host.sql("select rolname from pg_roles where rolname = 'axiomdb'") == "axiomdb"
    assert host.sql("select datname from pg_database where datname = 'axiomdb'") == "axiomdb"
    assert _info(host)["backup"] == []
    assert len(_info(host)["db"]) == 1
    assert "P00" not in host.run("cat /var/log/pgbackrest/axiomdb-backup.log", check=False).stdout

    run = sandbox.ansible(host, SITE)
    assert run.changed == 0
    assert run.last_line.startswith("NOT PROTECTED: ")

    run = _type(sandbox, host, run)
    assert run.last_line.startswith("PROTECTED")
    assert started(host) != before
    assert host.sql("show archive_mode") == "on"
    assert [backup["type"] for backup in _info(host)["backup"]] == ["full"]
    assert host.sql("select count(*), sum(number) from orders", "shop") == "1000|500500"


def _type(lab: Lab, host: Host, run: Result) -> Result:
    """Type the command with which the last line ends, in the same inventory."""
    words = shlex.split(run.last_line.rpartition(" Type: ")[2])
    assert words[:2] == ["ansible-playbook", "-i"]
    assert words[3:] == [SITE, "-l", host.name, "-e", ALLOWED]
    return lab.ansible(host, words[3], *words[4:])


def _starts(host: Host) -> tuple[int, str]:
    """How often the server was started, by its own log, and since when Debian's umbrella unit is active."""
    log = host.run("cat /var/log/postgresql/postgresql-*-main.log").stdout
    umbrella = host.run(["systemctl", "show", "-P", "ActiveEnterTimestampMonotonic", "postgresql"]).stdout
    return log.count("LOG:  starting PostgreSQL"), umbrella


def _info(host: Host) -> dict[str, list[dict[str, object]]]:
    run = host.run(["pgbackrest", "info", "--stanza=axiomdb", "--output=json"], user="postgres")
    stanza: dict[str, list[dict[str, object]]] = json.loads(run.stdout)[0]
    return stanza
