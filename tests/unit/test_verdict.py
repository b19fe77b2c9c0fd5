# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verdicts: each fault is one sentence with the command that helps, and what a host that is well shows for a moment is none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from _recovery import verdict
from _recovery.archive import Holdings
from _recovery.catalog import NOT_OPENED, Backup, unreadable
from _recovery.history import Tree, tree_of
from _recovery.provision import Archiver
from _recovery.summary import Picture
from _recovery.verdict import FULL, STATUS, Fault, Judgement, Limits, Reading
from _recovery.wal import Lsn
from _recovery.window import Outlook, Seen, look_out
from _recovery.writer import Server
from archives import BEATS, HISTORY, NEW, NOW, OLD, Scene

LIMITS = Limits(25 * 3600)
SERVER = Server("vps1", "vps1", "0" * 32, "axiomdb", 7, "17", 1, Lsn.parse("0/A000100"), 1 << 24)
ARCHIVER = Archiver("on", "pgbackrest --stanza=axiomdb archive-push %p", last_segment="000000010000000000000009", last_time=NOW - 30)
GOOD = Reading(1, 0, 2, 7)
LOG = "tail /var/log/pgbackrest/axiomdb-archive-push-async.log"
WITHOUT_5 = (3, 4, 6, 7, 8, 9)


def picture(*outlooks: Outlook, **changes: Any) -> Picture:
    repositories = [one.repository for one in outlooks] or [Scene().outlook().repository]
    return replace(Picture("vps1", "axiomdb", NOW, server=SERVER, archiver=ARCHIVER, repositories=repositories), **changes)


def closed(name: str) -> Outlook:
    """An outlook on a repository into which nobody could look."""
    return look_out(unreadable(1, name), Holdings(1 << 24), Tree())


def sentences(*outlooks: Outlook, limits: Limits = LIMITS, readings: tuple[Reading, ...] = (), **changes: Any) -> list[str]:
    return [fault.sentence for fault in verdict.judge(picture(*outlooks, **changes), outlooks, limits, readings)]


# --- each fault is a sentence ----------------------------------------------------------------------------------------


def test_a_host_that_is_well_is_not_accused() -> None:
    assert sentences(Scene().outlook(), readings=(GOOD,)) == []


def test_a_segment_missing_in_the_middle_is_named_with_what_it_costs() -> None:
    assert sentences(Scene(WITHOUT_5).outlook()) == [
        "repository 1: the WAL segment 000000010000000000000005 is missing: no moment from there until the end of set 20261122-110000F "
        f"can be recovered. Type: {STATUS}"
    ]


def test_a_segment_missing_behind_the_newest_backup_asks_for_a_new_one() -> None:
    assert sentences(Scene((3, 4, 5, 6, 9)).outlook()) == [
        "repository 1: the 2 WAL segments from 000000010000000000000007 to 000000010000000000000008 are missing: what was committed after "
        f"set 20261122-110000F and behind it cannot be recovered from there. Type: {FULL}"
    ]


def test_a_segment_that_a_backup_needs_makes_the_backup_worthless() -> None:
    said = sentences(Scene((3, 4, 5, 7, 8, 9)).outlook())
    needs = "nothing can be recovered from set 20261122-110000F: the WAL segment 000000010000000000000006, which it needs, is missing"
    assert f"repository 1: {needs}. Type: {FULL}" in said
    (hole,) = [text for text in said if "no moment" in text or "cannot be recovered from there" in text]
    assert "000000010000000000000006 is missing" in hole


def test_an_older_backup_without_its_segment_needs_no_new_one() -> None:
    (said,) = sentences(Scene((4, 5, 6, 7, 8, 9)).outlook())
    assert said.startswith("repository 1: nothing can be recovered from set 20261122-100000F: ")
    assert said.endswith(STATUS)


def test_a_segment_from_before_the_first_backup_is_not_accused() -> None:
    assert sentences(Scene((1, 3, 4, 5, 6, 7, 8, 9)).outlook()) == []


LOST = Scene(child=(8, 9), histories=False)
ON_TWO = {"server": replace(SERVER, timeline=2), "archiver": replace(ARCHIVER, last_segment="000000020000000000000009")}
FILES = {2: "/var/lib/postgresql/17/main/pg_wal/00000002.history"}
PUSH = f"sudo -u postgres pgbackrest --stanza=axiomdb --no-archive-async archive-push {FILES[2]}"


