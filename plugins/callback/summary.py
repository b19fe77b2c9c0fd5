# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The edge between Ansible's events and the pure function of ``plugin_utils/_summary``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
type: aggregate
short_description: End a run with what can be recovered on each host
version_added: 0.1.0
author: the axiomdb.recovery authors (@axiomdb)
description:
  - After the recap it prints the lines that M(axiomdb.recovery.pgbackrest_info) returned as RV(ignore:summary),
    host by host, so that the last line of the run says V(PROTECTED) or V(NOT PROTECTED).
  - The newest summary of each stanza counts. A host that is not protected is printed after those that are,
    and a host on which the run failed comes last, as V(NOT KNOWN).
  - A result with V("verdict":false), such as that of M(axiomdb.recovery.recovery_checklist), or with V("summary_is_verdict":false), such
    as that of M(axiomdb.recovery.pgbackrest_verify), is printed before the verdict of its host.
  - A result with V("passed":false), such as that of M(axiomdb.recovery.recovery_drill), has the last word of its host, also where its own
    task fails the run for it, or a later one whose message repeats all of its RV(ignore:problems). Where something else fails behind it,
    such as the writing of its report, or the host cannot be reached any more, the host is V(NOT KNOWN) all the same.
  - A run in which no host returned a summary prints nothing.
requirements:
  - Enable it with C(callbacks_enabled = axiomdb.recovery.summary) in the V([defaults]) section of ansible.cfg.
options:
  summary_enabled:
    description: Whether the summary is printed.
    type: bool
    default: true
    env:
      - name: AXIOMDB_SUMMARY
    ini:
      - section: callback_summary
        key: enabled
"""

EXAMPLES = r"""
# ansible.cfg
# [defaults]
# callbacks_enabled = axiomdb.recovery.drift, axiomdb.recovery.summary
"""

from collections.abc import Mapping
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.axiomdb.recovery.plugins.plugin_utils._summary import closing_lines, ended_early, is_told


class CallbackModule(CallbackBase):
    """Keep the newest summary of each stanza until the run ends."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "axiomdb.recovery.summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._summaries: dict[str, dict[str, list[str]]] = {}
        self._told: dict[str, dict[str, list[str]]] = {}
        self._failed: dict[str, dict[str, list[str]]] = {}
        self._problems: dict[str, list[list[str]]] = {}
        self._ends: dict[str, list[bool]] = {}

    def v2_runner_on_ok(self, result: Any) -> None:
        """Keep the summary of a result, or those of its loop items."""
        items = result.result.get("results") if result.task.loop else None
        for one in items if isinstance(items, list) else [result.result]:
            if isinstance(one, Mapping):
                self._keep(result.host.get_name(), one)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Keep the summary of a task that failed for what did not pass, and whether that is all for which it failed."""
        host, found = result.host.get_name(), result.result if isinstance(result.result, Mapping) else {}
        if found.get("passed") is False:
            self._keep(host, found)
        if not ignore_errors:
            self._ends.setdefault(host, []).append(is_told(found, self._problems.get(host, [])))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print what was kept."""
        if not self.get_option("summary_enabled"):
            return
        counts = {host: (stats.failures.get(host, 0), stats.dark.get(host, 0)) for host in stats.processed}
        lost = [host for host, (failures, dark) in counts.items() if ended_early(failures, dark, self._ends.get(host, []))]
        kinds = (self._summaries, self._told, self._failed)
        kept, told, failed = ({host: list(one.values()) for host, one in all_of.items()} for all_of in kinds)
        lines = closing_lines(kept, lost, told, failed)
        if lines:
            self._display.banner("SUMMARY")
            self._display.display("\n".join(lines))

    def _keep(self, host: str, result: Mapping[str, Any]) -> None:
        lines = result.get("summary")
        if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
            return
        arguments = (result.get("invocation") or {}).get("module_args") or {}
        stanza = str(result.get("stanza") or arguments.get("stanza") or "")
        beside = any(result.get(key) is False for key in ("verdict", "summary_is_verdict"))
        kept = self._told if beside else self._summaries
        kept = self._failed if result.get("passed") is False else kept
        kept.setdefault(host, {})[stanza] = lines
        if kept is self._failed:
            self._problems.setdefault(host, []).append([str(one) for one in result.get("problems") or ()])
