#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A PostgreSQL cluster on its own unit."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_cluster
short_description: Creates a cluster where none is, and starts it on its own unit
version_added: 0.1.0
description:
  - Creates the cluster with Debian's C(pg_createcluster). An existing cluster is never changed, stopped or created anew.
  - A directory that already holds data is refused, because a cluster would silently be put on top of it.
options:
  state:
    description:
      - V(present) creates the cluster; V(started) starts an existing one on C(postgresql@VERSION-NAME.service).
      - V(configured) creates its configuration and an empty data directory, for data that is to be restored there. Nothing is started.
    type: str
    choices: [present, configured, started]
    default: present
  data_directory:
    description: Where a new cluster's data goes.
    type: path
    required: true
  locale:
    description: Locale of a new cluster.
    type: str
    default: C.UTF-8
  encoding:
    description: Encoding of a new cluster.
    type: str
    default: UTF8
  data_checksums:
    description: Whether a new cluster has data checksums.
    type: bool
    default: true
extends_documentation_fragment:
  - axiomdb.recovery.recovery
  - axiomdb.recovery.recovery.cluster
  - axiomdb.recovery.recovery.inventory
"""

EXAMPLES = r"""
- name: Start the cluster
  axiomdb.recovery.postgresql_cluster:
    version: "17"
    data_directory: /var/lib/postgresql/17/main
    state: started
"""

RETURN = r"""
findings:
  description: What differs from what is declared, one item for each single thing.
  returned: success
  type: list
  elements: dict
  sample: [{what: cluster 17/main, expected: present, found: (absent)}]
created:
  description: Whether this run created the cluster; false in check mode.
  returned: success
  type: bool
  sample: false
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import (
    CLUSTER_OPTIONS,
    INVENTORY_OPTIONS,
    cluster_of,
    outcome,
    run_module,
)
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import aside_within, host, postgres, problem, without_data
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.finding import ABSENT, Finding
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.problem import Problem, Refusal
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.run import require, run

NO_CHECKSUMS_FLAG_SINCE = 18


def act(module: AnsibleModule) -> dict[str, Any]:
    """Create if absent, start if wanted and down."""
    wanted = module.params
    cluster = cluster_of(wanted)
    findings: list[Finding] = []
    exists = host.cluster_exists(cluster.version, cluster.name)
    if not exists and wanted["state"] != "started":
        refuse_existing_data(wanted["data_directory"], lets_be=("lost+found",) if wanted["state"] == "configured" else ())
        findings.append(Finding(f"cluster {cluster.version}/{cluster.name} in {wanted['data_directory']}", wanted["state"], ABSENT))
        if not module.check_mode and wanted["state"] == "present":
            require(run(creation(cluster, wanted)))
    if wanted["state"] == "configured" and not module.check_mode:
        without_data.configure(cluster, wanted["data_directory"], creation(cluster, wanted))
    if wanted["state"] == "started" and exists:
        if not host.postmaster(cluster.data_directory):
            postgres.refuse_open_recovery(cluster)
        refuse_no_data(cluster, wanted["data_directory"], wanted["inventory_host"])
    if wanted["state"] == "started" and not (exists and host.postmaster(cluster.data_directory)):
        findings.append(Finding(f"unit {cluster.unit}", "running", "stopped"))
        if not module.check_mode:
            postgres.systemctl("start", cluster)
            postgres.wait_until_ready(cluster)
    return outcome(findings, created=bool(findings) and wanted["state"] == "present" and not module.check_mode)


def creation(cluster: postgres.Cluster, wanted: dict[str, Any]) -> list[str]:
    """The command line of pg_createcluster."""
    argv = ["pg_createcluster", cluster.version, cluster.name, "--datadir", wanted["data_directory"], "--port", str(cluster.port)]
    argv += ["--locale", wanted["locale"], "--encoding", wanted["encoding"], "--start-conf", "auto"]
    if wanted["data_checksums"]:
        return [*argv, "--", "--data-checksums"]
    return [*argv, "--", "--no-data-checksums"] if int(cluster.version) >= NO_CHECKSUMS_FLAG_SINCE else argv


def refuse_existing_data(directory: str, lets_be: tuple[str, ...] = ()) -> None:
    """Raise Refusal when there is anything but what may be there in the directory of a cluster that is yet to be created."""
    if os.path.isdir(directory) and set(os.listdir(directory)) - set(lets_be):
        raise Refusal(
            Problem(
                f"files in {directory}, but no cluster in /etc/postgresql that uses them",
                "an empty or absent directory for a new cluster",
                f"ls -la {directory}; put back the cluster's configuration, or choose another postgresql_data_directory",
            )
        )


def refuse_no_data(cluster: postgres.Cluster, directory: str, inventory_host: str) -> None:
    """Raise Refusal for a cluster whose data is still to be restored."""
    rebuild = problem.playbook("rebuild", f"-l {inventory_host or 'this host'}")
    if os.path.isdir(directory) and not aside_within.content(directory):
        raise Refusal(
            Problem(
                f"nothing in {directory}, the data directory of {cluster.version}/{cluster.name}",
                "its data: an empty cluster in its place would hide the backups of the one that is lost",
                f"to bring it back: {rebuild}",
            )
        )


def main() -> None:
    run_module(
        {
            **CLUSTER_OPTIONS,
            **INVENTORY_OPTIONS,
            "state": {"type": "str", "choices": ["present", "configured", "started"], "default": "present"},
            "data_directory": {"type": "path", "required": True},
            "locale": {"type": "str", "default": "C.UTF-8"},
            "encoding": {"type": "str", "default": "UTF8"},
            "data_checksums": {"type": "bool", "default": True},
        },
        act,
    )


if __name__ == "__main__":
    main()
