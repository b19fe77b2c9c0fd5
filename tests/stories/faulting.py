# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Repositories that are damaged one way after the other and put back, what is said and told of each, and a host that is well and busy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from alerting import VARIABLES, receive, taken
from converged import DATA, archive_now
from fleet import STANZA, info
from intruding import Intruder
from lab import Host, Run
from scheduling import REPOSITORIES, TOOL

FIRST, SECOND = "/var/lib/pgbackrest", "/var/lib/pgbackrest2"
OUT = f"/var/spool/pgbackrest/archive/{STANZA}/out"
METRICS = f"/var/lib/axiomdb/metrics/axiomdb_recovery-{STANZA}.prom"
FEW, MANY = 10, 100
FLIP = "import sys; p = sys.argv[1]; b = bytearray(open(p, 'rb').read()); b[len(b) // 2] ^= 255; open(p, 'r+b').write(b)"
# What goes on while a host is judged: segments are closed, backups are taken by hand, and each full one expires an older.
_BUSY = f"""
until test -e /tmp/quiet; do
  psql -X -q -c "select pg_logical_emit_message(true, 'story', repeat('busy', 100000)); select pg_switch_wal()" >/dev/null
  sleep 0.5
done &
until test -e /tmp/quiet; do
  for run in "1 full" "2 full" "1 incr" "2 incr"; do
    set -- $run
    pgbackrest --stanza={STANZA} --repo=$1 --type=$2 --repo$1-retention-full=2 --repo$1-retention-full-type=count \\
      --log-level-console=error backup
  done
done
wait
"""


@dataclass(frozen=True)
class Found:
    """What `verify` and `status` said of one fault, what the webhook took then, and the metrics."""

    verify: Run
    status: Run
    document: dict[str, Any]
    told: str
    metrics: str

    @property
    def topics(self) -> list[str]:
        """What the verdict accuses, without names."""
        return sorted({" ".join(fault["topic"].split()[:2]) for fault in self.document.get("faults", [])})

    @property
    def codes(self) -> dict[int, int]:
        """The exit codes of pgbackrest verify itself, by repository."""
        return {one["repository"]: one["code"] for one in self.document.get("repositories", [])}


@dataclass
class Faults:
    """A host's story: verdicts while it is busy, and the answer to each fault. `names` are the segments that were removed."""

    healthy: list[Run] = field(default_factory=list)
    backups: int = 0
    found: dict[str, Found] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def declared() -> dict[str, Any]:
    """What a host of this story declares."""
    return {"pgbackrest_repositories": REPOSITORIES, **VARIABLES}


def play(host: Host, checks: int = FEW) -> Faults:
    """Judge a host that is well so often, and then each fault by itself."""
    story = Faults()
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    receive(host)
    host.sql("alter system set archive_timeout = '1h'")
    host.sql("select pg_reload_conf()")
    _be_busy(host, story, checks)
    segments = _prepare(host)
    _damage(host, story, segments)
    _lock_out(host, story)
    _stop_archiving(host, story)
    _come_back(host, story)
    _lose_history(host, story)
    _settle(host, story)
    return story


def _be_busy(host: Host, story: Faults, checks: int) -> None:
    before = {one["label"] for stanza in info(host) for one in stanza["backup"]}
    with ThreadPoolExecutor() as pool:
        work = pool.submit(host.run, _BUSY, user="postgres", check=False)
        try:
            story.healthy = [host.run([TOOL, "verify"], check=False) for _check in range(checks)]
        finally:
            host.run("touch /tmp/quiet")
        work.result()
    story.backups = len({one["label"] for stanza in info(host) for one in stanza["backup"]} - before)


def _prepare(host: Host) -> dict[str, str]:
    """Segments before the first set, two sets with segments between and behind them; the names of those that will be missing."""
    archive_now(host)
    early = archive_now(host)
    archive_now(host)
    old = [one["label"] for stanza in info(host) for one in stanza["backup"] if one["database"]["repo-key"] == 1 and one["type"] == "full"]
    host.run([TOOL, "backup", "--type=full"])
    for label in old:
        host.run(["pgbackrest", f"--stanza={STANZA}", "--repo=1", f"--set={label}", "expire"], user="postgres")
    archive_now(host)
    middle = archive_now(host)
    archive_now(host)
    host.run([TOOL, "backup", "--type=incr"])
    backups = [one for stanza in info(host) for one in stanza["backup"] if one["database"]["repo-key"] == 1]
    archive_now(host)
    archive_now(host)
    return {"early": early, "middle": middle, "needed": backups[-1]["archive"]["start"], "full": backups[0]["label"]}


def _damage(host: Host, story: Faults, names: dict[str, str]) -> None:
    """Files of the first repository, one way after the other."""
    story.names = names
    backup, archive = f"{FIRST}/backup/{STANZA}", f"{FIRST}/archive/{STANZA}"
    damages = {
        "well": "true",
        "early": f"rm $(find {archive} -name '{names['early']}-*')",
        "middle": f"rm $(find {archive} -name '{names['middle']}-*')",
        "needed": f"rm $(find {archive} -name '{names['needed']}-*')",
        "bundle": f'python3 -c "{FLIP}" $(find {backup}/{names["full"]}/bundle -type f | sort | head -n 1)',
        "wal": f'python3 -c "{FLIP}" $(find {archive} -name "{names["middle"]}-*")',
        "manifest": f'for file in {backup}/{names["full"]}/backup.manifest*; do python3 -c "{FLIP}" $file; done',
        "info": f"rm {backup}/backup.info*",
        "unreadable": f"chmod 000 {FIRST}",
    }
    for name, damage in damages.items():
        with _kept(host, FIRST):
            host.run(damage)
            story.found[name] = judge(host)


