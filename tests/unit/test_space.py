# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The day on which a disk is full: told from what was seen, and not before enough was seen."""

from __future__ import annotations

import json

import pytest
from _recovery import space
from _recovery.space import DAY, Sample
from pictures import NOW

GIB = 1 << 30
TOTAL = 100 * GIB


def free(gib: float, days_ago: float = 0, repository: int = 1, total: int = TOTAL) -> Sample:
    return Sample(repository, NOW - days_ago * DAY, int(gib * GIB), total)


def test_a_disk_that_fills_ends_on_a_day() -> None:
    assert space.end_of([free(40, 4), free(35, 2)], free(30)) == (NOW + 12 * DAY, 4 * DAY)
    assert space.line([free(40, 4)], free(30), "/var/lib/pgbackrest") == (
        "  space        repository 1: 30.0 GiB of 100.0 GiB free in /var/lib/pgbackrest; "
        "it is FULL on 2026-12-06 if it goes on as in the last 4 days"
    )


@pytest.mark.parametrize("now", [30, 31])
def test_a_disk_that_does_not_fill_has_no_such_day(now: float) -> None:
    assert space.line([free(30, 4)], free(now), "/x").endswith("in the last 4 days it did not fill")


@pytest.mark.parametrize("known", [[], [free(40, 1.9)], [free(40, 4, repository=2)], [free(40, 4, total=TOTAL * 2)]])
def test_too_little_is_no_growth(known: list[Sample]) -> None:
    assert space.end_of(known, free(30)) is None
    assert "cannot be told before it was watched for two days" in space.line(known, free(30), "/x")


def test_samples_are_few_and_of_two_weeks() -> None:
    known: tuple[Sample, ...] = ()
    for hour in range(24 * 30):
        known = space.added(known, [Sample(number, NOW + 3600 * hour, GIB, TOTAL) for number in (1, 2)])
    for number in (1, 2):
        own = [one.time for one in known if one.repository == number]
        assert len(own) <= 57
        assert 13 * DAY < own[-1] - own[0] <= 14 * DAY


def test_a_clock_that_went_back_keeps_no_sample_of_the_future() -> None:
    assert space.added([free(40, -9)], [free(30)]) == (free(30),)


def test_samples_are_read_as_they_were_kept_and_damaged_ones_left_out() -> None:
    known = (free(40, 4), free(35, 2, repository=2))
    document = json.loads(json.dumps(space.document(known)))
    assert space.parse(document) == known
    document["samples"] += [7, {}, {"repository": "x", "time": 1, "free": 1, "total": 1}]
    assert space.parse(document) == known
    assert space.parse({"samples": 7}) == space.parse({}) == ()
