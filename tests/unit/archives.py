# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A repository with two sets, heartbeats and an abandoned timeline, at a moment that stands still; tests change one thing of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from _recovery.archive import Holdings
from _recovery.catalog import Backup, Database, Repository
from _recovery.history import tree_of
from _recovery.moments import Moment
from _recovery.plan import Archives, Plan, plan
from _recovery.problem import Problem
from _recovery.reach import Here
from _recovery.snapshots import Snapshot
from _recovery.target import parse
from _recovery.wal import Lsn, Segment
from _recovery.window import Outlook, Seen, Tail, look_out

SIZE = 1 << 24
HISTORY = "1\t0/8000100\tno recovery target specified\n"


def clock(text: str) -> float:
    """Unix seconds of a time of that day."""
    return datetime.fromisoformat(f"2026-11-22T{text}+00:00").timestamp()


NOW = clock("12:00:30")


def backup(label: str, number: int, stopped: str, xid: int = 0, **more: object) -> Backup:
    """A set that lies in one segment of timeline 1."""
    start, stop = Lsn(number * SIZE + 0x28), Lsn(number * SIZE + 0x138)
    notes = {"axiomdb-xid-start": str(xid - 5), "axiomdb-xid-stop": str(xid)} if xid else {}
    seconds = int(clock(stopped))
    made = Backup(label, "full", 1, seconds - 10, seconds, str(start), str(stop), Segment(1, number).name, False, 1 << 30, 1 << 28, notes)
    return replace(made, **more)


def beat(time: str, lsn: str, timeline: int = 1) -> Moment:
    """A heartbeat."""
    return Moment(clock(time), Lsn.parse(lsn), timeline, commit=True)


OLD, NEW = backup("20261122-100000F", 3, "10:00:00", 1000), backup("20261122-110000F", 6, "11:00:00", 2000)
BEATS = (beat("10:30:00", "0/4000100"), beat("11:30:00", "0/7000100"), beat("12:00:00", "0/9000100"))
POINT = Snapshot("pre-migration", 1, NEW.label, "0/7000050", 1, "2026-11-22T11:20:00Z")
HERE = Here(NOW, "axiomdb", 1, None, 3000, 100 << 30, 0, "/var/lib/postgresql/17/main")


@dataclass(frozen=True)
class Scene:
    """What is there: segments of timeline 1 and 2 by number, sets, moments, ends that were read, snapshots, the host, histories."""

    numbers: tuple[int, ...] = tuple(range(3, 10))
    child: tuple[int, ...] = ()
    backups: tuple[Backup, ...] = (OLD, NEW)
    moments: tuple[Moment, ...] = BEATS
    tails: tuple[Tail, ...] = ()
    snapshots: tuple[Snapshot, ...] = (POINT,)
    here: Here = HERE
    histories: bool = True

    def outlook(self, number: int = 1, own: Iterable[int] = ()) -> Outlook:
        """The repository's outlook, with further segments that the host has."""
        repository = Repository(number, 0, "ok", databases=(Database(1, 7, "17"),), backups=self.backups)
        held = Holdings(SIZE).with_segments(1, self.numbers).with_segments(2, self.child).with_segments(self.here.timeline, own)
        tree = tree_of({2: HISTORY} if self.child and self.histories else {}, held.timelines)
        return look_out(repository, held, tree, Seen(self.moments, self.tails))

    def ask(self, target: str, *others: Outlook, own: Iterable[int] = ()) -> Plan | Problem:
        """The plan for a target from this repository and others."""
        whole = {1: self.outlook(own=own)} if own else {}
        return plan(parse(target), Archives((self.outlook(), *others), whole, self.snapshots), self.here)

    def planned(self, target: str, *others: Outlook, own: Iterable[int] = ()) -> Plan:
        """The same, where there is one."""
        found = self.ask(target, *others, own=own)
        assert isinstance(found, Plan), found
        return found

    def refused(self, target: str, *others: Outlook) -> str:
        """The sentence, where there is no plan."""
        found = self.ask(target, *others)
        assert isinstance(found, Problem), found
        return found.sentence()