@contextmanager
def _kept(host: Host, *paths: str) -> Iterator[None]:
    """Put directories back afterwards, and let the watch see that it is over."""
    for path in paths:
        host.run(f"mkdir -p /root/kept && cp -a --parents {path} /root/kept")
    try:
        yield
    finally:
        for path in paths:
            host.run(f"rm -rf {path} && cp -a /root/kept{path} {path}")
        host.run("rm -rf /root/kept")
        _look(host)


def _lock_out(host: Host, story: Faults) -> None:
    """A wrong passphrase, and a limit that a healthy host does not keep."""
    with _kept(host, "/etc/pgbackrest"):
        host.run("sed -i 's/^repo1-cipher-pass=.*/repo1-cipher-pass=another-passphrase-that-opens-nothing/' /etc/pgbackrest/conf.d/*.conf")
        story.found["passphrase"] = judge(host)
    with _kept(host, "/etc/axiomdb"):
        host.run('sed -i \'s/"backup_max_age_seconds": [0-9]*/"backup_max_age_seconds": 0/\' /etc/axiomdb/recovery.json')
        story.found["old"] = judge(host)


def _stop_archiving(host: Host, story: Faults) -> None:
    """Neither repository takes a segment; then the server is stopped too."""
    leaf = f"$(find {FIRST}/archive/{STANZA} {SECOND}/archive/{STANZA} -mindepth 2 -maxdepth 2 -type d)"
    host.run(f"chmod 550 {leaf}")
    _refused(host)
    story.found["archiving"] = judge(host)
    host.run("systemctl stop 'postgresql@*'")
    story.found["stopped"] = judge(host)
    host.run(f"chmod 750 {leaf}; systemctl start postgresql")
    host.run("timeout 60 bash -c 'until su postgres -c \"psql -qAt -c select\" >/dev/null 2>&1; do sleep 0.2; done'")
    archive_now(host)
    _look(host)


def _come_back(host: Host, story: Faults) -> None:
    """A server with the same data archives into the same stanza: on this server's timeline, and on the one that this server has left."""
    intruder = Intruder.of(host)
    with _kept(host, FIRST, SECOND):
        intruder.archive()
        story.found["another"] = judge(host)
    intruder.promote_the_other()
    with _kept(host, FIRST, SECOND):
        intruder.archive()
        story.found["returned"] = judge(host)
    intruder.remove()


def _lose_history(host: Host, story: Faults) -> None:
    """The first repository has WAL of the second timeline, but not its history file, until what the verdict says is typed."""
    with _kept(host, FIRST):
        host.run(f"rm {FIRST}/archive/{STANZA}/*/00000002.history")
        story.found["history"] = found = judge(host)
        for fault in found.document["faults"]:
            host.run(fault["command"])
        story.found["history, and then pushed"] = judge(host)


def _settle(host: Host, story: Faults) -> None:
    """What leaves a hole for good: the second repository takes nothing, and then the queue is full and all of it is dropped."""
    leaf = f"$(find {SECOND}/archive/{STANZA} -mindepth 2 -maxdepth 2 -type d)"
    host.run(f"chmod 550 {leaf}")
    for _segment in range(2):
        _switch(host)
    _refused(host)
    story.found["behind"] = judge(host)
    host.run("printf '\\n[global:archive-push]\\narchive-push-queue-max=16MB\\n' > /etc/pgbackrest/conf.d/99-queue.conf")
    last = _switch(host)
    host.run(f"timeout 90 bash -c 'until test -e {DATA}/pg_wal/archive_status/{last}.done; do sleep 0.1; done'")
    host.run(f"rm /etc/pgbackrest/conf.d/99-queue.conf; chmod 750 {leaf}")
    story.found["dropped"] = judge(host)
    archive_now(host)
    story.found["dropped, and then archived"] = judge(host)


def _switch(host: Host) -> str:
    name = host.sql("select pg_walfile_name(pg_logical_emit_message(false, 'story', 'x'))")
    host.sql("select pg_switch_wal()")
    return name


def _refused(host: Host) -> None:
    """Close a segment, and wait until it was refused."""
    _switch(host)
    host.run(f"timeout 60 bash -c 'until ls {OUT}/*.error; do sleep 0.1; done'")


def judge(host: Host) -> Found:
    """Ask the tool for a verdict, and then for the status; then let the watch look."""
    verify = host.run([TOOL, "verify", "--json"], check=False)
    status = host.run([TOOL, "status"], check=False)
    told = _look(host)
    return Found(verify, status, json.loads(verify.stdout)[STANZA], told, host.read(METRICS))


def _look(host: Host) -> str:
    """One look of the watch; what the webhook took of it."""
    host.run([TOOL, "heartbeat"], check=False)
    host.run(["systemctl", "start", "axiomdb-recovery-watch.service"])
    told = "\n".join(taken(host))
    host.run(": > /var/tmp/receiver/taken")
    return told
