# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans name repository, set and timeline, always; each refusal is a sentence of its own with the nearest target that works."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from _recovery import plan
from _recovery.archive import Holdings
from _recovery.catalog import Database, Repository, unreadable
from _recovery.history import tree_of
from _recovery.moments import Moment
from _recovery.nearest import Near, around
from _recovery.plan import Archives, Plan
from _recovery.problem import Problem
from _recovery.reach import Room
from _recovery.restore_consent import digest
from _recovery.spoken import moment
from _recovery.target import parse
from _recovery.telling import document, lines
from _recovery.up_to import UpTo
from _recovery.wal import Lsn
from _recovery.window import Outlook, Seen, Tail, look_out
from archives import BEATS, HERE, NEW, NOW, OLD, POINT, SIZE, Scene, backup, beat, clock
from hypothesis import given
from hypothesis import strategies as st

WELL = Scene()
LAST = Lsn.parse("0/9000300")
TAIL = Tail(1, 9, beat("12:00:05", "0/9000200"), LAST, LAST)
READ = Scene(tails=(TAIL,), moments=(*BEATS, beat("12:00:05", "0/9000200"), Moment(NOW, LAST, 1)))
HOLES = Scene(numbers=(3, 4, 6, 7, 9))
FORKED = Scene(
    child=(8, 9, 10),
    moments=(*BEATS, beat("12:20:00", "0/8000200", 2), beat("12:40:00", "0/A000100", 2)),
    here=replace(HERE, timeline=2, now=clock("13:00:00")),
)
LIVE = Scene(here=replace(HERE, lsn=Lsn.parse("0/A000500")))
DAY = "2026-11-22T"


@pytest.mark.parametrize(
    ("target", "label", "options", "last"),
    [
        ("latest", NEW.label, "--type=standby --target-timeline=1", 9),
        ("immediate", NEW.label, "--type=immediate --target-action=pause", 6),
        (f"backup:{OLD.label}", OLD.label, "--type=immediate --target-action=pause", 3),
        (
            f"time:{DAY}10:45:00Z",
            OLD.label,
            "--type=time '--target=2026-11-22 10:45:00.000000+00' --target-timeline=1 --target-action=pause",
            7,
        ),
        (
            f"time:{DAY}13:45:00.5+02:00",
            NEW.label,
            "--type=time '--target=2026-11-22 11:45:00.500000+00' --target-timeline=1 --target-action=pause",
            9,
        ),
        (
            f"before-time:{DAY}12:00:00Z",
            NEW.label,
            "--type=time '--target=2026-11-22 12:00:00.000000+00' --target-exclusive --target-timeline=1 --target-action=pause",
            9,
        ),
        ("name:pre-migration", NEW.label, "--type=name --target=pre-migration --target-timeline=1 --target-action=pause", 7),
        ("lsn:0/7000050", NEW.label, "--type=lsn --target=0/7000050 --target-exclusive --target-timeline=1 --target-action=pause", 7),
        (
            "before-lsn:0/5000000",
            OLD.label,
            "--type=lsn --target=0/5000000 --target-exclusive --target-timeline=1 --target-action=pause",
            5,
        ),
        ("lsn:0/6000138", NEW.label, "--type=lsn --target=0/6000138 --target-exclusive --target-timeline=1 --target-action=pause", 6),
        ("xid:1999", OLD.label, "--type=xid --target=1999 --target-timeline=1 --target-action=pause", 9),
        ("before-xid:2000", NEW.label, "--type=xid --target=2000 --target-exclusive --target-timeline=1 --target-action=pause", 9),
        (
            f"lsn:0/7000050,backup:{OLD.label}",
            OLD.label,
            "--type=lsn --target=0/7000050 --target-exclusive --target-timeline=1 --target-action=pause",
            7,
        ),
        (f"xid:5,backup:{OLD.label}", OLD.label, "--type=xid --target=5 --target-timeline=1 --target-action=pause", 9),
    ],
)
def test_a_plan_names_set_timeline_and_the_wal(target: str, label: str, options: str, last: int) -> None:
    found = WELL.planned(target)
    assert (found.repository, found.backup, found.timeline) == (1, label, 1)
    assert found.command == f"--repo=1 --set={label} {options}"
    first = 3 if label == OLD.label else 6
    assert (found.first_segment[-2:], found.last_segment[-2:], found.segments) == (f"0{first}", f"0{last}", last - first + 1)
    assert found.wal_bytes == found.segments * SIZE
    assert found.needed_bytes == found.restore_bytes + found.wal_bytes
    assert (found.kept, found.erased) == (("/var/lib/postgresql/17/main",), ())


def test_only_what_stops_at_a_target_pauses_and_only_immediate_has_no_timeline() -> None:
    for target in ("latest", "immediate", "name:pre-migration", "lsn:0/7000050", "xid:1500", f"time:{DAY}11:15:00Z"):
        options = WELL.planned(target).options
        assert ("--target-timeline=1" in options) == (target != "immediate")
        assert ("--target-action=pause" in options) == (target != "latest")


def test_a_time_behind_the_last_commit_is_planned_as_an_lsn_and_the_plan_says_so() -> None:
    found = READ.planned(f"time:{DAY}12:00:10Z")
    assert (found.kind, found.lsn, found.exclusive, found.time) == ("lsn", "0/9000300", True, f"{DAY}12:00:10Z")
    assert found.notes == (
        f"nothing was committed from {DAY}12:00:05Z until the time {DAY}12:00:10Z: planned as the LSN 0/9000300, behind that commit",
    )
    assert READ.planned(f"time:{DAY}12:00:05Z").kind == "lsn"
    assert READ.planned(f"time:{DAY}12:00:04.999Z").kind == "time"
    assert READ.planned(f"before-time:{DAY}12:00:05Z").kind == "time"


