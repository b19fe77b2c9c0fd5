#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lost site, brought back onto a host that has no data."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_rebuild
short_description: Brings a lost cluster back onto an empty host
version_added: 0.1.0
description:
  - Without O(confirm) it plans, judges and returns the command to type next.
  - With it the set is restored into the empty data directory, and the server recovers behind a door of its own until it is proven.
    Only then it begins a timeline, archives and lets its clients in, and a backup of this host is taken into each repository.
  - It is refused where the host has data, and where the host that wrote to the stanza last may still live. One that writes again
    meanwhile stops it before the new timeline is archived; it is planned anew then, with what was archived.
  - A rebuild that was killed or failed is gone on with by the same call; until it is accepted, another O(target) begins it anew.
options:
  state:
    description:
      - V(judged) only refuses a host that has data. Nothing needs to be installed there.
      - V(rebuilt) brings the cluster back.
    type: str
    choices: [judged, rebuilt]
    default: rebuilt
  target:
    description: Where the recovery is to end, as M(axiomdb.recovery.pgbackrest_plan) takes it.
    type: raw
    default: latest
  repository:
    description: The repository from which everything comes back, by its number; with 0 the one that leads furthest.
    type: int
    default: 0
  reason:
    description: Why, for whoever reads the operations log later.
    type: str
    default: the host is lost
  confirm:
    description: The host that is rebuilt, as C(inventory host/stanza). Without it nothing is done.
    type: str
    default: ""
  plan:
    description: The digest of a plan that was printed; another plan than that one is not carried out. Empty for whatever is planned now.
    type: str
    default: ""
  lost_host:
    description:
      - The name or the machine-id of the host that is lost for ever, and whose place this one takes.
      - Needed where the stanza shows signs that it lives; it must be the host that took the newest backup.
    type: str
    default: ""
  until:
    description: The last phase of this call; the next call goes on behind it.
    type: str
    choices: [save, quiet, keep, restore, recover, prove, promote, release, serve, settle]
    default: settle
  action:
    description: V(pause) ends behind the proof, with the server at its target and nobody let in. V(shutdown) stops it there.
    type: str
    choices: [promote, pause, shutdown]
    default: promote
  reindex:
    description: Whether indexes are made anew, before anybody is let in, where this system sorts text by another version.
    type: bool
    default: false
  require_backup:
    description:
      - Whether it fails where the server was accepted and lets its clients in, and nothing but the first backup of this host failed.
      - With V(false) that is a warning and RV(unbacked), so that whatever stands before the server can be started first; whoever says
        so fails with it afterwards.
    type: bool
    default: true
  patience_seconds:
    description: After so many seconds in which neither log nor position moved, a recovery stands still.
    type: float
    default: 300.0
  services:
    description: Units of the host that use the cluster. Those that run are stopped meanwhile.
    type: list
    elements: str
    default: []
  databases:
    description: Databases that are declared. A repository that has none of them is a foreign one.
    type: list
    elements: str
    default: []
  data_directory:
    description: The wanted data directory; empty for Debian's usual one.
    type: str
    default: ""
  mounts:
    description: V(ignored) lets the data lie without the filesystems that the lost host had for it, by its site bundle.
    type: str
    choices: [required, ignored]
    default: required
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
- name: Say how the lost cluster would come back onto this host
  axiomdb.recovery.pgbackrest_rebuild:
    stanza: axiomdb
    inventory_host: vps2

- name: Bring it back
  axiomdb.recovery.pgbackrest_rebuild:
    stanza: axiomdb
    confirm: vps2/axiomdb
    lost_host: vps1
    inventory_host: vps2
"""

RETURN = r"""
provisions:
  description: Whether packages and configuration may be brought in now; false while a server is at work on the data.
  returned: success
  type: bool
  sample: true
begun:
  description: Whether a rebuild was carried out, or a part of it.
  returned: success
  type: bool
  sample: true
