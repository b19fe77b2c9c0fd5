# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that speaks against a recovery in place is said at once, each in one sentence, before anything is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest
from _recovery import restore_preflight
from _recovery.restore_preflight import Ground
from test_restoring import HOME, ORDER, planned

GOOD = Ground(version="17")
ROOM = {"free_bytes": 10 << 30, "needed_bytes": 1 << 30}


def judged(ground: Ground = GOOD, detach: bool = False, verified: bool = False, **order: object) -> list[str]:
    problems = restore_preflight.judge(replace(ORDER, **order), HOME, planned(**ROOM), ground, detach=detach, require_verified=verified)
    return [problem.sentence() for problem in problems]


def test_a_good_case_is_not_refused() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("ground", "words"),
    [
        ({"is_mount": True}, "main, which is a mount point and cannot be renamed; expected a directory within a filesystem"),
        ({"parent_writable": False}, "no /var/lib/postgresql/17/main, and its parent a directory where postgres may not write"),
        ({"links": {"pg_wal": "/wal"}}, "main/pg_wal, a link to /wal; expected no link but those of tablespaces"),
        ({"tablespace_parents": {"/srv/space": False}}, "the tablespace /srv/space, where postgres may not write"),
        ({"version": "16"}, "a set of PostgreSQL 16 in repository 2; expected one of PostgreSQL 17"),
        ({"foreign": "the process 7"}, "Found the process 7 on /var/lib/postgresql/17/main; expected the server of 17/main alone"),
        ({"standbys": ("replica1",), "slots": ("s1",)}, "the standby replica1, the replication slot s1; expected nobody who follows"),
    ],
)
def test_each_obstacle_is_named(ground: dict[str, object], words: str) -> None:
    found = judged(replace(GOOD, **ground))
    assert len(found) == 1
    assert words in found[0]
    assert ". Next: " in found[0]


def test_all_of_them_are_said_at_once() -> None:
    found = judged(replace(GOOD, is_mount=True, version="16", slots=("s1",)), reason=" ", action="dance")
    assert len(found) == 5


def test_standbys_may_be_detached() -> None:
    assert judged(replace(GOOD, standbys=("replica1",)), detach=True) == []


def test_a_verified_set_is_asked_for_only_where_it_is_wanted() -> None:
    ground = replace(GOOD, unverified="the set x, which no verification has found good")
    assert judged(ground) == []
    assert "no verification has found good" in judged(ground, verified=True)[0]


def test_too_little_room_names_the_way_without_a_way_back() -> None:
    small = planned(free_bytes=1 << 30, needed_bytes=1 << 30)
    found = restore_preflight.judge(ORDER, HOME, small, GOOD, detach=False, require_verified=False)
    assert "restore_keep=none" in found[0].sentence()
    assert restore_preflight.judge(replace(ORDER, keep=False), HOME, small, GOOD, detach=False, require_verified=False) == []
