# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare what is promised to be fast with bare commands that do the same: side by side in one run, as ratios.

playbooks/site.yml and the shell script both begin on a fresh sandbox host and fetch their packages. The order alternates, so that
neither has the warmer machine each time; medians are compared; and a state that differs in the end makes the comparison void. What
is asked of an archive is in archives.py, what a recovery takes in recoveries.py. The exit code is 1 if a ratio is above twice its
budget. Standard library only.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import archives
import recoveries
from bench import ROOT, Bench, Row, git, say

SITE, ARCHIVE, RESTORE = "site", "archive", "restore"
RESULTS = ROOT / "benchmarks" / "results"
BUDGETS = {"first site.yml": 1.5, "converged site.yml": 0.4, "converged site.yml --check": 0.4}


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


def write(arguments: argparse.Namespace, load: float, rows: list[Row], remote: list[str]) -> Path:
    """Write the result file; its name and its content say which commit was measured."""
    changed = [line[3:] for line in git("status", "--porcelain").splitlines() if not line[3:].startswith("benchmarks/results/")]
    today = datetime.datetime.now(datetime.UTC)
    result = {
        "date": today.isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD"),
        "uncommitted": changed,
        "system": arguments.system,
        "cores": os.cpu_count(),
        "load_before": round(load, 1),
        "rows": [
            {"what": r.what, "ours": r.ours, "bare": r.bare, "ratio": round(r.ratio, 3), "budget": r.budget, "unit": r.unit} for r in rows
        ],
        "tasks_by_role": tasks_by_role(),
        "remote_tasks_of_a_converged_run": remote,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    only = f"-{arguments.only}" if arguments.only else ""
    path = RESULTS / f"{today.date()}-{str(result['commit'])[:12] or 'uncommitted'}{only}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return path


def site_rows(bench: Bench, first_pairs: int, converged_count: int) -> tuple[list[Row], list[str]]:
    """Measure site.yml; return its rows and the tasks of a converged run."""
    first, converged, checked = (Row(what, budget) for what, budget in BUDGETS.items())
    host = first_runs(bench, first, first_pairs)
    converged_runs(bench, host, converged, checked, converged_count)
    converged.bare = checked.bare = first.bare
    return [first, converged, checked], bench.remote_tasks(host)


def measure(arguments: argparse.Namespace, directory: Path) -> tuple[list[Row], list[str]]:
    """Make the hosts, measure everything, remove the hosts."""
    rows: list[Row] = []
    remote: list[str] = []
    bench = Bench(arguments.system, directory)
    try:
        # Python compiles what it imports on the very first run; that belongs to the installation.
        bench.run(str(ROOT / ".venv" / "bin" / "ansible-playbook"), "--syntax-check", "-i", "localhost,", "playbooks/site.yml")
        if arguments.only in ("", SITE):
            rows, remote = site_rows(bench, arguments.first, arguments.converged)
        if arguments.only in ("", RESTORE):
            rows += recoveries.rows(bench, arguments.gib, arguments.first)
        if arguments.only in ("", ARCHIVE):
            rows += [*archives.huge(bench, arguments.converged), *archives.real(bench, arguments.segments, arguments.converged)]
    finally:
        bench.close()
    return rows, remote


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description="Compare what is promised to be fast with bare commands.")
    parser.add_argument("--system", default="debian13", choices=("debian12", "debian13", "forky"))
    parser.add_argument("--first", type=int, default=2, help="pairs of fresh hosts (default: 2)")
    parser.add_argument("--converged", type=int, default=3, help="runs on a converged host, of each kind (default: 3)")
    parser.add_argument("--segments", type=int, default=5000, help="WAL segments of the real archive (default: 5000)")
    parser.add_argument("--gib", type=float, default=5, help="size of the database that is recovered in place (default: 5)")
    parser.add_argument("--only", choices=(SITE, ARCHIVE, RESTORE), default="", help="these rows alone, in a result file of their own")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    if load > 1:
        say(f"This machine is busy (load {load:.1f}): the ratios say little. Measure again when it is idle.")
    with tempfile.TemporaryDirectory(prefix="axiomdb-bench-") as directory:
        rows, remote = measure(arguments, Path(directory))
    say(f"{'':<44}{'ours':>12}{'bare':>9}{'ratio':>8}{'budget':>8}")
    for row in rows:
        say(row.line())
    counts = tasks_by_role()
    say("tasks: " + ", ".join(f"{role} {count}" for role, count in counts.items()) + f"; together {sum(counts.values())}")
    say(f"carried out on the host by a converged run: {len(remote)}")
    say(f"result: {write(arguments, load, rows, remote).relative_to(ROOT)}")
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
