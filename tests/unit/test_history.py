# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Histories of timelines: what each line means, and the path that they make."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from _recovery.history import Step, parse_history, tree_of
from _recovery.wal import Lsn
from drawing import apart, shared, together
from hypothesis import given
from hypothesis import strategies as st

RECORDED = Path(__file__).parent / "recorded"
TWO = "1\t0/3000100\tno recovery target specified\n"
LENGTH = 24  # bytes of a timeline in the slow model
PARENTS = 60  # a multiple of each number of timelines that one may leave
THREE = f"{TWO}\n# a comment\n2\t0/5000000\tbefore 2026-11-22 08:21:21.054628+00\n"


def lsn(text: str) -> Lsn:
    return Lsn.parse(text)


def test_a_history_is_the_path_to_its_timeline() -> None:
    assert parse_history(THREE, 3) == (
        Step(1, Lsn(0), lsn("0/3000100")),
        Step(2, lsn("0/3000100"), lsn("0/5000000")),
        Step(3, lsn("0/5000000")),
    )


def test_a_step_covers_what_was_written_before_its_end() -> None:
    step = parse_history(TWO, 2)[0]
    assert step.covers(lsn("0/3000100"))
    assert not step.covers(lsn("0/3000101"))
    assert Step(2, lsn("0/3000100")).covers(lsn("F/0"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Found no ancestor in the history of timeline 3; expected at least one."),
        ("# nothing\n", "Found no ancestor in the history of timeline 3; expected at least one."),
        ("1\n", "Found '1' in the history of timeline 3; expected an earlier timeline and the LSN of its end."),
        ("x\t0/1\n", "Found 'x 0/1' in the history of timeline 3; expected an earlier timeline and the LSN of its end."),
        ("3\t0/1\n", "Found '3 0/1' in the history of timeline 3; expected an earlier timeline and the LSN of its end."),
        ("2\t0/1\n1\t0/2\n", "Found '1 0/2' in the history of timeline 3; expected an earlier timeline and the LSN of its end."),
        ("1\t0-2\n", "Found the LSN '0-2'; expected two hexadecimal numbers with a slash between them, such as 16/B374D848."),
    ],
)
def test_another_text_is_a_value_error_with_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ValueError) as error:
        parse_history(text, 3)
    assert str(error.value) == said


def test_what_lies_behind_a_later_fork_is_not_on_the_path() -> None:
    text = "1\t0/3000000\tx\n2\t0/5000000\tx\n3\t0/7000000\tx\n4\t0/4000000\tx\n"
    assert parse_history(text, 5) == (
        Step(1, Lsn(0), lsn("0/3000000")),
        Step(2, lsn("0/3000000"), lsn("0/4000000")),
        Step(5, lsn("0/4000000")),
    )


def test_a_tree_has_the_paths_of_all() -> None:
    tree = tree_of({2: TWO, 3: THREE}, [1, 3])
    assert [step.timeline for step in tree.path(3)] == [1, 2, 3]
    assert tree.path(2) == parse_history(TWO, 2)
    assert tree.path(1) == (Step(1, Lsn(0)),)
    assert tree.lost == frozenset()


def test_a_lost_history_is_told_by_that_of_a_later_timeline() -> None:
    tree = tree_of({3: THREE}, [1, 2, 3, 7])
    assert tree.path(2) == parse_history(TWO, 2)
    assert tree.path(7) == (Step(7, Lsn(0)),)
    assert tree.lost == {2, 7}


@pytest.mark.parametrize("path", [pytest.param(path, id=path.parent.name) for path in RECORDED.glob("*/repo-get-history.json")])
def test_a_recorded_history(path: Path) -> None:
    steps = parse_history(json.loads(path.read_text(encoding="utf-8"))["stdout"], 2)
    assert [step.timeline for step in steps] == [1, 2]
    assert steps[0].end == steps[1].begin


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2**40)), min_size=1, max_size=8))
def test_a_written_history_is_read_again(rows: list[tuple[int, int]]) -> None:
    timeline, position, text = 0, 0, ""
    expected = []
    for step, length in rows:
        timeline, begin, position = timeline + step, position, position + length
        expected.append(Step(timeline, Lsn(begin), Lsn(position)))
        text += f"{timeline}\t{Lsn(position)}\treason {length}\n"
    assert parse_history(text, timeline + 1) == (*expected, Step(timeline + 1, Lsn(position)))


@dataclass(frozen=True)
class Owners:
    """A tree of forks, (parent, position) by child, and of each timeline who wrote each byte of it. Nothing is older than byte 0."""

    forks: dict[int, tuple[int, int]]

    def owners(self, timeline: int) -> list[int]:
        """Byte by byte up to the longest: what the parent had before the fork, and then the timeline's own."""
        if timeline not in self.forks:
            return [timeline] * LENGTH
        parent, begin = self.forks[timeline]
        return [*self.owners(parent)[:begin], *[timeline] * (LENGTH - begin)]

    def text(self, timeline: int) -> str:
        """The history file as PostgreSQL writes it: that of the parent, and a line."""
        parent, begin = self.forks.get(timeline, (0, 0))
        return f"{self.text(parent)}{parent}\t{Lsn(begin)}\tno recovery target specified\n" if parent else ""


@st.composite
def trees(draw: st.DrawFn) -> Owners:
    forks, number = {}, 1
    for drawn in draw(st.lists(together(3, PARENTS, LENGTH + 1), max_size=6)):
        step, parent, position = apart(drawn, 3, PARENTS, LENGTH + 1)
        parents = [1, *forks]
        number += step + 1
        forks[number] = parents[parent % len(parents)], position
    return Owners(forks)


@given(trees(), together(2**18), together(2**18))
def test_a_path_says_of_each_byte_who_wrote_it(tree: Owners, one_half: int, other_half: int) -> None:
    lost = {bit + 2 for bit in shared(one_half, other_half)}
    found = tree_of({one: tree.text(one) for one in tree.forks if one not in lost}, [1, *tree.forks])
    assert found.lost == {one for one in tree.forks if one in lost}
    for timeline in {1, *tree.forks} - lost:
        path = found.path(timeline)
        owners = [[step.timeline for step in path if step.begin.position <= byte and step.covers(Lsn(byte + 1))] for byte in range(LENGTH)]
        assert owners == [[one] for one in tree.owners(timeline)]
        assert path[-1].timeline == timeline


@given(trees(), together(2**18), together(2**18))
def test_what_a_later_history_tells_of_a_lost_one_is_true(tree: Owners, one_half: int, other_half: int) -> None:
    lost = {bit + 2 for bit in shared(one_half, other_half)}
    found = tree_of({one: tree.text(one) for one in tree.forks if one not in lost}, [1, *tree.forks])
    for timeline in found.lost:
        told = [found.path(one) for one in tree.forks if one not in lost and any(step.timeline == timeline for step in found.path(one))]
        if told:
            owners = tree.owners(timeline)
            for step in found.path(timeline):
                end = LENGTH if step.end is None else step.end.position
                assert set(owners[step.begin.position : end]) <= {step.timeline}
        else:
            assert found.path(timeline) == (Step(timeline, Lsn(0)),)
