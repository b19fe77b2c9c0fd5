# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A busy server with three repositories, of which one is cut off, one has no room, and one has lost its mount; and each comes back."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import alerting
from commits import start_load, stop_load
from converged import SITE, Converged, refusals
from elsewhere import LOCAL, MOUNT
from fleet import STANZA
from lab import Host, Run
from scheduling import TOOL
from stores import S3_PORT, Stores

PATIENCE = 300  # seconds until what waits must have arrived
# A store that does not answer takes twenty times this until the other repositories get their segments.
QUICK = {"global:archive-push": {"io-timeout": 1}, "global:backup": {"archive-timeout": 90}}


@dataclass(frozen=True)
class Trouble:
    """What the webhook was told when it began and when it was over, and the backup and the run of site.yml in between."""

    told: list[str]
    over: list[str]
    backup: Run
    site: str = ""


@dataclass(frozen=True)
class Outages:
    """The troubles by name; of the cut: the segment that reached the local repository meanwhile, and those that waited.

    `archived` are the segments in each repository at the end, `written` those that the server closed until then.
    """

    troubles: Mapping[str, Trouble]
    meanwhile: str
    waiting: set[str]
    load_ran: bool
    written: set[str]
    archived: Mapping[int, set[str]]


def play(converged: Converged, stores: Stores, seconds: float, options: Mapping[str, Any], seed: int) -> Outages:
    """Tell the story; the store is away for `seconds`, and until the other repository has got a segment that was closed meanwhile."""
    mounted = {"path": f"{MOUNT}/axiomdb", "mount_point": MOUNT, "cipher_pass": stores.secret("mount")}
    repositories = [LOCAL, stores.s3(f"/outages-{converged.system}"), mounted]
    variables = {"pgbackrest_repositories": repositories, "pgbackrest_options": options}
    host = converged.twin("outages", **{**alerting.VARIABLES, **variables})
    stores.known_to(host)
    mount(host)
    alerting.receive(host)
    converged.lab.ansible(host, SITE)
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    start_load(host, seed)
    look(host)

    rule = f"INPUT -s {host.address} -p tcp --dport {S3_PORT} -j DROP"
    stores.host.run(f"iptables -I {rule}")
    begun, closed_meanwhile = time.monotonic(), close(host)
    told = look(host)
    backup = host.run([TOOL, "backup", "--job=hourly"], check=False)
    until(lambda: closed_meanwhile in local(host) and time.monotonic() - begun >= seconds)
    waiting = set(ready(host))
    stores.host.run(f"iptables -D {rule}")
    load_ran = stop_load(host)
    settle(host)
    host.run([TOOL, "backup", "--job=hourly"])
    troubles = {"cut off": Trouble(told, look(host), backup)}

    host.run(f"dd if=/dev/zero of={MOUNT}/other bs=64k 2>/dev/null", check=False)
    close(host)
    backup = host.run([TOOL, "backup", "--job=hourly"], check=False)
    told = look(host)
    host.run(["rm", f"{MOUNT}/other"])
    settle(host)
    host.run([TOOL, "backup", "--job=hourly"])
    troubles["full"] = Trouble(told, look(host), backup)

    host.run(f"mount --move {MOUNT} {MOUNT}-elsewhere")
    close(host)
    told, backup = look(host), host.run([TOOL, "backup", "--job=hourly"], check=False)
    site = refusals(converged.lab.ansible(host, SITE, expect="failure"))[host.name]
    assert host.run(["ls", "-A", MOUNT]).stdout == "", "nothing is written to the disk below"
    host.run(f"mount --move {MOUNT}-elsewhere {MOUNT}")
    settle(host)
    host.run([TOOL, "backup", "--job=hourly"])
    troubles["unmounted"] = Trouble(told, look(host), backup, site)
    return Outages(troubles, closed_meanwhile, waiting, load_ran, closed(host, 3), {number: segments(host, number) for number in (1, 2, 3)})


def mount(host: Host) -> None:
    """A small filesystem, which can be moved away: only below what is mounted itself and shared with nobody."""
    host.run(f"mkdir -p {MOUNT} {MOUNT}-elsewhere && mount -t tmpfs -o size=400m backup {MOUNT} && mount --make-rprivate /")


def look(host: Host) -> list[str]:
    """One look of the watch; what the webhook was told."""
    host.run([TOOL, "heartbeat"])
    host.run([TOOL, "watch"])
    texts = alerting.taken(host)
    host.run(": > /var/tmp/receiver/taken")
    return texts


def close(host: Host) -> str:
    """Write something and close its segment; the segment's name."""
    name = host.sql("select pg_walfile_name(pg_logical_emit_message(false, 'story', 'closed'))")
    host.sql("select pg_switch_wal()")
    return name


def ready(host: Host) -> list[str]:
    """The segments that wait to be archived."""
    names = host.run("ls /var/lib/postgresql/*/main/pg_wal/archive_status").stdout.split()
    return [name for name in names if name.endswith(".ready")]


def settle(host: Host) -> None:
    """Close one more segment and wait until nothing waits any more."""
    close(host)
    until(lambda: not ready(host))


def until(true: Any) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s"
        time.sleep(0.5)


def local(host: Host) -> set[str]:
    """The segments in the local repository. A file under its final name is complete."""
    files = host.run("find /var/lib/pgbackrest/archive -name '*.zst'").stdout.split()
    return {name for file in files if len(name := file.rpartition("/")[2].partition("-")[0]) == 24}


def segments(host: Host, number: int) -> set[str]:
    """The segments in a repository, as pgBackRest lists them."""
    command = ["pgbackrest", f"--repo={number}", "repo-ls", "--recurse", "--output=json", f"archive/{STANZA}"]
    names = (path.rpartition("/")[2].partition("-") for path in json.loads(host.run(command, user="postgres").stdout))
    return {name for name, dash, rest in names if dash and len(name) == 24}


def closed(host: Host, number: int) -> set[str]:
    """Every segment from the first in a repository that began with this server to the last one that it closed."""
    last = host.sql("select last_archived_wal from pg_stat_archiver")
    first = min(segments(host, number))
    numbers = [int(name[8:16], 16) * 256 + int(name[16:], 16) for name in (first, last[:24])]
    return {f"{first[:8]}{number // 256:08X}{number % 256:08X}" for number in range(numbers[0], numbers[1] + 1)}
