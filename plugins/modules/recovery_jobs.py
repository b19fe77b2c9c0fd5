#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scheduled jobs of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_jobs
short_description: Schedules backups, verification, heartbeat and watch, and installs the tool that does them
version_added: 0.1.0
description:
  - Writes C(/opt/axiomdb/axiomdb-recovery), the engine of this collection as one file that needs only Python's standard library.
  - Writes its settings, C(/etc/cron.d/pgbackrest) as the one schedule, a systemd timer that watches, and the rotation of the logs.
  - A schedule that somebody else wrote is kept beside as C(.replaced), which cron does not run.
options:
  stanzas:
    description: Stanzas of this host and their clusters.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the stanza.
        type: str
        required: true
      version:
        description: Major version of its cluster; empty for the one that the system's packages have.
        type: str
        default: ""
      cluster:
        description: Name of its cluster in Debian's tools.
        type: str
        default: main
      port:
        description: Port of its cluster.
        type: int
        default: 5432
  schedules:
    description: The five time fields of cron for each job; a job without them is not scheduled.
    type: dict
    required: true
    suboptions:
      full:
        description: Full backup.
        type: str
      hourly:
        description: Small backup, of the kind O(hourly_type).
        type: str
      verify:
        description: Verification of every repository.
        type: str
      heartbeat:
        description: One commit without a table, which makes the newest recoverable moment known.
        type: str
  hourly_type:
    description: Kind of the hourly backup.
    type: str
    choices: [incr, diff]
    default: incr
  overdue_seconds:
    description:
      - How long ago each job may have run last without failure, in seconds, before it is called overdue.
      - For a job that is not named, the longest gap of its schedule and as long again, but two hours more at most.
    type: dict
    default: {}
  backup_max_age_seconds:
    description: How old the newest backup of a repository may be.
    type: int
    default: 90000
  window_days:
    description: How many days back each repository must be able to recover; 0 demands nothing.
    type: int
    default: 0
  drill_interval_days:
    description: How long ago a drill may have passed last, in days, before somebody is told; 0 asks for no drills.
    type: int
    default: 92
  alert_after_seconds:
    description: How long a trouble must last before somebody is told.
    type: int
    default: 60
  pause_max_seconds:
    description: How long jobs may be paused before somebody is told.
    type: int
    default: 86400
  webhook_url:
    description: Address of a Slack-compatible webhook; empty for none. It is written to a file that only root and postgres read.
    type: str
    default: ""
  metrics_file:
    description: Where the metrics for node_exporter's textfile collector go; the stanza's name is added. Empty for none.
    type: str
    default: /var/lib/axiomdb/metrics/axiomdb_recovery.prom
  exporter_address:
    description:
      - Where Debian's prometheus-pgbackrest-exporter listens, as host:port; empty for no exporter.
      - Refused on a system that has no package of it. What has been running without being declared is stopped.
    type: str
    default: ""
  inventory_host:
    description: The name of this host in the inventory, for messages.
    type: str
    default: ""
  judge_only:
    description: Only refuse what cannot be written; report and change nothing.
    type: bool
    default: false
extends_documentation_fragment:
  - axiomdb.recovery.recovery
"""

EXAMPLES = r"""
- name: Schedule backups and verification
  axiomdb.recovery.recovery_jobs:
    stanzas:
      - name: axiomdb
    schedules:
      full: 0 2 * * *
      hourly: 0 * * * *
      verify: 0 4 * * *
      heartbeat: "* * * * *"
"""

RETURN = r"""
missing:
  description: Packages that the jobs need and that are not installed.
  returned: success
  type: list
  elements: str
  sample: [cron]
missing_exporter:
  description: The exporter's package when it is declared and not installed. It comes after its settings, which this module writes.
  returned: success
  type: list
  elements: str
  sample: [prometheus-pgbackrest-exporter]
findings:
  description: What differs from what is declared.
  returned: success
  type: list
  elements: dict
  sample: [{what: unit cron.service, expected: running, found: stopped}]
"""

import socket
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import cluster_of, outcome, run_module, this_system
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import cli, packages, schedule, systems, tool_archive, tool_files
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.jobs import Settings, Stanza
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.problem import Refusal

PACKAGES = ("cron", "logrotate")
JOBS = ("full", "hourly", "verify", "heartbeat")
# The tool is built from what this module ships; naming its front door here ships all of it.
TOOL = cli.main


def act(module: AnsibleModule) -> dict[str, Any]:
    """Plan, and outside check mode apply the plan."""
    wanted = module.params
    exporter = wanted["exporter_address"]
    problem = systems.exporter_problem(this_system()) if exporter else None
    if problem:
        raise Refusal(problem)
    planned = tool_files.plan(settings_of(wanted), wanted["webhook_url"], tool_archive.build(), exporter)
    missing = {"missing": packages.missing(PACKAGES), "missing_exporter": packages.missing([systems.EXPORTER]) if exporter else []}
    if wanted["judge_only"]:
        return outcome([], **missing)
    if not module.check_mode:
        tool_files.apply(planned)
    return outcome(list(planned.findings), list(planned.diff), **missing)


def settings_of(wanted: dict[str, Any]) -> Settings:
    """What is declared, as the tool reads it."""
    schedules = {job: wanted["schedules"][job] for job in JOBS if wanted["schedules"].get(job)}
    return Settings(
        wanted["inventory_host"] or socket.gethostname(),
        tuple(stanza_of(item) for item in wanted["stanzas"]),
        schedules,
        wanted["hourly_type"],
        schedule.overdue_limits(schedules, wanted["overdue_seconds"]),
        wanted["backup_max_age_seconds"],
        wanted["alert_after_seconds"],
        wanted["pause_max_seconds"],
        wanted["metrics_file"],
        wanted["window_days"],
        wanted["drill_interval_days"],
    )


def stanza_of(item: dict[str, Any]) -> Stanza:
    """A declared stanza with the version that its cluster has."""
    cluster = cluster_of(item)
    return Stanza(item["name"], cluster.version, cluster.name, cluster.port)


def main() -> None:
    stanza_options = {
        "name": {"type": "str", "required": True},
        "version": {"type": "str", "default": ""},
        "cluster": {"type": "str", "default": "main"},
        "port": {"type": "int", "default": 5432},
    }
    run_module(
        {
            "stanzas": {"type": "list", "elements": "dict", "required": True, "options": stanza_options},
            "schedules": {"type": "dict", "required": True, "options": {job: {"type": "str"} for job in JOBS}},
            "hourly_type": {"type": "str", "choices": ["incr", "diff"], "default": "incr"},
            "overdue_seconds": {"type": "dict", "default": {}},
            "backup_max_age_seconds": {"type": "int", "default": 90000},
            "window_days": {"type": "int", "default": 0},
            "drill_interval_days": {"type": "int", "default": 92},
            "alert_after_seconds": {"type": "int", "default": 60},
            "pause_max_seconds": {"type": "int", "default": 86400},
            "webhook_url": {"type": "str", "default": "", "no_log": True},
            "metrics_file": {"type": "str", "default": "/var/lib/axiomdb/metrics/axiomdb_recovery.prom"},
            "exporter_address": {"type": "str", "default": ""},
            "inventory_host": {"type": "str", "default": ""},
            "judge_only": {"type": "bool", "default": False},
        },
        act,
    )


if __name__ == "__main__":
    main()
