# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare playbooks/site.yml with a bare shell script that reaches the same state: side by side in one run, as ratios.

Both begin on a fresh sandbox host and fetch their packages. The order alternates, so that neither has the warmer machine
each time; medians are compared; and a state that differs in the end makes the comparison void. The exit code is 1 if a
ratio is above twice its budget. Standard library only.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BUDGETS = {"first site.yml": 1.5, "converged site.yml": 0.4, "converged site.yml --check": 0.4}
# Actions that ask nothing of a host, so they cost no round trip.
LOCAL = {"add_host", "assert", "debug", "fail", "group_by", "import_role", "import_tasks", "include_role", "include_tasks",
         "include_vars", "meta", "pause", "set_fact", "set_stats", "validate_argument_spec"}  # fmt: skip


@dataclass
class Row:
    """One line of the table: seconds of ours, seconds of the bare script, and the budget of their ratio."""

    what: str
    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    @property
    def budget(self) -> float:
        """The ratio that is promised."""
        return BUDGETS[self.what]

    @property
    def ratio(self) -> float:
        """Median of ours by the median of the bare script."""
        return statistics.median(self.ours) / statistics.median(self.bare)

    def line(self) -> str:
        """Return the line of the table."""
        verdict = "ok" if self.ratio <= self.budget else "above" if self.ratio <= 2 * self.budget else "ABOVE TWICE"
        ours, bare = statistics.median(self.ours), statistics.median(self.bare)
        return f"{self.what:<28}{ours:>8.1f} s{bare:>8.1f} s{self.ratio:>8.2f}{self.budget:>8.2f}  {verdict}"


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


def first_runs(bench: Bench, row: Row, pairs: int) -> str:
    """Measure fresh hosts in pairs, in alternating order; return the last host that site.yml made."""
    ours = ""
    for number in range(pairs):
        bare, ours = bench.up(f"bare{number}"), bench.up(f"ours{number}")
        for side in ("bare", "ours") if number % 2 == 0 else ("ours", "bare"):
            say(f"pair {number + 1} of {pairs}: {'bare.sh' if side == 'bare' else 'site.yml'} on a fresh {bench.system} host")
            if side == "bare":
                row.bare.append(bench.bare(bare))
            else:
                row.ours.append(bench.site(ours, changed=True)[1])
        difference = differences(bench.state(bare), bench.state(ours))
        if difference:
            raise SystemExit("The two hosts differ, so their times cannot be compared:\n" + "\n".join(difference))
    return ours


def converged_runs(bench: Bench, host: str, runs: Row, checks: Row, count: int) -> None:
    """Measure runs on a converged host, with and without --check, in alternating order."""
    for number in range(count):
        for row in (runs, checks) if number % 2 == 0 else (checks, runs):
            say(f"{row.what}, {number + 1} of {count}")
            arguments = ("--check", "--diff") if row is checks else ()
            row.ours.append(bench.site(host, *arguments, changed=False)[1])


def differences(bare: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Return what differs, one line each."""
    return [f"{key}:\n  bare.sh   {bare[key]}\n  site.yml  {ours[key]}" for key in bare if bare[key] != ours[key]]


def tasks_by_role() -> dict[str, int]:
    """Count the tasks and handlers of each role; each one has a name."""
    counts = {}
    for role in sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir()):
        files = [*role.glob("tasks/*.yml"), *role.glob("handlers/*.yml")]
        counts[role.name] = sum(len(re.findall(r"^ *- name: ", path.read_text(encoding="utf-8"), re.MULTILINE)) for path in files)
    return counts


def git(*arguments: str) -> str:
    """Return what git says, empty where there is no commit yet."""
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip("\n") if done.returncode == 0 else ""


def write(system: str, load: float, rows: list[Row], remote: list[str]) -> Path:
    """Write the result file; its name and its content say which commit was measured."""
    changed = [line[3:] for line in git("status", "--porcelain").splitlines() if not line[3:].startswith("benchmarks/results/")]
    today = datetime.datetime.now(datetime.UTC)
    result = {
        "date": today.isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD"),
        "uncommitted": changed,
        "system": system,
        "cores": os.cpu_count(),
        "load_before": round(load, 1),
        "rows": [{"what": r.what, "ours": r.ours, "bare": r.bare, "ratio": round(r.ratio, 3), "budget": r.budget} for r in rows],
        "tasks_by_role": tasks_by_role(),
        "remote_tasks_of_a_converged_run": remote,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{today.date()}-{str(result['commit'])[:12] or 'uncommitted'}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return path


def say(text: str) -> None:
    """Show progress."""
    sys.stdout.write(f"==> {text}\n")
    sys.stdout.flush()


def measure(arguments: argparse.Namespace, directory: Path) -> tuple[list[Row], list[str]]:
    """Make the hosts, measure everything, remove the hosts."""
    first, converged, checked = (Row(what) for what in BUDGETS)
    bench = Bench(arguments.system, directory)
    try:
        # Python compiles what it imports on the very first run; that belongs to the installation.
        bench.run(str(ROOT / ".venv" / "bin" / "ansible-playbook"), "--syntax-check", "-i", "localhost,", "playbooks/site.yml")
        host = first_runs(bench, first, arguments.first)
        converged_runs(bench, host, converged, checked, arguments.converged)
        remote = bench.remote_tasks(host)
    finally:
        bench.close()
    converged.bare = checked.bare = first.bare
    return [first, converged, checked], remote


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description="Compare playbooks/site.yml with a bare shell script.")
    parser.add_argument("--system", default="debian13", choices=("debian12", "debian13", "forky"))
    parser.add_argument("--first", type=int, default=2, help="pairs of fresh hosts (default: 2)")
    parser.add_argument("--converged", type=int, default=3, help="runs on the converged host, of each kind (default: 3)")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    if load > 1:
        say(f"This machine is busy (load {load:.1f}): the ratios say little. Measure again when it is idle.")
    with tempfile.TemporaryDirectory(prefix="axiomdb-bench-") as directory:
        rows, remote = measure(arguments, Path(directory))
    say(f"{'':<28}{'site.yml':>10}{'bare.sh':>10}{'ratio':>8}{'budget':>8}")
    for row in rows:
        say(row.line())
    counts = tasks_by_role()
    say("tasks: " + ", ".join(f"{role} {count}" for role, count in counts.items()) + f"; together {sum(counts.values())}")
    say(f"carried out on the host by a converged run: {len(remote)}")
    say(f"result: {write(arguments.system, load, rows, remote).relative_to(ROOT)}")
    return int(any(row.ratio > 2 * row.budget for row in rows))


if __name__ == "__main__":
    sys.exit(main())
