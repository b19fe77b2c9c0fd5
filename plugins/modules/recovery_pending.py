#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a check run could not try."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_pending
short_description: Reports what is to be made by tasks that cannot be tried yet
version_added: 0.1.0
description:
  - On a bare host a check run cannot ask a server for its roles and databases, because there is none. This module names them as a diff.
  - It makes nothing and is called only where what the tasks need does not exist.
options:
  items:
    description: Names of what would be made, by kind, such as C(role).
    type: dict
    required: true
  server_exists:
    description: Whether the cluster exists and merely does not run; then nobody knows what it holds.
    type: bool
    default: false
extends_documentation_fragment:
  - axiomdb.recovery.recovery
"""

EXAMPLES = r"""
- name: Name the databases that would be made
  axiomdb.recovery.recovery_pending:
    items:
      database: [axiomdb]
"""

RETURN = r"""
findings:
  description: One item for each name.
  returned: success
  type: list
  elements: dict
  sample: [{what: database axiomdb, expected: present, found: (absent)}]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import outcome, run_module
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.finding import ABSENT, UNKNOWN, Finding


def act(module: AnsibleModule) -> dict[str, Any]:
    """Turn names into findings."""
    items = module.params["items"].items()
    found = UNKNOWN if module.params["server_exists"] else ABSENT
    return outcome([Finding(f"{kind} {name}", "present", found) for kind, names in items for name in names])


def main() -> None:
    run_module({"items": {"type": "dict", "required": True}, "server_exists": {"type": "bool", "default": False}}, act)


if __name__ == "__main__":
    main()
