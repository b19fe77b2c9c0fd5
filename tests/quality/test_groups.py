# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stories that share hosts stay in one test process: pytest and pytest-xdist must fit each other."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("together")
@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process has no groups")
def test_a_group_is_known_to_the_scheduler(request: pytest.FixtureRequest) -> None:
    assert request.node.nodeid.endswith("@together")
