# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Windows against a slow and obvious model: sets of segments, replayed one by one along the path of each timeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from _recovery.archive import Holdings, read_holdings
from _recovery.catalog import Backup, Database, Repository, segment_size
from _recovery.forks import Fork, Span
from _recovery.history import Tree, tree_of
from _recovery.moments import Moment
from _recovery.wal import LEGAL_SIZES, Lsn, Segment
from _recovery.waldump import Dump
from _recovery.window import Broken, Hole, Outlook, Seen, Tail, gaps, look_out, name_of, runs_on, tail_of
from drawing import apart, shared, together
from hypothesis import given
from hypothesis import strategies as st

SIZES = (1 << 20, 1 << 24, 1 << 26, 1 << 30)
SHA = "a" * 40
NOTHING = Seen()
LONGEST = 24  # segments of a model
BASES = (1, 254, 5000)
THREE = (4 * (LONGEST + 1),) * 3  # places of segments
MISSING = together(*THREE)
SETS = together(4, LONGEST * 16 + 1, 40)


@dataclass(frozen=True)
class Model:
    """A history: forks by child, held segments, sets as (timeline, first byte, last byte behind)."""

    size: int
    base: int
    forks: dict[int, tuple[int, int]]
    held: frozenset[tuple[int, int]]
    sets: tuple[tuple[int, int, int], ...]

    def lineage(self, timeline: int) -> list[tuple[int, int]]:
        """(timeline, begin) of each step, the oldest first."""
        if timeline not in self.forks:
            return [(timeline, 0)]
        parent, begin = self.forks[timeline]
        return [*self.lineage(parent), (timeline, begin)]

    def source(self, timeline: int, number: int) -> int:
        """The timeline from whose archive a server takes a segment: the newest that had begun when it ended."""
        return [one for one, begin in self.lineage(timeline) if begin // self.size <= number][-1]

    def has(self, timeline: int, number: int) -> bool:
        return (self.source(timeline, number), number) in self.held

    def is_on(self, timeline: int, one: tuple[int, int, int]) -> bool:
        """Whether the end of a set lies on the path to a timeline."""
        steps = self.lineage(timeline)
        ends = dict(zip([step for step, _begin in steps], [*(begin for _step, begin in steps[1:]), 1 << 62], strict=True))
        return one[0] in ends and one[2] <= ends[one[0]]

    def replay(self, timeline: int, one: tuple[int, int, int]) -> int | None:
        """The first number that is missing when a set is replayed; None when it does not even become consistent."""
        number = one[1] // self.size
        while self.has(timeline, number):
            number += 1
        return number if number * self.size >= one[2] else None


def backup_of(place: int, one: tuple[int, int, int], size: int) -> Backup:
    timeline, start, stop = one
    name = Segment.containing(Lsn(stop - 1), timeline, size).name
    return Backup(f"set-{place:02}", "full", 1, place, place, str(Lsn(start)), str(Lsn(stop)), name, False, 1, 1)


def repository_of(*backups: Backup) -> Repository:
    return Repository(1, 0, "ok", databases=(Database(1, 7, "17"),), backups=backups)


def history_of(model: Model, timeline: int) -> str:
    steps = model.lineage(timeline)
    return "".join(f"{one}\t{Lsn(begin)}\tx\n" for (one, _begin), (_next, begin) in zip(steps, steps[1:], strict=False))


def outlook_of(model: Model, seen: Seen = NOTHING) -> Outlook:
    names = [Segment(timeline, number, model.size).name for timeline, number in sorted(model.held)]
    text = "".join(f"{name[:16]}/{name}-{SHA}.zst\n" for name in names).encode()
    tree = tree_of({timeline: history_of(model, timeline) for timeline in model.forks}, [1])
    backups = [backup_of(place, one, model.size) for place, one in enumerate(model.sets)]
    return look_out(repository_of(*backups), read_holdings([text], model.size), tree, seen)


@st.composite
def models(draw: st.DrawFn) -> Model:
    size, begin, count, length = apart(draw(together(len(SIZES), len(BASES), 4, LONGEST + 1)), len(SIZES), len(BASES), 4, LONGEST + 1)
    base, sixteenth = BASES[begin] * SIZES[size], SIZES[size] // 16
    forks: dict[int, tuple[int, int]] = {}
    begins, lengths = {1: base}, {1: length}
    for timeline in range(2, count + 2):
        choices = timeline - 1, LONGEST * 4 + 1, LONGEST + 1
        parent, place, lengths[timeline] = apart(draw(together(*choices)), *choices)
        begins[timeline] = begins[parent + 1] + place * sixteenth
        forks[timeline] = (parent + 1, begins[timeline])
    missing = {apart(one, 4, LONGEST + 1) for drawn in draw(st.lists(MISSING, max_size=4)) for one in apart(drawn, *THREE)}
    held = set()
    for timeline, first in begins.items():
        held |= {(timeline, first // SIZES[size] + one) for one in range(lengths[timeline]) if (timeline - 1, one) not in missing}
    sets = []
    for timeline, start, length in (apart(one, 4, LONGEST * 16 + 1, 40) for one in draw(st.lists(SETS, max_size=6))):
        if timeline + 1 in begins:
            first = begins[timeline + 1] + start * sixteenth
            sets.append((timeline + 1, first, first + (length + 1) * sixteenth))
    return Model(SIZES[size], base, forks, frozenset(held), tuple(sets))


def usable(model: Model) -> Iterator[tuple[str, tuple[int, int, int]]]:
    for place, one in enumerate(model.sets):
        if model.replay(one[0], one) is not None:
            yield f"set-{place:02}", one


@given(models())
def test_a_set_is_broken_when_it_cannot_become_consistent(model: Model) -> None:
    broken = {one.label for one in outlook_of(model).broken}
    assert broken == {f"set-{place:02}" for place in range(len(model.sets))} - {label for label, _one in usable(model)}


@given(models())
def test_each_stretch_ends_where_replay_ends(model: Model) -> None:
    for timeline, window in outlook_of(model).windows.items():
        expected = {}
        for label, one in usable(model):
            end = model.replay(timeline, one)
            if model.is_on(timeline, one) and end is not None:
                expected[label] = (one[2], end * model.size)
        found = {
            backup.label: (Lsn.parse(backup.lsn_stop or "").position, stretch.end.position)
            for stretch in window.stretches
            for backup in stretch.sets
        }
        assert found == expected
        for stretch in window.stretches:
            assert stretch.first.position == min(found[backup.label][0] for backup in stretch.sets)
            assert len({found[backup.label][1] for backup in stretch.sets}) == 1


@given(models())
def test_windows_are_told_of_every_timeline_that_has_one(model: Model) -> None:
    found = outlook_of(model).windows
    for timeline in {1, *model.forks}:
        if any(model.is_on(timeline, one) and model.replay(timeline, one) is not None for _label, one in usable(model)):
            assert timeline in found


@given(models())
def test_holes_are_the_missing_segments_behind_the_first_set(model: Model) -> None:
    for timeline, window in outlook_of(model).windows.items():
        begins = sorted((one[1] // model.size, label) for label, one in usable(model) if model.is_on(timeline, one))
        begin = model.base // model.size
        numbers = [number for number in range(begin, begin + 4 * LONGEST) if model.has(timeline, number)]
        missing = {number for number in range(numbers[0], numbers[-1]) if number not in numbers} if numbers else set()
        # A gap counts from the first set on that was begun before it.
        expected = {number for number in missing if begins and begins[0][0] <= max(one for one in numbers if one < number)}
        found = set()
        for hole in window.holes:
            first, last = Segment.parse(hole.first, model.size), Segment.parse(hole.last, model.size)
            assert hole.count == last.number - first.number + 1
            assert {first.timeline, last.timeline} == {model.source(timeline, first.number), model.source(timeline, last.number)}
            found |= set(range(first.number, last.number + 1))
            labels = dict(begins) and {label: number for number, label in begins}
            assert labels[hole.after_set] < first.number
            assert all(number < labels[hole.before_set] for number in (first.number, last.number)) if hole.before_set else True
            assert not any(labels[hole.after_set] < number < first.number for number in labels.values())
        assert found == expected


@given(st.tuples(*[together(2**21)] * 4), together(42, 42))
def test_gaps_are_what_is_not_there(bits: tuple[int, int, int, int], ends: int) -> None:
    numbers = {*shared(*bits[:2]), *(bit + 21 for bit in shared(*bits[2:]))}
    first, last = apart(ends, 42, 42)
    runs = Holdings(1 << 24).with_segments(1, numbers).runs.get(1, ())
    found = [number for low, high in gaps(runs, first, last) for number in range(low, high + 1)]
    assert found == [number for number in range(first, last + 1) if number not in numbers]


@given(st.sampled_from(LEGAL_SIZES), st.lists(st.tuples(st.integers(1, 2**40), st.integers(1, 300)), min_size=1, max_size=5))
def test_the_size_of_a_segment_is_told_by_the_ends_of_backups(size: int, ends: list[tuple[int, int]]) -> None:
    backups = [backup_of(place, (timeline, stop - 1, stop), size) for place, (stop, timeline) in enumerate(ends)]
    found = segment_size([repository_of(*backups)])
    for backup in backups:
        segment = Segment.parse(backup.wal_stop or "", found)
        assert segment.start <= Lsn.parse(backup.lsn_stop or "") <= segment.end


# --- times and words ---------------------------------------------------------------------------------------------

FIRST = Backup("A", "full", 1, 100, 200, "0/3000028", "0/3000138", "000000010000000000000003", False, 1, 1)
SECOND = replace(
    FIRST, label="B", started=500, stopped=600, lsn_start="0/7000028", lsn_stop="0/7000138", wal_stop="000000010000000000000007"
)
FORK = {2: "1\t0/5000100\tx\n"}


def seen(*moments: Moment, tails: tuple[Tail, ...] = ()) -> Seen:
    return Seen(moments, tails)


def beat(time: float, lsn: str, timeline: int = 1) -> Moment:
    return Moment(time, Lsn.parse(lsn), timeline, commit=True)


def look(*numbers: int, backups: tuple[Backup, ...] = (FIRST,), child: tuple[int, ...] = (), seen: Seen = NOTHING) -> Outlook:
    held = Holdings(1 << 24).with_segments(1, numbers).with_segments(2, child)
    tree = tree_of(FORK, [1]) if child else Tree()
    return look_out(repository_of(*backups), held, tree, seen)


def test_a_segment_missing_before_the_first_set_is_not_accused() -> None:
    found = look(1, 3, 4)
    assert found.windows[1].holes == ()
    assert found.broken == ()


def test_holes_are_told_with_the_sets_around_them() -> None:
    window = look(3, 4, 7, 8, 10, backups=(FIRST, SECOND)).windows[1]
    assert window.holes == (
        Hole("000000010000000000000005", "000000010000000000000006", 2, "A", "B"),
        Hole("000000010000000000000009", "000000010000000000000009", 1, "B", ""),
    )


def test_broken_sets_are_told_with_their_reason() -> None:
    long = replace(FIRST, label="long", lsn_stop="0/6000138", wal_stop="000000010000000000000006")
    sets = (
        replace(FIRST, label="pages", error=True),
        replace(FIRST, label="files", error=True, lost=True),
        replace(long, label="two"),
        replace(long, label="one", lsn_start="0/5000028"),
        replace(FIRST, label="old", lsn_stop=None),
        replace(FIRST, label="other", database=0),
    )
    assert look(3, 6, backups=sets).broken == (
        Broken("pages", "it has pages with wrong checksums"),
        Broken("files", "files of it are lost"),
        Broken("two", "the WAL segment 000000010000000000000004 and 1 more, which it needs, are missing"),
        Broken("one", "the WAL segment 000000010000000000000005, which it needs, is missing"),
        Broken("old", "pgBackRest does not say which WAL it needs"),
    )


def test_times_begin_a_second_after_the_backup_and_end_before_the_newest_known_commit() -> None:
    stretch = look(3, 4, seen=seen(beat(300, "0/4000100"), beat(900, "0/5000100"), beat(100, "0/2000100"))).windows[1].stretches[0]
    assert stretch.spans == (Span(201, 300),)
    assert (stretch.latest, stretch.complete) == (300, 300)


def test_without_a_known_commit_the_end_is_unknown() -> None:
    moments = seen(Moment(300, Lsn.parse("0/4000100"), 1))
    stretch = look(3, 4, seen=moments).windows[1].stretches[0]
    assert stretch.spans == (Span(201, None),)
    assert (stretch.latest, stretch.complete) == (None, 300)


def test_a_commit_before_the_backup_was_complete_opens_no_time() -> None:
    assert look(3, 4, seen=seen(beat(200.5, "0/3000200"))).windows[1].stretches[0].spans == ()


def test_the_time_of_an_abandoned_timeline_is_cut_out() -> None:
    moments = seen(beat(300, "0/4000100"), beat(400, "0/6000100"), beat(800, "0/5000200", 2), beat(900, "0/6000300", 2))
    window = look(3, 4, 5, 6, child=(5, 6), seen=moments).windows[2]
    assert window.stretches[0].spans == (Span(201, 300), Span(800, 900))
    assert window.stretches[0].forks == (Fork(1, Lsn.parse("0/5000100"), 300, 800),)


def test_a_timeline_that_is_not_known_to_have_gone_on_may_have_lost_its_last_commits() -> None:
    moments = seen(beat(300, "0/4000100"), beat(800, "0/5000200", 2), beat(900, "0/6000300", 2))
    window = look(3, 4, child=(5, 6), seen=moments).windows[2]
    assert window.stretches[0].spans == (Span(201, 300), Span(800, 900))
    assert window.stretches[0].forks == (Fork(1, Lsn.parse("0/5000100"), 300, 800, False),)


def test_behind_a_fork_no_time_is_known_before_the_first_moment_of_the_later_timeline() -> None:
    window = look(3, 4, child=(5, 6), seen=seen(beat(300, "0/4000100"))).windows[2]
    assert window.stretches[0].spans == (Span(201, 300),)
    assert window.stretches[0].is_open
    assert not look(3, 4, seen=seen(beat(300, "0/4000100"))).windows[1].stretches[0].is_open


def test_a_life_between_two_forks_of_which_nothing_is_known_is_not_taken_for_the_one_before() -> None:
    held = Holdings(1 << 24).with_segments(1, [3, 4]).with_segments(2, [5]).with_segments(3, [6])
    tree = tree_of({**FORK, 3: f"{FORK[2]}2\t0/6000100\tx\n"})
    first, third = (beat(300, "0/4000100"), (beat(900, "0/6000200", 3), beat(950, "0/6000300", 3)))
    stretch = look_out(repository_of(FIRST), held, tree, seen(first, *third)).windows[3].stretches[0]
    assert [(fork.after, fork.is_known) for fork in stretch.forks] == [(300, True), (300, False)]
    assert not stretch.is_known and not stretch.is_open
    between = (beat(500, "0/5000200", 2), beat(600, "0/6000080", 2))
    stretch = look_out(repository_of(FIRST), held, tree, seen(first, *between, *third)).windows[3].stretches[0]
    assert stretch.spans == (Span(201, 300), Span(500, 600), Span(900, 950))
    assert stretch.is_known


def test_a_heartbeat_that_was_never_archived_shows_that_a_timeline_went_on() -> None:
    moments = seen(beat(300, "0/4000100"), beat(400, "0/5000200"), beat(900, "0/6000300", 2))
    assert look(3, 4, child=(5, 6), seen=moments).windows[2].stretches[0].spans == (Span(201, 300),)


def test_the_segment_of_a_fork_is_read_from_the_later_timeline() -> None:
    holdings = Holdings(1 << 24).with_segments(1, [3, 4, 5, 6]).with_segments(2, [6])
    path = tree_of(FORK, [1]).path(2)
    assert runs_on(path, holdings) == ((3, 4), (6, 6))
    assert name_of(path, 4, 1 << 24) == "000000010000000000000004"
    assert name_of(path, 5, 1 << 24) == "000000020000000000000005"


def test_a_set_behind_the_fork_is_on_its_own_timeline_alone() -> None:
    found = look(3, 4, 5, 6, 7, 8, backups=(FIRST, SECOND), child=(5, 6, 7, 8))
    assert [one.label for one in found.windows[1].stretches[0].sets] == ["A", "B"]
    assert [one.label for one in found.windows[2].stretches[0].sets] == ["A"]


@pytest.mark.parametrize(
    ("dumps", "final", "live", "stop", "last"),
    [
        ([Dump(beat(5, "0/4000100"), Lsn.parse("0/4000200"), True)], None, None, "0/4000200", "0/4000200"),
        ([Dump(beat(5, "0/4000100"), Lsn.parse("0/40000C0"))], "0/40000C0", None, None, "0/40000C0"),
        ([Dump(beat(5, "0/4000100"), Lsn.parse("0/40000C0"))], "0/4000300", None, "0/4000300", "0/4000300"),
        ([Dump(beat(5, "0/4000100"), Lsn.parse("0/40000C0"))], None, "0/4000100", "0/4000100", "0/4000100"),
        ([Dump(), Dump(beat(5, "0/3000100"), Lsn.parse("0/30000C0"))], "0/4FFFF00", None, "0/4FFFF00", "0/4FFFF00"),
        ([Dump(None, Lsn.parse("0/4000028"), True), Dump(beat(5, "0/3000100"))], None, None, "0/4000028", "0/4000028"),
        ([Dump(None, Lsn.parse("0/4000028"), True)], None, None, None, "0/4000028"),
        ([Dump(beat(5, "0/3000100"), Lsn.parse("0/3000200"), True)], None, "0/4000028", "0/3000200", "0/3000200"),
        ([Dump(beat(5, "0/3000100"), Lsn.parse("0/3000200"), True)], None, "0/4000029", "0/3000200", "0/4000029"),
        (
            [Dump(beat(5, "0/3000100"), Lsn.parse("0/4000300"), False, Lsn.parse("0/3000200"))],
            "0/4FFFF00",
            None,
            "0/3000200",
            "0/4FFFF00",
        ),
        (
            [Dump(None, Lsn.parse("0/4000300"), False, Lsn.parse("0/4000028")), Dump(beat(5, "0/3000100"))],
            None,
            "0/4000400",
            "0/4000028",
            "0/4000400",
        ),
        ([], None, None, None, None),
        ([], None, "0/4000028", None, None),
        ([Dump(beat(5, "0/4000000"), Lsn.parse("0/3FFFFC0"))], None, "0/4000028", None, None),
    ],
)
def test_a_tail_stops_at_a_record_behind_the_newest_commit(
    dumps: list[Dump], final: str | None, live: str | None, stop: str | None, last: str | None
) -> None:
    found = tail_of(Segment(1, 4), dumps, *(Lsn.parse(one) if one else None for one in (final, live)))
    assert (found.stop and str(found.stop), found.last and str(found.last)) == (stop, last)


def test_an_lsn_behind_the_last_record_is_not_reached() -> None:
    tail = Tail(1, 4, None, None, Lsn.parse("0/4000200"))
    stretch = look(3, 4, seen=seen(tails=(tail,))).windows[1].stretches[0]
    assert stretch.reaches(Lsn.parse("0/4000200"))
    assert not stretch.reaches(Lsn.parse("0/4000201"))
    assert not stretch.reaches(Lsn.parse("0/3000100"))
    assert look(3, 4).windows[1].stretches[0].reaches(Lsn.parse("0/4FFFFFF"))
    assert not look(3, 4).windows[1].stretches[0].reaches(Lsn.parse("0/5000000"))