def test_before_the_time_of_the_only_commit_behind_a_fork_stops_at_that_commit() -> None:
    only = beat("12:20:00", "0/8000200", 2)
    tail = Tail(2, 10, only, Lsn.parse("0/8000300"), Lsn.parse("0/A000000"))
    scene = replace(FORKED, moments=(*BEATS[:2], only), tails=(tail,))
    found = scene.planned(f"before-time:{DAY}12:20:00Z")
    assert (found.kind, found.exclusive, found.timeline) == ("time", True, 2)
    assert scene.planned(f"time:{DAY}12:20:00Z").lsn == "0/8000300"


def test_the_lsn_of_an_idle_time_needs_no_segment_behind_it() -> None:
    stop = Lsn.parse("0/8000300")
    tail = Tail(1, 9, beat("12:00:05", "0/8000200"), stop, stop)
    scene = replace(READ, moments=(*BEATS[:2], beat("12:00:05", "0/8000200"), Moment(NOW, LAST, 1)), tails=(tail,))
    assert scene.planned(f"time:{DAY}12:00:10Z").last_segment[-2:] == "08"
    idle = replace(scene, numbers=tuple(range(3, 9)), here=replace(HERE, lsn=Lsn.parse("0/9000028")))
    assert idle.planned(f"time:{DAY}12:00:10Z", own=(9,)).only_here == ()


def test_latest_reaches_behind_the_last_record_that_was_read_or_as_far_as_the_server_writes() -> None:
    assert WELL.planned("latest").lsn == "0/A000000"
    assert READ.planned("latest").lsn == "0/9000318"
    live = replace(READ, here=replace(HERE, lsn=LAST))
    assert live.planned("latest").lsn == "0/9000300"
    assert replace(WELL, here=live.here).planned("latest").lsn == "0/9000300"
    switched = replace(live, here=replace(HERE, lsn=Lsn.parse("0/A000028")), tails=(replace(TAIL, number=10),))
    assert switched.planned("latest", own=(10,)).lsn == "0/9000318"
    at_the_end = replace(READ, tails=(replace(TAIL, last=Lsn.parse("0/9FFFFF0")),))
    assert at_the_end.planned("latest").lsn == "0/A000000"


def test_the_end_is_read_for_latest_and_not_for_what_is_known() -> None:
    window = WELL.outlook().windows[1]
    assert plan.end_to_read(parse("latest"), window) == window.stretches[-1]
    assert [plan.end_to_read(parse(one), window) for one in ("immediate", "name:pre-migration", "xid:1500")] == [None] * 3


def test_a_set_that_says_nothing_of_transactions_is_not_taken_for_one() -> None:
    scene = replace(WELL, backups=(OLD, replace(NEW, annotations={})))
    assert scene.planned("xid:2500").backup == OLD.label


def test_wal_that_only_this_host_has_is_told() -> None:
    found = LIVE.planned("latest", own=(9, 10))
    assert (found.lsn, found.only_here) == ("0/A000500", ("00000001000000000000000A",))
    assert found.notes == ("1 WAL segment is only on this host, and saved first",)
    assert LIVE.planned("latest").only_here == ()
    assert "1 of them only on this host" in "\n".join(plan.lines(found))


def test_an_abandoned_timeline_is_recovered_when_it_is_named() -> None:
    found = FORKED.planned(f"time:{DAY}11:45:00Z,timeline:1")
    assert (found.timeline, found.last_segment) == (1, "000000010000000000000009")
    found = FORKED.planned(f"time:{DAY}12:30:00Z")
    assert (found.timeline, found.first_segment, found.last_segment) == (2, "000000010000000000000006", "00000002000000000000000A")
    assert FORKED.planned("name:pre-migration").timeline == 1


def test_latest_says_what_a_hole_behind_it_costs() -> None:
    found = HOLES.planned("latest")
    assert (found.lsn, found.last_segment[-2:]) == ("0/8000000", "07")
    assert found.notes == ("the WAL segment 000000010000000000000008 is missing: what was committed after it is not recovered",)


@pytest.mark.parametrize(
    ("scene", "target", "line"),
    [
        (READ, "latest", f"{DAY}12:00:05Z, 25 s ago: the newest commit in its WAL"),
        (WELL, "latest", f"{DAY}12:00:00Z, 30 s ago: the newest commit that is known in its WAL; there may be later ones"),
        (HOLES, "latest", f"{DAY}11:30:00Z, 30 minutes ago: the newest commit that is known in its WAL; there may be later ones"),
        (replace(WELL, moments=()), "latest", "UNKNOWN: no commit is known in its WAL"),
        (WELL, f"time:{DAY}13:45:00.5+02:00", f"{DAY}11:45:00.5Z, 15 minutes ago: as it was asked for"),
        (READ, f"time:{DAY}12:00:10Z", f"{DAY}12:00:10Z, 20 s ago: as it was asked for"),
        (WELL, "name:pre-migration", f"{DAY}11:20:00Z, 40 minutes ago: when the snapshot was taken"),
        (WELL, f"backup:{OLD.label}", f"{DAY}10:00:00Z, 2 hours ago: the end of the set"),
        (WELL, "immediate", f"{DAY}11:00:00Z, 1 hour ago: the end of the set"),
        (WELL, "lsn:0/7000200", f"{DAY}11:30:00Z, 30 minutes ago: the newest commit that is known before it; there may be later ones"),
        (WELL, "lsn:0/7000050", ""),
        (WELL, "xid:1500", ""),
    ],
)
def test_a_plan_says_up_to_when_the_data_comes_back(scene: Scene, target: str, line: str) -> None:
    found = [text for text in plan.lines(scene.planned(target)) if text.startswith("  up to ")]
    assert found == ([f"  up to        {line}"] if line else [])


