# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A crowd of jobs on a busy server, started as cron and people do, all at once and in any order; and eyes on every process."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from alerting import SECRET, receive, taken
from commits import start_load, stop_load
from converged import SITE, Converged
from lab import Host
from scheduling import REPOSITORIES, TOOL, backups, operations
from snapshots import SNAPSHOT
from watch import Watch, files_with, forms, watch

JOBS = ("full", "hourly", "verify")  # those that write a line into the operations log
# Starts each command when its turn comes, four at once at most, and goes on with the last ones until the time is over.
_CROWD = """
import json, subprocess, sys, time
order = json.load(sys.stdin)
began, running, codes = time.monotonic(), [], []
def start(user, command):
    while sum(one.poll() is None for one in running) >= 4: time.sleep(0.05)
    quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}
    running.append(subprocess.Popen(['runuser', '-u', user, '--', 'sh', '-c', command], **quiet))
for delay, user, command in order['starts']:
    time.sleep(delay)
    start(user, command)
while time.monotonic() - began < order['seconds']:
    for command in order['filling']: start('postgres', command)
    time.sleep(2)
print(json.dumps([one.wait() for one in running]))
"""
# A log that nobody has begun yet is not rotated.
_ROTATE = "until test -s /var/log/axiomdb/backup.log; do sleep 0.1; done; logrotate --force /etc/logrotate.d/axiomdb"


@dataclass(frozen=True)
class Crowd:
    """What was started, how it ended, and everything that was left behind."""

    host: Host
    started: Mapping[str, int]
    codes: list[int]
    entries: list[dict[str, Any]]
    new: set[tuple[int, str]]
    logs: Mapping[str, str]
    alerts: str
    messages: list[str]
    metrics: str
    journal: str
    busy: bool
    seconds: float
    seen: Watch
    secrets: list[str]
    found_in: list[str]


def crowd(converged: Converged, name: str, rng: random.Random, jobs: Mapping[str, int], snapshots: int, seconds: int, seed: int) -> Crowd:
    """Two repositories, a load, so many runs of each job in any order, and snapshots meanwhile; for so many seconds at least.

    A trouble is told at once here: one that lasts a moment is a false alarm too. In the middle the logs are rotated.
    """
    secret = {"recovery_webhook_url": f"http://127.0.0.1:8099{SECRET}"}
    host = converged.twin(name, pgbackrest_repositories=REPOSITORIES, backup_jobs_alert_after_seconds=0, **secret)
    receive(host)
    host.run([TOOL, "heartbeat"])  # the image was nobody's host for a while: the heartbeat is overdue where it wakes up
    converged.lab.ansible(host, SITE)
    start_load(host, seed, seconds=10800)
    before, lines = backups(host), len(_operations(host))
    commands = _commands(host)
    names = [name for name, count in jobs.items() for _run in range(count)]
    rng.shuffle(names)
    starts = [(rng.uniform(0, 1.5), "postgres", commands[name]) for name in names]
    starts.insert(len(starts) // 2, (0.0, "root", _ROTATE))
    order = {"starts": starts, "seconds": seconds, "filling": [commands["heartbeat"], commands["watch"]]}
    secrets = [form for secret in (converged.secret("cipher-pass"), SECRET) for form in forms(secret)]
    began = time.monotonic()
    with watch(secrets, host, pause=0.005) as seen, ThreadPoolExecutor(1) as other:
        named = other.submit(_take_snapshots, converged, host, snapshots)
        codes = json.loads(host.run(["python3", "-c", _CROWD], stdin=json.dumps(order)).stdout)
        named.result()
    took = time.monotonic() - began
    busy = stop_load(host)
    logs = {
        path: host.read(path)
        for path in host.run("ls /var/log/axiomdb/*.log /var/log/axiomdb/*.log.1 /var/log/pgbackrest/*.log").stdout.split()
    }
    started = Counter(names) + Counter({"snapshot": snapshots})
    return Crowd(
        host,
        started,
        codes,
        _operations(host)[lines:],
        backups(host) - before,
        logs,
        logs.get("/var/log/axiomdb/alerts.log", ""),
        taken(host),
        host.read("/var/lib/axiomdb/metrics/axiomdb_recovery-axiomdb.prom"),
        host.run(["journalctl", "--no-pager", "--all"]).stdout,
        busy,
        took,
        seen,
        secrets,
        files_with(secrets, host),
    )


def _operations(host: Host) -> list[dict[str, Any]]:
    return operations(host) if host.exists("/var/log/axiomdb/operations.jsonl") else []


def _commands(host: Host) -> dict[str, str]:
    """Each job's command as cron starts it, and the watch."""
    lines = [line.partition(" postgres ")[2] for line in host.read("/etc/cron.d/pgbackrest").splitlines() if TOOL in line]
    found = {line.partition("--job=")[2].partition(" ")[0] or line.split()[1]: line for line in lines}
    return {**found, "watch": f"{TOOL} watch"}


def _take_snapshots(converged: Converged, host: Host, count: int) -> None:
    for number in range(count):
        converged.lab.ansible(host, SNAPSHOT, extra_vars={"snapshot_name": f"crowded-{number}"})


def labels(entries: Sequence[Mapping[str, Any]]) -> set[tuple[int, str]]:
    """Repository and label of every backup of which the operations log says that it was taken."""
    made = [backup for entry in entries for backup in entry.get("backups", [])]
    return {(backup["repository"], backup["label"]) for backup in made}
