# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How old backups may be: in each repository by itself, 25 hours unless declared otherwise, whatever the clock did."""

from __future__ import annotations

from _recovery import freshness
from _recovery.jobs import Settings
from _recovery.summary import Picture
from pictures import NOW, picture, repository

LIMIT = Settings("vps1", (), {}).backup_max_age_seconds


def old(seen: Picture) -> dict[str, str]:
    return freshness.too_old(seen, LIMIT)


def test_25_hours_are_the_default() -> None:
    assert LIMIT == 25 * 3600
    assert old(picture(repository(1, LIMIT))) == {}
    assert old(picture(repository(1, LIMIT + 1))) == {
        "age 1": "the newest backup in repository 1 is 1 day old. Type: sudo /opt/axiomdb/axiomdb-recovery backup"
    }


def test_each_repository_is_judged_by_itself() -> None:
    assert set(old(picture(repository(1, 60.0), repository(2, LIMIT + 1, 2.0 * LIMIT)))) == {"age 2"}
    assert set(old(picture(repository(1, LIMIT + 1), repository(2, LIMIT + 1)))) == {"age 1", "age 2"}


def test_only_usable_backups_are_fresh() -> None:
    damaged = repository(1, 60.0, error=True)
    assert freshness.newest_times(picture(damaged, repository(2, 60.0, system_id=1))) == {}


def test_a_standby_and_a_server_that_does_not_answer_have_nothing_that_grows_old() -> None:
    assert old(picture(repository(1, 9.0 * LIMIT), standby=True)) == {}
    assert old(picture(repository(1, 9.0 * LIMIT), server=None)) == {}


def test_a_backup_of_the_future_hides_no_old_one() -> None:
    assert set(old(picture(repository(1, LIMIT + 1, -1e7)))) == {"age 1"}
    assert freshness.newest_times(picture(repository(1, 60.0, -1e7))) == {1: NOW - 60}
    assert "is of the future (" in old(picture(repository(1, -1e7)))["age 1"]


def test_a_clock_that_was_set_right_by_seconds_is_no_trouble() -> None:
    assert old(picture(repository(1, -5.0))) == {}
