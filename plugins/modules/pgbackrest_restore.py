#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery in place, phase by phase, and the way back from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_restore
short_description: Recovers a cluster in place with a plan, a proof and a way back
version_added: 0.1.0
description:
  - Without O(confirm) it plans, judges and returns the command to type next. Nothing is touched.
  - With it the old data is kept by renaming it, the set is restored, and the server recovers behind a door of its own until it is proven.
    Only then it begins a timeline, archives and lets its clients in.
  - What fails before that goes back to the old data by itself. A run that was killed is gone on with by the same call.
  - A standby is refused (its primary is to be recovered), and so is a recovery that would begin a timeline which another repository has
    already. Without a filesystem that was mounted when a recovery began nothing goes on or back.
  - After the acceptance V(returned) is a recovery of its own, by which the kept data serves again on a timeline above every other.
options:
  state:
    description:
      - V(restored) recovers to the target. V(returned) goes back to the data that a recovery has kept.
      - V(rehearsed) carries the same plan and O(checks) out in a copy that is removed again. The live server is not touched.
      - V(released) removes what is kept of the recovery O(name).
    type: str
    choices: [restored, rehearsed, returned, released]
    default: restored
  target:
    description: Where the recovery is to end, as M(axiomdb.recovery.pgbackrest_plan) takes it.
    type: raw
    default: ""
  reason:
    description: Why, for whoever reads the operations log later.
    type: str
    default: ""
  confirm:
    description: The cluster that is recovered, as C(inventory host/stanza). Without it nothing is done.
    type: str
    default: ""
  plan:
    description: The digest of the plan that was printed. Another plan than that one is not carried out.
    type: str
    default: ""
  until:
    description: The last phase of this call; the next call goes on behind it.
    type: str
    choices: [save, quiet, keep, restore, recover, prove, promote, release, serve, settle]
    default: settle
  action:
    description:
      - V(pause) ends behind the proof, with the server at its target and nobody let in. V(shutdown) stops it there.
      - The same call with V(promote) goes on from there; one with a later target goes on to that, without restoring again.
      - What is kept stays kept then, and O(checks) that are not given again are asked as before. Planning that starts and stops no server.
    type: str
    choices: [promote, pause, shutdown]
    default: promote
  keep:
    description: V(none) overwrites the old data. There is no way back then.
    type: str
    choices: [beside, none]
    default: beside
  patience_seconds:
    description: After so many seconds in which neither log nor position moved, a recovery stands still and is taken back.
    type: float
    default: 300.0
  services:
    description:
      - Units of the host that use the cluster. Those that run are stopped before the server is, and started again when clients come back,
        the last one first, or when the old data serves again.
      - PgBouncer needs no mention. Its databases that lead to the cluster are paused meanwhile, and their clients wait.
      - They are judged at the beginning, and as they are given then whenever a recovery is gone on with.
    type: list
    elements: str
    default: []
  hooks_before:
    description: Names of the hooks that will run before anything is stopped, for the checklist of the plan.
    type: list
    elements: str
    default: []
  standbys:
    description: V(detach) lets standbys and replication slots lose their primary; they are refused otherwise.
    type: str
    choices: ["", detach]
    default: ""
  require_verified:
    description: Whether the newest verification must have found nothing, and have begun when the set was whole already.
    type: bool
    default: false
  name:
    description:
      - The recovery that is taken back or whose kept data is removed; for V(returned) the open or else the newest one by default.
      - With V(restored) this one is gone on with; when somebody has taken it back meanwhile, none is begun anew.
    type: str
    default: ""
  stanza:
    description: Name of the stanza.
    type: str
    required: true
extends_documentation_fragment:
  - axiomdb.recovery.recovery
  - axiomdb.recovery.recovery.cluster
  - axiomdb.recovery.recovery.checks
  - axiomdb.recovery.recovery.inventory
"""

EXAMPLES = r"""
- name: Say how a recovery to the moment before a migration would go
  axiomdb.recovery.pgbackrest_restore:
    stanza: axiomdb
    target: name:pre-migration-v2.3
    reason: orders lost their keys
    inventory_host: vps1

- name: Carry it out
  axiomdb.recovery.pgbackrest_restore:
    stanza: axiomdb
    target: name:pre-migration-v2.3
    reason: orders lost their keys
    confirm: vps1/axiomdb
    plan: 3f2a91c0
    checks:
      - name: orders of that day
        database: axiomdb
        sql: select count(*) from orders
        expected: "500"
    inventory_host: vps1