drift_is_listed:
  description: Always false; a recovery, or its plan, is no drift of the host.
  returned: success
  type: bool
  sample: false
summary:
  description: The plan, or what was recovered up to when and what is lost at most, line by line.
  returned: success
  type: list
  elements: str
  sample: ["  target       latest"]
verdict:
  description: Always false; the summary is no verdict on what protects the host.
  returned: success
  type: bool
  sample: false
told:
  description: What was done, step by step.
  returned: success
  type: list
  elements: str
  sample: ["restores the set 20261122-020001F from repository 2"]
plan:
  description: The plan as JSON has it, or nothing when a rebuild went on.
  returned: success
  type: dict
  sample: {"repository": 2, "backup": "20261122-020001F"}
digest:
  description: The digest of the plan, for O(plan).
  returned: success
  type: str
  sample: 3f2a91c0
journal:
  description: Where the rebuild stands; empty when none was begun.
  returned: success
  type: dict
  sample: {"phase": "prove", "outcome": ""}
serves:
  description: Whether clients come back at its end; false when O(action) lets it stay at its target.
  returned: success
  type: bool
  sample: true
unbacked:
  description: Why the server lets its clients in without a first backup of this host, and the command that takes it; empty otherwise.
  returned: success
  type: str
  sample: ""
document:
  description: The outcome for hooks, once the clients were let in.
  returned: success
  type: dict
  sample: {"format": 1, "event": "after", "host": "vps2", "stanza": "axiomdb", "outcome": "accepted"}
stops_next:
  description: Whether nothing was stopped yet, and that comes next.
  returned: success
  type: bool
  sample: true
went_back:
  description: Always false; there is no old data to go back to.
  returned: success
  type: bool
  sample: false
