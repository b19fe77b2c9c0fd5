# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The schedule: cron's time fields, judged before they are written, and the one file in which they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta

from .jobs import FULL, HEARTBEAT, HOURLY, VERIFY, Settings, kind_of
from .problem import Problem
from .spoken import counted

TOOL = "/opt/axiomdb/axiomdb-recovery"
LOG = "/var/log/axiomdb/backup.log"
FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
FIRST_DAY, CALENDAR = date(2024, 1, 1), 3300  # days: a 29th of February twice
LATE_BY = 180  # seconds
_PART = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")


def judge(job: str, expression: str) -> Problem | None:
    """Refuse what cron would not understand: it ignores the whole file then, and says so only in its log."""
    fields = expression.split()
    if len(fields) != len(FIELDS):
        return _problem(job, f"{counted(len(fields), 'time field')} in '{expression}'", "five: minute, hour, day, month, day of the week")
    for (name, lowest, highest), text in zip(FIELDS, fields, strict=True):
        if not all(_fits(part, lowest, highest) for part in text.split(",")):
            return _problem(job, f"'{text}' as {name} in '{expression}'", f"numbers from {lowest} to {highest}, *, lists, ranges or steps")
    return None if longest_gap(expression) else _problem(job, f"'{expression}', a day that never comes,", "a day of the calendar")


def _fits(part: str, lowest: int, highest: int) -> bool:
    match = _PART.fullmatch(part)
    if match is None or match[3] == "0":
        return False
    numbers = [int(number) for number in match.groups()[:2] if number is not None]
    return all(lowest <= number <= highest for number in numbers) and numbers == sorted(numbers)


def longest_gap(expression: str) -> int:
    """The longest time between two runs by a schedule, in seconds; 0 when it never comes. Leap years are counted, summer time is not."""
    times, days = _times(expression), _days(expression, FIRST_DAY)
    dates = [day.toordinal() for day in days]
    between = [later - earlier for earlier, later in zip(dates, dates[1:], strict=False)]
    gaps = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    return 60 * max([*gaps, *(1440 * days_apart - times[-1] + times[0] for days_apart in {*between})]) if between else 0


def _times(expression: str) -> list[int]:
    """The minutes of a day at which a schedule comes."""
    minutes, hours = (_values(text, *field[1:]) for text, field in zip(expression.split()[:2], FIELDS[:2], strict=True))
    return sorted(60 * hour + minute for hour in hours for minute in minutes)


def _days(expression: str, first: date) -> Iterator[date]:
    """The days from `first` on at which a schedule comes, of a whole calendar."""
    texts = expression.split()[2:]
    days, months, weekdays = (_values(text, *field[1:]) for text, field in zip(texts, FIELDS[2:], strict=True))
    # Cron: where both fields of the day are restricted, one of them is enough.
    either = not texts[0].startswith("*") and not texts[2].startswith("*")
    for day in (first + timedelta(number) for number in range(CALENDAR)):
        fits = (day.day in days, bool({day.isoweekday(), day.isoweekday() % 7} & weekdays))
        if day.month in months and (any(fits) if either else all(fits)):
            yield day


def next_run(expression: str, now: datetime) -> datetime | None:
    """When a schedule comes next after `now`, both in the time of the host, as cron counts. None for a day that never comes."""
    times, passed = _times(expression), 60 * now.hour + now.minute
    for day in _days(expression, now.date()):
        later = [minute for minute in times if minute > passed or day > now.date()]
        if later:
            return datetime.combine(day, time(later[0] // 60, later[0] % 60))
    return None


def overdue_after(expression: str) -> int:
    """How long ago a job with this schedule may have run last: its longest gap, and as long again, but two hours more at most."""
    gap = longest_gap(expression)
    return gap + min(gap + LATE_BY, 7200)


def overdue_limits(schedules: Mapping[str, str], declared: Mapping[str, int]) -> dict[str, int]:
    """How long ago each scheduled job may have run last: as declared, else by its schedule. One that cannot be read has no limit."""
    readable = {job: text for job, text in schedules.items() if job in declared or judge(job, text) is None}
    return {job: int(declared[job]) if job in declared else overdue_after(text) for job, text in readable.items()}


def _values(text: str, lowest: int, highest: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is not None:
            first = int(match[1] or lowest)
            last = int(match[2] or (highest if match[1] is None or match[3] else first))
            found |= set(range(first, last + 1, int(match[3] or 1)))
    return found


def _problem(job: str, found: str, expected: str) -> Problem:
    return Problem(f"{found} for the {job} job", expected, f"correct backup_jobs_{job}_schedule, such as '0 2 * * *'")


def cron_file(settings: Settings, header: str) -> str:
    """The file for cron: every job of every stanza, as postgres. The tool waits, skips and logs; a crash goes to the log too."""
    lines = [f"# {header}", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 'MAILTO=""']
    for stanza in settings.stanzas:
        for job, schedule in settings.schedules.items():
            lines.append(f"{schedule} postgres {TOOL} {command(job, settings)} --stanza={stanza.name} >/dev/null 2>>{LOG}")
    return "\n".join(lines) + "\n"


def command(job: str, settings: Settings) -> str:
    """What the tool is told to do for a job."""
    if job in (FULL, HOURLY):
        return f"backup --type={kind_of(job, settings)} --job={job}"
    return {VERIFY: "verify", HEARTBEAT: "heartbeat"}[job]