- name: Go back to the data that it has kept
  axiomdb.recovery.pgbackrest_restore:
    state: returned
    stanza: axiomdb
    reason: it was the wrong moment
    confirm: vps1/axiomdb
    inventory_host: vps1
"""

RETURN = r"""
begun:
  description: Whether a recovery was carried out, or a part of it.
  returned: success
  type: bool
  sample: true
drift_is_listed:
  description: Always false; a recovery, or its plan, is no drift of the host.
  returned: success
  type: bool
  sample: false
summary:
  description: The plan or the journal for a person, line by line.
  returned: success
  type: list
  elements: str
  sample: ["  target       name:pre-migration-v2.3"]
told:
  description: What was done, step by step.
  returned: success
  type: list
  elements: str
  sample: ["stops the server of 17/main"]
plan:
  description: The plan as JSON has it, or nothing when a recovery went on.
  returned: success
  type: dict
  sample: {"repository": 1, "backup": "20261122-020001F"}
digest:
  description: The digest of the plan, for O(plan).
  returned: success
  type: str
  sample: 3f2a91c0
journal:
  description: Where the recovery stands; empty when none was begun.
  returned: success
  type: dict
  sample: {"phase": "prove", "outcome": ""}
serves:
  description: Whether clients come back at its end; false when O(action) lets it stay at its target.
  returned: success
  type: bool
  sample: true
stops_next:
  description: Whether nothing was stopped yet, and that comes next.
  returned: success
  type: bool
  sample: true
went_back:
  description: Whether the recovery has gone back to the old data.
  returned: success
  type: bool
  sample: false
back:
  description: The command that goes back.
  returned: success
  type: str
  sample: ansible-playbook -i inventory playbooks/rollback.yml -l vps1 -e rollback_confirm=vps1/axiomdb
"""

import json
import shlex
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import (
    CHECKS_OPTION,
    CLUSTER_OPTIONS,
    INVENTORY_OPTIONS,
    cluster_of,
    run_module,
)
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import (
    plan,
    restore_checklist,
    restore_consent,
    restore_journal,
    restore_module,
    restore_move,
    restore_rehearsal,
    restore_run,
    restore_told,
    restore_undo,
    restoring,
    state,
)
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import target as grammar
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.inventory import command_prefix
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.plan import Plan
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.problem import Problem, Refusal
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.restore_checklist import Hook
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.restore_run import Consent
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.restore_told import Ways
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.restoring import Journal, Order


def act(module: AnsibleModule) -> dict[str, Any]:
    """Plan, go on, go back or remove, as asked."""
    acts = {"restored": _restored, "rehearsed": _rehearsed, "returned": _returned, "released": _released}
    return acts[module.params["state"]](module)


def _restored(module: AnsibleModule) -> dict[str, Any]:
    wanted, told = module.params, []
    order = order_of(wanted)
    again = _command(wanted, "restore", restore_target=order.target)
    with_reason = _command({**wanted, "reason": "WHY"}, "restore", restore_target=order.target)
    consent = Consent(wanted["confirm"], wanted["plan"], again, wanted["standbys"] == "detach", wanted["require_verified"], with_reason)
    known = restore_journal.load(wanted["stanza"])
    if module.check_mode or not wanted["confirm"]:
        if known is not None and known.is_open:
            return _beside(wanted, order, known)
        return _planned(wanted, order, consent)
    tell = restore_module.teller(told)
    if wanted["name"]:
        restore_journal.refuse_ended(wanted["stanza"], wanted["name"])
    journal = restore_run.begin(order, wanted["stanza"], cluster_of(wanted), wanted["inventory_host"], consent, tell)
    journal = restore_run.carry_on(journal, tell, restoring.last_phase(order, wanted["until"]))
    return _result(wanted, restore_told.lines(journal, _ways(wanted, journal)), journal=journal, told=told, begun=True)


def _beside(wanted: dict[str, Any], order: Order, known: Journal) -> dict[str, Any]:
    """What is said of an order while a recovery is open: how it goes on with it, or why it does not."""
    if restoring.is_paused(known) and known.order.target != order.target:
        found = restore_move.further(known, order, cluster_of(wanted))
        sure = _confirmed(wanted, order, known.home.confirmation(keep=not found.erased), found)
        lines = [*restore_told.further(known, order, found), "Nothing was done. To do it, type:", f"  {sure}"]
        return _result(wanted, lines, journal=known, planned=found)
    restore_run.going_on(known, order, known.home.confirmation(keep=order.keep))
    return _result(wanted, [*restore_told.lines(known), "Nothing was done."], journal=known)


def _ways(wanted: dict[str, Any], journal: Journal) -> Ways:
    """The playbook's commands that go back from an accepted recovery, and that remove what it has kept."""
    plain, sure = {**wanted, "reason": "", "name": ""}, f"{wanted['inventory_host']}/{wanted['stanza']}"
    words = {"rollback_name": journal.name, "rollback_confirm": sure}
    return Ways(_command(plain, "rollback", **words), _command(plain, "rollback", rollback_state="released", **words))


