# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A whole archive, read in pieces as it comes: runs of segments for every size, and nothing else."""

from __future__ import annotations

import json
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from _recovery.archive import Holdings, merged, parse_listing, read_holdings
from _recovery.wal import LEGAL_SIZES, Segment
from drawing import apart, together
from hypothesis import given
from hypothesis import strategies as st

RECORDED = Path(__file__).parent / "recorded"
SHA = "0123456789abcdef0123456789abcdef01234567"
MIB = 1 << 20


def text_of(names: list[str]) -> bytes:
    return "".join(f"{name[:16]}/{name}-{SHA}.zst\n" for name in names).encode()


def pieces(text: bytes, length: int) -> Iterator[bytes]:
    return (text[place : place + length] for place in range(0, len(text), length))


@given(
    st.lists(together(3, 41), max_size=60),
    together(2**20),
    together(len(LEGAL_SIZES), 300),
    st.randoms(use_true_random=False),
)
def test_runs_are_what_a_set_of_names_says(places: list[int], base: int, number: int, order: random.Random) -> None:
    place, length = apart(number, len(LEGAL_SIZES), 300)
    size, length = LEGAL_SIZES[place], length + 1
    held = [Segment(timeline + 1, base + number, size) for timeline, number in (apart(one, 3, 41) for one in set(places))]
    names = [segment.name for segment in held]
    order.shuffle(names)
    found = read_holdings(pieces(text_of(names), length), size)
    every = {(timeline, n) for timeline, runs in found.runs.items() for first, last in runs for n in range(first, last + 1)}
    assert every == {(segment.timeline, segment.number) for segment in held}
    for runs in found.runs.values():
        assert all(later[0] > earlier[1] + 1 for earlier, later in zip(runs, runs[1:], strict=False))


@given(st.lists(together(31, 6)))
def test_merged_runs_hold_the_same_numbers(rows: list[int]) -> None:
    runs = [(first, first + length) for first, length in (apart(row, 31, 6) for row in rows)]
    whole = merged(runs)
    numbers = [n for first, last in whole for n in range(first, last + 1)]
    assert numbers == sorted({n for first, last in runs for n in range(first, last + 1)})
    assert len(whole) == sum(number - 1 not in numbers for number in numbers)


def test_other_files_are_no_segments() -> None:
    other = [
        "0000000100000000",
        "00000002.history",
        "archive.info",
        f"0000000100000000/000000010000000000000004.partial-{SHA}.gz",
        "0000000100000000/000000010000000000000003.00000028.backup",
        f"0000000100000000/000000010000000000000005-{SHA}.zst.pgbackrest.tmp",
        f"0000000100000000/00000001000000000000000g-{SHA}",
    ]
    found = read_holdings([("\n".join(other) + "\n").encode()], 16 * MIB)
    assert found == Holdings(16 * MIB, {}, frozenset({2}))
    assert found.timelines == {2}


def test_a_segment_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError) as error:
        read_holdings([text_of(["000000010000000000000001", "0000000100000000000000FF"])], 64 * MIB)
    assert str(error.value) == "Found the WAL segment 0000000100000000000000FF; with segments of 67108864 bytes its last part is below 40."


def test_segments_of_the_host_fill_a_gap() -> None:
    found = read_holdings([text_of(["000000010000000000000001", "000000010000000000000003"])], 16 * MIB)
    assert found.with_segments(1, [2, 4]).runs == {1: ((1, 4),)}
    assert found.with_segments(2, []).runs == {1: ((1, 1), (3, 3))}


@pytest.mark.parametrize("path", [pytest.param(path, id=path.parent.name) for path in RECORDED.glob("*/repo-ls-archive-recurse.json")])
def test_a_recorded_archive(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))["stdout"]
    text = "\n".join(json.loads(document)).encode()
    found, listing = read_holdings(pieces(text, 100), 16 * MIB), parse_listing(document)
    names = {Segment(timeline, n).name for timeline, runs in found.runs.items() for first, last in runs for n in range(first, last + 1)}
    assert names == set(listing.segments)
    assert found.histories == listing.histories


def test_a_million_names_take_neither_long_nor_much() -> None:
    def names() -> Iterator[bytes]:
        for log in range(4000):
            yield text_of([f"00000001{log:08X}{index:08X}" for index in range(256)])

    whole = list(names())
    begun, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = read_holdings(iter(whole), 16 * MIB)
    assert found.runs == {1: ((0, 1024000 - 1),)}
    assert time.process_time() - begun < 6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024
