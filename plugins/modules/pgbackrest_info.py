#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the repositories hold, and what that means for this host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_info
short_description: Tells what each repository holds and what protects this host
version_added: 0.1.0
description:
  - Reads the server, its archiver and every repository, and changes nothing.
  - A repository that could not be read is said to be unreadable, whatever pgBackRest's exit code was.
  - The last line of RV(summary) begins with PROTECTED or NOT PROTECTED.
options:
  stanza:
    description: Name of the stanza.
    type: str
    required: true
  windows:
    description:
      - Whether to tell from when to when each repository can recover, with holes and broken backup sets.
      - RV(summary) then has everything that C(axiomdb-recovery status) tells, such as the newest backup of each kind, the last verdict,
        the next jobs, and the day on which a local repository's disk is full.
      - The whole archive is listed for it, which takes longer.
    type: bool
    default: false
extends_documentation_fragment:
  - axiomdb.recovery.recovery.info
  - axiomdb.recovery.recovery.cluster
  - axiomdb.recovery.recovery.inventory
"""

EXAMPLES = r"""
- name: Tell what protects this host
  axiomdb.recovery.pgbackrest_info:
    stanza: axiomdb
    version: "17"

- name: Tell what can be recovered, right now
  axiomdb.recovery.pgbackrest_info:
    stanza: axiomdb
    windows: true
"""

RETURN = r"""
protected:
  description: Whether each WAL segment goes to a repository that holds a usable backup.
  returned: success
  type: bool
  sample: true
summary:
  description: The same for a person, line by line.
  returned: success
  type: list
  elements: str
  sample: ["  system       Debian 13", "PROTECTED: vps1: each WAL segment is archived and a backup exists."]
repositories:
  description: Status, databases, archives and backups of the stanza in each repository.
  returned: success
  type: list
  elements: dict
  sample: [{number: 1, code: 0, message: ok, cipher: aes-256-cbc, databases: [], archives: [], backups: []}]
snapshots:
  description: Every named snapshot in each repository, the oldest first, with the recovery target to type.
  returned: success
  type: list
  elements: dict
  sample: [{name: pre-migration-v2.3, repository: 1, label: 20261124-020001F, lsn: 0/5000098, target: "name:pre-migration-v2.3"}]
windows:
  description:
    - What each repository can recover of its current database, timeline by timeline; empty unless O(windows) is true.
    - A time that can be recovered is not before C(first) and before C(end) of one of C(times); an unknown end is null.
  returned: success
  type: list
  elements: dict
  sample:
    - repository: 1
      readable: true
      windows:
        - timeline: 1
          path: [1]
          first_lsn: 0/3000138
          end_lsn: 0/9000000
          times: [{first: "2026-11-24T02:00:10Z", end: "2026-11-24T09:12:01.417Z"}]
          complete_until: "2026-11-24T09:12:01.417Z"
          sets: 8
          oldest_set: 20261124-020001F
          newest_set: 20261124-020001F_20261124-090001I
      holes: [{timeline: 1, first: "000000010000000000000005", last: "000000010000000000000005", count: 1,
        after_set: 20261124-020001F, before_set: 20261124-020001F_20261124-030001I}]
      broken: [{label: 20261124-020001F_20261124-050001I, reason: files of it are lost}]
faults:
  description:
    - What is broken as far as can be seen without reading every file, and what no other line of RV(summary) tells;
      empty unless O(windows) is true. M(axiomdb.recovery.pgbackrest_verify) reads the files too.
  returned: success
  type: list
  elements: dict
  sample: [{topic: behind 2, repository: 2, found: repository 2 is behind repository 1, command: sudo -u postgres pgbackrest check}]
server:
  description: Identity and position of the server; null when it does not answer.
  returned: success
  type: dict
  sample: {system_id: 7312345678901234567, timeline: 1, lsn: 0/3000060}
"""

import time
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import CLUSTER_OPTIONS, INVENTORY_OPTIONS, cluster_of, run_module
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import status, summary
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.inventory import command_prefix
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.jobs import Stanza
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.picture import take_picture
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.snapshots import found_in
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.status import Status


def act(module: AnsibleModule) -> dict[str, Any]:
    """Look and tell."""
    wanted = module.params
    cluster = cluster_of(wanted)
    command = command_prefix(wanted["inventory_sources"])
    picture = take_picture(wanted["stanza"], cluster, wanted["inventory_host"], command, time.time())
    server = picture.server
    found = Status(False, summary.lines(picture), {"windows": [], "faults": []})
    if wanted["windows"]:
        stanza = Stanza(wanted["stanza"], cluster.version, cluster.name, cluster.port)
        found = status.take(status.settings_of(picture.host, stanza), stanza, picture)
    return {
        "changed": False,
        "protected": summary.judge(picture).protected,
        "summary": found.lines,
        "repositories": [asdict(repository) for repository in picture.repositories],
        "snapshots": [{**asdict(snapshot), "target": snapshot.target} for snapshot in found_in(picture.repositories)],
        "windows": found.document["windows"],
        "faults": found.document["faults"],
        "server": {"system_id": server.system_id, "timeline": server.timeline, "lsn": str(server.lsn)} if server else None,
    }


def main() -> None:
    run_module(
        {
            **CLUSTER_OPTIONS,
            **INVENTORY_OPTIONS,
            "stanza": {"type": "str", "required": True},
            "windows": {"type": "bool", "default": False},
        },
        act,
    )


if __name__ == "__main__":
    main()
