#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery rehearsed for real beside the live server, proven and measured."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_drill
short_description: Rehearses a recovery for real beside the live server, and fails for what it could not prove
version_added: 0.1.0
description:
  - Restores a set into a copy, recovers it to the target, and climbs a ladder of proofs. The repository is verified and its WAL is
    continuous, the copy is restored, started, at its target, it has the canary, answers O(checks), opens for writing, its catalogue is
    read, C(pg_amcheck) and C(pg_dump) find nothing, and every page has its checksum. Failures are told all at once.
  - Measures the phases by one chain of time stamps, the RTO, the RPO, bytes and rates. The RPO is measured by the newer of the end of the
    set and the heartbeat that was recovered (without one, the newest commit). A missed objective is a failure and names the phase.
  - The live server is not touched, and the copy is removed, unless O(keep) is true. The report stays below C(/var/lib/axiomdb), the next
    plan takes its expected duration from it, and the set is annotated with its proof where this host is the one that writes it.
  - Works on a spare host too, which has the configuration of pgBackRest and PostgreSQL's packages, but no cluster.
  - With O(kind=site) it rehearses M(axiomdb.recovery.pgbackrest_rebuild) on an empty host, up to the new timeline and no further. Nothing
    is written into a repository, not even the proof as an annotation, and the host is left without data and configuration, as it was.
  - In check mode it returns the plan of the drill.
  - What was mistyped is refused before anything is made, and is not kept as a drill that failed. That is a target that cannot be read, lies
    before the first set or in the future, or is a name that nobody gave; a set, repository or database that is not there; what is
    no name of a library. What another repository knows than O(repository) was not mistyped, and fails the drill. So does a library or
    a program of PostgreSQL that this host does not have.
options:
  state:
    description:
      - V(absent) removes the copy that a drill with O(keep) has left.
      - V(begun) is for O(kind=site) alone, before the host is provisioned. A host that has data is refused, and what there is is noted.
      - V(swept) removes what a drill of a lost site has left that did not get to its end.
    type: str
    choices: [drilled, absent, begun, swept]
    default: drilled
  kind:
    description:
      - V(copy) restores beside a live server.
      - V(site) brings the cluster back in its own place, on a host without data that was provisioned after O(state=begun).
    type: str
    choices: [copy, site]
    default: copy
  unprovisioned:
    description: With O(kind=site), why the host could not be provisioned; the drill has failed for it.
    type: str
    default: ""
  declared:
    description: With O(kind=site), the databases that are declared. A repository that has none of them is a foreign one.
    type: list
    elements: str
    default: []
  data_directory:
    description: With O(kind=site), the wanted data directory; empty for Debian's usual one.
    type: str
    default: ""
  mounts:
    description: With O(kind=site), whether the filesystems that the lost host had for its data must be there.
    type: str
    choices: [required, ignored]
    default: required
  reindex:
    description: With O(kind=site), whether indexes are made anew where this system sorts text by another version.
    type: bool
    default: false
  stanza:
    description: Name of the stanza.
    type: str
    required: true
  target:
    description: V(newest), V(oldest), V(random), or a target as M(axiomdb.recovery.pgbackrest_plan) takes it.
    type: raw
    default: newest
  set:
    description: The backup set from which it is restored; the plan chooses by default.
    type: str
    default: ""
  repository:
    description: The repository from which it is restored; with 0 the plan chooses.
    type: int
    default: 0
  seed:
    description: What a random target is chosen by; the day by default.
    type: str
    default: ""
  scenario:
    description: Whose objectives count; C(site) with O(kind=site), C(database) where O(databases) names some, else C(point_in_time).
    type: str
    default: ""
  databases:
    description: Restore these databases alone.
    type: list
    elements: str
    default: []
  objectives:
    description: What a scenario may take. Those that are not named have the runbook's upper ends.
    type: list
    elements: dict
    default: []
    suboptions:
      scenario:
        description: C(database), C(point_in_time), C(site), C(region), or one of your own.
        type: str
        required: true
      rto_seconds:
        description: How long a recovery may take.
        type: float
      rpo_seconds:
        description: How old the newest heartbeat may be that is recovered.
        type: float
      phases:
        description: How long single phases may take, in seconds by their names.
        type: dict
        default: {}
  amcheck:
    description: With V(full), each row is looked for in its indexes too.
    type: str
    choices: [full, quick, none]
    default: full
  dump:
    description: Whether every database is dumped, to nowhere.
    type: bool
    default: true
  keep:
    description: Leave the copy on 127.0.0.1:15432, for the source's roles with their passwords.
    type: bool
    default: false
  directory:
    description: An empty directory of postgres's for the copy; one below C(/var/lib/axiomdb) by default.
    type: str
    default: ""
  memory_mib:
    description: How much memory the drill may have.
    type: int
    default: 512
  preload_libraries:
    description:
      - What the copy's server has in its shared_preload_libraries. Extensions such as TimescaleDB answer, and are dumped, only with theirs.
      - Their workers run in the copy too. One that acts on what is outside of its server, such as pg_cron, is not to be named.
      - Not with O(kind=site), which has the cluster's own settings.
    type: list
    elements: str
    default: []
  notes:
    description: For the report.
    type: list
    elements: str
    default: []
  reports_dir:
    description: Where the caller puts RV(files), for the last line of RV(summary).
    type: str
    default: ""
  require_passed:
    description: Whether the module fails when the drill did.
    type: bool
    default: true
