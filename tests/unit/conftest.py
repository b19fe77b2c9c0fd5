# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many examples a property is tried on: a hundred in tier ci; in a long run 5,000, and 50,000 where recovery is computed."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

FEW, MANY, MOST = 100, 5_000, 50_000
COMPUTED = ("test_wal.py", "test_history.py", "test_holdings.py", "test_window.py", "test_reaching.py", "test_truth.py")
HERE = Path(__file__).resolve().parent


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take the seed as the tests above chose it: derandomized unless one was given."""
    seeded = config.getoption("--hypothesis-seed", None) is not None
    parent = hypothesis.settings.get_profile("seeded" if seeded else "ci")
    for profile, examples in (("few", FEW), ("many", MANY), ("most", MOST)):
        hypothesis.settings.register_profile(profile, parent=parent, max_examples=examples)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the properties run in tier torture too, where they have more examples than in tier ci."""
    for item in items:
        is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if config.getoption("--tier") == "torture" and is_property and item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.tier("torture"))


@pytest.hookimpl(tryfirst=True)
def pytest_collectstart(collector: pytest.Collector) -> None:
    """Set the number of examples before a file is imported: a property takes it where it is defined."""
    if isinstance(collector, pytest.Module):
        long = "most" if collector.path.name in COMPUTED else "many"
        hypothesis.settings.load_profile("few" if collector.config.getoption("--tier") == "ci" else long)
