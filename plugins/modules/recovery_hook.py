#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command of whoever recovers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_hook
short_description: Runs one command with a document on its input, and says how it ended
version_added: 0.1.0
description:
  - Runs a command without a shell, with O(document) as JSON on its standard input and the environment of the module.
  - A command that fails or does not end is told as a warning and never fails the task, so that one hook does not keep the next one from
    running. RV(stops) says whether what follows has to stop.
  - Nothing is run in check mode.
options:
  name:
    description: What it is called in messages.
    type: str
    required: true
  command:
    description: The program and its arguments.
    type: list
    elements: str
    required: true
  document:
    description: What the command reads.
    type: dict
    default: {}
  timeout:
    description: Seconds after which it is ended, with all that it has started.
    type: int
    default: 60
  required:
    description: Whether what follows has to stop when it fails.
    type: bool
    default: false
attributes:
  check_mode:
    description: Runs nothing in check mode.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: The command is run each time.
    support: none
author:
  - the axiomdb.recovery authors (@axiomdb)
"""

EXAMPLES = r"""
- name: Tell the status page that a recovery begins
  axiomdb.recovery.recovery_hook:
    name: status page
    command: [/usr/local/bin/status-page, --incident=database]
    document:
      event: before
    required: true
"""

RETURN = r"""
name:
  description: What it is called.
  returned: success
  type: str
  sample: status page
reason:
  description: Why it failed; empty when it did not.
  returned: success
  type: str
  sample: exit code 3
said:
  description: The last that it printed.
  returned: success
  type: str
  sample: incident 42 was opened
seconds:
  description: How long it ran.
  returned: success
  type: float
  sample: 0.4
stops:
  description: Whether what follows has to stop.
  returned: success
  type: bool
  sample: false
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import run_module
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import hooks


def act(module: AnsibleModule) -> dict[str, Any]:
    """Run it, outside check mode."""
    wanted = module.params
    if module.check_mode:
        return {"changed": False, "name": wanted["name"], "reason": "", "said": "", "seconds": 0.0, "stops": False}
    ended = hooks.run(wanted["command"], json.dumps(wanted["document"], sort_keys=True), wanted["timeout"])
    if ended.reason:
        module.warn(f"HOOK FAILED: {wanted['name']}: {ended.reason}{': ' if ended.said else ''}{ended.said}")
    result = {"name": wanted["name"], "reason": ended.reason, "said": ended.said, "seconds": round(ended.seconds, 1)}
    return {"changed": True, **result, "stops": bool(ended.reason) and wanted["required"]}


def main() -> None:
    run_module(
        {
            "name": {"type": "str", "required": True},
            "command": {"type": "list", "elements": "str", "required": True},
            "document": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 60},
            "required": {"type": "bool", "default": False},
        },
        act,
    )


if __name__ == "__main__":
    main()
