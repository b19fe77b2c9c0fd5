# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The schedule: cron's time fields, judged before they are written, and the one file in which they stand."""

from __future__ import annotations

import re

from .jobs import FULL, HEARTBEAT, HOURLY, VERIFY, Settings, kind_of
from .problem import Problem

TOOL = "/opt/axiomdb/axiomdb-recovery"
LOG = "/var/log/axiomdb/backup.log"
FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
_PART = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")


def judge(job: str, expression: str) -> Problem | None:
    """Refuse what cron would not understand: it ignores the whole file then, and says so only in its log."""
    fields = expression.split()
    if len(fields) != len(FIELDS):
        return _problem(job, f"{len(fields)} time fields in '{expression}'", "five: minute, hour, day, month, day of the week")
    for (name, lowest, highest), text in zip(FIELDS, fields, strict=True):
        if not all(_fits(part, lowest, highest) for part in text.split(",")):
            return _problem(job, f"'{text}' as {name} in '{expression}'", f"numbers from {lowest} to {highest}, *, lists, ranges or steps")
    return None


def _fits(part: str, lowest: int, highest: int) -> bool:
    match = _PART.fullmatch(part)
    if match is None or match[3] == "0":
        return False
    numbers = [int(number) for number in match.groups()[:2] if number is not None]
    return all(lowest <= number <= highest for number in numbers) and numbers == sorted(numbers)


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
