# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rebuild that is killed as each of its phases begins."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from _recovery import restoring
from fleet import DATABASE, STANZA
from lab import Host, Lab, Result
from rebuilding import REBUILD, sure

PHASES = ("quiet", "restore", "recover", "prove", "promote", "release", "serve", "settle")
JOURNAL = f"/var/lib/axiomdb/{STANZA}/restore.json"
# Kills whatever carries the rebuild out, once, as soon as a phase is the next one or over; ends by itself when that never comes.
# With pipelining a module is a Python that reads its program from its standard input.
_KILL = """
import json, os, signal, sys, time
phases, phase, journal = sys.argv[1].split(), sys.argv[2], sys.argv[3]
deadline = time.monotonic() + 600
def words(pid):
    try:
        return open(f'/proc/{pid}/cmdline', 'rb').read().split(b'\\0')[:-1]
    except OSError:
        return []
def is_victim(line):
    reads = len(line) == 1 and line[0].endswith(b'python3')
    restores = bool(line) and line[0].endswith(b'pgbackrest') and any(word.startswith(b'restore') for word in line)
    return reads or restores or any(b'AnsiballZ_' in word for word in line)
while time.monotonic() < deadline:
    try:
        found = json.load(open(journal))['phase']
    except (OSError, ValueError):
        found = ''
    if found in phases and phases.index(found) >= phases.index(phase):
        for pid in filter(str.isdigit, os.listdir('/proc')):
            if int(pid) != os.getpid() and is_victim(words(pid)):
                os.kill(int(pid), signal.SIGKILL)
        break
    time.sleep(0.002)
"""


@dataclass
class Killed:
    """What the journal said after each kill, the rows that were served meanwhile, and the run that ended it."""

    host: Host
    phases: dict[str, str] = field(default_factory=dict)
    served: dict[str, bool] = field(default_factory=dict)
    last: Result | None = None


def phase_of(host: Host) -> tuple[str, str]:
    """The phase that comes next, and how the rebuild ended."""
    found = json.loads(host.read(JOURNAL))
    return str(found["phase"]), str(found["outcome"])


def serves(host: Host) -> bool:
    """Whether a client gets in."""
    return host.run(["psql", "-X", "-qAt", "-d", DATABASE, "-c", "select 1"], user="postgres", check=False).rc == 0


def step(host: Host, **words: Any) -> list[dict[str, Any]]:
    """A play with the module alone: what a rebuild does once everything is installed."""
    module = {"stanza": STANZA, "inventory_host": host.name, "confirm": f"{host.name}/{STANZA}", **words}
    return [{"hosts": "all", "gather_facts": False, "tasks": [{"name": "Go on", "axiomdb.recovery.pgbackrest_rebuild": module}]}]


def kill_each(lab: Lab, host: Host, lost: str) -> Killed:
    """Begin by printing the plan; then kill each phase as it begins, and type the same again."""
    told = Killed(host)
    lab.ansible(host, REBUILD, extra_vars={"rebuild_lost_host": lost})
    for phase in PHASES:
        host.run(
            [
                "systemd-run",
                "-q",
                "--collect",
                f"--unit=story-kill-{phase}",
                "python3",
                "-c",
                _KILL,
                " ".join(restoring.PHASES),
                phase,
                JOURNAL,
            ]
        )
        lab.ansible(host, step(host, lost_host=lost), expect="failure")
        told.phases[phase] = phase_of(host)[0]
        told.served[phase] = serves(host)
    told.last = lab.ansible(host, REBUILD, extra_vars=sure(host, rebuild_lost_host=lost), expect="either")
    return told
