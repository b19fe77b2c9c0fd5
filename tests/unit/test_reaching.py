# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which LSN can be reached from which repository, against a life that remembers of each piece of WAL who wrote it.

The model has no windows, runs or steps: it walks from the begin of a set to the target, piece by piece and segment by segment. A
plan exists exactly where that walk succeeds, and names what the walk went through.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from _recovery.archive import read_holdings
from _recovery.catalog import Backup, Database, Repository
from _recovery.history import tree_of
from _recovery.plan import Archives, Plan, plan
from _recovery.reach import Here
from _recovery.target import LATEST, LSN, Target
from _recovery.wal import LEGAL_SIZES, Lsn, Segment
from _recovery.window import Outlook, look_out
from drawing import apart, together
from hypothesis import given
from hypothesis import strategies as st

PIECES = 4  # of a segment
REPOSITORIES = (1, 2)
SHA = "a" * 40


@dataclass(frozen=True)
class Set:
    """A backup: its repository and timeline, its first piece and the one behind its last."""

    repository: int
    timeline: int
    start: int
    stop: int
    label: str


@dataclass
class Life:
    """A cluster's life. `wrote` has by timeline who wrote each piece that its server has; `at` is where it writes."""

    size: int
    at: int
    timeline: int = 1
    wrote: dict[int, dict[int, int]] = field(default_factory=lambda: {1: {}})
    begins: dict[int, int] = field(default_factory=lambda: {1: 0})
    parents: dict[int, int] = field(default_factory=dict)
    held: set[tuple[int, int, int]] = field(default_factory=set)
    histories: set[tuple[int, int]] = field(default_factory=set)
    sets: list[Set] = field(default_factory=list)
    reachable: tuple[int, ...] = REPOSITORIES

    def write(self, pieces: int) -> None:
        for _piece in range(pieces):
            self.wrote[self.timeline][self.at] = self.timeline
            self.at += 1
            if self.at % PIECES == 0:
                self.tell()
                self.held |= {(one, self.timeline, self.at // PIECES - 1) for one in self.reachable}

    def tell(self) -> None:
        """Archive the history of the timeline, as a server does before its first segment."""
        if self.timeline > 1:
            self.histories |= {(one, self.timeline) for one in self.reachable}

    def switch(self) -> None:
        self.write(-self.at % PIECES)

    def backup(self, pieces: int, to: int) -> None:
        start = self.at
        self.write(pieces)
        self.sets.append(Set(to, self.timeline, start, self.at, f"set-{len(self.sets):02}"))
        self.switch()

    def restore(self, place: int) -> None:
        """Recover along any timeline up to any piece behind the first set, and be promoted there."""
        first = min((one.stop for one in self.sets), default=self.at)
        parent = 1 + place % max(self.wrote)
        ends = [piece + 1 for piece in self.wrote[parent] if piece + 1 >= first]
        if ends:
            self.timeline, self.at = max(self.wrote) + 1, ends[place % len(ends)]
            self.wrote[self.timeline] = {piece: one for piece, one in self.wrote[parent].items() if piece < self.at}
            self.begins[self.timeline], self.parents[self.timeline] = self.at, parent
            self.tell()

    def source(self, timeline: int, number: int) -> int:
        """The timeline from whose archive a segment is taken: the newest on the way that had begun in it, or before."""
        while self.begins[timeline] // PIECES > number:
            timeline = self.parents[timeline]
        return timeline

    def walk(self, one: Set, timeline: int, piece: int, own: set[tuple[int, int]]) -> list[str]:
        """The segments from the begin of a set to the one of a piece, on a timeline; empty where that does not lead there."""
        mine, other = self.wrote[one.timeline], self.wrote[timeline]
        if any(mine[place] != other.get(place) for place in range(one.start, one.stop)):
            return []
        names = []
        for number in range(one.start // PIECES, piece // PIECES + 1):
            source = self.source(timeline, number)
            if (one.repository, source, number) not in self.held and (source, number) not in own:
                return []
            names.append(Segment(source, number, self.size).name)
        return names

    def usable(self, own: set[tuple[int, int]]) -> list[Set]:
        """The sets that become consistent on their own timeline."""
        return [one for one in self.sets if self.walk(one, one.timeline, one.stop - 1, own)]

    def beginnings(self, timeline: int, own: set[tuple[int, int]]) -> list[Set]:
        """Those from which PostgreSQL recovers along a timeline: it wants the history file of every one but the first."""
        return [one for one in self.usable(own) if timeline == 1 or (one.repository, timeline) in self.histories]

    def newest(self) -> int:
        """The newest timeline of which any repository has something."""
        return max([1, *(timeline for _one, timeline, _number in self.held), *(timeline for _one, timeline in self.histories)])


def lsn_of(life: Life, piece: int) -> Lsn:
    return Lsn(piece * (life.size // PIECES))


def history(life: Life, timeline: int) -> str:
    if timeline not in life.parents:
        return ""
    parent = life.parents[timeline]
    return f"{history(life, parent)}{parent}\t{lsn_of(life, life.begins[timeline])}\tx\n"


def outlook_of(life: Life, number: int, own: set[tuple[int, int]]) -> Outlook:
    """What the engine makes of a repository's listing, its sets and the histories."""
    held = {(timeline, place) for one, timeline, place in life.held if one == number} | own
    names = [Segment(timeline, place, life.size).name for timeline, place in sorted(held)]
    histories = [timeline for one, timeline in life.histories if one == number]
    listing = "".join([f"{name[:16]}/{name}-{SHA}.zst\n" for name in names] + [f"{one:08X}.history\n" for one in histories]).encode()
    backups = []
    for place, one in enumerate(life.sets):
        start, stop = lsn_of(life, one.start), lsn_of(life, one.stop)
        last = Segment.containing(Lsn(stop.position - 1), one.timeline, life.size).name
        if one.repository == number:
            backups.append(Backup(one.label, "full", 1, place, place, str(start), str(stop), last, False, 1, 1))
    holdings = read_holdings([listing], life.size)
    tree = tree_of({timeline: history(life, timeline) for timeline in holdings.histories}, holdings.timelines)
    return look_out(Repository(number, 0, "ok", databases=(Database(1, 7, "17"),), backups=tuple(backups)), holdings, tree)


def planned(life: Life, target: Target, answers: bool) -> tuple[Plan | None, set[tuple[int, int]]]:
    """The plan, and the segment that only a server which answers still has."""
    own = {(life.timeline, life.at // PIECES)} if answers else set()
    here = Here(1e9, "axiomdb", life.timeline, lsn_of(life, life.at)) if answers else Here(1e9, "axiomdb")
    outlooks = tuple(outlook_of(life, number, set()) for number in REPOSITORIES)
    whole = {number: outlook_of(life, number, own) for number in REPOSITORIES} if own else {}
    found = plan(target, Archives(outlooks, whole), here)
    return (found if isinstance(found, Plan) else None), own


STEPS = ("write", "switch", "backup", "restore", "restore", "lose", "expire", "lag", "forget", "forget")
PLACES = 1001
BEGINS = (1, 3, 250, 4090)  # segments before the first backup


@st.composite
def lives(draw: st.DrawFn) -> Life:
    size, begin, pieces = apart(draw(together(len(LEGAL_SIZES), len(BEGINS), 6)), len(LEGAL_SIZES), len(BEGINS), 6)
    life = Life(LEGAL_SIZES[size], PIECES * BEGINS[begin])
    life.write(pieces)
    life.backup(2, 1)
    for drawn in draw(st.lists(together(len(STEPS), PLACES), max_size=20)):
        kind, number = apart(drawn, len(STEPS), PLACES)
        live_on(life, STEPS[kind], number)
    return life


def live_on(life: Life, step: str, number: int) -> None:
    """What happens next."""
    if step == "write":
        life.write(1 + number % 14)
    elif step == "switch":
        life.switch()
    elif step == "backup":
        life.backup(1 + number % 16, REPOSITORIES[number // 16 % 2])
    elif step == "restore":
        life.restore(number)
    elif step == "lag":
        life.reachable = (REPOSITORIES, (1,), (2,))[number % 3]
    elif step == "forget":
        life.histories -= set(sorted(life.histories)[number % max(1, len(life.histories)) :][:1])
    elif life.held:
        lost = sorted(life.held)[number % len(life.held)]
        life.held -= {one for one in life.held if one == lost or (step == "expire" and one[:2] == lost[:2] and one <= lost)}


@given(lives(), together(2**16, 3, 6), st.booleans())
def test_an_lsn_is_planned_exactly_where_a_walk_leads_to_it(life: Life, number: int, answers: bool) -> None:
    place, more, timeline = apart(number, 2**16, 3, 6)
    timeline = timeline if timeline in life.wrote else 0
    wanted = timeline or (life.timeline if answers else life.newest())
    lowest, highest = min(life.wrote[1]) - 2, max(max(one) for one in life.wrote.values() if one) + 6
    piece = lowest + place % (highest - lowest)
    lsn = Lsn(max(0, lsn_of(life, piece).position + more - 1))
    found, own = planned(life, Target(LSN, lsn=lsn, timeline=timeline), answers)
    inside = lsn.position // (life.size // PIECES)
    future = answers and wanted == life.timeline and lsn > lsn_of(life, life.at)
    sets = [] if future else [one for one in life.beginnings(wanted, own) if one.stop <= inside]
    walks = {one.label: names for one in sets if (names := life.walk(one, wanted, inside, own))}
    assert (found is not None) == (walks != {}), (found, walks)
    if found:
        names = walks[found.backup]
        assert found.segments == len(names) == min(len(one) for one in walks.values())
        assert (found.first_segment, found.last_segment, found.timeline) == (names[0], names[-1], wanted)
        one = next(one for one in life.sets if one.label == found.backup)
        assert one.repository == found.repository
        pairs = [(Segment.parse(name, life.size), name) for name in names]
        only_here = [name for segment, name in pairs if (one.repository, segment.timeline, segment.number) not in life.held]
        assert list(found.only_here) == only_here


@given(lives(), st.booleans())
def test_latest_goes_as_far_as_any_walk(life: Life, answers: bool) -> None:
    found, own = planned(life, Target(LATEST), answers)
    ends, timeline = {}, life.timeline if answers else life.newest()
    for one in life.beginnings(timeline, own):
        piece = one.stop - 1
        while life.walk(one, timeline, piece, own):
            piece += 1
            ends[one.label] = piece
    assert (found is not None) == (ends != {}), (found, ends)
    if found:
        end = min(max(ends.values()), life.at) if answers else max(ends.values())
        assert found.lsn == str(lsn_of(life, end)), (found, ends)