def test_up_to_when_is_in_the_document_and_in_no_digest() -> None:
    found = READ.planned("latest")
    assert plan.document(found)["up_to"] == {"time": f"{DAY}12:00:05Z", "seconds": 25.0, "means": "the newest commit in its WAL"}
    assert digest(found) == digest(replace(found, up_to=UpTo())), "it grows older while somebody reads it"


def test_a_snapshot_whose_set_is_broken_is_reached_from_an_earlier_one() -> None:
    found = replace(WELL, backups=(OLD, replace(NEW, error=True))).planned("name:pre-migration")
    assert found.backup == OLD.label
    assert found.notes == (f"the snapshot's own set {NEW.label} is not used: {OLD.label} leads to it too",)


def test_a_later_set_than_the_snapshots_own_is_never_used() -> None:
    late = backup("20261122-112500F", 7, "11:25:00")
    late = replace(late, lsn_start="0/7000028", lsn_stop="0/7000040")
    assert replace(WELL, backups=(OLD, NEW, late)).planned("name:pre-migration").backup == NEW.label


def test_the_repository_with_the_least_to_replay_is_chosen() -> None:
    near = replace(WELL, backups=(OLD, NEW, backup("20261122-113500F", 8, "11:35:00"))).outlook(2)
    assert WELL.planned("latest", near).repository == 2
    assert WELL.planned("latest", WELL.outlook(2)).repository == 1
    behind = replace(WELL, numbers=tuple(range(3, 8)), moments=BEATS[:2]).outlook(2)
    found = WELL.planned(f"time:{DAY}11:45:00Z", behind)
    assert found.repository == 1
    assert len(found.notes) == 1
    assert found.notes[0].startswith(f"not from another repository: the time {DAY}11:45:00Z, ")


def test_the_repository_that_goes_farthest_is_chosen_for_latest_and_immediate() -> None:
    behind = replace(WELL, numbers=tuple(range(3, 8))).outlook(2)
    assert WELL.planned("latest", behind).repository == 1
    older = replace(WELL, backups=(OLD,)).outlook(2)
    assert WELL.planned("immediate", older).backup == NEW.label
    scene = replace(WELL, numbers=tuple(range(3, 8)))
    assert scene.planned("latest", WELL.outlook(2)).lsn == "0/A000000"
    assert replace(WELL, backups=(OLD,)).planned("immediate", WELL.outlook(2)).backup == NEW.label


@pytest.mark.parametrize("target", ["latest", "lsn:0/7000100", f"time:{DAY}11:20:00Z", "xid:2500"])
def test_a_repository_left_behind_on_an_abandoned_timeline_is_not_chosen_when_no_server_answers(target: str) -> None:
    dead = replace(FORKED, here=replace(HERE, now=clock("13:00:00"), timeline=0))
    found = dead.planned(target, WELL.outlook(2))
    assert (found.repository, found.timeline) == (1, 2)
    assert "not from another repository: nothing of timeline 2 in repository 2" in found.notes


def test_a_timeline_without_its_history_is_refused_but_for_the_end_of_a_set() -> None:
    late = backup("20261122-123000F", 9, "12:30:00")
    late = replace(late, wal_stop="000000020000000000000009")
    scene = replace(FORKED, backups=(OLD, NEW, late))
    assert scene.planned("latest").timeline == 2
    lost = replace(scene, histories=False)
    push = (
        "sudo -u postgres pgbackrest --stanza=axiomdb --no-archive-async archive-push /var/lib/postgresql/17/main/pg_wal/00000002.history"
    )
    said = "Found no 00000002.history in repository 1; expected it there: without it PostgreSQL recovers along no timeline but the first. "
    for target in ("latest", "lsn:0/9000200", f"time:{DAY}12:35:00Z"):
        assert lost.refused(target) == f"{said}Next: {push}"
        assert replace(lost, here=replace(lost.here, timeline=0)).refused(target) == f"{said}Next: type backup:{late.label}"
    assert lost.planned(f"backup:{late.label}").backup == lost.planned("immediate").backup == late.label
    told = lines([lost.outlook()], 2, NOW)
    left = f"of timeline 2 only the end of set {late.label} can be recovered"
    assert f"  BROKEN       repository 1: 00000002.history is missing: {left}" in told


def test_a_repository_that_cannot_be_read_is_told_and_none_at_all_is_refused() -> None:
    dark = Outlook(unreadable(2, "nothing is mounted on /srv", "mount /srv"), WELL.outlook().holdings)
    assert WELL.planned("latest", dark).notes == ("repository 2 could not be read: nothing is mounted on /srv",)
    found = plan.plan(parse("latest"), Archives((dark,)), HERE)
    assert isinstance(found, Problem)
    assert found.sentence() == (
        "Found no repository that can be read (repository 2: nothing is mounted on /srv); expected one. Next: mount /srv"
    )
    empty = Outlook(Repository(1, 1, "missing stanza path"), WELL.outlook().holdings)
    found = plan.plan(parse("latest"), Archives((empty,)), HERE)
    assert isinstance(found, Problem)
    assert found.found == "no usable backup in repository 1"


def test_a_timeline_above_the_servers_is_told() -> None:
    assert replace(FORKED, here=HERE).planned("latest").notes == ("repository 1 has timeline 2, above this server's timeline 1",)


