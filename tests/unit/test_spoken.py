# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Numbers as a person says them."""

from __future__ import annotations

import pytest
from _recovery.spoken import age, counted


@pytest.mark.parametrize(("count", "said"), [(0, "0 backups"), (1, "1 backup"), (2, "2 backups")])
def test_one_thing_is_not_called_several(count: int, said: str) -> None:
    assert counted(count, "backup") == said


def test_a_plural_of_its_own_is_said() -> None:
    assert [counted(count, "segment waits", "segments wait") for count in (1, 2)] == ["1 segment waits", "2 segments wait"]


@pytest.mark.parametrize(("seconds", "said"), [(59, "59 s"), (60, "1 minute"), (7200, "2 hours"), (86400, "1 day"), (-3, "0 s")])
def test_a_duration_has_its_largest_unit(seconds: float, said: str) -> None:
    assert age(seconds) == said
