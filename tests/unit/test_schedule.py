# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The schedule: what cron understands and what it would not, and the file that it reads."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from _recovery import schedule
from _recovery.jobs import Settings, Stanza
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize("good", ["0 2 * * *", "* * * * *", "*/5 0-6 1,15 * 1-5", "59 23 31 12 7", "0-30/10 * * * 0"])
def test_what_cron_understands_is_taken(good: str) -> None:
    assert schedule.judge("full", good) is None


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        ("", "0 time fields in ''"),
        ("0 2 * *", "4 time fields in '0 2 * *'"),
        ("0 2 * * * postgres", "6 time fields"),
        ("60 2 * * *", "'60' as minute"),
        ("0 24 * * *", "'24' as hour"),
        ("0 2 0 * *", "'0' as day of the month"),
        ("0 2 * 13 *", "'13' as month"),
        ("0 2 * * 8", "'8' as day of the week"),
        ("30-10 * * * *", "'30-10' as minute"),
        ("*/0 * * * *", "'*/0' as minute"),
        ("0 2 * * $(id)", "'$(id)' as day of the week"),
        ("0, * * * *", "'0,' as minute"),
    ],
)
def test_what_cron_would_ignore_is_refused(bad: str, found: str) -> None:
    problem = schedule.judge("full", bad)
    assert problem is not None
    assert found in problem.found
    assert problem.next_step == "correct backup_jobs_full_schedule, such as '0 2 * * *'"


def test_each_job_of_each_stanza_has_a_line() -> None:
    settings = Settings(
        "vps1",
        (Stanza("one", "17", "main", 5432), Stanza("two", "17", "two", 5433)),
        {"full": "0 2 * * *", "hourly": "0 * * * *", "verify": "0 4 * * *", "heartbeat": "* * * * *"},
        hourly_type="diff",
    )
    lines = schedule.cron_file(settings, "ours").splitlines()
    jobs = [line.split(" postgres ")[1].partition(" >")[0].removeprefix(f"{schedule.TOOL} ") for line in lines if " postgres " in line]
    assert jobs == [
        f"{command} --stanza={stanza}"
        for stanza in ("one", "two")
        for command in ("backup --type=full --job=full", "backup --type=diff --job=hourly", "verify", "heartbeat")
    ]
    assert lines[0] == "# ours"
    assert schedule.cron_file(settings, "ours").endswith("\n"), "cron ignores a last line without its end"


@pytest.mark.parametrize(
    ("expression", "gap"),
    [
        ("* * * * *", 60),
        ("0 * * * *", 3600),
        ("*/15 * * * *", 900),
        ("0 2 * * *", 86400),
        ("0 8-18/2 * * *", 14 * 3600),
        ("15 3 * * 0", 7 * 86400),
        ("15 3 * * 7", 7 * 86400),
        ("0 2 * * 1-5", 3 * 86400),
        ("0 0 1 * *", 31 * 86400),
        ("0 0 1 * 0", 7 * 86400),
        ("0 0 29 2 *", 1461 * 86400),
    ],
)
def test_the_longest_gap_of_a_schedule(expression: str, gap: int) -> None:
    assert schedule.longest_gap(expression) == gap


def test_a_day_that_never_comes_is_refused() -> None:
    problem = schedule.judge("full", "0 2 31 2 *")
    assert problem is not None
    assert problem.sentence().startswith(
        "Found '0 2 31 2 *', a day that never comes, for the full job; expected a day of the calendar. Next: "
    )


def test_a_job_is_overdue_by_its_own_schedule_unless_declared() -> None:
    schedules = {"full": "15 3 * * 0", "hourly": "0 * * * *", "verify": "0 4 * * *", "heartbeat": "* * * * *"}
    limits = schedule.overdue_limits(schedules, {"heartbeat": 600})
    assert limits == {"full": 604800 + 7200, "hourly": 7380, "verify": 86400 + 7200, "heartbeat": 600}
    assert schedule.overdue_limits({"heartbeat": "* * * * *"}, {"full": 5}) == {"heartbeat": 300}


def slowly(expression: str, now: datetime) -> datetime | None:
    """The obvious way: minute by minute."""
    minutes, hours, days, months, weekdays = expression.split()

    def fits(text: str, value: int) -> bool:
        return text == "*" or str(value) in text.split(",")

    for number in range(1, 40 * 1440):
        when = now.replace(second=0) + timedelta(minutes=number)
        day, weekday = fits(days, when.day), fits(weekdays, when.isoweekday() % 7)
        right = day and weekday if "*" in (days, weekdays) else day or weekday
        if fits(minutes, when.minute) and fits(hours, when.hour) and fits(months, when.month) and right:
            return when
    return None


FIELD = st.sampled_from(["*", "0", "1,5", "3"])


@given(FIELD, FIELD, FIELD, st.sampled_from(["*", "11,12,1,2"]), FIELD, st.datetimes(datetime(2027, 11, 1), datetime(2028, 2, 28)))
@settings(max_examples=40)
def test_the_next_run_is_the_first_minute_that_fits(minute: str, hour: str, day: str, month: str, weekday: str, now: datetime) -> None:
    expression, now = f"{minute} {hour} {day} {month} {weekday}", now.replace(microsecond=0)
    expected = slowly(expression, now)
    if expected is not None:
        assert schedule.next_run(expression, now) == expected


def test_the_next_run_of_a_day_that_never_comes_is_none() -> None:
    assert schedule.next_run("0 0 30 2 *", datetime(2026, 11, 24)) is None


def test_a_run_of_this_very_minute_has_begun() -> None:
    assert schedule.next_run("0 2 * * *", datetime(2026, 11, 24, 2, 0, 1)) == datetime(2026, 11, 25, 2, 0)
