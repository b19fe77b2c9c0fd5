#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Debian packages."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_packages
short_description: Installs packages, and names them in check mode on a host that has no package lists
version_added: 0.1.0
description:
  - Unlike M(ansible.builtin.apt) it answers in check mode on a bare host, where neither package lists nor apt's Python library exist.
  - Fetches the lists only when they do not know a package or are too old, and waits while another process holds apt's lock.
options:
  names:
    description: Packages that must be installed. Nothing is upgraded or removed.
    type: list
    elements: str
    required: true
  files:
    description: Content of files, by path, that the packages read while they are installed; written before them.
    type: dict
    default: {}
extends_documentation_fragment:
  - axiomdb.recovery.recovery
"""

EXAMPLES = r"""
- name: Install pgBackRest
  axiomdb.recovery.recovery_packages:
    names: [pgbackrest]
"""

RETURN = r"""
findings:
  description: One item for each package that is missing.
  returned: success
  type: list
  elements: dict
  sample: [{what: package pgbackrest, expected: installed, found: (absent)}]
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import outcome, run_module
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import files, packages
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.files import File
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.finding import ABSENT, Finding


def act(module: AnsibleModule) -> dict[str, Any]:
    """Install what is missing."""
    missing = packages.missing(module.params["names"])
    wanted = [File(path, content) for path, content in module.params["files"].items()]
    stale = [file for file in wanted if files.read(file.path) != file.content]
    if not module.check_mode:
        for file in stale:
            os.makedirs(os.path.dirname(file.path), exist_ok=True)
            files.write(file)
        if missing:
            packages.install(missing)
    findings = [Finding(f"package {name}", "installed", ABSENT) for name in missing]
    diff = [files.diff_of(file) for file in stale] + files.findings_diff(findings)
    return outcome([*(Finding(f"file {file.path}", "as declared", ABSENT) for file in stale), *findings], diff)


def main() -> None:
    spec = {"names": {"type": "list", "elements": "str", "required": True}, "files": {"type": "dict", "default": {}}}
    run_module(spec, act)


if __name__ == "__main__":
    main()
