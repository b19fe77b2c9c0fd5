# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of a status that are lines about backups, jobs to come and what a host is not protected against; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from . import schedule
from .catalog import Backup, Repository
from .jobs import VERIFY, Record, Settings
from .spoken import age, human, moment
from .summary import Picture, judge
from .verdict import Fault

KINDS = ("full", "diff", "incr")


def newest_of_each_kind(repository: Repository) -> list[Backup]:
    """The newest backup of each kind, whole ones before those that build on them."""
    found = {backup.kind: backup for backup in sorted(repository.backups, key=lambda one: one.stopped)}
    return [found[kind] for kind in KINDS if kind in found]


def backups(picture: Picture) -> list[str]:
    """The newest backup of each kind in each repository, with the size of the database and what it takes in the repository."""
    text = []
    for repository in picture.repositories:
        for one in newest_of_each_kind(repository):
            sizes = f"{human(one.size)} of database, {human(one.repository_size)} in the repository"
            broken = ", BROKEN" if one.error else ""
            past = age(max(0.0, picture.now - one.stopped))
            text.append(f"  newest {one.kind:<5} repository {repository.number}: {one.label}, {past} old, {sizes}{broken}")
    return text


def next_jobs(settings: Settings, local: datetime) -> dict[str, datetime]:
    """When each scheduled job runs next, in the time of the host; `local` is now in it."""
    runs = {job: schedule.next_run(text, local) for job, text in settings.schedules.items() if schedule.judge(job, text) is None}
    return {job: when for job, when in runs.items() if when is not None}


def jobs(records: Mapping[str, Record], judged: bool, upcoming: Mapping[str, float], now: float) -> list[str]:
    """How the newest run of each job ended, and when it runs next, in Unix seconds. What a verdict says is not said twice."""
    text = []
    for job, record in records.items():
        told = f"{record.outcome}{'' if judged and job == VERIFY else f': {record.text}'}"
        text.append(f"  job          {job}: {told}, {age(max(0.0, now - record.ended))} ago")
    for job, when in sorted(upcoming.items(), key=lambda item: item[1]):
        text.append(f"  next job     {job} at {moment(when)}, in {age(when - now)}")
    return text


def open_faults(faults: Sequence[Fault], troubles: Mapping[str, str]) -> list[Fault]:
    """The faults that no trouble tells of already."""

    def told(fault: Fault) -> bool:
        topic, _space, name = fault.topic.rpartition(" ")
        return fault.topic in troubles or (topic.startswith("hole ") and name in troubles.get(topic, ""))

    return [fault for fault in faults if not told(fault)]


def unprotected(picture: Picture, settings: Settings, webhook: bool) -> list[str]:
    """What this host is not protected against, beyond what the summary of any host says."""
    text = []
    if picture.server is not None and not picture.standby:
        timeout = picture.archive_timeout
        worst = f"up to {age(timeout)} of commits" if timeout else "all commits since the last WAL segment was full"
        text.append(f"  does not     save what was not archived yet when this host is lost: {worst}")
        if not picture.checksums:
            text.append("  does not     notice damaged pages: data checksums are off")
    if picture.places and not judge(picture).protected and not any(place.elsewhere for place in picture.places.values()):
        text.append("  does not     survive the LOSS OF THIS HOST: no repository lies elsewhere")
    if settings.schedules and VERIFY not in settings.schedules:
        text.append("  does not     notice damaged backups: no verify job is scheduled")
    if not webhook:
        text.append("  does not     tell anybody of trouble: recovery_webhook_url is not set")
    return text
