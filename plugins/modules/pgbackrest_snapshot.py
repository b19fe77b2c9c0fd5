#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A named snapshot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_snapshot
short_description: Names this moment so that it can be recovered later
version_added: 0.1.0
description:
  - Takes a backup, makes a restore point, closes its WAL segment and waits until every repository holds it; then it writes the entry
    into the catalogue, which lives in the annotations of the backup sets.
  - Refuses a name that exists, a standby, a server whose archiving is off or fails, and a stanza to which another server writes.
  - Waits for its turn while a job runs.
options:
  name:
    description: Name of up to 63 bytes, such as V(pre-migration-v2.3), V(pre-deploy-8f3c2a1) or V(pre-bulk-update-2026-11-24).
    type: str
    required: true
  reason:
    description: Why, for whoever reads the list later.
    type: str
    default: ""
  annotations:
    description: Further annotations of the backup sets, such as V(branch=main).
    type: dict
    default: {}
  type:
    description: Kind of backup.
    type: str
    choices: [full, diff, incr]
    default: incr
  backup:
    description: Whether a backup is taken. Without one the restore point belongs to the newest backup set.
    type: bool
    default: true
  timeout:
    description: Seconds that the WAL segment may take to reach each repository.
    type: int
    default: 120
  stray_words:
    description: Words of the command line that ansible-playbook gave to no variable. A name or a reason has lost them, so they are refused.
    type: str
    default: ""
extends_documentation_fragment:
  - axiomdb.recovery.recovery
  - axiomdb.recovery.recovery.cluster
  - axiomdb.recovery.recovery.writer
  - axiomdb.recovery.recovery.inventory
attributes:
  idempotent:
    description: Each name can be taken once.
    support: none
"""

EXAMPLES = r"""
- name: Name the moment before a migration
  axiomdb.recovery.pgbackrest_snapshot:
    stanza: axiomdb
    name: pre-migration-v2.3
    reason: schema migration
    annotations:
      branch: main
"""

RETURN = r"""
target:
  description: The recovery target to type later.
  returned: success
  type: str
  sample: name:pre-migration-v2.3
snapshots:
  description: The entry in each repository, as the repository shows it.
  returned: success
  type: list
  elements: dict
  sample: [{name: pre-migration-v2.3, repository: 1, label: 20261124-020001F, lsn: 0/5000098, timeline: 1, time: "2026-11-24T02:05:00Z"}]
findings:
  description: What differs from what is declared.
  returned: success
  type: list
  elements: dict
  sample: [{what: snapshot pre-migration-v2.3, expected: taken, found: (absent)}]
"""

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import WRITER_OPTIONS, cluster_of, outcome, run_module, unseen
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import capture
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.finding import ABSENT, Finding
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.snapshots import Request
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.survey import survey_if_running


def act(module: AnsibleModule) -> dict[str, Any]:
    """Take the snapshot; in check mode only say what would be refused."""
    wanted = module.params
    request = request_of(wanted)
    capture.refuse_words(request)
    cluster = cluster_of(wanted)
    what = f"snapshot {request.name}"
    if not module.check_mode:
        made = capture.perform(request, wanted["stanza"], cluster, wanted["inventory_host"])
        return outcome([Finding(what, "taken", ABSENT)], target=request.target, snapshots=[asdict(snapshot) for snapshot in made])
    seen = survey_if_running(wanted["stanza"], cluster, wanted["inventory_host"])
    if seen is not None:
        capture.refuse(seen, request)
    return outcome([Finding(what, "taken", ABSENT if seen else unseen(cluster))], target=request.target, snapshots=[])


def request_of(wanted: dict[str, Any]) -> Request:
    """What was asked for, as the engine knows it."""
    return Request(
        wanted["name"],
        wanted["reason"],
        {str(key): str(value) for key, value in wanted["annotations"].items()},
        wanted["type"],
        wanted["backup"],
        wanted["timeout"],
        wanted["takes_over_from"],
        wanted["stray_words"],
    )


def main() -> None:
    run_module(
        {
            **WRITER_OPTIONS,
            "name": {"type": "str", "required": True},
            "reason": {"type": "str", "default": ""},
            "annotations": {"type": "dict", "default": {}},
            "type": {"type": "str", "choices": ["full", "diff", "incr"], "default": "incr"},
            "backup": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 120},
            "stray_words": {"type": "str", "default": ""},
        },
        act,
    )


if __name__ == "__main__":
    main()
