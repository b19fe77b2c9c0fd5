#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a recovery to a target would go."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_plan
short_description: Plans a recovery, or says why it cannot be done and what can
version_added: 0.1.0
description:
  - Chooses repository, backup set and timeline for a target, and computes which WAL is needed and whether all of it is there.
  - Refuses what would only fail when the server recovers, each case in a sentence of its own with the nearest target that works.
  - Changes nothing.
options:
  target:
    description:
      - Where the recovery is to end. One of V(latest), V(immediate), V(time:2026-11-22T14:30:00Z), V(name:pre-migration-v2.3),
        V(lsn:0/3000050), V(xid:1234), V(backup:20261122-020001F), V(before-time:2026-11-22T14:30:00Z), V(before-lsn:0/3000050)
        and V(before-xid:1234).
      - Behind a comma follows what narrows the choice, such as V(xid:1234,backup:20261122-020001F) or V(lsn:0/3000050,timeline:1).
      - The same as a mapping, such as one with the keys C(xid) and C(backup).
      - Times need an offset or Z.
    type: raw
    required: true
  stanza:
    description: Name of the stanza.
    type: str
    required: true
extends_documentation_fragment:
  - axiomdb.recovery.recovery.info
  - axiomdb.recovery.recovery.cluster
  - axiomdb.recovery.recovery.inventory
"""

EXAMPLES = r"""
- name: Plan a recovery to the moment before a migration
  axiomdb.recovery.pgbackrest_plan:
    stanza: axiomdb
    target: name:pre-migration-v2.3

- name: Plan a recovery to a time
  axiomdb.recovery.pgbackrest_plan:
    stanza: axiomdb
    target: time:2026-11-22T14:30:00+01:00

- name: Plan a recovery to before a transaction, from a backup that has no note of its transactions
  axiomdb.recovery.pgbackrest_plan:
    stanza: axiomdb
    target:
      before-xid: 1234
      backup: 20261122-020001F
"""

RETURN = r"""
plan:
  description: What the recovery will do. Sizes are in bytes; what nobody knows is null.
  returned: success
  type: dict
  contains:
    target: {description: "The target as it was understood; times in UTC.", type: str, returned: success,
      sample: "time:2026-11-22T13:30:00Z"}
    repository: {description: Number of the repository., type: int, returned: success, sample: 1}
    backup: {description: Label of the backup set., type: str, returned: success, sample: 20261122-020001F}
    timeline: {description: The timeline that is recovered along., type: int, returned: success, sample: 1}
    kind: {description: "pgBackRest's type of the recovery; a target behind the last commit becomes an LSN, V(latest) a standby.",
      type: str, returned: success, sample: time}
    value: {description: "pgBackRest's target, empty where the type needs none.", type: str, returned: success,
      sample: "2026-11-22 13:30:00.000000+00"}
    options: {description: The options of pgbackrest restore., type: list, elements: str, returned: success,
      sample: ["--repo=1", "--set=20261122-020001F", "--type=time", "--target=2026-11-22 13:30:00.000000+00", "--target-timeline=1"]}
    command: {description: The same as one line., type: str, returned: success, sample: "--repo=1 --set=20261122-020001F --type=immediate"}
    lsn: {description: "Where replay ends, as far as it is known.", type: str, returned: success, sample: 0/3000050}
    time: {description: "The time that was asked for, in UTC.", type: str, returned: success, sample: "2026-11-22T13:30:00Z"}
    exclusive: {description: Whether replay ends before the target., type: bool, returned: success, sample: false}
    first_segment: {description: The first WAL segment that is needed., type: str, returned: success, sample: "000000010000000000000003"}
    last_segment: {description: The last WAL segment that can be needed., type: str, returned: success, sample: "000000010000000000000007"}
    segments: {description: How many segments that are., type: int, returned: success, sample: 5}
    only_here: {description: "Segments among them that no repository has yet, only this host.", type: list, elements: str,
      returned: success, sample: ["000000010000000000000007"]}
    restore_bytes: {description: Size of the database in the set., type: int, returned: success, sample: 30123456}
    wal_bytes: {description: Size of the WAL that is replayed at most., type: int, returned: success, sample: 83886080}
    needed_bytes: {description: Space that the restored data need at most., type: int, returned: success, sample: 114009536}
    free_bytes: {description: Free space where they will lie., type: int, returned: success, sample: 5368709120}
    seconds: {description: Expected duration., type: float, returned: success, sample: null}
    seconds_from: {description: What the duration is the sum of., type: str, returned: success, sample: no restore was measured yet}
    kept: {description: Directories that are kept., type: list, elements: str, returned: success, sample: [/var/lib/postgresql/17/main]}
    erased: {description: Directories that are erased., type: list, elements: str, returned: success, sample: []}
    up_to:
      description: Up to which moment the data comes back, as far as it is known.
      type: dict
      returned: success
      contains:
        time: {description: "The moment in UTC, empty where nobody knows.", type: str, returned: success, sample: "2026-11-22T13:29:12.5Z"}
        seconds: {description: How many seconds ago that was., type: float, returned: success, sample: 48.0}
        means: {description: What that moment is., type: str, returned: success, sample: the newest commit in its WAL}
    notes: {description: What whoever confirms should know., type: list, elements: str, returned: success, sample: []}
drift_is_listed:
  description: Always false; a plan is no drift of the host.
  returned: success
  type: bool
  sample: false
summary:
  description: The same for a person, line by line; while a recovery is open, that and how it ends come last.
  returned: success
  type: list
  elements: str
  sample: ["  target       time:2026-11-22T13:30:00Z", "  from         repository 1, set 20261122-020001F, timeline 1"]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import CLUSTER_OPTIONS, INVENTORY_OPTIONS, cluster_of, run_module
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import horizon, plan, restore_told, target
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.problem import Problem, Refusal


def act(module: AnsibleModule) -> dict[str, Any]:
    """Read the target, look, plan."""
    wanted = module.params
    given = wanted["target"]
    asked = target.parse(given if isinstance(given, dict) else str(given))
    found = horizon.foresee(asked, horizon.look(wanted["stanza"], cluster_of(wanted)))
    if isinstance(found, Problem):
        raise Refusal(found)
    lines = [*plan.lines(found), *restore_told.beside_plan(wanted["stanza"], found.target)]
    return {"changed": False, "plan": plan.document(found), "summary": lines, "drift_is_listed": False}


def main() -> None:
    run_module(
        {**CLUSTER_OPTIONS, **INVENTORY_OPTIONS, "stanza": {"type": "str", "required": True}, "target": {"type": "raw", "required": True}},
        act,
    )


if __name__ == "__main__":
    main()
