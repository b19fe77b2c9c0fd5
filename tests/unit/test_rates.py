# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a recovery takes is said by what was measured here, and unknown is said as unknown."""

from __future__ import annotations

from typing import Any

import pytest
from _recovery import rates
from _recovery.rates import AROUND, Rate, Rates

GIB = 1 << 30
RESTORE = {"size": GIB, "seconds": 10.0, "at": 1795359600.0, "what": "the recovery 20261122-143000"}
REPLAY = {**RESTORE, "size": 100 << 20, "seconds": 4.0}


def test_nothing_measured_is_unknown() -> None:
    assert rates.expected(GIB, GIB, Rates()) == (None, rates.UNKNOWN)


def test_sizes_are_taken_at_the_measured_rates() -> None:
    seconds, source = rates.expected(5 * GIB, 200 << 20, rates.parse({"restore": RESTORE, "replay": REPLAY}))
    assert seconds == AROUND + 50 + 8
    assert source == (
        "50.0 s to restore 5.0 GiB, 8.0 s to replay 200.0 MiB of WAL, 15 s to stop, start, prove and promote; "
        "by the recovery 20261122-143000 of 2026-11-22T15:00:00Z: in 10.0 s 1.0 GiB restored, in 4.0 s 100.0 MiB of WAL replayed"
    )


def test_two_sources_are_both_named() -> None:
    drilled = {**REPLAY, "at": 1795363200.0, "what": "the drill"}
    _seconds, source = rates.expected(5 * GIB, 200 << 20, rates.parse({"restore": RESTORE, "replay": drilled}))
    assert source.endswith("1.0 GiB restored, the drill of 2026-11-22T16:00:00Z: in 4.0 s 100.0 MiB of WAL replayed")


def test_replay_that_was_never_measured_is_said() -> None:
    seconds, source = rates.expected(GIB, GIB, rates.parse({"restore": RESTORE}))
    assert seconds == AROUND + 10
    assert "; the replay is not in it, it was never measured; by the recovery" in source and "10.0 s to restore 1.0 GiB, 15 s to" in source


@pytest.mark.parametrize("spoilt", [None, [], {}, {**RESTORE, "size": 0}, {**RESTORE, "seconds": 0}, {**RESTORE, "size": "much"}, "text"])
def test_what_cannot_be_read_is_no_measurement(spoilt: Any) -> None:
    assert rates.parse({"restore": spoilt, "format": 1}) == Rates()


def test_what_was_over_at_once_is_no_endless_rate() -> None:
    assert rates.measured(GIB, 0.0, 1.0, "a copy") == Rate(GIB, rates.LEAST_SECONDS, 1.0, "a copy")
    assert rates.measured(0, 5.0, 1.0, "a copy") is None