def _rehearsed(module: AnsibleModule) -> dict[str, Any]:
    wanted, told = module.params, []
    order, cluster = order_of(wanted), cluster_of(wanted)
    if module.check_mode:
        found, _goal = restore_rehearsal.plan_of(order, wanted["stanza"], cluster)
        return {**_result(wanted, plan.lines(found)), "plan": plan.document(found)}
    lines = restore_rehearsal.rehearse(order, wanted["stanza"], cluster, wanted["inventory_host"], restore_module.teller(told))
    lines += ["Nothing was changed. To do it, type:", f"  {_sample(wanted, order.target)}"]
    return _result(wanted, lines, told=told)


def _sample(wanted: dict[str, Any], target: str) -> str:
    """The command that plans a recovery to this target."""
    reason = "" if wanted["reason"] else " -e \"restore_reason='...'\""
    return _command(wanted, "restore", restore_target=target) + reason


def _planned(wanted: dict[str, Any], order: Order, consent: Consent) -> dict[str, Any]:
    proposal = restore_run.propose(order, wanted["stanza"], cluster_of(wanted), wanted["inventory_host"], consent)
    if proposal.problems:
        raise Refusal(*proposal.problems)
    sure = _confirmed(wanted, order, proposal.home.confirmation(keep=order.keep), proposal.plan)
    lines = [*([] if order.keep else ["  NO WAY BACK  the old data is overwritten"]), *proposal.lines]
    hooks = [Hook(name) for name in wanted["hooks_before"]]
    first = restore_checklist.before(order, proposal.home, plan.document(proposal.plan), hooks, confirmed=False)
    lines += restore_checklist.table("BEFORE", first)
    lines += ["Nothing was done. To do it, type:", f"  {sure}", f"To follow it {restoring.FOLLOW}"]
    return _result(wanted, lines, planned=proposal.plan)


def _confirmed(wanted: dict[str, Any], order: Order, confirmation: str, found: Plan) -> str:
    """The command that carries this plan out."""
    words = {"restore_target": order.target, "restore_confirm": confirmation, "restore_plan": restore_consent.digest(found)}
    return _command(wanted, "restore", **words)


def order_of(wanted: dict[str, Any]) -> Order:
    """What was asked for, as the engine knows it. Raises Refusal, without a target too."""
    given = wanted["target"]
    if not given or (isinstance(given, str) and not given.strip()):
        raise Refusal(grammar.missing(_sample(wanted, f"time:{grammar.EXAMPLE_TIME}")))
    return restore_module.order_of(wanted, keep=wanted["keep"] == "beside")


def _returned(module: AnsibleModule) -> dict[str, Any]:
    wanted, told = module.params, []
    journal = restore_run.way_back(wanted["stanza"], wanted["name"], wanted["reason"])
    confirmation = f"{wanted['inventory_host']}/{wanted['stanza']}"
    if module.check_mode or wanted["confirm"] != confirmation:
        lines = restore_undo.lines(journal) if journal.undoes else restore_told.lines(journal)
        lines = [*lines, "Nothing was done. To do it, type:", f"  {_command(wanted, 'rollback', rollback_confirm=confirmation)}"]
        if wanted["confirm"] and wanted["confirm"] != confirmation:
            raise Refusal(_another(wanted, confirmation, _command(wanted, "rollback")))
        return _result(wanted, lines)
    journal = restore_run.take_back(journal, restore_module.teller(told))
    return _result(wanted, restore_told.lines(journal, _ways(wanted, journal)), journal=journal, told=told, begun=True)