FROM_TEN = f"expected a time from {DAY}10:00:01Z on. Next: type time:{DAY}10:00:01Z, the nearest after it"
BEFORE_TWELVE = f"expected a time before {DAY}12:00:00Z, the newest commit that is known to be in the WAL. "
ELEVEN_59 = f"Next: type time:{DAY}11:59:59Z, the nearest before it, or latest"
GAP = "the WAL segment 000000010000000000000005 is missing"
GAP_BEHIND = "the WAL segment 000000010000000000000008 is missing, and no backup was taken after it"


@pytest.mark.parametrize(
    ("scene", "target", "sentence"),
    [
        (
            WELL,
            f"time:{DAY}10:00:00Z",
            f"the time {DAY}10:00:00Z, before the first backup in repository 1 ({OLD.label}) was complete; {FROM_TEN}",
        ),
        (
            WELL,
            f"time:{DAY}13:00:00Z",
            f"the time {DAY}13:00:00Z, which is in the future: it is {DAY}12:00:30Z; {BEFORE_TWELVE}{ELEVEN_59}",
        ),
        (
            WELL,
            f"time:{DAY}12:00:10Z",
            f"the time {DAY}12:00:10Z, up to which the WAL is not known to be complete: that is known until {DAY}12:00:00Z; "
            f"{BEFORE_TWELVE}{ELEVEN_59}",
        ),
        (
            WELL,
            f"time:{DAY}12:00:00Z",
            f"the time {DAY}12:00:00Z; no commit is known after {DAY}12:00:00Z; {BEFORE_TWELVE}{ELEVEN_59}, which may lie after it",
        ),
        (
            replace(WELL, moments=()),
            f"time:{DAY}11:30:00Z",
            f"the time {DAY}11:30:00Z; the newest commit in the WAL is unknown; expected a time before the newest commit that is "
            "known to be "
            f"in the WAL. Next: type backup:{NEW.label}, the nearest before it, or latest, which may lie after it",
        ),
        (
            HOLES,
            f"time:{DAY}10:45:00Z",
            f"the time {DAY}10:45:00Z, which lies in a hole of repository 1: {GAP}; expected a time before the hole, or from the next "
            "backup "
            f"on. Next: type time:{DAY}10:29:59Z, the nearest before it, or time:{DAY}11:00:01Z, the nearest after it",
        ),
        (
            replace(HOLES, moments=BEATS[1:]),
            f"time:{DAY}10:45:00Z",
            f"the time {DAY}10:45:00Z, which lies in a hole of repository 1: {GAP}, and it is unknown when the last commit before it was; "
            f"expected a time before the hole, or from the next backup on. Next: type backup:{OLD.label}, the "
            f"nearest before it, or time:{DAY}11:00:01Z, the nearest after it",
        ),
        (
            HOLES,
            f"time:{DAY}11:45:00Z",
            f"the time {DAY}11:45:00Z, beyond a hole of repository 1: {GAP_BEHIND}; expected a time before {DAY}11:30:00Z, the newest "
            "commit "
            f"that is known to be in the WAL. Next: type time:{DAY}11:29:59Z, the nearest before it, or latest",
        ),
        (
            FORKED,
            f"time:{DAY}11:45:00Z",
            f"the time {DAY}11:45:00Z, which lies on the abandoned timeline 1: timeline 2 left it at LSN 0/8000100; expected a time "
            "before the "
            f"two parted, or after. Next: type time:{DAY}11:30:00Z for what was there before the two parted, time:{DAY}12:20:00Z for the "
            f"data that serves now, or time:{DAY}11:45:00Z,timeline:1 for what was written on the abandoned timeline 1 after they parted",
        ),
        (
            FORKED,
            f"time:{DAY}11:45:00Z,timeline:2",
            f"the time {DAY}11:45:00Z, which lies on the abandoned timeline 1: timeline 2 left it at LSN 0/8000100; expected a time "
            "before the "
            f"two parted, or after. Next: type time:{DAY}11:30:00Z,timeline:2 for what was there before the two parted, "
            f"time:{DAY}12:20:00Z,timeline:2 for timeline 2, or time:{DAY}11:45:00Z,timeline:1 for what was written on the abandoned "
            "timeline 1 after they parted",
        ),
        (
            replace(FORKED, numbers=(3, 4, 5, 6, 7), moments=(BEATS[1], *FORKED.moments[3:])),
            f"time:{DAY}11:45:00Z",
            f"the time {DAY}11:45:00Z, between the last commit of timeline 1 and the first that is known after timeline 2 left it at LSN "
            f"0/8000100; expected a time before the two parted, or after. Next: type time:{DAY}11:30:00Z, the "
            f"nearest before it, or time:{DAY}12:20:00Z, the nearest after it",
        ),
        (
            WELL,
            "lsn:0/3000100",
            f"the LSN 0/3000100, before the first backup in repository 1 ({OLD.label}) was complete at 0/3000138; expected an LSN from "
            "0/3000138 on. Next: type lsn:0/3000138, the nearest after it",
        ),
        (
            WELL,
            "lsn:0/A000000",
            "the LSN 0/A000000, behind the last record in repository 1 at 0/A000000: recovery would not find where to stop; expected "
            "an LSN "
            f"that was archived. Next: type backup:{NEW.label} or latest",
        ),
        (
            READ,
            "lsn:0/9000301",
            "the LSN 0/9000301, behind the last record in repository 1 at 0/9000300: recovery would not find where to stop; expected "
            "an LSN "
            "that was archived. Next: type lsn:0/9000300 or latest",
        ),
        (
            LIVE,
            "lsn:0/A000501",
            "the LSN 0/A000501, which is in the future: the server writes at 0/A000500; expected an LSN that was written. Next: type "
            "lsn:0/A000500 or latest",
        ),
        (
            replace(READ, here=replace(HERE, lsn=Lsn.parse("0/A000028"))),
            "lsn:0/A000501",
            "the LSN 0/A000501, which is in the future: the server writes at 0/A000028; expected an LSN that was written. Next: type "
            "lsn:0/9000300 or latest",
        ),
        (
            replace(HOLES, moments=[one for one in BEATS if one.time < clock("11:00:00")]),
            f"time:{DAY}10:45:00Z",
            f"the time {DAY}10:45:00Z, which lies in a hole of repository 1: {GAP}; expected a time before the hole, or from the next "
            f"backup on. Next: type time:{DAY}10:29:59Z, the nearest before it, or backup:{NEW.label}, the nearest after it",
        ),
        (
            HOLES,
            "lsn:0/5000050",
            f"the LSN 0/5000050, which lies in a hole of repository 1: {GAP}; expected an LSN before the hole, or from the next backup on. "
            f"Next: type backup:{OLD.label}, the nearest before it, or lsn:0/6000138, the nearest after it",
        ),
        (
            HOLES,
            "lsn:0/9000050",
            f"the LSN 0/9000050, beyond a hole of repository 1: {GAP_BEHIND}; expected an LSN before 0/8000000. Next: type "
            f"backup:{NEW.label} "
            "or latest",
        ),
        (
            replace(FORKED, child=(8,)),
            "lsn:0/9000050",
            "the LSN 0/9000050, which lies only on the abandoned timeline 1; expected an LSN on the path of timeline 2, which ends at "
            f"0/9000000. Next: type backup:{NEW.label} for the data that serves now, or lsn:0/9000050,timeline:1 for what was written on "
            "the abandoned timeline 1",
        ),
        (
            WELL,
            "name:pre-migrate",
            "no snapshot pre-migrate; expected one of those that were taken, such as pre-migration. Next: type name:pre-migration",
        ),
        (
            replace(WELL, snapshots=()),
            "name:v2",
            "no snapshot v2: no backup carries one; expected a snapshot that was taken. Next: type latest, or a time",
        ),
        (
            replace(WELL, snapshots=(POINT, replace(POINT, lsn="0/7000060", time=f"{DAY}11:25:00Z"))),
            "name:pre-migration",
            f"the snapshot pre-migration more than once: {DAY}11:20:00Z at LSN 0/7000050 (set {NEW.label}) and {DAY}11:25:00Z at LSN "
            "0/7000060 "
            f"(set {NEW.label}); expected the name once: recovery would stop at the first of them. Next: type lsn:0/7000060,"
            "timeline:1 for the last one",
        ),
        (
            replace(WELL, numbers=(3, 4, 6)),
            "name:pre-migration",
            "the snapshot pre-migration at LSN 0/7000050 of timeline 1, to which no WAL of repository 1 leads; expected a usable set "
            "and every "
            f"segment from it to the snapshot. Next: type backup:{NEW.label}, which ends shortly before it",
        ),
        (
            WELL,
            "xid:999",
            "the transaction 999, which no set covers: the oldest was complete before transaction 1000; expected one from 1000 on. "
            "Next: type xid:1000",
        ),
        (
            WELL,
            "xid:3000",
            "the transaction 3000, which is in the future: the server's next one is 3000; expected a transaction that was begun. "
            "Next: type xid:2999 or latest",
        ),
        (
            HOLES,
            "xid:1500",
            f"the transaction 1500, which may lie in a hole: {GAP}; expected a transaction that ended before it, or began after the "
            "next backup. "
            f"Next: type xid:1500,backup:{OLD.label} to try it, or xid:2000",
        ),
        (
            replace(WELL, backups=(replace(OLD, annotations={}),)),
            "xid:1500",
            "the transaction 1500, and no backup in repository 1 that says which came before it; expected a backup beside it. Next: type "
            f"xid:1500,backup:{OLD.label}, or an older one",
        ),
        (
            WELL,
            "backup:20261122-110500F",
            f"no backup 20261122-110500F in repository 1; expected a usable one. Next: type backup:{NEW.label}",
        ),
        (
            replace(WELL, backups=(OLD, replace(NEW, error=True, lost=True))),
            f"backup:{NEW.label}",
            f"the backup {NEW.label} in repository 1, from which nothing can be recovered: files of it are lost; expected a usable one. "
            f"Next: type backup:{OLD.label}",
        ),
        (
            WELL,
            f"lsn:0/5000050,backup:{NEW.label}",
            f"the backup {NEW.label} in repository 1, which does not lead there; expected a usable one. Next: type backup:{NEW.label}",
        ),
        (
            replace(WELL, backups=(replace(OLD, error=True),)),
            "latest",
            f"no usable backup in repository 1 ({OLD.label}: it has pages with wrong checksums); expected at least one to begin from. "
            "Next: "
            "sudo -u postgres pgbackrest --stanza=axiomdb --repo=1 info",
        ),
        (
            WELL,
            "latest,timeline:3",
            "nothing of timeline 3 in repository 1; expected one of its timelines: 1. Next: type the target with ,timeline:1 behind it",
        ),
        (
            replace(WELL, here=replace(HERE, free_bytes=1 << 20)),
            "latest",
            "1.0 MiB free for a restore of 1.1 GiB beside what is kept; expected room for both. Next: df -h "
            "/var/lib/postgresql/17/main; make room there",
        ),
    ],
)
def test_each_refusal_has_its_own_sentence(scene: Scene, target: str, sentence: str) -> None:
    assert scene.refused(target) == f"Found {sentence}"


