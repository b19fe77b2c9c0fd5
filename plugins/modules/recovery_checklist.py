#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checklists of a recovery in place."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_checklist
short_description: Tells how the newest recovery in place ended, as two checklists with their results
version_added: 0.1.0
description:
  - Reads the journal of the newest recovery of a stanza and the looks at it, and says of each line of both checklists whether it is
    done, failed, open, or not asked for and by which variable it would be.
  - Changes nothing.
options:
  stanza:
    description: Name of the stanza.
    type: str
    required: true
  hooks_before:
    description: Results of M(axiomdb.recovery.recovery_hook) from before anything was stopped.
    type: list
    elements: dict
    default: []
  hooks_after:
    description: The same from when it was over; a hook without RV(axiomdb.recovery.recovery_hook#module:reason) has not run yet.
    type: list
    elements: dict
    default: []
extends_documentation_fragment:
  - axiomdb.recovery.recovery.info
  - axiomdb.recovery.recovery.inventory
"""

EXAMPLES = r"""
- name: Tell how it ended
  axiomdb.recovery.recovery_checklist:
    stanza: axiomdb
    inventory_host: vps1
"""

RETURN = r"""
summary:
  description: Both checklists for a person, line by line, and the command that goes back where something was found.
  returned: success
  type: list
  elements: str
  sample: ["  done         Verify connectivity                 the server answers, on timeline 3"]
verdict:
  description: Always false. A run's closing lines have this summary before the one that says what protects the host.
  returned: success
  type: bool
  sample: false
findings:
  description: All that was not well when the clients were back, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
recovery:
  description: The journal, the checklists and the findings, for hooks.
  returned: success
  type: dict
  sample: {"format": 1, "event": "after", "host": "vps1", "stanza": "axiomdb", "outcome": "accepted"}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import INVENTORY_OPTIONS, run_module
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import (
    aftercare,
    aftercare_look,
    restore_checklist,
    restore_journal,
    restore_record,
    restore_told,
)
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.inventory import command_prefix
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.problem import Problem, Refusal
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.restore_checklist import Hook, Seen


def act(module: AnsibleModule) -> dict[str, Any]:
    """Both lists, of the newest recovery. Raises Refusal when there was none."""
    wanted = module.params
    journal = restore_journal.load(wanted["stanza"])
    if journal is None or not journal.plan:
        raise Refusal(Problem(f"no recovery of {wanted['stanza']}", "one", "begin one by playbooks/restore.yml: it prints a plan first"))
    looks = aftercare_look.looks_of(journal)
    findings = aftercare.findings(looks)
    seen = Seen(aftercare.minutes(looks), looks[-1].endpoints if looks else {}, tuple(findings))
    hooks = {name: [Hook(str(item["name"]), item.get("reason")) for item in wanted[name]] for name in ("hooks_before", "hooks_after")}
    first = restore_checklist.before(journal.order, journal.home, journal.plan, hooks["hooks_before"], confirmed=True)
    second = restore_checklist.after(journal, hooks["hooks_after"], seen)
    lines = [*restore_checklist.table("BEFORE", first), *restore_checklist.table("AFTER", second)]
    lines += restore_told.ended(journal)
    prefix = command_prefix(wanted["inventory_sources"])
    back = f"{prefix} playbooks/rollback.yml -l {wanted['inventory_host']} -e rollback_confirm={journal.home.confirmation()}"
    if findings:
        lines += ["  Nothing was undone. To go back, type:", f"  {back}"]
    elif restore_told.ended(journal) and journal.moves:
        lines.append(f"               Wrong moment? Type: {back}")
    told = {"format": 1, "event": "after", "host": wanted["inventory_host"], "stanza": wanted["stanza"], "outcome": journal.outcome}
    lists = [*restore_checklist.document("before", first), *restore_checklist.document("after", second)]
    recovery = {**told, "recovery": restore_record.document(journal), "checklist": lists, "findings": findings}
    return {"changed": False, "summary": lines, "verdict": False, "findings": findings, "recovery": recovery}


def main() -> None:
    run_module(
        {
            **INVENTORY_OPTIONS,
            "stanza": {"type": "str", "required": True},
            "hooks_before": {"type": "list", "elements": "dict", "default": []},
            "hooks_after": {"type": "list", "elements": "dict", "default": []},
        },
        act,
    )


if __name__ == "__main__":
    main()
