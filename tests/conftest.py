# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all tests share: tiers, the seed, and the result file of a long run."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
TIERS = ("ci", "torture")
BEGUN = pytest.StashKey[float]()
EXAMPLES = "examples"

# `make torture` gives hypothesis a seed; without one it is derandomized, so that each run tries the same examples.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("seeded", deadline=None, database=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that `make test` and `make torture` use."""
    group = parser.getgroup("axiomdb.recovery")
    group.addoption("--tier", choices=(*TIERS, "all"), default="ci", help="which tier to run (default: ci)")
    group.addoption("--seed", type=int, default=20261122, help="seed of everything that a test chooses")
    group.addoption("--result-dir", type=Path, help="write the result of this run to a file in this directory")


def pytest_configure(config: pytest.Config) -> None:
    """Choose how hypothesis finds its examples, and note when the run began."""
    hypothesis.settings.load_profile("ci" if config.getoption("--hypothesis-seed", None) is None else "seeded")
    config.stash[BEGUN] = time.time()
    if not _is_worker():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends a run has it cleared up, as with Ctrl-C


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the test processes of this run have left, interrupted or not.

    Here, not beside the stories: the process that has started the others reads their conftest.py only where its arguments name them.
    """
    if config.getoption("collectonly") or _is_worker() or shutil.which("docker") is None:
        return
    subprocess.run([str(ROOT / "sandbox" / "host"), "sweep", str(os.getpid())], check=True)


def _is_worker() -> bool:
    """Whether this is one of the test processes of a run, and not the one that has started them."""
    return "PYTEST_XDIST_WORKER" in os.environ


def pytest_report_header(config: pytest.Config) -> str:
    """Print the tier and the seed, so that a run can be repeated."""
    return f"tier: {config.getoption('--tier')}, seed: {config.getoption('--seed')}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of the other tier; a test without the marker is in tier ci."""
    wanted = config.getoption("--tier")
    if wanted == "all":
        return
    tiers = {item: _tier(item) for item in items}
    config.hook.pytest_deselected(items=[item for item in items if tiers[item] != wanted])
    items[:] = [item for item in items if tiers[item] == wanted]


def _tier(item: pytest.Item) -> str:
    """Return the test's tier. A story has one marker of its own and one of its system: torture wins."""
    names = {name for marker in item.iter_markers("tier") for name in marker.args}
    if not names <= set(TIERS):
        raise pytest.UsageError(f"{item.nodeid}: found tier {sorted(names)}, expected one of {TIERS}")
    return "torture" if "torture" in names else "ci"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note on how many examples a property held: hypothesis may stop before the number that it was given."""
    report = yield
    told = getattr(item, "hypothesis_statistics", "")
    if report.when == "call" and told:
        report.user_properties.append((EXAMPLES, sum(int(count) for count in re.findall(r"(\d+) passing", told))))
    return report


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """A random generator of this test's own: the same in each run with the same seed."""
    return random.Random(f"{request.config.getoption('--seed')} {request.node.nodeid}")


@pytest.fixture(scope="session")
def promtool() -> str:
    """The judge of Prometheus's alert rules and metrics; fetched if it is missing."""
    done = subprocess.run([str(ROOT / "sandbox" / "promtool")], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else pytest.fail(done.stderr, pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    """Write the result file, if one was asked for. Its name and its content say which commit was tested."""
    directory: Path | None = config.getoption("--result-dir")
    if directory is None:
        return
    stats = terminalreporter.stats
    passed = {report.nodeid: dict(report.user_properties) for report in stats.get("passed", []) if report.when == "call"}
    outcomes = ("passed", "failed", "error", "skipped", "deselected")
    changed = [line[3:] for line in _git("status", "--porcelain").splitlines() if not line[3:].startswith("benchmarks/results/")]
    result = {
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted": changed,
        "seed": config.getoption("--seed"),
        "tier": config.getoption("--tier"),
        "exit_code": int(exitstatus),
        "seconds": round(time.time() - config.stash[BEGUN]),
        **{outcome: len(stats.get(outcome, [])) for outcome in outcomes},
        "examples": {name: noted[EXAMPLES] for name, noted in sorted(passed.items()) if EXAMPLES in noted},
        "not_passed": sorted({report.nodeid for key in ("failed", "error", "skipped") for report in stats.get(key, [])}),
    }
    path = ROOT / directory / f"{result['tier']}-{str(result['commit'])[:12]}-{result['seed']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    terminalreporter.write_line(f"result: {os.path.relpath(path, ROOT)}")


def _git(*arguments: str) -> str:
    """Return what git says, empty outside a repository."""
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip("\n")
