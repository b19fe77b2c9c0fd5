# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rebuild that is killed in each phase goes on by the same command, and nobody is let in before it is proven."""

from __future__ import annotations

import pytest
from _recovery import restoring
from converged import Converged
from rebuild_kills import PHASES, Killed, kill_each
from rebuilding import empty_host, lose, rows
from stores import Stores

pytestmark = [pytest.mark.tier("torture"), pytest.mark.xdist_group("stores")]
LET_IN = ("settle",)


@pytest.fixture(scope="module")
def killed(system: str, converged: Converged, stores: Stores, request: pytest.FixtureRequest) -> Killed:
    lost = lose(converged, stores, request.config.getoption("--seed"), "killed-lost")
    return kill_each(converged.lab, empty_host(converged.lab, stores, lost, "killed"), lost.name)


@pytest.mark.parametrize("phase", PHASES)
def test_nobody_is_let_in_before_it_is_proven(system: str, phase: str, killed: Killed) -> None:
    # A phase that is over in no time may end before the kill does.
    names = list(restoring.PHASES)
    assert names.index(phase) <= names.index(killed.phases[phase]) <= names.index(phase) + 2, "the journal says where it was killed"
    assert killed.served[phase] == (killed.phases[phase] in LET_IN)


def test_the_same_command_ends_it(system: str, killed: Killed) -> None:
    assert killed.last is not None
    assert killed.last.rc == 0, killed.last.output
    assert killed.last.last_line == f"PROTECTED: {killed.host.name}: each WAL segment is archived and a backup exists."
    count, last, first, _at = rows(killed.host)
    assert (first, count) == (1, last), "no row is missing"