def later(label: str) -> Backup:
    """A set of timeline 2."""
    return replace(NEW, label=label, lsn_start="0/9000028", lsn_stop="0/9000138", wal_stop="000000020000000000000009")


def test_a_timeline_without_its_history_is_named_with_what_is_left_of_it_and_the_file_is_pushed_where_it_is() -> None:
    nothing = "repository 1: 00000002.history is missing: nothing of timeline 2 can be recovered"
    assert sentences(LOST.outlook(), histories=FILES, **ON_TWO) == [f"{nothing}. Type: {PUSH}"]
    assert sentences(LOST.outlook(), **ON_TWO) == [f"{nothing}. Type: {FULL}"]
    assert sentences(LOST.outlook(), server=None) == [f"{nothing}. Type: {FULL}"]
    one, two = later("20261122-113000F"), later("20261122-114000F")
    for sets, said in (((one,), f"the end of set {one.label}"), ((one, two), "the ends of its 2 sets")):
        (found,) = sentences(replace(LOST, backups=(OLD, NEW, *sets)).outlook(), histories=FILES, **ON_TWO)
        assert found == f"repository 1: 00000002.history is missing: of timeline 2 only {said} can be recovered. Type: {PUSH}"
    assert sentences(replace(LOST, histories=True).outlook(), histories=FILES, **ON_TWO) == []


def test_a_history_that_is_lost_behind_a_later_one_costs_only_what_that_one_left() -> None:
    def said(held: Holdings) -> list[str]:
        tree = tree_of({3: HISTORY + "2\t0/9000100\tx\n"}, held.timelines)
        outlook = look_out(Scene().outlook().repository, held, tree, Seen(BEATS))
        last = replace(ARCHIVER, last_segment="000000030000000000000009")
        return sentences(outlook, server=replace(SERVER, timeline=3), archiver=last)

    whole = Holdings(1 << 24, {1: ((3, 7),), 2: ((8, 9),), 3: ((9, 9),)}, frozenset({3}))
    left = "of timeline 2 only what timeline 3 took over can be recovered"
    assert said(whole) == [f"repository 1: 00000002.history is missing: {left}. Type: {STATUS}"]
    # What the repository has nothing of is not missed: here the segments of timeline 2 are, and they are another fault.
    (hole,) = said(Holdings(1 << 24, {1: ((3, 7),), 3: ((9, 9),)}, frozenset({3})))
    assert "000000020000000000000008 is missing" in hole


def test_a_first_timeline_has_no_history_and_a_standby_none_of_its_own() -> None:
    assert sentences(Scene().outlook(), histories=FILES) == []
    assert sentences(LOST.outlook(), standby=True, **ON_TWO) == []


@pytest.mark.parametrize(
    ("clause", "command"),
    [
        ("the backup 20261122-110000F is invalid (checksum invalid: 1)", FULL),
        ("the backup 20261122-110000F is manifest missing", FULL),
        ("1 of 19 WAL segments in the archive 17-1 is not valid (checksum invalid: 1)", FULL),
        (
            "No usable backup.info file",
            "sudo -u postgres pgbackrest --stanza=axiomdb --repo=1 --output=text --verbose verify",
        ),
    ],
)
def test_what_pgbackrest_verify_shows_is_named_with_its_repository(clause: str, command: str) -> None:
    assert sentences(Scene().outlook(), readings=(replace(GOOD, broken=(clause,)),)) == [f"repository 1: {clause}. Type: {command}"]


def test_a_repository_that_cannot_be_read_is_named_with_the_reason() -> None:
    assert sentences(closed("access was denied")) == [
        "repository 1 cannot be read: access was denied. Type: sudo -u postgres pgbackrest --stanza=axiomdb --repo=1 info"
    ]


def test_a_wrong_passphrase_is_not_called_a_lost_file_too() -> None:
    reading = replace(GOOD, broken=("No usable backup.info file", "No usable archive.info file"))
    assert sentences(closed(NOT_OPENED), readings=(reading,)) == [
        f"repository 1 cannot be read: {NOT_OPENED}. Type: sudo -u postgres pgbackrest --stanza=axiomdb --repo=1 info"
    ]
    assert len(sentences(closed("missing data"), readings=(reading,))) == 3


