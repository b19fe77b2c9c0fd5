# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LSNs, segments and timelines, against a slow model that counts as PostgreSQL's documentation tells it."""

from __future__ import annotations

import pytest
from _recovery.wal import DEFAULT_SEGMENT_SIZE, Lsn, Segment, check_segment_size, sizes_that_fit
from hypothesis import example, given
from hypothesis import strategies as st

SIZES = [2**exponent for exponent in range(20, 31)]
POWERS, LOG = [2**exponent for exponent in range(32)], 2**32
sizes = st.sampled_from(SIZES)
positions = st.integers(0, 2**64 - 1)
timelines = st.integers(1, 2**32 - 1)


def model_name(position: int, timeline: int, size: int) -> str:
    """The segment's name, digit by digit: a log is 4 GiB, and its segments are counted from 0."""
    log, rest = 0, position
    for power in reversed(POWERS):
        if rest >= power * LOG:
            rest -= power * LOG
            log += power
    index, begin = 0, 0
    for power in reversed(POWERS[:12]):
        if begin + power * size <= rest:
            begin += power * size
            index += power
    return "".join(digits(number) for number in (timeline, log, index))


def digits(number: int) -> str:
    text = ""
    for _digit in range(8):
        text = "0123456789ABCDEF"[number % 16] + text
        number //= 16
    return text


# --- LSN ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("0/0", 0),
        ("0/1", 1),
        ("0/3000050", 0x3000050),
        ("16/B374D848", 0x16B374D848),
        ("16/b374d848", 0x16B374D848),
        ("00000016/B374D848", 0x16B374D848),
        ("1/0", 2**32),
        ("0/FFFFFFFF", 2**32 - 1),
        ("FFFFFFFF/FFFFFFFF", 2**64 - 1),
    ],
)
def test_an_lsn_is_read(text: str, position: int) -> None:
    assert Lsn.parse(text).position == position


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "0",
        "0/",
        "/0",
        "0/0/0",
        "0x0/0",
        "0/0\n",
        " 0/0",
        "0/0 ",
        "-1/0",
        "G/0",
        "000000000/0",
        "0/000000000",
        "٠/٠",
        "0／0",
        "latest",
    ],
)
def test_what_is_no_lsn_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="expected two hexadecimal numbers with a slash between them") as caught:
        Lsn.parse(text)
    assert f"Found the LSN '{text}'" in str(caught.value)


@given(positions)
@example(2**32 - 1)
@example(2**32)
def test_an_lsn_survives_writing_and_reading(position: int) -> None:
    text = str(Lsn(position))
    assert Lsn.parse(text) == Lsn(position)
    assert text == text.upper()
    high, low = text.split("/")
    assert int(high, 16) * 2**32 + int(low, 16) == position


@given(positions, positions)
def test_lsns_are_ordered_as_their_positions(left: int, right: int) -> None:
    assert (Lsn(left) < Lsn(right)) == (left < right)


# --- segments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lsn", "timeline", "size", "name"),
    [
        # As pg_walfile_name answered on servers made with initdb --wal-segsize, but for the first byte of a segment, which it
        # counts to the segment before: here it belongs to the segment that it opens.
        ("0/1", 1, 2**24, "000000010000000000000000"),
        ("0/1000000", 1, 2**24, "000000010000000000000001"),
        ("0/3FFFFFF", 1, 2**24, "000000010000000000000003"),
        ("0/4000000", 1, 2**24, "000000010000000000000004"),
        ("0/FFFFFFFF", 1, 2**24, "0000000100000000000000FF"),
        ("1/0", 1, 2**24, "000000010000000100000000"),
        ("0/FFFFFFFF", 1, 2**20, "000000010000000000000FFF"),
        ("0/FFFFFFFF", 1, 2**30, "000000010000000000000003"),
        ("1/0", 1, 2**30, "000000010000000100000000"),
        ("0/3000050", 9, 2**24, "000000090000000000000003"),
        ("0/3000050", 10, 2**24, "0000000A0000000000000003"),
        ("0/3000050", 16, 2**24, "000000100000000000000003"),
        ("FFFFFFFF/FFFFFFFF", 2**32 - 1, 2**24, "FFFFFFFFFFFFFFFF000000FF"),
    ],
)
def test_the_segment_that_contains_an_lsn(lsn: str, timeline: int, size: int, name: str) -> None:
    assert Segment.containing(Lsn.parse(lsn), timeline, size).name == name


@given(positions, timelines, sizes)
@example(0, 1, 2**20)
@example(2**64 - 1, 2**32 - 1, 2**30)
def test_names_are_those_of_the_slow_model(position: int, timeline: int, size: int) -> None:
    assert Segment.containing(Lsn(position), timeline, size).name == model_name(position, timeline, size)


