# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans against a small PostgreSQL: whatever is planned for a time ends with exactly the rows that were committed then.

A world has commits, heartbeats, backups, switches, idle hours, restores to earlier points and lost segments, on one clock. The
plan for each target is carried out on its records as PostgreSQL would: it stops at a later commit, or dies where the WAL ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile

from _recovery.archive import Holdings
from _recovery.catalog import Backup, Database, Repository
from _recovery.history import Tree, tree_of
from _recovery.moments import Moment
from _recovery.plan import Archives, Plan, end_to_read, plan
from _recovery.problem import Problem
from _recovery.reach import Here, window_of
from _recovery.target import LATEST, LSN, TIME, Target, parse
from _recovery.wal import Lsn, Segment
from _recovery.waldump import Dump
from _recovery.window import Outlook, Seen, Window, look_out, name_of, tail_of
from drawing import apart, together
from hypothesis import given
from hypothesis import strategies as st

SIZE = 1 << 20
DEAD = "the server dies"
MICROSECONDS = 10**6


@dataclass(frozen=True)
class Record:
    """A record of the log: where it begins and ends, and the time of a commit."""

    begin: int
    end: int
    time: float | None = None
    switch: bool = False


@dataclass
class World:
    """One cluster's life. Records by timeline; a fork is (parent, position, time)."""

    clock: float = 1000.0
    timeline: int = 1
    position: int = 3 * SIZE
    records: dict[int, list[Record]] = field(default_factory=lambda: {1: []})
    forks: dict[int, tuple[int, int, float]] = field(default_factory=dict)
    archived: set[tuple[int, int]] = field(default_factory=set)
    backups: list[Backup] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)

    def write(self, length: int, *, commit: bool = False, switch: bool = False) -> None:
        begin, self.position = self.position, self.position + length
        self.records[self.timeline].append(Record(begin, self.position, self.clock if commit else None, switch))
        self.archived |= {(self.timeline, number) for number in range(begin // SIZE, self.position // SIZE)}

    def commit(self, seconds: int) -> None:
        self.clock += seconds + 0.25
        self.write(64, commit=True)

    def beat(self) -> None:
        began = self.clock
        self.clock += 0.5
        self.write(64, commit=True)
        self.moments.append(Moment(began, Lsn(self.position), self.timeline, commit=True))

    def switch(self) -> None:
        if self.position % SIZE:
            self.write(24, switch=True)
            number = (self.position - 1) // SIZE
            self.position = (number + 1) * SIZE
            self.archived.add((self.timeline, number))

    def backup(self) -> None:
        start, begun = self.position, self.clock
        self.write(200)
        self.commit(3)
        self.write(100)
        stop, self.clock = self.position, self.clock + 0.5
        name = Segment.containing(Lsn(stop - 1), self.timeline, SIZE).name
        label = f"{len(self.backups):02}"
        times = int(begun), int(self.clock)
        self.backups.append(Backup(label, "full", 1, *times, str(Lsn(start)), str(Lsn(stop)), name, False, 1, 1))
        self.clock += 1.5
        self.switch()

    def bulk(self, *shape: int) -> None:
        """Records of a sixteenth of a segment and of up to eight different lengths, so that they lie anywhere across its end."""
        most, other, first, step = shape
        for place in range(1 + min(most, other)):
            self.write(SIZE // 16 - (first + place * step) % 9 * 8)

    def restore(self, share: float) -> None:
        ends = [one.end for _timeline, one in self.path(self.timeline) if self.backups and one.end >= self.first_stop()]
        if ends:
            parent, position = self.timeline, ends[int(share * (len(ends) - 1))]
            self.clock += 10
            self.timeline = max(self.records) + 1
            self.forks[self.timeline] = (parent, position, self.clock)
            self.records[self.timeline], self.position = [], position

    def first_stop(self) -> int:
        return min(Lsn.parse(one.lsn_stop or "").position for one in self.backups)

    def lineage(self, timeline: int) -> list[tuple[int, int, int]]:
        """(timeline, begin, end) of each step, the oldest first; what a later fork has cut off is none."""
        steps, end = [], 1 << 60
        while timeline:
            parent, begin, _time = self.forks.get(timeline, (0, 0, 0.0))
            steps += [(timeline, begin, end)] if begin <= end else []
            timeline, end = parent, min(begin, end)
        return steps[::-1]

    def path(self, timeline: int) -> list[tuple[int, Record]]:
        return [
            (step, one)
            for step, begin, end in self.lineage(timeline)
            for one in self.records[step]
            if begin <= one.begin and one.end <= end
        ]

    def truth(self, time: float) -> list[float]:
        """The times of the commits that a client saw at this time."""
        living = [timeline for timeline, (_parent, _begin, born) in self.forks.items() if born <= time]
        return [one.time for _step, one in self.path(max(living, default=1)) if one.time is not None and one.time <= time]


def source(world: World, timeline: int, number: int) -> tuple[int, int]:
    return [step for step, begin, _end in world.lineage(timeline) if begin // SIZE <= number][-1], number


def replayable(world: World, done: Plan, held: set[tuple[int, int]], live: bool) -> list[Record]:
    """The whole records that the recovered server finds, from the beginning of its set."""
    backup = next(one for one in world.backups if one.label == done.backup)
    begin = Lsn.parse(backup.lsn_start or "").position
    number = begin // SIZE
    while source(world, done.timeline, number) in held:
        number += 1
    records = [one for _step, one in world.path(done.timeline)]
    if live and done.timeline == world.timeline and world.position % SIZE:
        records.append(Record(world.position, world.position + 24, None, True))
    return list(takewhile(lambda one: one.end <= number * SIZE, (one for one in records if one.begin >= begin)))


def carry_out(world: World, done: Plan, held: set[tuple[int, int]], live: bool) -> list[float] | str:
    """The times of the commits that the recovered server has, or how it died."""
    backup = next(one for one in world.backups if one.label == done.backup)
    begin, stop = (Lsn.parse(text or "").position for text in (backup.lsn_start, backup.lsn_stop))
    seen = [one.time for _step, one in world.path(done.timeline) if one.time is not None and one.end <= begin]
    time = datetime.fromisoformat(done.time).timestamp() if done.kind == TIME else None
    limit = Lsn.parse(done.lsn).position if done.kind == LSN else None
    records = replayable(world, done, held, live)
    for one in records:
        late = time is not None and one.time is not None and (one.time >= time if done.exclusive else one.time > time)
        if late or (limit is not None and one.begin >= limit):
            return seen if one.begin >= stop else DEAD
        seen += [one.time] if one.time is not None else []
    return seen if done.kind == "standby" and records and records[-1].end >= stop else DEAD


def history(world: World, timeline: int) -> str:
    """As PostgreSQL writes it: the whole history of the timeline that was recovered along, and where recovery ended."""
    parent, begin, _time = world.forks.get(timeline, (0, 0, 0.0))
    return f"{history(world, parent)}{parent}\t{Lsn(begin)}\tx\n" if parent else ""


def seen_of(world: World) -> tuple[Repository, Holdings, Tree]:
    holdings = Holdings(SIZE)
    for timeline in world.records:
        holdings = holdings.with_segments(timeline, [number for one, number in world.archived if one == timeline])
    repository = Repository(1, 0, "ok", databases=(Database(1, 7, "17"),), backups=tuple(world.backups))
    return repository, holdings, tree_of({timeline: history(world, timeline) for timeline in world.forks}, [1])


def dump_of(world: World, timeline: int, first: int, last: int) -> Dump:
    """What pg_waldump says of some segments: whole records alone."""
    inside = [one for _step, one in world.path(timeline) if first * SIZE <= one.begin and one.end <= (last + 1) * SIZE]
    shown = [one for one in inside if one.time is not None or one.switch]
    commits = [one for one in shown if one.time is not None]
    commit = Moment(max(one.time or 0 for one in commits), Lsn(commits[-1].end), timeline, commit=True) if commits else None
    behind = [Lsn(one.begin) for one in shown if not commits or one.begin > commits[-1].begin]
    return Dump(commit, Lsn(shown[-1].begin) if shown else None, bool(shown) and shown[-1].switch, behind[0] if behind else None)


def read_end(world: World, target: Target, outlook: Outlook, here: Here) -> Seen:
    window = window_of(target, outlook, here)
    stretch = end_to_read(target, window) if isinstance(window, Window) else None
    if stretch is None or not isinstance(window, Window):
        return Seen()
    last = stretch.numbers[1]
    segments = [Segment.parse(name_of(window.path, number, SIZE), SIZE) for number in range(last, stretch.numbers[0] - 1, -1)]
    dumps: dict[int, Dump] = {}
    end = segments[0]
    for segment in segments[:8]:
        end = segment if segment.timeline != end.timeline else end
        dumps[segment.timeline] = dump_of(world, segment.timeline, segment.number, end.number)
        if dumps[segment.timeline].commit:
            break
    live = here.lsn if here.lsn and segments[0].start <= here.lsn <= segments[0].end and here.timeline == segments[0].timeline else None
    number = segments[0].number
    whole = [one.begin for _step, one in world.path(segments[0].timeline) if number * SIZE <= one.begin and one.end <= (number + 1) * SIZE]
    final = Lsn(whole[-1]) if whole and not live else None
    tail = tail_of(segments[0], list(dumps.values()), final, live)
    return Seen((tail.commit,) if tail.commit else (), (tail,))


def plan_for(world: World, target: Target, live: bool) -> tuple[Plan | Problem, set[tuple[int, int]]]:
    """The plan, and the segments that there are once those of the host are saved."""
    repository, holdings, tree = seen_of(world)
    here = Here(world.clock, "axiomdb", world.timeline, Lsn(world.position) if live else None)
    moments, held = tuple(world.moments), set(world.archived)
    if live:
        number = world.position // SIZE
        holdings = holdings.with_segments(world.timeline, [number])
        moments = (*moments, Moment(world.clock, Lsn(world.position), world.timeline))
        held |= {(world.timeline, number)}
    whole = look_out(repository, holdings, tree, Seen(moments))
    more = read_end(world, target, whole, here)
    whole = look_out(repository, holdings, tree, Seen((*moments, *more.moments), more.tails))
    outlook = look_out(repository, seen_of(world)[1], tree, Seen(tuple(world.moments)))
    return plan(target, Archives((outlook,), {1: whole}), here), held


STEPS = ("commit", "commit", "beat", "bulk", "switch", "backup", "idle", "restore", "lose")
SHAPE = (40, 40, 9, 9)  # two numbers of records, of which the smaller counts, the length of the first, and how the others differ


@st.composite
def worlds(draw: st.DrawFn, steps: tuple[str, ...] = STEPS, *, least: int = 0) -> World:
    world = World()
    world.commit(5)
    world.backup()
    for number in draw(st.lists(together(len(steps), *SHAPE), min_size=least, max_size=25)):
        place, *shape = apart(number, len(steps), *SHAPE)
        step, chosen = steps[place], number // len(steps)
        if step == "commit":
            world.commit(chosen % 31)
        elif step == "beat":
            world.beat()
        elif step == "bulk":
            world.bulk(*shape)
        elif step == "switch":
            world.switch()
        elif step == "backup":
            world.backup()
        elif step == "idle":
            world.clock += 600
        elif step == "restore":
            world.restore(chosen % 1001 / 1000)
        elif world.archived:
            world.archived.discard(sorted(world.archived)[chosen % len(world.archived)])
    return world


def at(time: float, exclusive: bool = False) -> Target:
    return Target(TIME, exclusive, time=datetime.fromtimestamp(time, UTC))


@given(worlds(), together(1021, 2, 2))
def test_what_is_planned_for_a_time_has_the_rows_of_that_time(world: World, number: int) -> None:
    share, live, exclusive = apart(number, 1021, 2, 2)
    time = 1000 + round(share / 1000 * (world.clock - 1000) * 8) / 8
    found, held = plan_for(world, at(time, bool(exclusive)), bool(live))
    if isinstance(found, Plan):
        expected = [one for one in world.truth(time) if not exclusive or one < time]
        assert carry_out(world, found, held, bool(live)) == expected, found


@given(worlds(), st.integers(0, 2**16), st.booleans())
def test_what_is_planned_for_the_time_of_a_commit_has_the_rows_of_that_time(world: World, place: int, live: bool) -> None:
    times = [one.time for records in world.records.values() for one in records if one.time is not None]
    time = times[place % len(times)]
    found, held = plan_for(world, at(time), live)
    if isinstance(found, Plan):
        assert carry_out(world, found, held, live) == world.truth(time), found


@given(worlds(("commit", "beat", "beat", "backup", "restore", "switch"), least=6), st.integers(0, 1000))
def test_the_timeline_on_which_a_refused_time_is_said_to_lie_was_the_living_one(world: World, share: int) -> None:
    time = 1000 + round(share / 1000 * (world.clock - 1000) * 8) / 8
    found, _held = plan_for(world, at(time), live=True)
    if isinstance(found, Problem) and (named := re.findall(rf"or ({at(time)},timeline:(\d+)) for what was written", found.next_step)):
        living = max((timeline for timeline, (_parent, _begin, born) in world.forks.items() if born <= time), default=1)
        assert [int(timeline) for _typed, timeline in named] == [living], found
        there, held = plan_for(world, parse(named[0][0]), live=True)
        assert isinstance(there, Plan)
        assert carry_out(world, there, held, live=True) == world.truth(time)


@given(worlds(), together(2**16, 3), st.booleans())
def test_what_is_planned_for_an_lsn_ends_there(world: World, number: int, live: bool) -> None:
    path = [one for _step, one in world.path(world.timeline)]
    place, more = apart(number, 2**16, 3)
    lsn = path[place % len(path)].begin + more - 1
    found, held = plan_for(world, Target(LSN, lsn=Lsn(lsn)), live)
    if isinstance(found, Plan):
        expected = [one.time for one in path if one.time is not None and one.begin < lsn]
        assert carry_out(world, found, held, live) == expected, found


def is_the_end(world: World, done: Plan, held: set[tuple[int, int]], live: bool) -> bool:
    """Whether replay reaches the planned position, but not before it has the last commit that there is."""
    records, planned = replayable(world, done, held, live), Lsn.parse(done.lsn).position
    last = records[-1]
    # A switch is taken to last up to the end of the segment in which it ends. Source: PostgreSQL, xlogreader.c.
    reached = -(-last.end // SIZE) * SIZE if last.switch else last.end
    return planned <= reached and all(one.begin < planned for one in records if one.time is not None)


@given(worlds(), st.booleans())
def test_latest_has_everything_that_is_left(world: World, live: bool) -> None:
    found, held = plan_for(world, Target(LATEST), live)
    if isinstance(found, Plan):
        rows = carry_out(world, found, held, live)
        whole = world.truth(world.clock)
        assert rows == whole[: len(rows)]
        assert isinstance(rows, str) or is_the_end(world, found, held, live)
        if live and not any("missing" in note for note in found.notes):
            assert rows == whole


@given(worlds(("commit", "beat", "bulk", "switch", "backup", "idle"), least=4), st.integers(0, MICROSECONDS), st.booleans())
def test_on_a_host_that_is_well_each_time_has_a_plan(world: World, share: int, live: bool) -> None:
    world.beat()
    world.switch()
    first = world.backups[0].stopped + 1
    last = world.clock if live else world.moments[-1].time
    target = at(first + share / MICROSECONDS * (last - first))
    assert target.time is not None
    time = target.time.timestamp()  # no target is finer than a microsecond
    found, held = plan_for(world, target, live)
    assert isinstance(found, Plan), found
    assert carry_out(world, found, held, live) == world.truth(time)