def test_what_remedies_an_unreadable_repository_is_what_to_type() -> None:
    outlook = look_out(unreadable(2, "nothing is mounted on /mnt/b", "mount /mnt/b"), Holdings(1 << 24), Tree())
    assert sentences(outlook) == ["repository 2 cannot be read: nothing is mounted on /mnt/b. Type: mount /mnt/b"]


def test_segments_that_a_full_queue_dropped_are_named() -> None:
    assert sentences(Scene((3, 4, 5, 6, 7)).outlook(), behind=(1,)) == [
        f"repository 1 lacks the WAL segment 000000010000000000000009, which PostgreSQL believes archived. Type: {FULL}"
    ]


def test_a_repository_behind_another_one_is_named() -> None:
    behind = Scene((3, 4, 5, 6, 7)).outlook(2)
    failing = replace(ARCHIVER, last_failed_time=NOW, last_segment="000000010000000000000007")
    assert sentences(Scene().outlook(), behind, archiver=failing) == [
        f"archiving fails. Type: {LOG}",
        "repository 2 is behind repository 1: its newest WAL segment is 000000010000000000000007, the other's 000000010000000000000009. "
        "Type: sudo -u postgres pgbackrest --stanza=axiomdb --log-level-console=info check",
    ]


def test_many_segments_behind_are_too_many_while_nothing_fails() -> None:
    ahead = Scene(tuple(range(3, 18)))
    well = replace(ARCHIVER, last_segment="000000010000000000000008")
    assert sentences(ahead.outlook(), Scene().outlook(2), archiver=well) == []
    (said,) = sentences(ahead.outlook(), Scene((3, 4, 5, 6, 7, 8)).outlook(2), archiver=well)
    assert said.startswith("repository 2 is behind repository 1: ")


def test_a_repository_without_any_segment_of_the_timeline_is_behind() -> None:
    other = Scene((), backups=()).outlook(2)
    failing = replace(ARCHIVER, last_failed_time=NOW)
    said = sentences(Scene().outlook(), other, archiver=failing)
    assert "its newest WAL segment is none, the other's 000000010000000000000009" in said[-1]


def test_an_archiving_that_fails_is_named_with_the_reason() -> None:
    error = "[045] WAL segment to get required\nrepo2: [FileOpenError] unable to open file '/x' for write: [13] Permission denied"
    (said,) = sentences(Scene().outlook(), archiver=replace(ARCHIVER, spool_errors=(error,)))
    assert said.startswith("archiving fails: repository 2: ")
    assert said.endswith(f". Type: {LOG}")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"archiver": replace(ARCHIVER, stopped=True)}, "pgBackRest was told to stop on this host"),
        ({"archiver": Archiver()}, "archive_mode is off"),
        ({"archiver": replace(ARCHIVER, waiting=3, oldest_waiting=NOW - 3600)}, "3 WAL segments wait, the oldest for 1 hour"),
        ({"archiver": replace(ARCHIVER, waiting=1, oldest_waiting=NOW - 3600)}, "1 WAL segment waits for 1 hour"),
        ({"server": None, "archiver": Archiver(waiting=1)}, "1 WAL segment waits on this host alone while no server archives"),
        ({"writers": {1: "another server writes to this stanza"}}, "another server writes to this stanza"),
        ({"late": {1: ("000000010000000000000009", NOW - 60)}}, "another server writes to this stanza (axiomdb in repository 1): the WAL"),
    ],
)
def test_what_keeps_the_wal_of_this_server_from_a_repository_is_a_fault(changes: dict[str, Any], said: str) -> None:
    (fault,) = verdict.judge(picture(Scene().outlook(), **changes), (Scene().outlook(),), LIMITS)
    assert fault.found.startswith(said)
    assert fault.repository == ("writer" in fault.topic)


def test_a_backup_that_is_too_old_is_named_in_its_repository() -> None:
    assert sentences(Scene().outlook(), limits=Limits(1800)) == [
        "the newest backup in repository 1 is 1 hour old. Type: sudo /opt/axiomdb/axiomdb-recovery backup"
    ]


def test_a_repository_without_a_usable_backup_is_named() -> None:
    assert sentences(Scene(backups=()).outlook()) == [f"repository 1 holds no usable backup. Type: {FULL}"]
    foreign = replace(SERVER, system_id=8)
    assert f"repository 1 holds no usable backup. Type: {FULL}" in sentences(Scene().outlook(), server=foreign)


