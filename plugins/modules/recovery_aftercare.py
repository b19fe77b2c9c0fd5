#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a recovered cluster and the endpoints behind it are well."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_aftercare
short_description: Looks once at a recovered cluster and its endpoints
version_added: 0.1.0
description:
  - Asks each endpoint from the host, and the server for its connections, rollbacks, deadlocks and failures of the archiver. Counts the
    lines ERROR, FATAL and PANIC in the server's log since its start.
  - Each look of one recovery is compared with the first one, written into C(/var/log/axiomdb/restore.log) and remembered below
    C(/var/lib/axiomdb), where M(axiomdb.recovery.recovery_checklist) finds it.
  - What is not well is told as a warning and undoes nothing.
  - A log that is not on stderr, or not in English, is called unknown and not judged.
options:
  stanza:
    description: Name of the stanza.
    type: str
    required: true
  endpoints:
    description: Addresses, and what they have to answer.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What it is called in messages.
        type: str
        required: true
      url:
        description: An address of HTTP or HTTPS. Redirects are followed; no proxy is used.
        type: str
        required: true
      status:
        description: The status that it has to answer.
        type: int
        default: 200
      contains:
        description: A text that the answer has to contain.
        type: str
        default: ""
      timeout:
        description: Seconds within which it has to answer well; it is asked again until then.
        type: int
        default: 10
extends_documentation_fragment:
  - axiomdb.recovery.recovery.info
  - axiomdb.recovery.recovery.cluster
"""

EXAMPLES = r"""
- name: Look at the cluster and at the shop
  axiomdb.recovery.recovery_aftercare:
    stanza: axiomdb
    endpoints:
      - name: shop
        url: http://127.0.0.1:8080/health
        contains: '"database":"up"'
"""

RETURN = r"""
line:
  description: The look as one line.
  returned: success
  type: str
  sample: 2026-11-22T14:41:00Z 12 connections, 3 rollbacks, 0 deadlocks, no error in the log, 0 failures of the archiver, no endpoint
findings:
  description: What is not well now, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ["Found 503 from the endpoint shop; expected 200. Next: curl -i http://127.0.0.1:8080/health"]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import CLUSTER_OPTIONS, cluster_of, run_module
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import aftercare, aftercare_look, restore_journal, state
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.endpoints import Endpoint


def act(module: AnsibleModule) -> dict[str, Any]:
    """Look, and compare with the first look at the same recovery."""
    wanted = module.params
    asked = [Endpoint(item["name"], item["url"], item["status"], item["contains"], item["timeout"]) for item in wanted["endpoints"]]
    look = aftercare_look.look(cluster_of(wanted), asked)
    journal = restore_journal.load(wanted["stanza"])
    looks = aftercare_look.remember(journal, look) if journal and not module.check_mode else [look]
    first = aftercare.first_of(looks)
    line, findings = aftercare.line(first, look), aftercare.judge(first, look)
    state.log(restore_journal.LOG, line)
    for sentence in findings:
        state.log(restore_journal.LOG, f"  {sentence}")
        module.warn(sentence)
    return {"changed": False, "line": line, "findings": findings}


def main() -> None:
    endpoint = {
        "name": {"type": "str", "required": True},
        "url": {"type": "str", "required": True},
        "status": {"type": "int", "default": 200},
        "contains": {"type": "str", "default": ""},
        "timeout": {"type": "int", "default": 10},
    }
    run_module(
        {
            **CLUSTER_OPTIONS,
            "stanza": {"type": "str", "required": True},
            "endpoints": {"type": "list", "elements": "dict", "options": endpoint, "default": []},
        },
        act,
    )


if __name__ == "__main__":
    main()
