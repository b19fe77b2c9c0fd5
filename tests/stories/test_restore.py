# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery in place gives exactly the rows of its moment, and the way back gives exactly those that served before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from converged import Converged
from lab import SYSTEMS, Lab
from restores import Story, tell

pytestmark = [pytest.mark.core, pytest.mark.xdist_group("restores")]
KINDS = ("latest", "idle", "xid", "lsn", "time", "name")


@pytest.fixture(scope="module")
def restored(sandbox: Lab, converged_hosts: dict[str, Converged], request: pytest.FixtureRequest) -> dict[str, Story]:
    """The story of one host of each system, all at once."""
    here = [item for item in request.session.items if item.path == Path(__file__) and hasattr(item, "callspec")]
    wanted = {item.callspec.params["system"] for item in here}
    seed = request.config.getoption("--seed")
    with ThreadPoolExecutor() as pool:
        hosts = list(pool.map(lambda system: converged_hosts[system].recoverable("restored"), sorted(wanted, key=SYSTEMS.index)))
        told = pool.map(lambda host: tell(host, sandbox, seed), hosts)
        return dict(zip((host.system for host in hosts), told, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_target_gives_exactly_its_rows(system: str, kind: str, restored: dict[str, Story]) -> None:
    story = restored[system]
    if kind != "name":
        assert story.said[kind].rc == 0, story.said[kind].output
        assert "stands at " in story.said[kind].stderr
    assert story.sums[kind] == story.moments[kind].sums
    assert len({moment.sums for moment in story.moments.values()}) == len(KINDS), "each moment has rows of its own"


def test_rows_that_no_repository_had_are_there(system: str, restored: dict[str, Story]) -> None:
    said = restored[system].said["latest"]
    assert "WAL that only this host has is carried over" in said.stderr


def test_each_recovery_begins_a_timeline(system: str, restored: dict[str, Story]) -> None:
    timelines = [int(restored[system].timelines[kind]) for kind in (*KINDS, "back")]
    assert timelines == list(range(2, 2 + len(timelines)))


def test_the_playbook_prints_the_plan_and_what_to_type(system: str, restored: dict[str, Story]) -> None:
    story = restored[system]
    assert story.printed is not None and story.played is not None
    assert story.printed.changed == 0
    assert "Nothing was done. To do it, type:" in story.printed.stdout
    assert story.played.changed == 3
    for phase in ("Stop the server, keep the old data", "Recover to the target", "Prove what was recovered", "Let the clients come back"):
        assert f"=> (item={phase})" in story.played.stdout


def test_the_way_back_copies_nothing_and_has_the_rows_that_served(system: str, restored: dict[str, Story]) -> None:
    story = restored[system]
    assert story.said["back"].rc == 0, story.said["back"].output
    assert story.sums["back"] == story.sums["time"]
    assert story.inodes[0] == story.inodes[1]


@pytest.mark.parametrize("which", ["from the set before the fork", "from a new full backup"])
def test_a_bare_restore_after_it_has_exactly_the_live_rows(system: str, which: str, restored: dict[str, Story]) -> None:
    assert restored[system].bare[which] == restored[system].sums["back"]
