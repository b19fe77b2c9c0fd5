# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The edge between Ansible's events and the pure functions of ``plugin_utils/_drift``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drift
type: aggregate
short_description: Print what differs on the hosts, after a check run
version_added: 0.1.0
author: the axiomdb.recovery authors (@axiomdb)
description:
  - After a run with C(--check --diff) it prints one numbered list of findings, grouped by host.
    Each one says what it is about, what was expected and what was found.
  - Modules of this collection return their findings themselves. For every other task, each changed result
    or loop item is one finding, told from its diff or its queries.
  - Handlers are left out, since they only follow a change that is in the list already.
    So are V(add_host) and V(group_by), which change no host.
  - A result with V("drift_is_listed":false), such as the plan of a recovery or of a drill, tells what would be done, and is no drift.
    A run that has one says "no drift" of what else it has read, and that the plan is no audit.
  - A run that did not read every host to its end is called incomplete, never free of drift.
  - Nothing is printed by a run that is not a check run.
requirements:
  - Enable it with C(callbacks_enabled = axiomdb.recovery.drift) in the V([defaults]) section of ansible.cfg.
options:
  output_file:
    description:
      - Write the findings to this file too, as one JSON document.
      - The file is written with V("complete":false) when the run begins, so an old one is never taken for a new one.
    type: path
    env:
      - name: AXIOMDB_DRIFT_FILE
    ini:
      - section: callback_drift
        key: output_file
"""

EXAMPLES = r"""
# What differs on vps1?
# ansible-playbook -i inventories/single_vps playbooks/site.yml --check --diff -l vps1

# The same list for a program:
# AXIOMDB_DRIFT_FILE=drift.json ansible-playbook -i inventories/single_vps playbooks/site.yml --check --diff

# ansible.cfg
# [defaults]
# callbacks_enabled = axiomdb.recovery.drift, axiomdb.recovery.summary
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.axiomdb.recovery.plugins.plugin_utils._drift import (
    Audit,
    HostResult,
    as_json,
    as_lines,
    findings_of,
    is_listed,
)

_CHANGES_NO_HOST = frozenset({"add_host", "group_by"})


class CallbackModule(CallbackBase):
    """Collect the changes that a check run announces."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "axiomdb.recovery.drift"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._audit = Audit()
        self._checking = False
        self._begun = False
        self._plays: dict[str, str] = {}
        self._handlers: set[str] = set()

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Note the plays to come: one that never starts makes the audit incomplete."""
        self._plays.update({play._uuid: play.get_name() for play in playbook.get_plays()})

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Read whether this play is a check."""
        self._plays.pop(play._uuid, None)
        self._checking = bool(play.check_mode)
        if self._checking and not self._begun:
            self._begun = True
            self._write()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Note a handler: its change follows one that is a finding already."""
        self._handlers.add(task._uuid)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Take the findings of a finished task."""
        self._take(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Take the findings of those loop items that did not fail."""
        self._take(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print the list, and write it to the file if one was asked for."""
        if not self._begun:
            return
        self._audit.missed_plays = list(self._plays.values())
        for host in stats.processed:
            count = stats.summarize(host)
            self._audit.hosts[host] = HostResult(
                ok=count["ok"],
                changed=count["changed"],
                skipped=count["skipped"],
                failed=count["failures"],
                unreachable=count["unreachable"],
            )
        self._display.banner("DRIFT")
        self._display.display("\n".join(as_lines(self._audit)))
        self._write()

    def _take(self, result: Any) -> None:
        action = str(result.task.action).rpartition(".")[2]
        if not self._checking or result.task._uuid in self._handlers or action in _CHANGES_NO_HOST:
            return
        name = _task_name(result)
        self._audit.foretold |= not is_listed(result.result)
        self._audit.findings += findings_of(result.host.get_name(), name, result.result, looped=bool(result.task.loop))

    def _write(self) -> None:
        """Replace the JSON file as a whole. A callback cannot end the run, so a failure is shown as an error."""
        path = self.get_option("output_file")
        if not path:
            return
        target = Path(path)
        try:
            handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(as_json(self._audit))
            Path(temporary).replace(target)
        except OSError as error:
            self._display.error(f"The findings could not be written to {path}: {error.strerror}. Name another file.")


def _task_name(result: Any) -> str:
    """Return the task's name without its role's, on every release of ansible-core."""
    name = str(result.task_name)
    role = result.task._role
    for prefix in (role.get_name(), role.get_name(include_role_fqcn=False)) if role else ():
        name = name.removeprefix(f"{prefix} : ")
    return name