SHORT = replace(WELL, backups=(NEW,))
BEFORE = re.compile(r"(\S+), the nearest before it")


def test_a_refused_time_names_the_nearest_before_it_in_any_repository() -> None:
    found = SHORT.refused(f"time:{DAY}10:45:00Z", HOLES.outlook(2))
    assert f"which lies in a hole of repository 2: {GAP}" in found
    assert found.endswith(f"Next: type time:{DAY}10:29:59Z, the nearest before it, or time:{DAY}11:00:01Z, the nearest after it"), (
        "the first backup of repository 1 is past what was asked for"
    )
    assert HOLES.refused(f"time:{DAY}10:45:00Z", SHORT.outlook(2)) == found.replace("repository 2", "repository 1")


def test_a_refused_time_names_nothing_past_it_as_if_it_were_before() -> None:
    scene = replace(WELL, moments=())
    assert (
        f"type backup:{OLD.label}, the nearest before it, or backup:{NEW.label}, the nearest after it, or latest, which lies after it"
        in (scene.refused(f"time:{DAY}10:45:00Z"))
    )
    beyond = replace(HOLES, backups=(OLD,), numbers=(3, 4))
    ahead = replace(WELL, backups=(NEW,), moments=(BEATS[2],)).outlook(2)
    assert beyond.refused(f"time:{DAY}10:45:00Z", ahead).endswith("the nearest after it, or latest, which lies after it")


