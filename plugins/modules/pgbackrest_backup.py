#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup, taken now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_backup
short_description: Takes a backup into each repository and proves that it is there
version_added: 0.1.0
description:
  - Refuses when another server writes to the stanza, when archiving is off, and on a standby.
  - Waits while another pgBackRest command holds the lock.
  - Each backup says from which host and machine it comes, and the next transaction id at its start and its stop.
options:
  type:
    description: Kind of backup. Without a full backup to build on, pgBackRest takes a full one.
    type: str
    choices: [full, diff, incr]
    default: full
  only_if_missing:
    description:
      - Take one only into repositories without a usable backup; where none is missing, prove that a segment reaches each repository.
      - Where the server does not archive nothing is tried, and RV(possible) is false.
    type: bool
    default: false
extends_documentation_fragment:
  - axiomdb.recovery.recovery
  - axiomdb.recovery.recovery.cluster
  - axiomdb.recovery.recovery.writer
  - axiomdb.recovery.recovery.inventory
attributes:
  idempotent:
    description: With O(only_if_missing=true) a second run changes nothing; otherwise each run takes a backup.
    support: partial
    details:
      - A backup is an event, not a state.
"""

EXAMPLES = r"""
- name: Take the first backup
  axiomdb.recovery.pgbackrest_backup:
    stanza: axiomdb
    version: "17"
    only_if_missing: true
"""

RETURN = r"""
backups:
  description: The new backups, as the repository shows them.
  returned: success
  type: list
  elements: dict
  sample: [{repository: 1, label: 20261122-020001F, type: full, size: 23068672}]
possible:
  description: Whether this server can take backups now.
  returned: success
  type: bool
  sample: true
findings:
  description: What differs from what is declared.
  returned: success
  type: list
  elements: dict
  sample: [{what: full backup in repository 1, expected: taken, found: (absent)}]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import WRITER_OPTIONS, cluster_of, outcome, run_module, unseen
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import backup, capture, state
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.finding import ABSENT, Finding
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.postgres import Cluster
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.problem import Refusal
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.run import pgbackrest, require
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.survey import (
    Survey,
    refuse_other_writers,
    refuse_unknown_stanza,
    survey,
    survey_if_running,
    writable,
)


def act(module: AnsibleModule) -> dict[str, Any]:
    """Look, refuse, take, prove."""
    wanted = module.params
    cluster = cluster_of(wanted)
    look = survey_if_running if module.check_mode else survey
    seen = look(wanted["stanza"], cluster, wanted["inventory_host"])
    if seen is None:
        return outcome([Finding(f"{wanted['type']} backup of {wanted['stanza']}", "taken", unseen(cluster))], backups=[], possible=False)
    if not wanted["only_if_missing"]:
        refuse_unknown_stanza(wanted["stanza"])
    if not wanted["only_if_missing"] and not module.check_mode:
        state.refuse_pause()
    refuse_other_writers(seen, wanted["takes_over_from"], unreadable=wanted["only_if_missing"] or module.check_mode)
    impossible = backup.impossible(seen)
    if impossible and wanted["only_if_missing"]:
        return outcome([], backups=[], possible=False)
    if impossible:
        raise Refusal(impossible)
    due = backup.due(seen, wanted["only_if_missing"])
    findings = [Finding(f"{wanted['type']} backup of {wanted['stanza']} in repository {number}", "taken", ABSENT) for number in due]
    if not due and not module.check_mode:
        require(pgbackrest(wanted["stanza"], ["check"]), wanted["stanza"])
    taken, problems = take(seen, cluster, wanted) if due and not module.check_mode else ([], [])
    if problems:
        done = ", ".join(f"{item['label']} in repository {item['repository']}" for item in taken) or "none"
        module.fail_json(msg=f"FAILED. {' | '.join(problems)} | Taken: {done}.", problems=problems, backups=taken)
    return outcome(findings, possible=True, backups=taken)


def take(seen: Survey, cluster: Cluster, wanted: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """One backup in each repository that is due and can be written to, when no job is at work; a line in the operations log says so.

    Why there is none in the others is told beside them.
    """
    with state.turn_within_an_hour(wanted["stanza"], "backup of a playbook") as waited:
        if waited.holder:
            if not wanted["only_if_missing"]:
                state.refuse_pause()
            seen = capture.look_again(seen, cluster)
            refuse_other_writers(seen, wanted["takes_over_from"], unreadable=wanted["only_if_missing"])
        able, problems = writable(seen, wanted["takes_over_from"])
        due = [number for number in backup.due(seen, wanted["only_if_missing"]) if number in able]
        taken, failed = backup.take_each(seen, due, wanted["type"], str)
    problems += failed
    line = {"operation": "backup", "host": seen.server.inventory_host, "stanza": wanted["stanza"]}
    text = " | ".join([f"{wanted['type']} backup by a playbook", *problems])
    state.operation({**line, "outcome": "failed" if problems else "done", "text": text, "backups": taken})
    return taken, problems


def main() -> None:
    run_module(
        {
            **WRITER_OPTIONS,
            "type": {"type": "str", "choices": ["full", "diff", "incr"], "default": "full"},
            "only_if_missing": {"type": "bool", "default": False},
        },
        act,
    )


if __name__ == "__main__":
    main()
