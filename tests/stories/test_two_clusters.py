# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two clusters with two stanzas on one host, as the example builds them: everything covers both, and each is left alone by the other."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from fleet import info
from lab import ROOT, Host, Lab, Result, Run
from scheduling import TOOL, cron_commands, job_of
from snapshots import SNAPSHOT

pytestmark = pytest.mark.tier("torture")

EXAMPLE = "examples/two_clusters.yml"
STANZAS = ["shop", "wiki"]


@dataclass(frozen=True)
class Pair:
    """Two runs of the example, every job as cron starts it, what the tool says, and a snapshot of the second stanza alone."""

    host: Host
    first: Result
    second: Result
    jobs: dict[str, Run]  # by command
    status: dict[str, Any]
    snapshot: Result
    before: dict[str, list[dict[str, Any]]]
    after: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def pair(sandbox: Lab, system: str) -> Pair:
    """A bare host with the inventory that the example's header shows."""
    header = (ROOT / EXAMPLE).read_text(encoding="utf-8").partition("- name:")[0]
    declared = yaml.safe_load("\n".join(re.findall(r"^#   ((?:pgbackrest_stanzas:|  - ).*)$", header, re.MULTILINE)))
    host = sandbox.up("pair", system, **declared)
    first, second = sandbox.ansible(host, EXAMPLE), sandbox.ansible(host, EXAMPLE)
    jobs = {command: host.run(command, user="postgres", check=False) for command in cron_commands(host)}
    status = json.loads(host.run([TOOL, "status", "--json"], check=False).stdout)
    before = backups(host)
    words = {"pgbackrest_stanza": "wiki", "snapshot_name": "pre-upgrade"}
    return Pair(host, first, second, jobs, status, sandbox.ansible(host, SNAPSHOT, extra_vars=words), before, backups(host))


def backups(host: Host) -> dict[str, list[dict[str, Any]]]:
    """The backups of each stanza."""
    return {stanza["name"]: stanza["backup"] for stanza in info(host)}


def test_both_clusters_are_built_and_backed_up(pair: Pair) -> None:
    clusters = [line.split()[1:4] for line in pair.host.run(["pg_lsclusters", "--no-header"]).stdout.splitlines()]
    assert clusters == [["main", "5432", "online"], ["wiki", "5433", "online"]]
    assert sorted(pair.before) == STANZAS
    summary = pair.first.stdout.partition("SUMMARY *")[2]
    assert [name for name in STANZAS if f"               stanza {name}: 1 backup, newest full" in summary] == STANZAS
    assert pair.first.last_line.startswith("PROTECTED")


def test_the_second_run_changes_nothing(pair: Pair) -> None:
    assert pair.second.changed == 0


def test_there_is_every_job_for_both(pair: Pair) -> None:
    assert {job_of(command) for command in pair.jobs} == {"backupfull", "backuphourly", "verify", "heartbeat"}
    assert len(pair.jobs) == 8
    for command, run in pair.jobs.items():
        stanza = command.partition("--stanza=")[2].split()[0]
        assert (run.rc, run.stdout.split(": ")[:2], run.stdout.count("\n")) == (0, [stanza, "done"], 1), (command, run.output)
    kinds = {name: [backup["type"] for backup in sets] for name, sets in pair.before.items()}
    assert kinds == dict.fromkeys(STANZAS, ["full", "full", "incr"])


def test_status_covers_both(pair: Pair) -> None:
    assert {name: (answer["protected"], answer["troubles"]) for name, answer in pair.status.items()} == dict.fromkeys(STANZAS, (True, {}))


def test_a_snapshot_of_one_leaves_the_other_alone(pair: Pair) -> None:
    assert pair.after["shop"] == pair.before["shop"]
    assert len(pair.after["wiki"]) == len(pair.before["wiki"]) + 1
    assert "axiomdb-snapshot-pre-upgrade" in pair.after["wiki"][-1]["annotation"]
    assert "  snapshot     name:pre-upgrade of " in pair.snapshot.stdout
