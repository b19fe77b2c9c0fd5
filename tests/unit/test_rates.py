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
        "the recovery 20261122-143000 of 2026-11-22T15:00:00Z restored 1.0 GiB in 10.0 s, and 100.0 MiB of WAL were replayed in 4.0 s"
    )


def test_replay_that_was_never_measured_is_said() -> None:
    seconds, source = rates.expected(GIB, GIB, rates.parse({"restore": RESTORE}))
    assert seconds == AROUND + 10
    assert source.endswith("replay was never measured")


@pytest.mark.parametrize("spoilt", [None, [], {}, {**RESTORE, "size": 0}, {**RESTORE, "seconds": 0}, {**RESTORE, "size": "much"}, "text"])
def test_what_cannot_be_read_is_no_measurement(spoilt: Any) -> None:
    assert rates.parse({"restore": spoilt, "format": 1}) == Rates()


def test_what_was_over_at_once_is_no_endless_rate() -> None:
    assert rates.measured(GIB, 0.0, 1.0, "a copy") == Rate(GIB, rates.LEAST_SECONDS, 1.0, "a copy")
    assert rates.measured(0, 5.0, 1.0, "a copy") is None