def test_where_no_commit_is_known_before_a_fork_its_place_is_not_named_as_one_before_the_time() -> None:
    unread = replace(FORKED, moments=FORKED.moments[3:])
    found = unread.refused(f"time:{DAY}11:10:00Z")
    assert f"type backup:{NEW.label} for what was there before the two parted, time:{DAY}12:20:00Z for the data that serves now" in found


def test_nothing_before_a_fork_is_named_for_what_was_written_behind_it() -> None:
    told = replace(FORKED, moments=(*BEATS[:2], *FORKED.moments[3:]))
    assert ", or latest,timeline:1 for what was written on the abandoned timeline 1" in told.refused(f"time:{DAY}11:45:00Z")


FORKS = ((1, "0/6000200"), (2, "0/7000200"), (3, "0/7000400"), (4, "0/8000400"), (4, "0/8000200"))  # of 2 to 6: what it left, and where
OFTEN = (
    *(beat("11:05:00", "0/6000180"), beat("11:08:00", "0/6000300")),
    *(beat("11:09:00", "0/6000280", 2), beat("11:11:02", "0/7000300", 2)),
    *(beat("11:11:24", "0/7000280", 3), beat("11:12:01", "0/7000500", 3)),
    *(beat("11:13:00", "0/7000480", 4), beat("11:18:01.948", "0/8000180", 4), beat("11:19:00", "0/8000300", 4)),
    *(beat("11:22:35", "0/8000480", 5), beat("11:28:02", "0/9000100", 5)),
    *(beat("11:30:00", "0/8000280", 6), beat("11:31:00", "0/9000100", 6)),
)