@given(positions, timelines, sizes)
def test_a_segment_survives_its_name(position: int, timeline: int, size: int) -> None:
    segment = Segment.containing(Lsn(position), timeline, size)
    assert Segment.parse(segment.name, size) == segment


@given(positions, timelines, sizes)
def test_an_lsn_lies_in_its_segment_and_in_no_other(position: int, timeline: int, size: int) -> None:
    segment = Segment.containing(Lsn(position), timeline, size)
    assert segment.start.position <= position < segment.start.position + size
    assert segment.start.position % size == 0


@given(st.integers(1, 2**34 - 1), timelines, sizes)
def test_a_boundary_divides_two_neighbours(number: int, timeline: int, size: int) -> None:
    boundary = number * size
    before, after = (Segment.containing(Lsn(position), timeline, size) for position in (boundary - 1, boundary))
    assert (before.number, after.number) == (number - 1, number)
    assert after.start.position == boundary


@given(positions, positions, timelines, timelines, sizes)
def test_names_sort_by_timeline_and_then_by_position(left: int, right: int, left_tli: int, right_tli: int, size: int) -> None:
    one, other = Segment.containing(Lsn(left), left_tli, size), Segment.containing(Lsn(right), right_tli, size)
    assert (one.name < other.name) == ((left_tli, left // size) < (right_tli, right // size))
    assert (one < other) == (one.name < other.name)


@given(positions, timelines, sizes, st.booleans())
@example(2**32, 1, 2**20, True)
def test_the_sizes_that_fit_are_those_with_which_the_model_counts_so(position: int, timeline: int, size: int, whole: bool) -> None:
    position -= position % size if whole else 0
    name = model_name(max(0, position - 1), timeline, size)
    model = {one for one in SIZES if name in (model_name(position, timeline, one), model_name(max(0, position - 1), timeline, one))}
    assert sizes_that_fit(name, Lsn(position)) == model
    assert size in model


@given(timelines, st.integers(0, 2**32 - 1), st.integers(0, 2**13), sizes)
@example(1, 0, 2**12 - 1, 2**20)
@example(1, 0, 2**12, 2**20)
def test_a_name_is_read_when_the_model_writes_it(timeline: int, log: int, index: int, size: int) -> None:
    name = "".join(digits(number) for number in (timeline, log, index))
    begin = log * 2**32 + index * size
    if index * size < 2**32:
        assert model_name(begin, timeline, size) == name
        segment = Segment.parse(name, size)
        assert (segment.start.position, segment.end.position) == (begin, begin + size)
    else:
        with pytest.raises(ValueError, match="its last part is below"):
            Segment.parse(name, size)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "00000001000000000000000",
        "0000000100000000000000010",
        "00000001000000000000000a",
        "00000001000000000000000G",
        "000000010000000000000001\n",
        "000000010000000000000001.partial",
        "00000002.history",
        "../00000001000000000000",
        "٠٠٠٠٠٠٠١٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠١",
    ],
)
def test_what_is_no_segment_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(ValueError, match="expected 24 upper-case hexadecimal digits"):
        Segment.parse(name)


@pytest.mark.parametrize(("size", "last"), [(2**20, "FFF"), (2**24, "FF"), (2**26, "3F"), (2**30, "3")])
def test_a_name_that_a_segment_size_does_not_have_is_refused(size: int, last: str) -> None:
    assert Segment.parse(f"0000000100000000{last:0>8}", size).start.position == 2**32 - size
    with pytest.raises(ValueError, match=f"with segments of {size} bytes its last part is below"):
        Segment.parse(f"0000000100000000{int(last, 16) + 1:08X}", size)


def test_the_default_segment_size_is_16_mib() -> None:
    assert Segment.parse("000000010000000000000001").size == DEFAULT_SEGMENT_SIZE == 16 * 1024 * 1024


@pytest.mark.parametrize("size", SIZES)
def test_legal_segment_sizes(size: int) -> None:
    assert check_segment_size(size) == size


@given(st.one_of(st.integers(), st.integers(2**19, 2**31)))
@example(0)
@example(2**19)
@example(2**31)
@example(-(2**24))
def test_no_other_segment_size_is_legal(size: int) -> None:
    if size in SIZES:
        assert check_segment_size(size) == size
        return
    for refuse in (check_segment_size, lambda size: Segment.containing(Lsn(0), 1, size), lambda size: Segment.parse("0" * 24, size)):
        with pytest.raises(ValueError, match="expected a power of two from 1 MiB to 1 GiB"):
            refuse(size)
