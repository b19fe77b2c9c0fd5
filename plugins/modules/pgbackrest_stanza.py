#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stanza in every repository."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_stanza
short_description: Creates, upgrades or checks a stanza, as its real state demands
version_added: 0.1.0
description:
  - Compares this server with every repository before anything is written. A stanza to which another server writes is refused.
  - With O(state=ready) creates the stanza where it is missing, upgrades it after a major upgrade on this machine, and else leaves it alone.
  - With O(state=checked) switches a WAL segment and waits until it is seen in every repository.
  - Says what exists in check mode, also on a host where nothing is installed yet.
options:
  state:
    description:
      - V(ready) creates the stanza, upgrades it or leaves it alone; V(checked) proves that a segment arrives.
      - V(judged) only refuses a stanza to which another server writes; it reports and changes nothing.
      - V(upgraded) upgrades the stanza to a server with another system identifier; say so only after C(pg_upgrade).
    type: str
    choices: [ready, judged, checked, upgraded]
    default: ready
  confirm:
    description: The inventory host and the stanza as C(host/stanza); needed for V(upgraded) alone.
    type: str
    default: ""
extends_documentation_fragment:
  - axiomdb.recovery.recovery
  - axiomdb.recovery.recovery.cluster
  - axiomdb.recovery.recovery.writer
  - axiomdb.recovery.recovery.inventory
"""

EXAMPLES = r"""
- name: Create the stanza where it is missing
  axiomdb.recovery.pgbackrest_stanza:
    stanza: axiomdb
    version: "17"
"""

RETURN = r"""
action:
  description: What the stanza needed.
  returned: success
  type: str
  sample: none
archiving:
  description: Whether the running server archives.
  returned: success
  type: bool
  sample: true
standby:
  description: Whether the server is a standby, which writes nothing to a repository.
  returned: success
  type: bool
  sample: false
check_due:
  description: Whether reading alone does not prove that archiving works.
  returned: success
  type: bool
  sample: false
backups_due:
  description: Numbers of the repositories without a usable backup.
  returned: success
  type: list
  elements: int
  sample: []
findings:
  description: What differs from what is declared.
  returned: success
  type: list
  elements: dict
  sample: [{what: stanza axiomdb in repository 1, expected: created, found: (absent)}]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import WRITER_OPTIONS, cluster_of, outcome, run_module, unseen
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import host, provision, repository
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.finding import ABSENT, Finding
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.postgres import Cluster
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.problem import Problem, Refusal, playbook
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.run import pgbackrest, pgbackrest_when_free, require
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.survey import (
    Survey,
    refuse_other_writers,
    refuse_unknown_stanza,
    survey,
    survey_if_running,
)
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.writer import upgrade_command


def act(module: AnsibleModule) -> dict[str, Any]:
    """Look, refuse, then act as the real state demands."""
    wanted = module.params
    cluster = cluster_of(wanted)
    refuse_unconfirmed(wanted)
    only_judge = wanted["state"] == "judged"
    if not module.check_mode and not only_judge:
        refuse_unknown_stanza(wanted["stanza"])
    look = survey_if_running if module.check_mode or only_judge else survey
    seen = look(wanted["stanza"], cluster, wanted["inventory_host"])
    if seen is None:
        refuse_orphaned(wanted["stanza"], cluster, wanted["inventory_host"])
        missing = [] if only_judge else [Finding(f"stanza {wanted['stanza']}", "created", unseen(cluster))]
        return outcome(missing, action=provision.CREATE, archiving=False, standby=False, check_due=True, backups_due=[])
    refuse_other_writers(seen, wanted["takes_over_from"], wanted["state"] == "upgraded", unreadable=not only_judge)
    action = decide(wanted["state"], seen)
    findings = [] if only_judge else describe(wanted["stanza"], action, seen)
    if not module.check_mode and not only_judge:
        write(wanted, action)
    return outcome(
        findings,
        action=action,
        archiving=seen.archiver.uses_pgbackrest,
        standby=seen.standby,
        check_due=provision.check_is_due(seen.server, seen.archiver, seen.evidence),
        backups_due=list(provision.repositories_without_backup(seen.server, seen.repositories)),
    )


def refuse_orphaned(stanza: str, cluster: Cluster, inventory_host: str) -> None:
    """Raise Refusal when a repository of this host holds the stanza of a cluster that is not there: it is to be restored, not made anew."""
    if host.cluster_exists(cluster.version, cluster.name) or not host.pgbackrest_version():
        return
    numbers, rebuild = tuple(repository.configured()), playbook("rebuild", f"-l {inventory_host or 'this host'}")
    for found in repository.look(stanza, numbers) if numbers else ():
        if found.has_stanza:
            raise Refusal(
                Problem(
                    f"backups of {stanza} in repository {found.number}, but no cluster {cluster.version}/{cluster.name}",
                    "the cluster that they belong to; an empty one in its place would hide them",
                    f"to bring it back: {rebuild}; or choose another pgbackrest_stanza",
                )
            )


def refuse_unconfirmed(wanted: dict[str, Any]) -> None:
    """Raise Refusal for an upgrade that does not name this host and this stanza."""
    expected = f"{wanted['inventory_host']}/{wanted['stanza']}"
    if wanted["state"] == "upgraded" and wanted["confirm"] != expected:
        command = upgrade_command(wanted["inventory_host"], wanted["stanza"])
        found = f"stanza_confirm={wanted['confirm']}" if wanted["confirm"] else "no stanza_confirm"
        raise Refusal(Problem(found, f"stanza_confirm={expected}, which says that this server was made by pg_upgrade", command))


def write(wanted: dict[str, Any], action: str) -> None:
    """Create, upgrade or check."""
    if action != provision.NONE:
        require(pgbackrest_when_free(wanted["stanza"], [f"stanza-{action}"]), wanted["stanza"])
    if wanted["state"] == "checked":
        require(pgbackrest(wanted["stanza"], ["check"]), wanted["stanza"])


def decide(state: str, seen: Survey) -> str:
    """A standby and a check change nothing; otherwise the repositories' real state decides."""
    if seen.standby or state == "checked":
        return provision.NONE
    foreign = any(item.current and item.current.system_id != seen.server.system_id for item in seen.repositories)
    if state == "upgraded" and foreign:
        return provision.UPGRADE
    return provision.stanza_action(seen.server, seen.repositories)


def describe(stanza: str, action: str, seen: Survey) -> list[Finding]:
    """One finding for each repository in which the stanza changes."""
    findings = []
    for found in seen.repositories:
        current = found.current
        if action == provision.CREATE and current is None:
            findings.append(Finding(f"stanza {stanza} in repository {found.number}", "created", ABSENT))
        elif action == provision.UPGRADE and current is not None and current.system_id != seen.server.system_id:
            what = f"stanza {stanza} in repository {found.number}"
            findings.append(Finding(what, f"upgraded to PostgreSQL {seen.server.version}", f"PostgreSQL {current.version}"))
    return findings


def main() -> None:
    run_module(
        {
            **WRITER_OPTIONS,
            "state": {"type": "str", "choices": ["ready", "judged", "checked", "upgraded"], "default": "ready"},
            "confirm": {"type": "str", "default": ""},
        },
        act,
    )


if __name__ == "__main__":
    main()
