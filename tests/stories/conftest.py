# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fixtures of the stories: `sandbox` makes hosts, `ansible` runs playbooks, `system` says which Debian to show it on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from lab import ROOT, SYSTEMS, Lab, Result, execute


@pytest.fixture(scope="session")
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab of this test process. All of its hosts are removed at the end."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    # Under xdist the run is the parent of its workers.
    run = str(os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid())
    seed = request.config.getoption("--seed")
    execute([str(ROOT / "sandbox" / "host"), "sweep"]).checked()
    lab = Lab(tmp_path_factory.mktemp("lab"), run=run, prefix=f"t{run}-{worker}", seed=seed)
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="session")
def ansible(sandbox: Lab) -> Callable[..., Result]:
    """Run a playbook: `Lab.ansible` of the session's lab."""
    return sandbox.ansible


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `system` its values.

    A core story runs on every system. Any other runs on one of them (marker `on`, default debian13), and in
    tier torture on the others too. Stories on one system go to the same test process, so that they can share hosts.
    """
    if "system" not in metafunc.fixturenames:
        return
    core = metafunc.definition.get_closest_marker("core") is not None
    on = metafunc.definition.get_closest_marker("on")
    chosen = SYSTEMS if core else ((on.args[0],) if on else ("debian13",))
    grouped = metafunc.definition.get_closest_marker("xdist_group") is not None
    metafunc.parametrize(
        "system",
        [pytest.param(system, marks=_marks(system, chosen=system in chosen, grouped=grouped)) for system in SYSTEMS],
        scope="session",
    )


def _marks(system: str, *, chosen: bool, grouped: bool) -> list[pytest.MarkDecorator]:
    marks = [] if chosen else [pytest.mark.tier("torture")]
    return marks if grouped else [*marks, pytest.mark.xdist_group(system)]