extends_documentation_fragment:
  - axiomdb.recovery.recovery
  - axiomdb.recovery.recovery.cluster
  - axiomdb.recovery.recovery.checks
  - axiomdb.recovery.recovery.inventory
"""

EXAMPLES = r"""
- name: Drill the newest backup with all of its WAL
  axiomdb.recovery.recovery_drill:
    stanza: axiomdb

- name: Drill a moment of the window within ten minutes, and keep the copy
  axiomdb.recovery.recovery_drill:
    stanza: axiomdb
    target: random
    seed: 2026-q4
    objectives:
      - {scenario: point_in_time, rto_seconds: 600}
    checks:
      - {name: there are orders, database: axiomdb, sql: select count(*) > 0 from orders, expected: t}
    keep: true
"""

RETURN = r"""
passed:
  description: Whether everything was proven and the objectives were met; true where nothing was drilled.
  returned: always
  type: bool
  sample: true
problems:
  description: One sentence for each thing that was not.
  returned: always
  type: list
  elements: str
  sample: ["checks answered as expected: Found '499' for the check orders; expected '500'. Next: correct the check"]
drift_is_listed:
  description: Always false; what a drill does, or would do, is no drift of the host.
  returned: always
  type: bool
  sample: false
summary:
  description: The drill or its plan for a person, line by line.
  returned: always
  type: list
  elements: str
  sample: ["DRILL PASSED: vps1/axiomdb: a recovery takes 41.2 s; the report is drill-axiomdb-20261126T035308Z"]
report:
  description: The report as a document; empty where nothing was drilled.
  returned: always
  type: dict
  sample: {"name": "drill-axiomdb-20261126T035308Z", "passed": true, "rto_seconds": 41.2, "rpo_seconds": 32.0}
files:
  description: The report, its page in Markdown and JUnit XML by the names of their files; empty where nothing was drilled.
  returned: always
  type: dict
  sample: {"drill-axiomdb-20261126T035308Z.md": "# Drill of vps1/axiomdb"}
told:
  description: What was done, step by step.
  returned: always
  type: list
  elements: str
  sample: ["restore: begins"]
