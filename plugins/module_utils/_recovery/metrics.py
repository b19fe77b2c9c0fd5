# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The numbers for Prometheus, in the text format that node_exporter's textfile collector reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .alerts import Trouble
from .drill_history import Last
from .jobs import DONE, FAILED, Record
from .summary import Picture, judge
from .verdict import Judgement

NEVER_DRILLED = Last()

Samples = list[tuple[dict[str, str], float]]


@dataclass(frozen=True)
class Deadlines:
    """When somebody is to be told unless something happens before, Unix seconds: by job, by repository, for a pause.

    They carry what this host declares, so that the same alert rules fit every host.
    """

    jobs: Mapping[str, float] = field(default_factory=dict)
    backups: Mapping[int, float] = field(default_factory=dict)
    pause: float | None = None


def render(
    stanza: str,
    picture: Picture,
    records: Mapping[str, Record],
    troubles: Mapping[str, Trouble],
    deadlines: Deadlines,
    judged: Judgement | None = None,
    drilled: Last = NEVER_DRILLED,
) -> str:
    """All metrics of one stanza. Times are Unix seconds, sizes bytes.

    The label is not C(job): Prometheus puts its own one of this name onto everything that it reads.
    """
    own = {"stanza": stanza}
    archiver = picture.archiver
    backups = [(repository, repository.newest_backup) for repository in picture.repositories]
    rows: Iterable[tuple[str, str, Samples]] = (
        ("last_look_time_seconds", "When the host was last looked at.", [(own, picture.now)]),
        ("protected", "1 when each WAL segment is archived and a usable backup exists.", [(own, judge(picture).protected)]),
        ("standby", "1 on a standby, which archives nothing itself.", [(own, picture.standby)]),
        ("troubles", "Troubles of which somebody was told.", [(own, sum(trouble.told for trouble in troubles.values()))]),
        ("archive_waiting_segments", "WAL segments that wait for the archive.", [(own, archiver.waiting)]),
        (
            "archive_last_time_seconds",
            "When the newest WAL segment was archived.",
            [(own, archiver.last_time)] if archiver.last_time else [],
        ),
        (
            "repository_readable",
            "1 when the repository could be read.",
            [({**own, "repository": str(item.number)}, item.readable) for item in picture.repositories],
        ),
        (
            "backup_last_time_seconds",
            "When the newest backup of a repository ended.",
            [({**own, "repository": str(item.number)}, backup.stopped) for item, backup in backups if backup],
        ),
        (
            "backup_last_size_bytes",
            "Database size in the newest backup of a repository.",
            [({**own, "repository": str(item.number)}, backup.size) for item, backup in backups if backup],
        ),
        (
            "backup_deadline_time_seconds",
            "When the newest usable backup of a repository is too old.",
            [({**own, "repository": str(number)}, time) for number, time in deadlines.backups.items()],
        ),
        (
            "job_last_time_seconds",
            "When a job's newest run ended.",
            [({**own, "recovery_job": job}, record.ended) for job, record in records.items()],
        ),
        (
            "job_last_good_time_seconds",
            "When a job last did not fail.",
            [({**own, "recovery_job": job}, record.good) for job, record in records.items() if record.good is not None],
        ),
        (
            "job_done",
            "1 when a job's newest run did its work.",
            [({**own, "recovery_job": job}, record.outcome == DONE) for job, record in records.items()],
        ),
        (
            "job_failed",
            "1 when a job's newest run failed.",
            [({**own, "recovery_job": job}, record.outcome == FAILED) for job, record in records.items()],
        ),
        (
            "job_deadline_time_seconds",
            "When a job is overdue unless it ends without failure before.",
            [({**own, "recovery_job": job}, time) for job, time in deadlines.jobs.items()],
        ),
        ("verdict_time_seconds", "When every backup was last judged.", [(own, judged.time)] if judged else []),
        ("verdict_faults", "What that verdict found broken.", [(own, len(judged.faults))] if judged else []),
        (
            "verify_exit_code",
            "With what pgbackrest verify itself ended then; it is 0 for corruption too.",
            [({**own, "repository": str(one.repository)}, one.code) for one in judged.readings] if judged else [],
        ),
        *_drills(own, drilled),
        ("paused", "1 while no job begins.", [(own, deadlines.pause is not None)]),
        (
            "pause_deadline_time_seconds",
            "When jobs are paused for too long.",
            [(own, deadlines.pause)] if deadlines.pause is not None else [],
        ),
    )
    return "".join(_metric(f"axiomdb_recovery_{name}", text, samples) for name, text, samples in rows if samples)


def _drills(own: dict[str, str], drilled: Last) -> Iterator[tuple[str, str, Samples]]:
    if drilled.newest:
        yield "drill_last_time_seconds", "When the newest drill began.", [(own, float(drilled.newest["began"]))]
        yield "drill_passed", "1 when the newest drill passed.", [(own, bool(drilled.newest["passed"]))]
    if drilled.passed:
        yield "drill_last_passed_time_seconds", "When the newest drill began that passed.", [(own, float(drilled.passed["began"]))]
        for name, text in (("rto", "What a recovery took in it."), ("rpo", "How old its newest heartbeat was.")):
            value = drilled.passed.get(f"{name}_seconds")
            if value is not None:
                yield f"drill_{name}_seconds", text, [(own, float(value))]


def _metric(name: str, text: str, samples: Samples) -> str:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escape(label)}"' for key, label in labels.items())
        lines.append(f"{name}{{{inner}}} {float(value):.10g}" if not float(value).is_integer() else f"{name}{{{inner}}} {int(value)}")
    return "\n".join(lines) + "\n"


def _escape(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
