# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Five changes by hand on a converged host: checked, mended, checked again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from converged import SITE, Converged, changed_tasks, state
from lab import Controller, Host, Result

BY_HAND = """
set -e
cd /etc/postgresql/*/main
sed -i "s/^work_mem = '8MB'$/work_mem = '16MB'/" conf.d/10-axiomdb.conf
sed -i 's|^host all all 127.0.0.1/32 scram-sha-256$|host all all 127.0.0.1/32 trust|' pg_hba.conf
sed -i 's/^compress-level=3$/compress-level=9/' /etc/pgbackrest/pgbackrest.conf
chmod 0644 /etc/pgbackrest/conf.d/90-secrets.conf
runuser -u postgres -- psql -Xqc 'alter role axiomdb createdb' -c 'select pg_reload_conf()' >/dev/null
"""


@dataclass(frozen=True)
class Story:
    """Each step's result, and the state of the host between them."""

    host: Host
    pristine: dict[str, Any]
    before_check: dict[str, Any]
    check: Result
    after_check: dict[str, Any]
    running_after_check: dict[str, str]
    run: Result
    after_run: dict[str, Any]
    running_after_run: dict[str, str]
    again: Result

    @property
    def mended_tasks(self) -> list[str]:
        """The tasks that changed something in the run."""
        return changed_tasks(self.run)


def play(converged: Converged, name: str, controller: Controller) -> Story:
    """Change five things by hand, then check, run and check, all from one controller."""
    host = converged.twin(name)

    def act(*, check: bool) -> Result:
        return converged.lab.ansible(host, SITE, check=check, controller=controller)

    pristine = _state(host)
    host.run(BY_HAND)
    before = _state(host)
    check = act(check=True)
    after, running = _state(host), _running(host)
    run = act(check=False)
    return Story(host, pristine, before, check, after, running, run, _state(host), _running(host), act(check=True))


def findings(result: Result) -> list[dict[str, str]]:
    """The list of a check run. A role's attributes come in any order, so they are sorted."""
    return [{**finding, "expected": _sorted_attributes(finding["expected"])} for finding in result.findings]


def _sorted_attributes(text: str) -> str:
    statement, word, attributes = text.partition(" WITH ")
    return statement + word + " ".join(sorted(attributes.split()))


def five_findings(host: Host) -> list[dict[str, str]]:
    """The whole list, in the order of the roles."""
    version = host.run(["ls", "/etc/postgresql"]).stdout.strip()
    settings = "configure | Write settings and access rules"
    backrest = "configure | Write the configuration and the secrets"
    rows = [
        (settings, f"setting in /etc/postgresql/{version}/main/conf.d/10-axiomdb.conf: work_mem", "8MB", "16MB"),
        (
            settings,
            f"rule in /etc/postgresql/{version}/main/pg_hba.conf",
            "host all all 127.0.0.1/32 scram-sha-256",
            "host all all 127.0.0.1/32 trust",
        ),
        (
            "initialize | Create the roles",
            "Create the roles (axiomdb)",
            'the state after: ALTER USER "axiomdb" WITH LOGIN NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOSUPERUSER',
            "another state",
        ),
        (backrest, "option in /etc/pgbackrest/pgbackrest.conf: [global] compress-level", "3", "9"),
        (backrest, "mode of /etc/pgbackrest/conf.d/90-secrets.conf", "0640", "0644"),
    ]
    return [{"host": host.name, "task": task, "what": what, "expected": want, "found": found} for task, what, want, found in rows]


def _state(host: Host) -> dict[str, Any]:
    """Everything but the archive, into which segments go all the time."""
    role = host.sql("select rolcreatedb, rolsuper, rolcreaterole, rolpassword from pg_authid where rolname = 'axiomdb'")
    kept = {path: entry for path, entry in state(host).items() if not path.startswith("/var/lib/pgbackrest/archive/")}
    return {**kept, "role axiomdb": role}


def _running(host: Host) -> dict[str, str]:
    entry = host.run(["psql", "-X", "-w", "-h", "127.0.0.1", "-U", "axiomdb", "-c", "select 1", "axiomdb"], check=False)
    return {"work_mem": host.sql("show work_mem"), "without a password": "refused" if entry.rc else "entered"}