"""

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
    confine,
    drill,
    drill_keep,
    drill_report,
    drill_reports,
    drill_run,
    drill_site,
    in_child,
    plan,
    state,
)
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import target as grammar
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.drill import Order
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.drill_objective import OBJECTIVES, Objective
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.drill_site import Site
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.inventory import command_prefix
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.jobs import Stanza
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.rebuild_run import Wish
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.restoring import checks_of
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.scratch import MIB


def act(module: AnsibleModule) -> dict[str, Any]:
    """Drill, foretell a drill, or remove a copy."""
    wanted = module.params
    cluster = cluster_of(wanted)
    stanza = Stanza(wanted["stanza"], cluster.version, cluster.name, cluster.port)
    if wanted["state"] == "absent":
        return _absent(module, stanza)
    order, now = order_of(wanted), time.time()
    if wanted["kind"] == drill.SITE or wanted["state"] != "drilled":
        return _site(module, order, stanza)
    if module.check_mode:
        target, seed, chosen = drill_run.foretell(order, stanza, now)
        return _result(summary=[*plan.lines(chosen.plan), *drill.foretold(order, target, seed), "Nothing was done."])
    confine.join_scope("drill", order.memory)
    state.path(stanza.name, drill_reports.directory(stanza.name).name)
    host, told = wanted["inventory_host"] or drill_reports.own_name(), []
    found = in_child.as_postgres(lambda tell: drill_run.carry_out(order, stanza, host, now, tell), told.append)
    return _drilled(module, stanza, found, now, told)


def _drilled(module: AnsibleModule, stanza: Stanza, found: dict[str, Any], now: float, told: list[str]) -> dict[str, Any]:
    files = drill_reports.files(found, drill_reports.known(stanza.name), now)
    lines = drill_report.lines(found, module.params["reports_dir"])
    result = _result(True, found["passed"], found["problems"], lines, found, files, told)
    if module.params["require_passed"] and not found["passed"]:
        module.fail_json(msg=f"DRILL FAILED: {' | '.join(found['problems'])}", **result)
    return result


def _site(module: AnsibleModule, order: Order, stanza: Stanza) -> dict[str, Any]:
    """A drill of a lost site: begin it, carry it out, or remove what is left of it."""
    wanted, told = module.params, []
    host = wanted["inventory_host"] or drill_reports.own_name()
    if wanted["state"] == "swept":
        gone = [] if module.check_mode else drill_site.remove(stanza.name, even_kept=False)
        return _result(bool(gone), summary=[f"  removed      {place}" for place in gone])
    wish = Wish(directory=wanted["data_directory"], databases=tuple(wanted["declared"]), mounts=wanted["mounts"] == "required")
    if module.check_mode:
        drill_site.refuse(order, stanza, host, wish)
        return _result(summary=[*drill.foretold(order, order.target, ""), "Nothing was done."] if wanted["state"] == "drilled" else [])
    if wanted["state"] == "begun":
        gone = drill_site.begin(order, stanza, host, wish)
        return _result(True, summary=[f"  removed      {place}, which an earlier drill has left" for place in gone])
    again = f"{command_prefix(wanted['inventory_sources'])} playbooks/drill.yml -l {host} -e drill_kind=site"
    site = Site(wish, wanted["reindex"], again=again)
    found = drill_site.carry_out(order, stanza, host, site, wanted["unprovisioned"], told.append)
    return _drilled(module, stanza, found, found["began"], told)


def _absent(module: AnsibleModule, stanza: Stanza) -> dict[str, Any]:
    found = drill_keep.kept(stanza.name)
    places = drill_site.left(stanza.name) if module.check_mode else drill_site.remove(stanza.name, even_kept=True)
    if found and not module.check_mode:
        in_child.as_postgres(lambda _tell: [entry.name for entry in drill_keep.remove(stanza.name)], str)
    lines = [f"  removed      the copy {entry.name} in {entry.directory}" for entry in found]
    lines += [f"  removed      the rehearsed site in {place}" for place in places]
    return _result(bool(lines), summary=lines or ["  removed      nothing: no drill has left a copy"])


def _result(
    changed: bool = False,
    passed: bool = True,
    problems: list[str] | None = None,
    summary: list[str] | None = None,
    report: dict[str, Any] | None = None,
    files: dict[str, str] | None = None,
    told: list[str] | None = None,
) -> dict[str, Any]:
    more = {"summary": summary or [], "report": report or {}, "files": files or {}, "told": told or []}
    return {"changed": changed, "passed": passed, "problems": problems or [], "drift_is_listed": False, **more}


def order_of(wanted: dict[str, Any]) -> Order:
    """What was asked for, as the engine knows it. Raises Refusal."""
    given = wanted["target"]
    text = str(grammar.parse(given)) if isinstance(given, dict) else str(given)
    declared = {
        one["scenario"]: Objective(one["scenario"], one["rto_seconds"], one["rpo_seconds"], _phases(one)) for one in wanted["objectives"]
    }
    known = {one.scenario: one for one in OBJECTIVES}
    return Order(
        text,
        wanted["set"],
        wanted["repository"],
        wanted["seed"],
        wanted["scenario"],
        tuple(wanted["databases"]),
        checks_of(wanted["checks"]),
        tuple({**known, **declared}.values()),
        wanted["amcheck"],
        wanted["dump"],
        wanted["keep"],
        wanted["directory"],
        wanted["memory_mib"] * MIB,
        tuple(wanted["notes"]),
        wanted["kind"],
        tuple(wanted["preload_libraries"]),
    )


def _phases(one: dict[str, Any]) -> dict[str, float]:
    return {name: float(seconds) for name, seconds in one["phases"].items()}


def main() -> None:
    objective = {
        "scenario": {"type": "str", "required": True},
        "rto_seconds": {"type": "float"},
        "rpo_seconds": {"type": "float"},
        "phases": {"type": "dict", "default": {}},
    }
    run_module(
        {
            **CLUSTER_OPTIONS,
            **CHECKS_OPTION,
            **INVENTORY_OPTIONS,
            "state": {"type": "str", "choices": ["drilled", "absent", "begun", "swept"], "default": "drilled"},
            "kind": {"type": "str", "choices": list(drill.KINDS), "default": drill.COPY},
            "unprovisioned": {"type": "str", "default": ""},
            "declared": {"type": "list", "elements": "str", "default": []},
            "data_directory": {"type": "str", "default": ""},
            "mounts": {"type": "str", "choices": ["required", "ignored"], "default": "required"},
            "reindex": {"type": "bool", "default": False},
            "stanza": {"type": "str", "required": True},
            "target": {"type": "raw", "default": drill.NEWEST},
            "set": {"type": "str", "default": ""},
            "repository": {"type": "int", "default": 0},
            "seed": {"type": "str", "default": ""},
            "scenario": {"type": "str", "default": ""},
            "databases": {"type": "list", "elements": "str", "default": []},
            "objectives": {"type": "list", "elements": "dict", "options": objective, "default": []},
            "amcheck": {"type": "str", "choices": list(drill.AMCHECKS), "default": drill.FULL},
            "dump": {"type": "bool", "default": True},
            "keep": {"type": "bool", "default": False},
            "directory": {"type": "str", "default": ""},
            "memory_mib": {"type": "int", "default": 512},
            "preload_libraries": {"type": "list", "elements": "str", "default": []},
            "notes": {"type": "list", "elements": "str", "default": []},
            "reports_dir": {"type": "str", "default": ""},
            "require_passed": {"type": "bool", "default": True},
        },
        act,
    )


if __name__ == "__main__":
    main()
