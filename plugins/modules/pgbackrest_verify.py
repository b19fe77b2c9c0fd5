#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether every backup and every WAL segment is there and whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_verify
short_description: Reads every file of every repository, and fails with the list of what is broken or missing
version_added: 0.1.0
description:
  - Lets pgBackRest read every file of every repository and judges what it prints; its exit code is 0 for corruption too.
  - Computes what pgBackRest does not notice, namely WAL segments that are missing behind the first backup or that a backup needs, segments
    that the server believes archived and no repository has, a repository behind another one, backups that are too old, and a window
    that does not reach back far enough.
  - A host that is well is not accused, whatever is at work on it. A segment from before the first backup may be missing, and a segment
    that is on its way, a backup that runs and an expiry are no faults; what is seen once is looked for once more.
  - Changes nothing in any repository and nothing of the server. Outside check mode the verdict is kept below C(/var/lib/axiomdb), where the
    status, the alerts and the metrics of the host find it.
  - Waits while a job of this host is at work, an hour at most. A standby is not judged; its primary is.
options:
  stanza:
    description: Name of the stanza.
    type: str
    required: true
  backup_max_age_seconds:
    description: How old the newest backup of a repository may be.
    type: int
    default: 90000
  window_days:
    description: How many days back each repository must be able to recover; 0 demands nothing. A younger cluster is not accused.
    type: int
    default: 0
  spare:
    description:
      - Whether this host has no cluster of its own, and only proves that what the vault holds opens each repository.
      - Nothing is kept then, and what only the server knows is not judged.
    type: bool
    default: false
extends_documentation_fragment:
  - axiomdb.recovery.recovery.info
  - axiomdb.recovery.recovery.cluster
  - axiomdb.recovery.recovery.inventory
"""

EXAMPLES = r"""
- name: Judge every backup
  axiomdb.recovery.pgbackrest_verify:
    stanza: axiomdb

- name: Judge every backup, and demand that each repository reaches back a week
  axiomdb.recovery.pgbackrest_verify:
    stanza: axiomdb
    version: "17"
    window_days: 7
"""

RETURN = r"""
verdict:
  description: The verdict as one sentence.
  returned: success
  type: str
  sample: "read everything in 1 repository: 8 backups and 112 WAL segments, nothing is broken or missing"
summary:
  description: What was read of each repository, or the verdict of a spare host, for the last lines of a run.
  returned: success
  type: list
  elements: str
  sample: ["  verified     axiomdb in repository 1: 8 backups with 9744 files and 112 WAL segments read, nothing is broken or missing"]
summary_is_verdict:
  description: Always false; the summary stands before what tells whether the host is protected, and does not take its place.
  returned: success, without O(spare)
  type: bool
  sample: false
judged:
  description: Whether there is a verdict; false on a standby.
  returned: always
  type: bool
  sample: true
broken:
  description: One sentence for each thing that is broken or missing, with the command that helps. Empty when the module succeeds.
  returned: always
  type: list
  elements: str
  sample: ["repository 1: the WAL segment 000000010000000000000005 is missing: no moment from there until the end of set
    20261124-020001F_20261124-030001I can be recovered. Type: sudo /opt/axiomdb/axiomdb-recovery status"]
faults:
  description: The same for a program.
  returned: always
  type: list
  elements: dict
  contains:
    topic: {description: What kind of fault it is and of what., type: str, returned: always, sample: hole 1 000000010000000000000005}
    repository: {description: Number of the repository., type: int, returned: always, sample: 1}
    found: {description: What was found., type: str, returned: always, sample: "repository 1: the backup 20261124-020001F is invalid"}
    command: {description: What to type., type: str, returned: always, sample: sudo /opt/axiomdb/axiomdb-recovery status}
repositories:
  description: What C(pgbackrest verify) itself showed of each repository, and its own exit code for the record.
  returned: always
  type: list
  elements: dict
  contains:
    repository: {description: Number of the repository., type: int, returned: always, sample: 1}
    code: {description: "Exit code of C(pgbackrest verify), which is 0 for corruption too.", type: int, returned: always, sample: 0}
    backups: {description: How many backups it looked at., type: int, returned: always, sample: 8}
    files: {description: "How many files these have, as far as C(pgbackrest verify) says so.", type: int, returned: always, sample: 9744}
    segments: {description: How many WAL segments it read., type: int, returned: always, sample: 112}
    broken: {description: What it called broken., type: list, elements: str, returned: always, sample: []}
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import CLUSTER_OPTIONS, INVENTORY_OPTIONS, cluster_of, run_module
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import ending, judging, spare, state, verdict, work
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.jobs import VERIFY, Settings, Stanza
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.survey import refuse_unknown_stanza
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.verdict import Judgement


def act(module: AnsibleModule) -> dict[str, Any]:
    """Read, look, judge; fail with what is broken."""
    wanted = module.params
    cluster = cluster_of(wanted)
    stanza = Stanza(wanted["stanza"], cluster.version, cluster.name, cluster.port)
    refuse_unknown_stanza(stanza.name)
    if wanted["spare"]:
        found = spare.verify(stanza.name)
        said = spare.said(found)
        return {**tell(module, found, said), "summary": [f"  spare        {said}"]}
    if work.is_standby(stanza):
        said = "a standby; its primary verifies the repositories"
        empty: dict[str, Any] = {"broken": [], "faults": [], "repositories": []}
        return {"changed": False, "judged": False, "verdict": said, **empty, **_beside([f"  verified     {said}"])}
    limits = verdict.Limits(wanted["backup_max_age_seconds"], wanted["window_days"])
    settings = Settings(wanted["inventory_host"], (stanza,), {})
    found = look(settings, stanza, limits) if module.check_mode else look_in_turn(settings, stanza, limits)
    return {**tell(module, found, verdict.said(found)), **_beside(verdict.read_lines(found, stanza.name))}


def _beside(lines: list[str]) -> dict[str, Any]:
    """Lines that stand before the verdict of the host and do not take its place."""
    return {"summary": lines, "summary_is_verdict": False}


def tell(module: AnsibleModule, found: Judgement, said: str) -> dict[str, Any]:
    """The verdict; fail with what is broken."""
    broken = [fault.sentence for fault in found.faults]
    document = verdict.document(found)
    more = {"judged": True, "broken": broken, "faults": document["faults"], "repositories": document["repositories"]}
    if broken:
        module.fail_json(msg=f"BROKEN: {len(broken)} found. {' | '.join(broken)}", **more)
    return {"changed": False, "verdict": said, **more}


def look(settings: Settings, stanza: Stanza, limits: verdict.Limits) -> Judgement:
    """Give a verdict."""
    return judging.verify(stanza.name, work.cluster_of(stanza), settings.host, limits, str)


def look_in_turn(settings: Settings, stanza: Stanza, limits: verdict.Limits) -> Judgement:
    """Give a verdict when no job is at work, and keep it as that of the verify job."""
    with state.turn_within_an_hour(stanza.name, "verification of a playbook"):
        began = time.time()
        found = look(settings, stanza, limits)
        judging.remember(stanza.name, found)
        ending.remember(stanza.name, VERIFY, work.end_of(found), began, time.time())
    return found


def main() -> None:
    run_module(
        {
            **CLUSTER_OPTIONS,
            **INVENTORY_OPTIONS,
            "stanza": {"type": "str", "required": True},
            "backup_max_age_seconds": {"type": "int", "default": 90000},
            "window_days": {"type": "int", "default": 0},
            "spare": {"type": "bool", "default": False},
        },
        act,
    )


if __name__ == "__main__":
    main()