def test_a_window_that_does_not_reach_back_is_named() -> None:
    assert sentences(Scene().outlook(), limits=replace(LIMITS, window_days=1)) == [
        "the window of repository 1 reaches back 2 hours, to 2026-11-22T10:00:00Z; it must reach back 1 day. "
        "Type: sudo /opt/axiomdb/axiomdb-recovery status"
    ]
    two_days_ago = replace(OLD, stopped=OLD.stopped - 2 * 86400)
    assert sentences(Scene(backups=(two_days_ago, NEW)).outlook(), limits=replace(LIMITS, window_days=1)) == []


def test_a_cluster_that_is_younger_than_the_window_is_not_accused() -> None:
    def said(hours: float) -> list[str]:
        born = int(NOW - hours * 3600) << 32
        scene = Scene()
        repository = replace(scene.outlook().repository, databases=(replace(scene.outlook().repository.databases[0], system_id=born),))
        outlook = replace(scene.outlook(), repository=repository)
        return sentences(outlook, limits=replace(LIMITS, window_days=2), server=replace(SERVER, system_id=born))

    assert said(71) == []
    assert len(said(73)) == 1


def test_without_a_repository_nothing_is_well() -> None:
    assert sentences() == ["no repository is configured. Type: ansible-playbook -i inventory playbooks/site.yml"]


# --- what a host that is well shows for a moment ---------------------------------------------------------------------


def test_a_segment_that_arrived_before_the_one_in_front_of_it_accuses_nobody() -> None:
    early = replace(ARCHIVER, last_segment="000000010000000000000007")
    assert sentences(Scene((3, 4, 5, 6, 7, 9)).outlook(), archiver=early) == []
    late = replace(ARCHIVER, last_segment="000000010000000000000008")
    assert len(sentences(Scene((3, 4, 5, 6, 7, 9)).outlook(), archiver=late)) == 1


def test_a_backup_whose_last_segment_is_on_its_way_is_not_broken() -> None:
    early = replace(ARCHIVER, last_segment="000000010000000000000005")
    assert sentences(Scene((3, 4, 5)).outlook(), archiver=early) == []
    assert len(sentences(Scene((3, 4, 5)).outlook(), archiver=replace(early, last_segment="000000010000000000000006"))) == 1


def test_a_backup_whose_directory_is_gone_is_broken_whatever_is_on_its_way() -> None:
    lost = replace(NEW, error=True, lost=True)
    early = replace(ARCHIVER, last_segment="000000010000000000000005")
    (said,) = sentences(Scene(backups=(OLD, lost)).outlook(), archiver=early)
    assert said.endswith(f"files of it are lost. Type: {FULL}")


def test_a_new_timeline_has_segments_on_their_way_too() -> None:
    promoted = replace(SERVER, timeline=2)
    scene = Scene(tuple(range(3, 8)), (8, 10))
    assert sentences(scene.outlook(), server=promoted, archiver=replace(ARCHIVER, last_segment="000000020000000000000008")) == []
    assert len(sentences(scene.outlook(), server=promoted, archiver=replace(ARCHIVER, last_segment="000000020000000000000010"))) == 1


def test_a_hole_before_a_fork_is_on_no_way_whatever_was_archived_last() -> None:
    scene, promoted = Scene((3, 4, 6, 7), (8, 9)), replace(SERVER, timeline=2)
    (said,) = sentences(scene.outlook(), server=promoted, archiver=replace(ARCHIVER, last_segment="000000010000000000000004"))
    assert "000000010000000000000005 is missing" in said


def test_the_timeline_of_the_server_is_judged_and_no_newer_one() -> None:
    assert sentences(Scene(child=(8, 10)).outlook()) == []
    assert len(sentences(Scene(child=(8, 10)).outlook(), server=None)) == 1


def test_a_repository_that_lacks_what_was_dropped_is_accused_once() -> None:
    failing = replace(ARCHIVER, last_failed_time=NOW)
    _archiving, said = sentences(Scene().outlook(), Scene((3, 4, 5, 6, 7)).outlook(2), behind=(2,), archiver=failing)
    assert said.startswith("repository 2 lacks the WAL segment 000000010000000000000009")


def test_a_clock_that_went_back_demands_no_window() -> None:
    assert [text for text in sentences(Scene().outlook(), now=NOW - 86400) if "window" in text] == []


