#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PgBouncer's configuration and userlist on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbouncer_config
short_description: Writes PgBouncer's configuration and userlist as whole files, and applies them with a reload
version_added: 0.3.0
description:
  - Writes C(/etc/pgbouncer/pgbouncer.ini) and C(/etc/pgbouncer/userlist.txt), which root writes and only postgres reads.
  - The userlist has the SCRAM verifiers of the declared roles, read from the server through its socket; no password is needed or written.
  - Judges each setting against the installed version, and lets PgBouncer itself read a new configuration before it replaces the old one.
  - Reloads where that suffices. What needs a restart is returned in C(restart_pending). It is restarted only where that is allowed, or
    where the running pooler has no database yet, so that nobody can be connected.
  - Refuses a database that no role reaches, and a role that reaches none, by asking the server what it demands of them.
  - Settings that somebody else wrote are kept beside as C(.replaced), without secrets.
options:
  databases:
    description: Databases that clients reach through the pooler.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name for the clients.
        type: str
        required: true
      database:
        description: Name on the server, where it is another one.
        type: str
      options:
        description: Options of this database, such as C(pool_size).
        type: dict
        default: {}
  roles:
    description: Roles that may come in. One without a SCRAM verifier is left out, and said.
    type: list
    elements: str
    required: true
  listen_addresses:
    description: Addresses on which clients are awaited; the Unix socket is always there.
    type: list
    elements: str
    default: [127.0.0.1]
  listen_port:
    description: Port of the pooler, which also names its Unix socket.
    type: int
    default: 6432
  server_host:
    description: Address or socket directory at which the pooler reaches the server of this host.
    type: str
    default: 127.0.0.1
  query_wait_timeout_seconds:
    description: How long a client waits for a connection, and through a pause, before it is cut; 0 for no end.
    type: int
    default: 3600
  settings:
    description: Further settings of the section C(pgbouncer).
    type: dict
    default: {}
  restart_allowed:
    description: Whether a pending restart, which cuts every client, may be done now.
    type: bool
    default: false
  judge_only:
    description: Only refuse what cannot be written; report and change nothing.
    type: bool
    default: false
extends_documentation_fragment:
  - axiomdb.recovery.recovery
  - axiomdb.recovery.recovery.cluster
"""

EXAMPLES = r"""
- name: Pool the connections to one database
  axiomdb.recovery.pgbouncer_config:
    databases:
      - name: axiomdb
    roles: [axiomdb]
    settings:
      default_pool_size: 30
"""

RETURN = r"""
missing:
  description: Packages that are not installed.
  returned: success
  type: list
  elements: str
  sample: [pgbouncer]
findings:
  description: What differs from what is declared, one item for each setting, user, unit or file attribute. Secrets are hidden.
  returned: success
  type: list
  elements: dict
  sample: [{what: "setting in /etc/pgbouncer/pgbouncer.ini: [pgbouncer] pool_mode", expected: transaction, found: session}]
restart_pending:
  description: Settings that wait for a restart, and the values with which the pooler runs.
  returned: success
  type: dict
  sample: {listen_port: "6432"}
restarted:
  description: Whether the pooler was restarted.
  returned: success
  type: bool
  sample: false
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import CLUSTER_OPTIONS, cluster_of, outcome, run_module, this_system
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import packages, pooler, pooler_files
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.pooler import Database, Declaration

PACKAGES = ("pgbouncer",)


def act(module: AnsibleModule) -> dict[str, Any]:
    """Compare, write, reload, restart where allowed."""
    wanted = module.params
    declared, packaged = declaration(wanted), this_system().pgbouncer
    missing = packages.missing(PACKAGES)
    if wanted["judge_only"]:
        pooler_files.judge(declared, packaged)
        return outcome([], missing=missing, restart_pending={}, restarted=False)
    planned = pooler_files.plan(declared, cluster_of(wanted), packaged)
    if not module.check_mode:
        pooler_files.judge_reach(planned)
        pooler_files.apply(planned)
    pending = pooler_files.pending_restart(planned)
    restarted = bool(pending) and (wanted["restart_allowed"] or planned.idle) and not module.check_mode
    if restarted:
        pooler_files.restart()
        pending = pooler_files.pending_restart(planned)
    if pending and not planned.idle:
        module.warn(pooler.pending_sentence(pending))
    for problem in planned.server.unusable if planned.server else ():
        module.warn(f"NOT IN THE POOLER: {problem.sentence()}")
    result = outcome(list(planned.findings), list(planned.diff), missing=missing, restart_pending=pending, restarted=restarted)
    return result | {"changed": result["changed"] or restarted}


def declaration(wanted: dict[str, Any]) -> Declaration:
    """What is declared, as the engine knows it."""
    return Declaration(
        tuple(Database(item["name"], item["database"] or item["name"], item["options"]) for item in wanted["databases"]),
        tuple(dict.fromkeys(wanted["roles"])),
        tuple(wanted["listen_addresses"]),
        wanted["listen_port"],
        wanted["server_host"],
        wanted["port"],
        wanted["query_wait_timeout_seconds"],
        wanted["settings"],
    )


def main() -> None:
    database = {
        "name": {"type": "str", "required": True},
        "database": {"type": "str"},
        "options": {"type": "dict", "default": {}},
    }
    run_module(
        {
            **CLUSTER_OPTIONS,
            "databases": {"type": "list", "elements": "dict", "required": True, "options": database},
            "roles": {"type": "list", "elements": "str", "required": True},
            "listen_addresses": {"type": "list", "elements": "str", "default": ["127.0.0.1"]},
            "listen_port": {"type": "int", "default": 6432},
            "server_host": {"type": "str", "default": "127.0.0.1"},
            "query_wait_timeout_seconds": {"type": "int", "default": 3600},
            "settings": {"type": "dict", "default": {}},
            "restart_allowed": {"type": "bool", "default": False},
            "judge_only": {"type": "bool", "default": False},
        },
        act,
    )


if __name__ == "__main__":
    main()
