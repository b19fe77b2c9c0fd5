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
    home = replace(HOME, wal="/wal")
    problems = restore_preflight.judge(replace(ORDER, **order), home, planned(**ROOM), ground, detach=detach, require_verified=verified)
    return [problem.sentence() for problem in problems]


def test_a_good_case_is_not_refused() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("ground", "words"),
    [
        ({"parent_writable": False}, "no /var/lib/postgresql/17/main, and its parent a directory where postgres may not write"),
        ({"links": {"base": "/disk"}}, "main/base, a link to /disk; expected no link but pg_wal and those of tablespaces"),
        (
            {"wal_is_there": False},
            "main/pg_wal, a link to /wal, where nothing is; expected a link to the WAL. Next: mount what belongs there",
        ),
        ({"wal_is_mount": True}, "main/pg_wal, a link to the mount point /wal; expected a link to a directory on it"),
        (
            {"locations": {"/srv/space": False}},
            "the tablespace /srv/space, where postgres may not write; expected a directory of postgres's. "
            "Next: sudo install -d -o postgres -g postgres -m 700 /srv/space",
        ),
        (
            {"locations": {"/srv/space": True}, "others": {"/srv/space": "/var/lib/postgresql/17/other"}},
            "the tablespace /srv/space, where the cluster in /var/lib/postgresql/17/other has one; expected nobody else's data there",
        ),
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


def test_a_disabled_cluster_is_not_recovered_to_be_never_started() -> None:
    found = [problem.sentence() for problem in restore_preflight.judge_start(replace(HOME, start="disabled"))]
    file = "/etc/postgresql/17/main/start.conf"
    said = f"Found 'disabled' in {file}; expected a cluster that may be started in the end. Next: echo auto | sudo tee {file}"
    assert found == [f"{said}; then type the same again"]
    assert restore_preflight.judge_start(HOME) == []


def test_all_of_them_are_said_at_once() -> None:
    found = judged(replace(GOOD, links={"base": "/disk"}, version="16", slots=("s1",)), action="dance")
    assert len(found) == 4


@pytest.mark.parametrize("reason", ["", " ", "...", "WHY", "why"])
def test_no_reason_and_what_stands_in_an_example_for_one_are_refused_with_the_command(reason: str) -> None:
    found = restore_preflight.judge_reason(replace(ORDER, reason=reason), "restore name:before --reason=WHY")
    assert found is not None
    assert found.next_step == "with your own words for WHY, type: restore name:before --reason=WHY"


def test_any_reason_in_words_will_do() -> None:
    assert restore_preflight.judge_reason(replace(ORDER, reason="why not"), "again") is None


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


def test_a_link_is_refused_with_a_way_back_and_without() -> None:
    for keep in (True, False):
        (found,) = judged(replace(GOOD, links={"base": "/disk"}), keep=keep)
        assert found.endswith("put what lies in /disk back in the link's place, and type the same again")


def test_what_is_overwritten_needs_no_place_beside_its_wal() -> None:
    assert judged(replace(GOOD, wal_is_mount=True), keep=False) == []


MOUNT = replace(HOME, mounts=(HOME.directory,))
KEPT = replace(GOOD, kept_within=(".kept-20261101-080000", ".kept-20261102-080000"))


def test_a_mount_point_is_no_obstacle() -> None:
    assert restore_preflight.judge(ORDER, MOUNT, planned(**ROOM), KEPT, detach=False, require_verified=False) == []


def test_what_is_kept_in_a_mount_point_is_not_overwritten() -> None:
    order = replace(ORDER, keep=False)
    (found,) = restore_preflight.judge(order, MOUNT, planned(**ROOM), KEPT, detach=False, require_verified=False)
    assert "Found .kept-20261101-080000, .kept-20261102-080000 in /var/lib/postgresql/17/main, which is a mount point" in found.sentence()
    assert "; or with 20261101-080000 and 20261102-080000 for NAME, type: sudo " in found.next_step
    assert found.next_step.endswith(" --release=NAME --confirm=vps1/axiomdb")


def test_a_mount_point_belongs_to_postgres() -> None:
    ground = replace(GOOD, parent_writable=False)
    (found,) = restore_preflight.judge(ORDER, MOUNT, planned(**ROOM), ground, detach=False, require_verified=False)
    assert found.found == "the mount point /var/lib/postgresql/17/main, where postgres may not write"
