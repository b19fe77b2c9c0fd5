# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A store that does not let the host in is refused before anything is written: what was found, what was expected, what to type."""

from __future__ import annotations

import pytest
from converged import Converged
from stores import Stores
from unreachable import CASES, Refused, cases, play

pytestmark = [pytest.mark.tier("torture"), pytest.mark.xdist_group("stores")]


@pytest.fixture(scope="module")
def refused(converged: Converged, stores: Stores) -> Refused:
    return play(converged, stores)


@pytest.mark.parametrize("case", CASES)
def test_refused(system: str, case: str, refused: Refused) -> None:
    if case not in cases(system):
        pytest.skip(f"pgBackRest of {system} has no SFTP")
    recap = refused.recaps[case]
    assert (recap.failed, recap.changed, recap.unreachable) == (1, 0, 0)
    for words in CASES[case].words:
        assert words in refused.messages[case]


def test_nothing_was_written(system: str, refused: Refused) -> None:
    assert refused.changed == set()


def test_no_secret_is_shown(system: str, refused: Refused) -> None:
    assert refused.leaked == []
