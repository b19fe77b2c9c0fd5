# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lines of a status: the newest backup of each kind, the jobs to come, and what a host is not protected against."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from _recovery import outline
from _recovery.jobs import DONE, FAILED, Record, Settings
from _recovery.summary import Place
from _recovery.verdict import Fault
from pictures import NOW, picture, repository

LOCAL, AWAY = Place("posix", "/var/lib/pgbackrest", "aes-256-cbc", False), Place("s3", "/x", "aes-256-cbc", True)
SETTINGS = Settings("vps1", (), {"full": "0 2 * * *", "verify": "0 4 * * *", "hourly": "not a schedule"})


def test_the_newest_backup_of_each_kind_has_both_sizes() -> None:
    full, old = repository(1, 7200.0, 9000.0).backups
    incr = replace(full, label="B", kind="incr", stopped=full.stopped + 3600, size=5 << 20, repository_size=1 << 20, error=True)
    seen = picture(replace(repository(1), backups=(incr, old, full)))
    assert outline.backups(seen) == [
        f"  newest full  repository 1: {full.label}, 2 hours old, 1.0 MiB of database, 1.0 MiB in the repository",
        "  newest incr  repository 1: B, 1 hour old, 5.0 MiB of database, 1.0 MiB in the repository, BROKEN",
    ]


def test_jobs_to_come_are_in_their_order() -> None:
    local = datetime(2026, 11, 24, 3, 0)
    upcoming = outline.next_jobs(SETTINGS, local)
    assert upcoming == {"verify": datetime(2026, 11, 24, 4, 0), "full": datetime(2026, 11, 25, 2, 0)}
    now = datetime(2026, 11, 24, 3, 0, tzinfo=UTC).timestamp()
    seconds = {job: when.replace(tzinfo=UTC).timestamp() for job, when in upcoming.items()}
    assert outline.jobs({}, False, seconds, now) == [
        "  next job     verify at 2026-11-24T04:00:00Z, in 1 hour",
        "  next job     full at 2026-11-25T02:00:00Z, in 23 hours",
    ]


def test_what_the_verdict_tells_is_not_told_by_the_job_again() -> None:
    records = {"full": Record(DONE, "took it", NOW - 9, NOW - 5), "verify": Record(FAILED, "a long list", NOW - 9, NOW - 5)}
    assert outline.jobs(records, True, {}, NOW) == ["  job          full: done: took it, 5 s ago", "  job          verify: failed, 5 s ago"]
    assert outline.jobs(records, False, {}, NOW)[1] == "  job          verify: failed: a long list, 5 s ago"


def test_what_a_trouble_tells_is_no_further_fault() -> None:
    faults = [Fault(topic, 1, "x", "y") for topic in ("behind 1", "hole 1 AB", "hole 1 CD", "set 1 L", "window 1")]
    troubles = {"behind 1": "", "hole 1": "the WAL segment CD is missing"}
    assert [fault.topic for fault in outline.open_faults(faults, troubles)] == ["hole 1 AB", "set 1 L", "window 1"]


def test_what_a_host_is_not_protected_against() -> None:
    seen = replace(picture(repository(1, 60.0)), places={1: LOCAL}, archive_timeout=60)
    assert outline.unprotected(seen, SETTINGS, webhook=True) == [
        "  does not     save what was not archived yet when this host is lost: up to 1 minute of commits"
    ]
    bad = replace(seen, checksums=False, archive_timeout=0, repositories=())
    assert outline.unprotected(bad, replace(SETTINGS, schedules={"full": "0 2 * * *"}), webhook=False) == [
        "  does not     save what was not archived yet when this host is lost: all commits since the last WAL segment was full",
        "  does not     notice damaged pages: data checksums are off",
        "  does not     survive the LOSS OF THIS HOST: no repository lies elsewhere",
        "  does not     notice damaged backups: no verify job is scheduled",
        "  does not     tell anybody of trouble: recovery_webhook_url is not set",
    ]
    assert len(outline.unprotected(replace(bad, places={1: LOCAL, 2: AWAY}), SETTINGS, webhook=True)) == 2
    assert outline.unprotected(replace(seen, server=None, places={}), SETTINGS, webhook=True) == []
