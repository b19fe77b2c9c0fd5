# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recoveries that lose what carries them: the playbook, pgBackRest, the server, or the host at any moment; and what becomes of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fleet import STANZA
from killing import NAME, OLD, TARGET, amiss, reboot, served, watched
from lab import Host, Lab, Run
from restores import consent
from scheduling import TOOL

PLAYBOOK = "playbooks/restore.yml"
VICTIMS = {"pgbackrest": ["pgbackrest.*(restore|archive|backup)"], "server": ["bin/postgres -D"]}
OPEN, ACCEPTED, RETURNED = "open", "accepted", "returned"
# With pipelining a module is a Python that reads its program from its standard input.
MODULE = r"AnsiballZ_pgbackrest_restore|^[^ ]*python3[0-9.]*$"
BEHIND_THE_PROOF = ("serve", "settle")


@dataclass(frozen=True)
class Aftermath:
    """Where the recovery stood after the kill, whether it was on its way back already, and the rows that clients got then; what one
    more command said, the rows after it, and what is amiss around them."""

    state: str
    phase: str
    goes_back: bool
    served: str
    after: Run | None
    rows: str
    amiss: str

    @property
    def lost(self) -> str:
        """What is wrong; empty when nothing was lost and nothing unproven served."""
        allowed = {ACCEPTED: (TARGET,), RETURNED: (OLD,), OPEN: ("", OLD) if self.phase in ("save", "quiet") else ("",)}
        if self.phase in BEHIND_THE_PROOF:
            allowed[OPEN] = ("", TARGET)
        if self.served not in allowed[self.state]:
            return f"{self.served!r} was served while the recovery was {self.state} in {self.phase!r}"
        if self.rows not in (OLD, TARGET):
            return f"{self.rows!r} at the end: {self.after.output if self.after else ''}"
        return self.amiss

    @property
    def ended_well(self) -> bool:
        """Whether that command did what it was typed for, or went on with the way back and said that this was no restore."""
        went_back = self.goes_back and self.rows == OLD
        return self.after is None or self.after.rc == 0 or (went_back and self.after.rc == 1)


def lose(host: Host, phase: str, victim: str) -> None:
    """Begin a recovery, and kill these processes of it from the moment when the phase is next; it ends by itself."""
    watched(host, consent(host, NAME), phase, victims=VICTIMS[victim])


def lose_playbook(lab: Lab, host: Host, phase: str, phases: Mapping[str, bool]) -> None:
    """The same by playbook; the controller is gone when the phase is next."""
    command = consent(host, NAME)
    words = {"restore_target": NAME, "restore_reason": "a story", "restore_confirm": f"{host.name}/{STANZA}"}
    words["restore_plan"] = command[-1].partition("=")[2]
    since = float(host.run(["date", "+%s.%N"]).stdout)
    thread = threading.Thread(target=lambda: lab.ansible(host, PLAYBOOK, extra_vars=words, expect="either"))
    thread.start()
    names = list(phases)
    while thread.is_alive():
        seen = journal(host)
        if seen.get("began", 0) > since and (not seen["phase"] or names.index(seen["phase"]) >= names.index(phase)):
            _kill_playbooks(str(lab.directory))
            break
        time.sleep(0.1)
    thread.join()
    while host.run(["pgrep", "-f", MODULE], check=False).rc == 0:  # what runs on the host ends its phase
        time.sleep(0.2)


def _kill_playbooks(directory: str) -> None:
    found = subprocess.run(["pgrep", "-f", f"ansible-playbook.*{re.escape(directory)}"], capture_output=True, text=True, check=False)
    for pid in found.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def duration(host: Host) -> float:
    """How many seconds a recovery takes on this host, now; it is taken back."""
    command, begun = consent(host, NAME), time.monotonic()
    host.run(command)
    seconds = time.monotonic() - begun
    clear(host)
    return seconds


def lose_power(host: Host, seconds: float) -> None:
    """Begin a recovery, and cut the host's power so many seconds later."""
    command = consent(host, NAME)
    host.run(["systemd-run", "--quiet", "--collect", *command])
    time.sleep(seconds)
    reboot(host)
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")


def journal(host: Host) -> dict[str, Any]:
    """The newest recovery as it stands written; empty when there is none."""
    found = host.run(f"cat /var/lib/axiomdb/{STANZA}/restore.json", check=False).stdout
    document: dict[str, Any] = json.loads(found) if found else {}
    return document


def follow(host: Host, since: float, *, on: bool) -> Aftermath:
    """Look at what is left, type one more command where the recovery is open, and make the host as it was before."""
    seen = journal(host)
    mine = seen and seen["began"] > since
    state, phase = (seen["outcome"] or OPEN, seen["phase"]) if mine else (RETURNED, "")
    rows, sure, after = served(host), f"--confirm={host.name}/{STANZA}", None
    if state == OPEN:
        after = host.run([TOOL, "restore", NAME, sure] if on else [TOOL, "rollback", sure], check=False)
    found = Aftermath(state, phase, bool(mine and seen["goes_back"]), rows, after, served(host), amiss(host))
    clear(host)
    return found


def clear(host: Host) -> None:
    """Let the old rows serve, and keep nothing besides; what a story that failed has left open is taken back first."""
    sure = f"--confirm={host.name}/{STANZA}"
    if journal(host).get("outcome") == "":
        host.run([TOOL, "rollback", sure], check=False)
    if served(host) == TARGET:
        host.run([TOOL, "rollback", "--reason", "the story goes on", sure])
    kept = host.run([TOOL, "rollback", "--list"]).stdout
    for name in dict.fromkeys(re.findall(r"recovery     (\S+) of", kept)):
        host.run([TOOL, "rollback", f"--release={name}", sure])
