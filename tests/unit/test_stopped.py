# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the WAL of a stopped server ends is what pg_waldump says of the record that it does not find any more."""

from __future__ import annotations

import pytest
from _recovery.stopped import ends
from _recovery.wal import Lsn


@pytest.mark.parametrize(
    "said",
    [
        "pg_waldump: error: error in WAL record at 0/B00FDC8: invalid record length at 0/B00FDF0: expected at least 24, got 0",
        "pg_waldump: error: error in WAL record at 0/B00FDC8: invalid record length at 0/B00FDF0: wanted 24, got 0",
        "pg_waldump: error: error in WAL record at 0/B00FDC8: record with incorrect prev-link 0/7000028 at 0/B00FDF0",
        "pg_waldump: error: error in WAL record at 0/B00FDC8: invalid magic number 0000 in WAL segment 00000002000000000000000B",
    ],
)
def test_it_ends_behind_the_last_whole_record(said: str) -> None:
    assert ends(said) == Lsn(Lsn.parse("0/B00FDC8").position + 1)


@pytest.mark.parametrize("said", ["", 'pg_waldump: error: could not find file "00000002000000000000000C": No such file or directory'])
def test_nothing_is_made_up(said: str) -> None:
    assert ends(said) is None
