# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A person who waits reads how far it is, how fast, and how long it still takes."""

from __future__ import annotations

import pytest
from _recovery import progress

GIB = 1 << 30


@pytest.mark.parametrize(
    ("done", "whole", "seconds", "line"),
    [
        (GIB, 4 * GIB, 10.0, "25 % of 4.0 GiB after 10 s, 102.4 MiB/s, about 30 s more"),
        (4 * GIB, 4 * GIB, 40.0, "100 % of 4.0 GiB after 40 s, 102.4 MiB/s, about 0 s more"),
        (0, 4 * GIB, 10.0, "0 % of 4.0 GiB after 10 s"),
        (-1, 4 * GIB, 10.0, "0 % of 4.0 GiB after 10 s"),
        (5 * GIB, 4 * GIB, 50.0, "100 % of 4.0 GiB after 50 s, 102.4 MiB/s, about 0 s more"),
        (GIB, 0, 10.0, "1.0 GiB after 10 s, 102.4 MiB/s, about 0 s more"),
    ],
)
def test_a_line(done: float, whole: float, seconds: float, line: str) -> None:
    assert progress.line(done, whole, seconds) == line