def _released(module: AnsibleModule) -> dict[str, Any]:
    wanted = module.params
    confirmation = f"{wanted['inventory_host']}/{wanted['stanza']}"
    found = restore_journal.kept(wanted["stanza"])
    kept = restore_told.listed(found, time.time(), lambda one: _ways(wanted, one)) or ["  kept         nothing"]
    if not wanted["name"] or module.check_mode:
        return _result(wanted, kept)
    if wanted["confirm"] != confirmation:
        sure = {"rollback_state": "released", "rollback_confirm": confirmation}
        raise Refusal(_another(wanted, confirmation, _command(wanted, "rollback", **sure)))
    gone = restore_undo.remove(wanted["stanza"], wanted["name"])
    line = {"operation": "release", "host": wanted["inventory_host"], "stanza": wanted["stanza"]}
    state.operation({**line, "text": wanted["reason"], "removed": gone})
    return _result(wanted, [f"  removed      {place}" for place in gone], begun=True)


def _another(wanted: dict[str, Any], confirmation: str, following: str) -> Problem:
    return Problem(f"the confirmation '{wanted['confirm']}'", f"'{confirmation}', the cluster that is meant", following)


def _command(wanted: dict[str, Any], playbook: str, **words: str) -> str:
    """The command to type: this playbook for this host, with what was given and these words."""
    given = {f"{playbook}_reason": wanted["reason"]} if wanted["reason"] else {}
    if playbook == "restore":
        given |= {"restore_keep": "none"} if wanted["keep"] == "none" else {}
        given |= {"restore_action": wanted["action"]} if wanted["action"] != "promote" else {}
        given |= {"restore_standbys": wanted["standbys"]} if wanted["standbys"] else {}
        given |= {"restore_services": wanted["services"]} if wanted["services"] else {}
        given |= {"restore_checks": wanted["checks"]} if wanted["checks"] else {}
        given |= {"restore_require_verified": True} if wanted["require_verified"] else {}
        given |= {"restore_patience_seconds": wanted["patience_seconds"]} if wanted["patience_seconds"] != restoring.PATIENCE else {}
    elif wanted["name"]:
        given["rollback_name"] = wanted["name"]
    plain = [f"-e {name}={value}" for name, value in words.items()]
    plain += [f"-e {shlex.quote(json.dumps({name: value}, ensure_ascii=False))}" for name, value in given.items()]
    prefix = command_prefix(wanted["inventory_sources"])
    return " ".join([f"{prefix} playbooks/{playbook}.yml -l {wanted['inventory_host']}", *plain])


def _result(wanted: dict[str, Any], lines: list[str], **more: Any) -> dict[str, Any]:
    back = _command({**wanted, "reason": ""}, "rollback", rollback_confirm=f"{wanted['inventory_host']}/{wanted['stanza']}")
    return {**restore_module.result(lines, action=wanted["action"], **more), "back": back}


def main() -> None:
    run_module(
        {
            **CLUSTER_OPTIONS,
            **CHECKS_OPTION,
            **INVENTORY_OPTIONS,
            "state": {"type": "str", "choices": ["restored", "rehearsed", "returned", "released"], "default": "restored"},
            "target": {"type": "raw", "default": ""},
            "reason": {"type": "str", "default": ""},
            "confirm": {"type": "str", "default": ""},
            "plan": {"type": "str", "default": ""},
            "until": {"type": "str", "choices": list(restoring.PHASES), "default": restoring.SETTLE},
            "action": {"type": "str", "choices": list(restoring.ACTIONS), "default": restoring.PROMOTES},
            "keep": {"type": "str", "choices": ["beside", "none"], "default": "beside"},
            "patience_seconds": {"type": "float", "default": restoring.PATIENCE},
            "services": {"type": "list", "elements": "str", "default": []},
            "hooks_before": {"type": "list", "elements": "str", "default": []},
            "standbys": {"type": "str", "choices": ["", "detach"], "default": ""},
            "require_verified": {"type": "bool", "default": False},
            "name": {"type": "str", "default": ""},
            "stanza": {"type": "str", "required": True},
        },
        act,
    )


if __name__ == "__main__":
    main()