"""

import json
import shlex
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
    host,
    plan,
    rebuild,
    rebuild_run,
    restore_consent,
    restore_module,
    restore_told,
    restoring,
)
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.inventory import command_prefix
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.problem import Refusal
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.rebuild_run import Wish
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.restore_run import Consent
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.restoring import Journal, Order


def act(module: AnsibleModule) -> dict[str, Any]:
    """Judge, plan, or go on, as asked."""
    wanted = module.params
    cluster, wish = cluster_of(wanted), wish_of(wanted)
    known = rebuild_run.refuse_data(wanted["stanza"], cluster, wanted["inventory_host"], wish)
    provisions = known is None or host.postmaster(known.home.directory) is None
    if wanted["state"] == "judged" or (module.check_mode and not host.pgbackrest_version()):
        return result(wanted, [], provisions=provisions)
    order = order_of(wanted)
    consent = Consent(wanted["confirm"], wanted["plan"], command(wanted))
    if module.check_mode or not wanted["confirm"]:
        if known is not None and known.order.target == order.target and not known.woke:
            return result(wanted, [*restore_told.lines(known), "Nothing was done."], provisions=provisions, journal=known)
        return planned(wanted, order, consent)
    told: list[str] = []
    journal = rebuild_run.begin(order, wanted["stanza"], cluster, wanted["inventory_host"], wish, consent)
    if not journal.is_open:
        return result(wanted, lines_of(journal), provisions=provisions, journal=journal)
    until, required = restoring.last_phase(order, wanted["until"]), wanted["require_backup"]
    journal, unbacked = rebuild_run.carry_on(journal, restore_module.teller(told), until, require_backup=required)
    if unbacked:
        module.warn(f"NO FIRST BACKUP, and the clients come all the same; the run fails at its end. {unbacked}")
    return result(wanted, lines_of(journal), provisions=provisions, unbacked=unbacked, journal=journal, told=told, begun=True)


def lines_of(journal: Journal) -> list[str]:
    """Where the rebuild stands, and what it has brought back."""
    brought = rebuild.report(rebuild.recovered_of(journal)) if restoring.PROVE in journal.ended else []
    return [*restore_told.lines(journal), *brought]


def planned(wanted: dict[str, Any], order: Order, consent: Consent) -> dict[str, Any]:
    """The plan with the command to type next. Raises Refusal with all that speaks against it."""
    found = rebuild_run.propose(order, wanted["stanza"], cluster_of(wanted), wanted["inventory_host"], wish_of(wanted), consent.again)
    if found.problems:
        raise Refusal(*found.problems)
    sure = f"{consent.again} -e rebuild_confirm={found.home.confirmation()} -e rebuild_plan={restore_consent.digest(found.plan)}"
    sure += f" -e rebuild_lost_host={wanted['lost_host']}" if wanted["lost_host"] else ""
    lines = [*plan.lines(found.plan), f"  instead of   {found.life.writer.name}", "Nothing was restored. To do it, type:", f"  {sure}"]
    return result(wanted, [*lines, f"To follow it {restoring.FOLLOW}"], planned=found.plan)


def order_of(wanted: dict[str, Any]) -> Order:
    """What was asked for, as the engine knows it."""
    return restore_module.order_of(wanted, rebuild=True, reindex=wanted["reindex"])


def wish_of(wanted: dict[str, Any]) -> Wish:
    """What else was declared."""
    text = order_of(wanted).target
    databases, mounts = tuple(wanted["databases"]), wanted["mounts"] == "required"
    return Wish(wanted["lost_host"], wanted["data_directory"], text, databases, mounts, wanted["repository"])


def command(wanted: dict[str, Any]) -> str:
    """The command that prints the plan again."""
    words = [f"{command_prefix(wanted['inventory_sources'])} playbooks/rebuild.yml -l {wanted['inventory_host']}"]
    given = wanted["target"]
    if given != "latest":
        text = json.dumps({"rebuild_target": given}) if isinstance(given, dict) else f"rebuild_target={given}"
        words.append(f"-e {shlex.quote(text)}")
    words += [f"-e rebuild_repository={wanted['repository']}"] if wanted["repository"] else []
    words += ["-e rebuild_mounts=ignored"] if wanted["mounts"] == "ignored" else []
    return " ".join([*words, *(["-e rebuild_reindex=true"] if wanted["reindex"] else [])])


def result(wanted: dict[str, Any], lines: list[str], *, provisions: bool = True, unbacked: str = "", **more: Any) -> dict[str, Any]:
    journal = more.get("journal")
    told = {"unbacked": unbacked, "document": rebuild_run.document(journal) if journal else {}}
    return {**restore_module.result(lines, action=wanted["action"], **more), **told, "provisions": provisions, "verdict": False}


def main() -> None:
    run_module(
        {
            **CLUSTER_OPTIONS,
            **CHECKS_OPTION,
            **INVENTORY_OPTIONS,
            "state": {"type": "str", "choices": ["judged", "rebuilt"], "default": "rebuilt"},
            "target": {"type": "raw", "default": "latest"},
            "repository": {"type": "int", "default": 0},
            "reason": {"type": "str", "default": "the host is lost"},
            "confirm": {"type": "str", "default": ""},
            "plan": {"type": "str", "default": ""},
            "lost_host": {"type": "str", "default": ""},
            "until": {"type": "str", "choices": list(restoring.PHASES), "default": restoring.SETTLE},
            "action": {"type": "str", "choices": list(restoring.ACTIONS), "default": restoring.PROMOTES},
            "reindex": {"type": "bool", "default": False},
            "require_backup": {"type": "bool", "default": True},
            "patience_seconds": {"type": "float", "default": restoring.PATIENCE},
            "services": {"type": "list", "elements": "str", "default": []},
            "databases": {"type": "list", "elements": "str", "default": []},
            "data_directory": {"type": "str", "default": ""},
            "mounts": {"type": "str", "choices": ["required", "ignored"], "default": "required"},
            "stanza": {"type": "str", "required": True},
        },
        act,
    )


if __name__ == "__main__":
    main()
