#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What exists on this host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_host_info
short_description: Answers what exists on a host before anything is done there
version_added: 0.1.0
description:
  - Tells the system, the packages that are missing, the cluster and the versions, in one round trip.
  - Fails with every problem at once on a system that is not supported or that lacks the wanted PostgreSQL version.
options:
  components:
    description: What is to be installed; decides which packages are looked for.
    type: list
    elements: str
    choices: [postgresql, pgbackrest]
    default: []
  version:
    description: The wanted major version of PostgreSQL; empty for the one that the system's packages have.
    type: str
    default: ""
  cluster:
    description: The cluster's name in Debian's tools.
    type: str
    default: main
  data_directory:
    description: The wanted data directory; empty for Debian's usual one. Another one than an existing cluster has is refused.
    type: str
    default: ""
  locale:
    description: The locale that a new cluster needs.
    type: str
    default: C.UTF-8
  owners:
    description: Owners of databases, by database. One that is not among O(roles), and that the server does not have, is refused.
    type: dict
    default: {}
  roles:
    description: Roles that will be made.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - axiomdb.recovery.recovery.info
"""

EXAMPLES = r"""
- name: Ask what exists
  axiomdb.recovery.recovery_host_info:
    components: [postgresql, pgbackrest]
  register: host
"""

RETURN = r"""
system:
  description: The supported system, and PostgreSQL's version in its packages.
  returned: success
  type: dict
  sample: {codename: trixie, title: Debian 13, postgresql: "17", pgbackrest: 2.55.1, pgbouncer: 1.24.1}
packages:
  description: C(missing) packages, and whether apt can install them without fetching its lists first (C(installable)).
  returned: success
  type: dict
  sample: {wanted: [pgbackrest], missing: []}
cluster:
  description:
    - Whether the cluster C(exists) and C(running); version, name, port, data directory.
    - C(newborn) says that its server archives nothing, that nobody is connected to it, and that nobody has made anything in it.
  returned: success
  type: dict
  sample: {exists: true, running: true, newborn: false, version: "17", name: main, port: 5432, data_directory: /var/lib/postgresql/17/main}
locale_available:
  description: Whether the host has the wanted locale.
  returned: success
  type: bool
  sample: true
cores:
  description: Processor cores that this host may use.
  returned: success
  type: int
  sample: 2
"""

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import run_module, this_system
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import host, newborn, ownership, sql, systems
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.problem import Problem, Refusal


def act(module: AnsibleModule) -> dict[str, Any]:
    """Gather, judge, answer."""
    wanted = module.params
    system = this_system()
    problems = [problem for problem in (systems.version_problem(system, wanted["version"]),) if problem]
    cluster = describe_cluster(wanted["version"] or system.postgresql, wanted["cluster"])
    if cluster["exists"] and wanted["data_directory"] not in ("", cluster["data_directory"]):
        problems.append(other_directory(cluster, wanted["data_directory"]))
    problems += owner_problems(cluster, wanted)
    if problems:
        raise Refusal(*problems)
    packages = systems.packages_for(wanted["components"], system, wanted["locale"])
    installed = host.installed_packages(packages)
    missing = [name for name in packages if name not in installed]
    usual = f"/var/lib/postgresql/{cluster['version']}/{cluster['name']}"
    cluster["data_directory"] = cluster["data_directory"] or wanted["data_directory"] or usual
    return {
        "changed": False,
        "system": asdict(system),
        "cores": host.cores(),
        "packages": {"wanted": list(packages), "missing": missing},
        "cluster": cluster,
        "locale_available": host.has_locale(wanted["locale"], host.locales()),
    }


def owner_problems(cluster: dict[str, Any], wanted: dict[str, Any]) -> list[Problem]:
    """Owners that nobody makes. What a server has that does not run is not known: it will say so itself."""
    if not ownership.undeclared(wanted["owners"], wanted["roles"]) or (cluster["exists"] and not cluster["running"]):
        return []
    existing = sql.ask(cluster["port"], "select json_agg(rolname) from pg_roles") if cluster["running"] else []
    return ownership.judge_owners(wanted["owners"], wanted["roles"], existing)


def describe_cluster(version: str, name: str) -> dict[str, Any]:
    """What Debian's configuration and the postmaster's own file say."""
    exists = host.cluster_exists(version, name)
    directory = host.data_directory(version, name) if exists else ""
    server = host.postmaster(directory) if exists else None
    return {
        "exists": exists,
        "running": server is not None,
        "newborn": server is not None and newborn.look(server[1]),
        "version": version,
        "name": name,
        "port": server[1] if server else None,
        "data_directory": directory,
    }


def other_directory(cluster: dict[str, Any], wanted: str) -> Problem:
    return Problem(
        f"the cluster {cluster['version']}/{cluster['name']} in {cluster['data_directory']}",
        f"it in {wanted}, as postgresql_data_directory says",
        "correct postgresql_data_directory; data is never moved by a run",
    )


def main() -> None:
    run_module(
        {
            "components": {"type": "list", "elements": "str", "choices": ["postgresql", "pgbackrest"], "default": []},
            "version": {"type": "str", "default": ""},
            "cluster": {"type": "str", "default": "main"},
            "data_directory": {"type": "str", "default": ""},
            "locale": {"type": "str", "default": "C.UTF-8"},
            "owners": {"type": "dict", "default": {}},
            "roles": {"type": "list", "elements": "str", "default": []},
        },
        act,
    )


if __name__ == "__main__":
    main()
