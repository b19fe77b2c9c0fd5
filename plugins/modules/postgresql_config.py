#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings and access rules of a server, as whole files."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_config
short_description: Writes a server's settings and access rules as whole files, and applies them with a reload
version_added: 0.1.0
description:
  - Writes one file of settings in C(conf.d), and C(pg_hba.conf) where rules are given. The server itself judges both before they stay.
  - Reloads where that suffices. What needs a restart is returned in C(restart_pending); it is restarted only where that is allowed.
  - A setting of ours that C(ALTER SYSTEM) hides is taken out of C(postgresql.auto.conf).
options:
  file:
    description: Name of the file in C(conf.d) of the cluster's configuration directory.
    type: str
    required: true
  settings:
    description: Settings and their values; booleans and lists are written as PostgreSQL reads them.
    type: dict
    default: {}
  hba:
    description: Rules of C(pg_hba.conf) in their order. The rules with which the collection itself comes in are always first.
    type: list
    elements: dict
    suboptions:
      type:
        description: Kind of connection.
        type: str
        required: true
      database:
        description: Databases, separated by commas.
        type: str
        default: all
      user:
        description: Roles, separated by commas.
        type: str
        default: all
      address:
        description: Client addresses, for all types but V(local).
        type: str
      method:
        description: How clients prove who they are. V(trust), V(password) and V(md5) are refused.
        type: str
        required: true
      options:
        description: Further options of the method.
        type: str
  restart_allowed:
    description: Whether a pending restart may be done now.
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
- name: Write the settings
  axiomdb.recovery.postgresql_config:
    version: "17"
    file: 10-axiomdb.conf
    settings:
      work_mem: 64MB
"""

RETURN = r"""
findings:
  description: What differs from what is declared, one item for each setting, rule or file attribute.
  returned: success
  type: list
  elements: dict
  sample: [{what: setting work_mem, expected: 64MB, found: 4MB}]
restart_pending:
  description: Settings that wait for a restart, and the values with which the server runs.
  returned: success
  type: dict
  sample: {shared_buffers: "16384"}
restarted:
  description: Whether the server was restarted.
  returned: success
  type: bool
  sample: false
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import CLUSTER_OPTIONS, cluster_of, outcome, run_module
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import server_files


def act(module: AnsibleModule) -> dict[str, Any]:
    """Compare, write, let the server judge, reload, restart where allowed."""
    wanted = module.params
    plan = server_files.plan(
        cluster_of(wanted),
        wanted["file"],
        wanted["settings"],
        wanted["hba"],
    )
    pending: dict[str, str] = {}
    restarted = False
    if wanted["judge_only"]:
        return outcome([], restart_pending=pending, restarted=restarted)
    if not module.check_mode:
        server_files.apply(plan)
    if plan.exists:
        pending = server_files.pending_restart(plan)
        if pending and wanted["restart_allowed"] and not module.check_mode:
            server_files.restart(plan)
            pending, restarted = server_files.pending_restart(plan), True
    for sentence in server_files.overridden(plan) if plan.exists else []:
        module.warn(sentence)
    if pending:
        module.warn(server_files.pending_sentence(plan, pending))
    result = outcome(list(plan.findings), list(plan.diff), restart_pending=pending, restarted=restarted)
    return result | {"changed": result["changed"] or restarted}


def main() -> None:
    rule = {
        "type": {"type": "str", "required": True},
        "database": {"type": "str", "default": "all"},
        "user": {"type": "str", "default": "all"},
        "address": {"type": "str"},
        "method": {"type": "str", "required": True},
        "options": {"type": "str"},
    }
    run_module(
        {
            **CLUSTER_OPTIONS,
            "file": {"type": "str", "required": True},
            "settings": {"type": "dict", "default": {}},
            "hba": {"type": "list", "elements": "dict", "options": rule},
            "restart_allowed": {"type": "bool", "default": False},
            "judge_only": {"type": "bool", "default": False},
        },
        act,
    )


if __name__ == "__main__":
    main()
