# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The jobs: settings survive the way to the host, and what failed or did not run is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from _recovery import jobs
from _recovery.jobs import DONE, FAILED, SKIPPED, Counted, Record, Settings, Stanza

NOW = 1_795_500_000.0
SETTINGS = Settings(
    "vps1",
    (Stanza("axiomdb", "17", "main", 5432), Stanza("second", "17", "second", 5433)),
    {"full": "0 2 * * *", "hourly": "0 * * * *", "heartbeat": "* * * * *"},
    overdue_seconds={"full": 90000, "hourly": 7800, "heartbeat": 300},
)


def since(time: float) -> dict[str, Counted]:
    return {job: Counted(schedule, time) for job, schedule in SETTINGS.schedules.items()}


def test_settings_are_read_as_they_were_written() -> None:
    assert jobs.parse_settings(jobs.render_settings(SETTINGS, "a test")) == SETTINGS


NOBODYS = jobs.render_settings(replace(SETTINGS, stanzas=()), "a test")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2}', "not JSON", '{"format": 1, "written_by": "x", "stanzas": [{}]}', NOBODYS]
)
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
    assert jobs.overdue(SETTINGS, {}, since(NOW - 300), NOW) == {}
    assert set(jobs.overdue(SETTINGS, {}, since(NOW - 301), NOW)) == {"overdue heartbeat"}
    assert set(jobs.overdue(SETTINGS, {}, since(NOW - 7801), NOW)) == {"overdue heartbeat", "overdue hourly"}


def test_a_job_that_fails_all_the_time_is_overdue_too() -> None:
    records = {"hourly": Record(FAILED, "disk full", NOW - 10, NOW - 10, NOW - 7801), "heartbeat": Record(DONE, "", NOW, NOW, NOW)}
    late = jobs.overdue(SETTINGS, records, since(NOW - 9000), NOW)
    assert late == {"overdue hourly": "the hourly job has not run without failure for 7801 s; its schedule is '0 * * * *'"}


def test_a_job_that_is_not_scheduled_is_never_overdue() -> None:
    settings = Settings("vps1", SETTINGS.stanzas, {}, overdue_seconds={"full": 1})
    assert jobs.overdue(settings, {}, since(NOW - 100), NOW) == {}


def test_a_job_is_counted_from_its_first_look_and_anew_with_another_schedule() -> None:
    first = jobs.count(SETTINGS, {}, NOW, 0, 0)
    assert first == since(NOW)
    assert jobs.count(SETTINGS, first, NOW + 60, NOW, 0) == first
    moved = Settings("vps1", SETTINGS.stanzas, {**SETTINGS.schedules, "full": "0 3 * * *"})
    assert jobs.count(moved, first, NOW + 60, NOW, 0) == {**first, "full": Counted("0 3 * * *", NOW + 60)}


def test_what_a_pause_kept_from_running_is_not_overdue_at_its_end() -> None:
    counted = jobs.count(SETTINGS, since(NOW - 90000), NOW, NOW - 60, resumed=NOW - 30)
    assert jobs.overdue(SETTINGS, {"full": Record(DONE, "", 0, NOW - 90001, NOW - 90001)}, counted, NOW) == {}
    assert set(jobs.overdue(SETTINGS, {}, counted, NOW + 271)) == {"overdue heartbeat"}


def test_a_clock_that_went_back_hides_no_job_that_does_not_run() -> None:
    records = {"heartbeat": Record(DONE, "", NOW + 1e7, NOW + 1e7, NOW + 1e7)}
    counted = jobs.count(SETTINGS, since(NOW + 1e7), NOW, looked=NOW + 1e7, resumed=NOW + 1e7)
    assert counted == since(NOW)
    assert jobs.overdue(SETTINGS, records, counted, NOW) == {}
    assert set(jobs.overdue(SETTINGS, records, jobs.count(SETTINGS, counted, NOW + 301, NOW, 0), NOW + 301)) == {"overdue heartbeat"}


@pytest.mark.parametrize("damaged", [None, [], "text", {"outcome": "done"}, {"outcome": "done", "text": "", "began": "x", "ended": 1}])
def test_a_record_that_cannot_be_read_is_none(damaged: object) -> None:
    whole = {"outcome": "done", "text": "took it", "began": 1.0, "ended": 2.0, "good": None}
    assert jobs.parse_records({"full": damaged, "hourly": whole}) == {"hourly": Record(DONE, "took it", 1.0, 2.0)}
    assert jobs.parse_counted({"full": damaged}) == {}


def test_stanzas_are_chosen_by_name() -> None:
    assert jobs.chosen(SETTINGS, []) == SETTINGS.stanzas
    assert [stanza.port for stanza in jobs.chosen(SETTINGS, ["second"])] == [5433]
    with pytest.raises(
        ValueError, match=r"^Found the stanza third; expected one of axiomdb, second\. Next: sudo /opt/axiomdb/axiomdb-recovery status$"
    ):
        jobs.chosen(SETTINGS, ["third"])