@pytest.mark.parametrize("last", [None, "00000002.history"])
def test_where_nobody_knows_what_is_archived_a_hole_is_a_hole(last: str | None) -> None:
    assert len(sentences(Scene(WITHOUT_5).outlook(), archiver=replace(ARCHIVER, last_segment=last))) == 1


def test_a_dead_server_hides_no_hole() -> None:
    assert len(sentences(Scene(WITHOUT_5).outlook(), server=None)) == 1


def test_a_standby_is_judged_on_its_primary() -> None:
    assert sentences(Scene(WITHOUT_5).outlook(), standby=True) == []


def test_an_abandoned_timeline_accuses_nobody() -> None:
    scene = Scene((3, 4, 5, 6, 7, 8, 11), (8, 9))
    last = replace(ARCHIVER, last_segment="000000020000000000000009")
    assert sentences(scene.outlook(), server=replace(SERVER, timeline=2), archiver=last) == []


def test_only_what_two_looks_agree_on_stands() -> None:
    hole, old = Fault("hole 1 X", 1, "a", "b"), Fault("age 1", 1, "1 day old", "c")
    assert verdict.standing((hole, old), (replace(old, found="2 days old"),)) == (replace(old, found="2 days old"),)
    assert verdict.standing((), (hole,)) == ()


def test_each_fault_of_a_verdict_has_a_topic_of_its_own() -> None:
    outlooks = (Scene(WITHOUT_5).outlook(), Scene((3, 4, 5, 7)).outlook(2))
    readings = (replace(GOOD, broken=("one", "two")), replace(GOOD, repository=2, broken=("one",)))
    faults = verdict.judge(picture(*outlooks, behind=(2,)), outlooks, Limits(1, 1), readings)
    assert len({fault.topic for fault in faults}) == len(faults) >= 9


# --- what is kept and told -------------------------------------------------------------------------------------------

BROKEN = Judgement(NOW - 7200, (replace(GOOD, broken=("the backup X is invalid",)),), (Fault("a", 1, "the backup X is invalid", FULL),))


@pytest.mark.parametrize("judgement", [Judgement(NOW, (GOOD,)), BROKEN])
def test_a_verdict_is_read_as_it_was_kept(judgement: Judgement) -> None:
    assert verdict.parse(json.loads(json.dumps({"format": 1, **verdict.document(judgement)}))) == judgement


@pytest.mark.parametrize("damaged", [{}, {"time": 1}, {"time": "x", "repositories": [], "faults": []}, {"time": 1, "repositories": 7}])
def test_a_verdict_that_cannot_be_read_is_none(damaged: dict[str, Any]) -> None:
    assert verdict.parse(damaged) is None


def test_a_verdict_is_told_with_its_age_and_the_exit_code_of_verify_itself() -> None:
    assert verdict.lines(BROKEN, NOW) == [
        "  VERDICT      2 hours ago: 1 thing is broken",
        f"               the backup X is invalid. Type: {FULL}",
        "               pgbackrest verify itself ended with 000 for repository 1",
    ]
    assert verdict.lines(Judgement(NOW - 60, (GOOD, replace(GOOD, repository=2))), NOW) == [
        "  verdict      1 minute ago: read everything in 2 repositories: 4 backups and 14 WAL segments, nothing is broken or missing",
        "               pgbackrest verify itself ended with 000 for repository 1, 000 for repository 2",
    ]


def test_what_was_read_of_each_repository_is_told() -> None:
    both = Judgement(NOW, (replace(GOOD, files=1204), replace(GOOD, repository=2)))
    assert verdict.read_lines(both, "axiomdb") == [
        "  verified     axiomdb in repository 1: 2 backups with 1204 files and 7 WAL segments read, nothing is broken or missing",
        "  verified     axiomdb in repository 2: 2 backups and 7 WAL segments read, nothing is broken or missing",
    ]


def test_one_of_each_is_told_as_one() -> None:
    told = verdict.said(Judgement(NOW, (replace(GOOD, backups=1, segments=1),)))
    assert told == "read everything in 1 repository: 1 backup and 1 WAL segment, nothing is broken or missing"


def test_that_nothing_was_ever_verified_is_told() -> None:
    assert verdict.lines(None, NOW) == ["  verdict      no backup was ever verified. Type: sudo /opt/axiomdb/axiomdb-recovery verify"]