def often(*moments: Moment) -> Outlook:
    """A repository of a cluster that forked five times."""
    lineage: dict[int, str] = {1: ""}
    held = Holdings(SIZE, histories=frozenset(range(2, 7))).with_segments(1, range(3, 8))
    for child, (parent, lsn) in enumerate(FORKS, 2):
        lineage[child] = f"{lineage[parent]}{parent}\t{lsn}\tx\n"
        held = held.with_segments(child, range(Lsn.parse(lsn).position // SIZE, 10))
    tree = tree_of({child: text for child, text in lineage.items() if text}, held.timelines)
    return look_out(Repository(1, 0, "ok", databases=(Database(1, 7, "17"),), backups=(OLD, NEW)), held, tree, Seen(moments or OFTEN))


@pytest.mark.parametrize(
    ("time", "timeline"),
    [("11:07:00", 1), ("11:10:00", 2), ("11:11:30", 3), ("11:18:30", 4), ("11:23:00", 5)],
)
@pytest.mark.parametrize("before", ["", "before-"])
def test_a_cluster_that_forked_often_names_the_timeline_on_which_the_time_lies(time: str, timeline: int, before: str) -> None:
    here, archives = replace(HERE, timeline=6, now=clock("11:40:00")), Archives((often(),), {}, ())
    found = plan.plan(parse(f"{before}time:{DAY}{time}Z"), archives, here)
    assert isinstance(found, Problem)
    assert f"{time}Z, which lies on the abandoned timeline {timeline}: timeline 6 left " in found.found
    assert set(re.findall(r"abandoned timeline (\d)", found.sentence())) == {str(timeline)}
    typed = f"{before}time:{DAY}{time}Z,timeline:{timeline}"
    assert f"or {typed} for what was written on the abandoned timeline {timeline}" in found.next_step
    there = plan.plan(parse(typed), archives, here)
    assert isinstance(there, Plan)
    assert there.timeline == timeline


def test_the_second_in_which_the_first_backup_of_a_timeline_was_begun_may_lie_before_its_fork() -> None:
    late = replace(backup("20261122-121000F", 9, "12:10:10"), started=int(clock("12:10:00")), wal_stop="000000020000000000000009")
    scene = replace(FORKED, backups=(OLD, NEW, late))
    assert "the first that is known after timeline 2 left" in scene.refused(f"time:{DAY}12:10:00.5Z")
    assert scene.planned(f"time:{DAY}12:10:01Z").timeline == 2


def test_each_timeline_on_which_a_time_lies_is_named() -> None:
    found = plan.plan(
        parse(f"time:{DAY}11:23:00Z"), Archives((often(*OFTEN, beat("11:25:00", "0/8000900", 4)),)), replace(HERE, timeline=6)
    )
    assert isinstance(found, Problem)
    assert "which lies on the abandoned timeline 4 and the abandoned timeline 5: timeline 6 left timeline 4 at" in found.found
    assert all(f"or time:{DAY}11:23:00Z,timeline:{number} for what" in found.next_step for number in (4, 5))


def test_what_two_abandoned_timelines_share_is_named_by_the_one_that_wrote_it() -> None:
    found = plan.plan(parse(f"time:{DAY}11:20:30Z"), Archives((often(),)), replace(HERE, timeline=6))
    assert isinstance(found, Problem)
    assert "between the last commit that is known of the abandoned timeline 4 and the first that is known after" in found.found
    assert found.next_step.endswith(f"or time:{DAY}11:18:59Z,timeline:4 for what was written on the abandoned timeline 4 after they parted")


def test_the_timeline_that_serves_is_not_called_abandoned() -> None:
    found = plan.plan(parse(f"time:{DAY}11:10:00Z,timeline:4"), Archives((often(),)), replace(HERE, timeline=2))
    assert isinstance(found, Problem)
    assert "which lies on timeline 2, which serves now: timeline 4 left it" in found.found


def test_a_repository_that_holds_nothing_does_not_hide_why_another_one_cannot() -> None:
    empty = replace(WELL, backups=())
    for target in (f"time:{DAY}12:00:10Z", "lsn:0/A000000", "xid:999"):
        assert "no usable backup" not in empty.refused(target, WELL.outlook(2)), target


def test_the_nearest_to_a_time_that_can_be_recovered_is_that_time() -> None:
    found = around([WELL.outlook().windows[1]], clock("10:45:00") + 0.5)
    assert (found.before, found.after) == (
        Near(clock("10:45:00"), f"time:{DAY}10:45:00Z"),
        Near(clock("10:45:01"), f"time:{DAY}10:45:01Z"),
    )


def test_the_nearest_before_a_time_keeps_the_last_commit_with_its_fraction() -> None:
    last = beat("11:30:01.948", "0/7000100")
    forked = replace(FORKED, numbers=tuple(range(3, 8)), moments=(BEATS[0], last, *FORKED.moments[3:]))
    assert f"type time:{DAY}11:30:01.948Z, the nearest before it" in forked.refused(f"time:{DAY}11:45:00Z")
    found = forked.planned(f"time:{DAY}11:30:01.948Z")
    assert (found.kind, found.value) == ("time", "2026-11-22 11:30:01.948000+00")
    assert "which lies on" not in forked.refused(f"time:{DAY}11:30:01.949Z")
    alone = replace(forked, moments=(BEATS[0], last, Moment(clock("12:20:00"), Lsn.parse("0/8000200"), 2)))
    assert f"type time:{DAY}11:30:01Z, the nearest before it" in alone.refused(f"time:{DAY}11:45:00Z"), "nothing stops it at the fork"


def test_the_nearest_before_the_end_of_the_wal_keeps_the_last_commit_too() -> None:
    last = beat("12:00:05.25", "0/9000200")
    end = replace(READ, moments=(*BEATS, last), tails=(replace(TAIL, commit=last),))
    assert f"type time:{DAY}12:00:05.25Z, the nearest before it" in end.refused(f"time:{DAY}12:00:10Z")
    assert end.planned(f"time:{DAY}12:00:05.25Z").lsn == str(LAST)
    fine = replace(last, time=last.time + 3e-7)
    coarse = replace(READ, moments=(*BEATS, fine), tails=(replace(TAIL, commit=fine),))
    assert f"type time:{DAY}12:00:05Z, the nearest before it" in coarse.refused(f"time:{DAY}12:00:10Z"), "no target is that fine"


def test_at_a_hole_no_recovery_ends_behind_the_last_commit() -> None:
    end = Lsn.parse("0/7000300")
    holes = replace(HOLES, tails=(Tail(1, 7, BEATS[1], end, end),))
    assert f"type time:{DAY}11:29:59Z, the nearest before it" in holes.refused(f"time:{DAY}11:45:00Z")


def test_a_refused_lsn_names_the_nearest_before_it_in_any_repository() -> None:
    found = SHORT.refused("lsn:0/5000050", HOLES.outlook(2))
    assert f"type backup:{OLD.label}, the nearest before it, or lsn:0/6000138, the nearest after it" in found


SCENES = [
    WELL,
    HOLES,
    FORKED,
    SHORT,
    replace(WELL, moments=()),
    replace(HOLES, moments=BEATS[1:]),
    replace(FORKED, moments=FORKED.moments[3:]),
]


@given(st.sampled_from(SCENES), st.sampled_from(SCENES), st.integers(0, 9000))
def test_what_is_named_before_a_time_is_before_it_and_no_repository_has_anything_between(one: Scene, two: Scene, second: int) -> None:
    asked = clock("09:58:00") + second
    two = replace(two, here=one.here)
    found = one.ask(f"time:{moment(asked)}", two.outlook(2))
    if isinstance(found, Problem) and (named := BEFORE.search(found.next_step)):
        best = one.planned(named[1], two.outlook(2))
        ends = [backup.stopped for backup in (OLD, NEW) if backup.label == best.backup]
        at = parse(named[1]).time
        reached = at.timestamp() if at else ends[0]
        assert reached < asked
        first, last = int(reached) + 1, int(asked)
        for later in {*range(first, last, max(1, (last - first) // 5)), *range(first, min(first + 3, last))}:
            assert isinstance(one.ask(f"time:{moment(later)}", two.outlook(2)), Problem), moment(later)


GIB = 1 << 30


def roomy(free: int, elsewhere: int, *, keep: bool = True) -> Scene:
    """A host with 1 GiB of data here and 9 GiB in a tablespace on another disk, so much free on each, and a set of 10 GiB."""
    room = Room("/srv/fast", 9 * GIB, elsewhere)
    sets = tuple(replace(one, size=10 * GIB) for one in WELL.backups)
    return replace(WELL, backups=sets, here=replace(HERE, free_bytes=free, data_bytes=GIB, rooms=(room,), keep=keep))


def test_each_disk_needs_room_for_its_own_part_alone() -> None:
    found = roomy(3 * GIB, 10 * GIB).planned("latest")
    assert found.needed_bytes < 3 * GIB
    assert "about 9.0 GiB of it in /srv/fast, where 10.0 GiB are free" in found.notes


@pytest.mark.parametrize(
    ("free", "elsewhere", "place"), [(GIB // 2, 10 * GIB, "/var/lib/postgresql/17/main"), (3 * GIB, 8 * GIB, "/srv/fast")]
)
def test_the_disk_without_room_is_named(free: int, elsewhere: int, place: str) -> None:
    assert roomy(free, elsewhere).refused("latest").endswith(f"Next: df -h {place}; make room there")


def test_what_is_overwritten_makes_room_on_its_own_disk() -> None:
    assert roomy(3 * GIB, 0, keep=False).planned("latest")


def test_a_transaction_id_of_32_bits_means_the_newest_with_those_bits() -> None:
    sets = (backup("20261122-100000F", 3, "10:00:00", (1 << 32) + 1000), backup("20261122-110000F", 6, "11:00:00", (1 << 32) + 2000))
    scene = replace(WELL, backups=sets, here=replace(HERE, next_xid=(1 << 32) + 3000))
    assert scene.planned("xid:1500").backup == "20261122-100000F"
    assert scene.planned(f"xid:{(1 << 32) + 2500}").backup == "20261122-110000F"
    assert "which no set covers" in scene.refused("xid:4000")


def test_what_could_not_be_read_is_said_of_an_lsn_in_the_last_segment() -> None:
    assert WELL.planned("lsn:0/9000050").notes == ("the last segment could not be read: recovery fails if no record follows the LSN in it",)
    assert READ.planned("lsn:0/9000300").notes == ()


@given(st.sampled_from([WELL, READ, HOLES, FORKED, LIVE, *SCENES]), st.integers(0, 9000), st.booleans())
def test_the_nearest_time_that_a_refusal_names_has_a_plan(scene: Scene, second: int, exclusive: bool) -> None:
    time = moment(clock("09:58:00") + second)
    found = scene.ask(f"{'before-' if exclusive else ''}time:{time}")
    if isinstance(found, Problem):
        for word in found.next_step.split():
            if word.startswith(("time:", "lsn:", "backup:")):
                scene.planned(word.rstrip(","))


# --- for a person ------------------------------------------------------------------------------------------------


def test_windows_are_told_to_a_tired_person() -> None:
    assert lines([WELL.outlook()], 1, NOW) == [
        f"  recovers     repository 1, timeline 1: any moment from {DAY}10:00:01Z until {DAY}12:00:00Z, 30 s ago",
        f"               LSN 0/3000138 to 0/A000000, from 2 sets, newest {NEW.label}",
    ]


def test_holes_broken_sets_and_abandoned_timelines_are_told() -> None:
    told = lines([replace(HOLES, backups=(OLD, NEW, backup("20261122-113500F", 8, "11:35:00"))).outlook()], 0, NOW)
    assert (
        "  HOLE         repository 1: the WAL segment 000000010000000000000005 is missing; no moment in it can be recovered "
        "until the end of "
        f"set {NEW.label}" in told
    )
    assert (
        "  HOLE         repository 1: the WAL segment 000000010000000000000008 is missing; what was committed since is LOST to this "
        f"repository until there is a newer backup than {NEW.label}" in told
    )
    assert (
        "  BROKEN       repository 1: nothing can be recovered from set 20261122-113500F: the WAL segment "
        "000000010000000000000008, which it "
        "needs, is missing" in told
    )
    told = lines([FORKED.outlook()], 2, NOW)
    assert f"  abandoned    repository 1, timeline 1: until {DAY}12:00:00Z; type a target with ,timeline:1 behind it" in told


def test_what_is_unknown_is_told_as_unknown() -> None:
    dark = Outlook(unreadable(2, "no answer"), WELL.outlook().holdings)
    assert lines([dark], 1, NOW) == ["  recovers     repository 2: UNKNOWN, it cannot be read: no answer"]
    assert lines([replace(WELL, backups=()).outlook()], 1, NOW) == ["  recovers     repository 1: NOTHING of timeline 1"]
    assert "until when is UNKNOWN" in lines([replace(WELL, moments=()).outlook()], 1, NOW)[0]


def test_the_document_has_windows_holes_and_broken_sets() -> None:
    found = document(HOLES.outlook())
    assert [(one["first_lsn"], one["end_lsn"], one["times"]) for one in found["windows"]] == [
        ("0/3000138", "0/5000000", [{"first": f"{DAY}10:00:01Z", "end": f"{DAY}10:30:00Z"}]),
        ("0/6000138", "0/8000000", [{"first": f"{DAY}11:00:01Z", "end": f"{DAY}11:30:00Z"}]),
    ]
    assert [(hole["first"], hole["count"], hole["after_set"], hole["before_set"]) for hole in found["holes"]] == [
        ("000000010000000000000005", 1, OLD.label, NEW.label),
        ("000000010000000000000008", 1, NEW.label, ""),
    ]
    assert found["broken"] == []
    assert plan.document(WELL.planned("latest"))["command"].startswith("--repo=1 ")
    assert plan.document(Problem("x", "y", "z")) == {"refused": "Found x; expected y. Next: z"}
