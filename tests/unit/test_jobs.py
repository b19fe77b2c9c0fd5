# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The jobs: settings survive the way to the host, and what failed or did not run is named."""

from __future__ import annotations

import pytest
from _recovery import jobs
from _recovery.jobs import DONE, FAILED, SKIPPED, Record, Settings, Stanza

NOW = 1_795_500_000.0
SETTINGS = Settings(
    "vps1",
    (Stanza("axiomdb", "17", "main", 5432), Stanza("second", "17", "second", 5433)),
    {"full": "0 2 * * *", "hourly": "0 * * * *", "heartbeat": "* * * * *"},
    overdue_seconds={"full": 90000, "hourly": 7800, "heartbeat": 300},
)


def test_settings_are_read_as_they_were_written() -> None:
    assert jobs.parse_settings(jobs.render_settings(SETTINGS, "a test")) == SETTINGS


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', "not JSON", '{"format": 1, "written_by": "x", "stanzas": [{}]}'])
def test_settings_of_somebody_else_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^Found settings that cannot be read \(.*\); expected those of format 1\.$"):
        jobs.parse_settings(text)


def test_a_failed_run_keeps_the_time_of_the_last_good_one() -> None:
    good = jobs.next_record(None, DONE, "took it", NOW, NOW + 5)
    failed = jobs.next_record(good, FAILED, "disk full", NOW + 60, NOW + 61)
    assert (good.good, failed.good, failed.ended) == (NOW + 5, NOW + 5, NOW + 61)
    assert jobs.next_record(None, FAILED, "disk full", NOW, NOW).good is None
    assert jobs.next_record(failed, SKIPPED, "a standby", NOW + 90, NOW + 91).good == NOW + 91


def test_only_the_newest_run_is_a_failure() -> None:
    records = {"full": Record(FAILED, "disk full", NOW, NOW), "hourly": Record(DONE, "took it", NOW, NOW, NOW)}
    assert jobs.failures(records) == {"job full": "the full job failed: disk full"}


def test_a_job_that_never_ran_is_overdue_from_the_first_look_on() -> None:
    assert jobs.overdue(SETTINGS, {}, NOW - 300, NOW) == {}
    assert set(jobs.overdue(SETTINGS, {}, NOW - 301, NOW)) == {"overdue heartbeat"}
    assert set(jobs.overdue(SETTINGS, {}, NOW - 7801, NOW)) == {"overdue heartbeat", "overdue hourly"}


def test_a_job_that_fails_all_the_time_is_overdue_too() -> None:
    records = {"hourly": Record(FAILED, "disk full", NOW - 10, NOW - 10, NOW - 7801), "heartbeat": Record(DONE, "", NOW, NOW, NOW)}
    late = jobs.overdue(SETTINGS, records, NOW - 9000, NOW)
    assert late == {"overdue hourly": "the hourly job has not run without failure for 7801 s; its schedule is '0 * * * *'"}


def test_a_job_that_is_not_scheduled_is_never_overdue() -> None:
    settings = Settings("vps1", SETTINGS.stanzas, {}, overdue_seconds={"full": 1})
    assert jobs.overdue(settings, {}, NOW - 100, NOW) == {}


def test_stanzas_are_chosen_by_name() -> None:
    assert jobs.chosen(SETTINGS, []) == SETTINGS.stanzas
    assert [stanza.port for stanza in jobs.chosen(SETTINGS, ["second"])] == [5433]
    with pytest.raises(ValueError, match=r"^Found the stanza third; expected one of axiomdb, second\. Next: axiomdb-recovery status$"):
        jobs.chosen(SETTINGS, ["third"])
