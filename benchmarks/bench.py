# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the measurements share: a row of the table, and the hosts of one run. Standard library only."""

from __future__ import annotations

import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Actions that ask nothing of a host, so they cost no round trip.
LOCAL = {"add_host", "assert", "debug", "fail", "group_by", "import_role", "import_tasks", "include_role", "include_tasks",
         "include_vars", "meta", "pause", "set_fact", "set_stats", "validate_argument_spec"}  # fmt: skip


@dataclass
class Row:
    """One line of the table: ours, beside the bare command, and the budget of their ratio. `unit` is that of both.

    Without a bare command the budget is one of ours itself; without a budget the line is told alone.
    """

    what: str
    budget: float | None
    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """Median of ours by the median of the bare command."""
        return statistics.median(self.ours) / (statistics.median(self.bare) if self.bare else 1)

    @property
    def failed(self) -> bool:
        """Whether it is above twice its budget."""
        return self.budget is not None and self.ratio > 2 * self.budget

    def line(self) -> str:
        """Return the line of the table."""
        verdict = "" if self.budget is None else "ABOVE TWICE" if self.failed else "above" if self.ratio > self.budget else "ok"
        bare = f"{statistics.median(self.bare):.1f} {self.unit}" if self.bare else "-"
        budget = "-" if self.budget is None else f"{self.budget:.2f}"
        return (
            f"{self.what:<44}{statistics.median(self.ours):>8.1f} {self.unit:<3}{bare:>9}{self.ratio:>8.2f}{budget:>8}  {verdict}".rstrip()
        )


class Bench:
    """Hosts of one run, removed at its end; also after its death, by the next call of sandbox/host sweep."""

    def __init__(self, system: str, directory: Path) -> None:
        self.system = system
        self.directory = directory
        self.hosts: list[str] = []
        self.log = (ROOT / ".cache" / "bench.log").open("w", encoding="utf-8")

    def run(self, *command: str, stdin: str | None = None, **environment: str) -> tuple[str, float]:
        """Run a command to its end; return what it printed and its seconds. The log has everything."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "AXIOMDB_"))}
        begun = time.monotonic()
        done = subprocess.run(
            command, cwd=ROOT, env=inherited | environment, input=stdin or "", capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - begun
        self.log.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}--- exit code {done.returncode}, {seconds:.1f} s\n")
        self.log.flush()
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout, seconds

    def up(self, name: str) -> str:
        """Make a bare host."""
        host = f"bench-{os.getpid()}-{name}"
        self.hosts.append(host)
        self.run(str(ROOT / "sandbox" / "host"), "up", host, self.system, "--run", str(os.getpid()))
        return host

    def close(self) -> None:
        """Remove the hosts."""
        while self.hosts:
            self.run(str(ROOT / "sandbox" / "host"), "down", self.hosts.pop())
        self.log.close()

    def bare(self, host: str) -> float:
        """Run the bare script; return its seconds. The secrets go through its standard input."""
        script = (ROOT / "benchmarks" / "bare.sh").read_text(encoding="utf-8")
        words = "".join(f"export {name}={secrets.token_hex(20)}\n" for name in ("ROLE_PASSWORD", "CIPHER_PASS"))
        return self.run("docker", "exec", "-i", host, "bash", "-s", stdin=words + script)[1]

    def site(self, host: str, *arguments: str, changed: bool | None, **environment: str) -> tuple[str, float]:
        """Run playbooks/site.yml on one host; return its output and seconds. It must change something, or nothing, as said."""
        inventory = self.directory / f"{host}.json"
        variables = {"sandbox_secrets": str(self.directory / host)}
        inventory.write_text(json.dumps({"sandbox": {"hosts": {host: variables}}}), encoding="utf-8")
        sources = ("-i", str(ROOT / "inventories" / "sandbox"), "-i", str(inventory), "-l", host)
        command = (str(ROOT / ".venv" / "bin" / "ansible-playbook"), *sources, "playbooks/site.yml", *arguments)
        output, seconds = self.run(*command, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1", **environment)
        if changed is not None:
            count = re.search(r" changed=(\d+) ", output)
            if count is None or (count[1] != "0") is not changed:
                raise SystemExit(f"site.yml {' '.join(arguments)} should{'' if changed else ' not'} have changed something:\n{output}")
        return output, seconds

    def state(self, host: str) -> dict[str, Any]:
        """Return what the host has become."""
        script = (ROOT / "benchmarks" / "state.py").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(self.run("docker", "exec", "-i", host, "python3", "-", stdin=script)[0])
        return found

    def remote_tasks(self, host: str) -> list[str]:
        """Return the tasks that a converged run carries out on the host, one entry for each loop item."""
        quiet = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_CALLBACKS_ENABLED": "axiomdb.recovery.drift"}
        document = json.loads(self.site(host, changed=None, **quiet)[0])
        names: list[str] = []
        for task in (task for play in document["plays"] for task in play["tasks"]):
            for result in task["hosts"].values():
                items = [one for one in result.get("results", [result]) if not one.get("skipped")]
                if str(result.get("action", "")).rpartition(".")[2] not in LOCAL:
                    names += [task["task"]["name"]] * len(items)
        return names


def git(*arguments: str) -> str:
    """Return what git says, empty where there is no commit yet."""
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip("\n") if done.returncode == 0 else ""


def say(text: str) -> None:
    """Show progress."""
    sys.stdout.write(f"==> {text}\n")
    sys.stdout.flush()
