# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs as the host's own cron starts them: both backups in one minute, the heartbeat, and a server that is a standby."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fleet import STANZA, Fleet, info
from lab import Host, Result

TOOL = "/opt/axiomdb/axiomdb-recovery"
SECOND = {"path": "/var/lib/pgbackrest2", "cipher_pass": "{{ sandbox_cipher_pass }}2", "retention_full_days": 2}
REPOSITORIES = [{"cipher_pass": "{{ sandbox_cipher_pass }}"}, SECOND]
JOBS = "axiomdb.recovery.backup_jobs"
# How a held lock stands in a log; the digits alone are in labels and times too.
LOCK_HELD = re.compile(r"\[050\]|\b050:|with 050\b|unable to acquire lock")
PROMISED = 180  # seconds after the minute in which cron starts both
_STANDBY = "touch {data}/standby.signal && chown postgres: {data}/standby.signal && systemctl restart postgresql@{version}-main"


@dataclass(frozen=True)
class Collision:
    """Two jobs that cron started in the same minute: what the operations log says of them, and the backups since."""

    job_entries: list[dict[str, Any]]
    new: set[tuple[int, str]]
    log: str
    seconds: float


@dataclass(frozen=True)
class Skipped:
    """Each job on a standby: exit code and answer; the backups before and after."""

    answers: Mapping[str, tuple[int, str]]
    before: set[tuple[int, str]]
    after: set[tuple[int, str]]


def backups(host: Host) -> set[tuple[int, str]]:
    """Repository and label of every backup."""
    return {(backup["database"]["repo-key"], backup["label"]) for stanza in info(host) for backup in stanza["backup"]}


def operations(host: Host) -> list[dict[str, Any]]:
    """The operations log."""
    return [json.loads(line) for line in host.read("/var/log/axiomdb/operations.jsonl").splitlines()]


def second_repository(fleet: Fleet) -> Result:
    """Give every host a second repository, with a first backup in it."""
    return fleet.site(pgbackrest_repositories=REPOSITORIES)


def collide(fleet: Fleet) -> dict[str, Collision]:
    """Let the full and the hourly backup be due in the same coming minute, and wait until both have ended."""
    minute = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=3)
    both = f"{minute.minute} {minute.hour} * * *"
    before = fleet.each(backups)
    variables = {"backup_jobs_full_schedule": both, "backup_jobs_hourly_schedule": both}
    jobs: dict[str, Any] = {"name": "Schedule both", "hosts": "all", "gather_facts": False, "become": True, "roles": [JOBS]}
    result = fleet.play([jobs], pgbackrest_repositories=REPOSITORIES, **variables)
    assert result.rc == 0, result.output
    assert datetime.now(UTC) < minute, "the run took longer than the time that was left"
    return fleet.each(lambda host: _wait_for_both(host, minute.timestamp(), before[host.system]))


def _wait_for_both(host: Host, due: float, before: set[tuple[int, str]]) -> Collision:
    entries: list[dict[str, Any]] = []
    while time.time() < due + PROMISED:
        entries = [entry for entry in operations(host) if entry["operation"] in ("full", "hourly")] if _has_log(host) else []
        if len(entries) >= 2:
            break
        time.sleep(1)
    return Collision(entries, backups(host) - before, host.read("/var/log/axiomdb/backup.log"), time.time() - due)


def _has_log(host: Host) -> bool:
    return host.exists("/var/log/axiomdb/operations.jsonl")


def heartbeats(host: Host) -> list[dict[str, Any]]:
    """The heartbeats that the host remembers."""
    return [json.loads(line) for line in host.read(f"/var/lib/axiomdb/{STANZA}/heartbeats.jsonl").splitlines()]


def cron_commands(host: Host) -> list[str]:
    """What cron starts as postgres, without where its output goes."""
    lines = [line for line in host.read("/etc/cron.d/pgbackrest").splitlines() if TOOL in line]
    return [line.partition(" postgres ")[2].partition(" >")[0] for line in lines]


def job_of(command: str) -> str:
    """The tool's command and the job in it, such as `backupfull`."""
    return command.split()[1] + command.partition("--job=")[2].partition(" ")[0]


def skip_on_a_standby(host: Host) -> Skipped:
    """Make the server a standby, and run each job as cron would."""
    fields = host.run(["pg_lsclusters", "--no-header"]).stdout.split()
    before = backups(host)
    host.run(_STANDBY.format(data=fields[5], version=fields[0]))
    host.run("timeout 60 bash -c 'until su postgres -c \"psql -qAt -c select\" >/dev/null 2>&1; do sleep 0.2; done'")
    runs = {job_of(command): host.run(command, user="postgres", check=False) for command in cron_commands(host)}
    return Skipped({name: (run.rc, run.stdout) for name, run in runs.items()}, before, backups(host))
