# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host in trouble and a webhook that listens: what arrives, in which order, and that nothing arrives twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from converged import SITE, Converged
from lab import Host, Run
from scheduling import TOOL

# The receiver answers 503 as often as the file `refuse` says, and writes down what it takes.
_RECEIVER = """
import http.server, pathlib
home = pathlib.Path('/var/tmp/receiver')
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        left = int((home / 'refuse').read_text())
        (home / 'refuse').write_text(str(max(0, left - 1)))
        if not left:
            with (home / 'taken').open('ab') as stream:
                stream.write(body + b'\\n')
        self.send_response(503 if left else 200)
        self.end_headers()
    def log_message(self, *arguments): pass
http.server.HTTPServer(('127.0.0.1', 8099), Receiver).serve_forever()
"""
# What is remembered becomes an hour older, as if cron had not run for so long.
_AN_HOUR_LATER = """
import json, pathlib
home = pathlib.Path('/var/lib/axiomdb/axiomdb')
for name, path in (('job-heartbeat.json', ('record', 'good')), ('troubles.json', ('counted', 'heartbeat', 'since'))):
    document = json.loads((home / name).read_text())
    inner = document
    for key in path[:-1]: inner = inner[key]
    inner[path[-1]] -= 3600
    (home / name).write_text(json.dumps(document))
"""
SECRET = "/services/T0000/secret-part-of-the-address"
VARIABLES = {
    "recovery_webhook_url": f"http://127.0.0.1:8099{SECRET}",
    "backup_jobs_alert_after_seconds": 0,
}


@dataclass(frozen=True)
class Alerts:
    """What the webhook took after each step, the failed backup, and where the address was found on the host."""

    steps: dict[str, list[str]]
    backup: Run
    on_a_full_disk: Run
    found_in: list[str]
    metrics: dict[str, str]


def play(converged: Converged) -> Alerts:
    """Unreadable repository and back, a webhook that refuses, one that is down, a cron that does not run."""
    host = converged.twin("alerted", **VARIABLES)
    receive(host)
    # The looks are the story's own from here on.
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    converged.lab.ansible(host, SITE)
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    steps: dict[str, list[str]] = {}

    def look(step: str) -> None:
        host.run([TOOL, "heartbeat"])
        host.run(["systemctl", "start", "axiomdb-recovery-watch.service"])
        steps[step] = _of_this_story(host)
        host.run(": > /var/tmp/receiver/taken")

    look("healthy")
    host.run("chmod 000 /var/lib/pgbackrest")
    backup = host.run([TOOL, "backup", "--job=hourly"], check=False)
    look("unreadable")
    metrics = {"unreadable": host.read("/var/lib/axiomdb/metrics/axiomdb_recovery-axiomdb.prom")}
    look("still unreadable")
    host.run("chmod 750 /var/lib/pgbackrest && echo 2 > /var/tmp/receiver/refuse")
    look("over, and refused twice")
    host.run([TOOL, "backup", "--job=hourly"])
    host.run("systemctl stop receiver")
    host.run([TOOL, "heartbeat"])
    host.run([TOOL, "watch"])
    _listen(host)
    look("it was down")
    host.run(["python3", "-c", _AN_HOUR_LATER])
    host.run([TOOL, "watch"])
    steps["cron does not run"] = _of_this_story(host)
    host.run(": > /var/tmp/receiver/taken")
    metrics["healthy"] = host.read("/var/lib/axiomdb/metrics/axiomdb_recovery-axiomdb.prom")
    on_a_full_disk = _fill_the_disk(host, look)
    found = host.run(f"grep -rlF {SECRET} /etc /opt /var/log /var/lib/axiomdb /root /home || true").stdout.split()
    return Alerts(steps, backup, on_a_full_disk, found, metrics)


def _fill_the_disk(host: Host, look: Callable[[str], None]) -> Run:
    """Let what the jobs remember lie on a disk that is full, and then read-only; a backup meanwhile, and one that fails."""
    host.run("mount -t tmpfs -o size=64k,mode=750,uid=$(id -u postgres),gid=$(id -g postgres) full /var/lib/axiomdb/axiomdb")
    host.run("cat /dev/zero > /var/lib/axiomdb/axiomdb/zeros || true")
    backup = host.run([TOOL, "backup", "--job=hourly"], check=False)
    look("full disk")
    host.run("chmod 000 /var/lib/pgbackrest && mount -o remount,ro /var/lib/axiomdb/axiomdb")
    host.run([TOOL, "backup", "--job=hourly"], check=False)
    look("read-only disk and unreadable")
    look("read-only disk and still unreadable")
    host.run("chmod 750 /var/lib/pgbackrest && mount -o remount,rw /var/lib/axiomdb/axiomdb && rm /var/lib/axiomdb/axiomdb/zeros")
    host.run([TOOL, "backup", "--job=hourly"])
    look("over, and the state is on the disk again")
    host.run("umount /var/lib/axiomdb/axiomdb")
    return backup


def receive(host: Host) -> None:
    """Start a webhook on the host that takes everything."""
    host.run("mkdir -p /var/tmp/receiver && echo 0 > /var/tmp/receiver/refuse && : > /var/tmp/receiver/taken")
    host.put("/var/tmp/receiver/serve.py", _RECEIVER)
    _listen(host)


def taken(host: Host) -> list[str]:
    """The messages that it took."""
    return [json.loads(line)["text"] for line in host.read("/var/tmp/receiver/taken").splitlines()]


def _of_this_story(host: Host) -> list[str]:
    """Those that are no chance: whether a segment was due while the repository could not be read, nobody planned."""
    return [text for text in taken(host) if "archiving fails" not in text]


def _listen(host: Host) -> None:
    host.run(["systemd-run", "-q", "--unit=receiver", "--collect", "python3", "/var/tmp/receiver/serve.py"])
    host.run("timeout 20 bash -c 'until echo > /dev/tcp/127.0.0.1/8099; do sleep 0.1; done' 2>/dev/null")
