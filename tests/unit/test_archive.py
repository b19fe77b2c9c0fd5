# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names that `pgbackrest repo-ls` prints, and which of them count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from _recovery.archive import Listing, arrivals, directories_since, last_directories, parse_listing
from hypothesis import given
from hypothesis import strategies as st

RECORDED = Path(__file__).parent / "recorded"
SHA, OTHER = "a" * 40, "0123456789abcdef0123456789abcdef01234567"
TOP = {
    ".": {"type": "path"},
    "0000000100000000": {"type": "path"},
    "0000000100000001": {"type": "path"},
    "0000000A00000001": {"type": "path"},
    "0000000A.history": {"type": "file", "size": 42, "time": 1700000000},
    "0000000B.history": {"type": "file", "size": 83, "time": 1700000000},
    "archive.info": {"type": "file", "size": 400, "time": 1700000000},
}


def listing(*names: str) -> str:
    return json.dumps({name: {"type": "file", "size": 1, "time": 1700000000} for name in names})


def newest_directory(text: str, timeline: int) -> str | None:
    """The last of the directories when nothing is said of a segment."""
    return next(iter(directories_since(text, timeline, "")), None)


def test_directories_begin_with_that_of_the_segment_and_the_newest_is_always_there() -> None:
    top = listing("0000000100000000", "0000000100000001", "0000000100000002", "0000000200000001")
    assert directories_since(top, 1, "000000010000000100000042") == ("0000000100000001", "0000000100000002")
    assert directories_since(top, 1, "000000010000000900000000") == ("0000000100000002",)
    assert directories_since(top, 2, "") == ("0000000200000001",)
    assert directories_since(top, 3, "000000030000000000000001") == ()


def test_the_top_of_an_archive_has_timelines_and_histories() -> None:
    found = parse_listing(json.dumps(TOP))
    assert found.segments == {}
    assert found.timelines == {1, 10, 11}
    assert found.histories == {10, 11}
    assert found.newest_timeline == 11


@pytest.mark.parametrize("extension", ["", ".gz", ".zst", ".lz4", ".bz2"])
def test_a_segment_is_known_by_its_name_and_its_bytes(extension: str) -> None:
    assert parse_listing(listing(f"0000000100000000000000FF-{SHA}{extension}")).segments == {"0000000100000000000000FF": SHA}


def test_a_recursive_listing_is_read_too() -> None:
    found = parse_listing(listing(f"0000001000000000/000000100000000000000003-{SHA}.zst", "00000010.history"))
    assert found.segments == {"000000100000000000000003": SHA}
    assert (found.timelines, found.histories) == ({16}, {16})


@pytest.mark.parametrize(
    "name",
    [
        ".",
        "",
        "archive.info",
        "archive.info.copy",
        f"000000010000000000000003.partial-{SHA}.zst",
        "000000010000000000000003.00000028.backup",
        "000000010000000000000003",
        f"000000010000000000000003-{SHA[:-1]}",
        f"00000001000000000000000g-{SHA}",
        f"00000001000000000000000a-{SHA}",
        f"000000010000000000000003-{SHA.upper()}",
        f"0000000100000000000000003-{SHA}",
        "00000002.history.tmp",
        "2.history",
    ],
)
def test_other_files_are_neither_segments_nor_histories(name: str) -> None:
    assert parse_listing(listing(name)) == Listing()


def test_several_listings_are_one() -> None:
    found = parse_listing(json.dumps(TOP), listing(f"0000000A0000000100000004-{SHA}", f"0000000A0000000100000005-{OTHER}.zst"))
    assert found.newest_segment(10) == "0000000A0000000100000005"
    assert found.segments["0000000A0000000100000005"] == OTHER
    assert found.newest_timeline == 11


def test_an_empty_archive() -> None:
    for found in (parse_listing(), parse_listing("{}"), parse_listing('{".":{"type":"path"}}'), Listing()):
        assert (found.newest_timeline, found.newest_segment(1), found.segments) == (0, None, {})


@pytest.mark.parametrize("text", ["", "{", "ERROR: [041]: unable to open", "null", "[]", "7", '"0000000100000000"', '["0000000100000000"]'])
def test_another_document_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_listing("{}", text)
    with pytest.raises(ValueError):
        newest_directory(text, 1)


@pytest.mark.parametrize(
    ("timeline", "expected"), [(1, "0000000100000001"), (10, "0000000A00000001"), (16, None), (11, None), (0, None), (161, None)]
)
def test_the_newest_directory_is_one_of_this_timeline(timeline: int, expected: str | None) -> None:
    assert newest_directory(json.dumps(TOP), timeline) == expected


def test_a_name_that_only_looks_like_a_directory_is_none() -> None:
    assert newest_directory(listing("0000000100000000\n1", "00000001000000000", "000000010000000g", "x/0000000100000000"), 1) is None


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 2**32 - 1), st.integers(0, 255)), max_size=20), st.integers(1, 300))
def test_newest_means_highest_of_that_timeline(places: list[tuple[int, int, int]], timeline: int) -> None:
    names = [f"{tli:08X}{log:08X}{index:08X}" for tli, log, index in places]
    found = parse_listing(listing(*(f"{name[:16]}/{name}-{SHA}.zst" for name in names)))
    highest = max((place for place in places if place[0] == timeline), default=None)
    expected = None if highest is None else "".join(f"{part:08X}" for part in highest)
    assert found.newest_segment(timeline) == expected
    assert found.newest_timeline == max((place[0] for place in places), default=0)
    assert newest_directory(listing(*(name[:16] for name in names)), timeline) == (expected[:16] if expected else None)


# --- recorded outputs --------------------------------------------------------------------------------------------


def recorded(version: Path, name: str) -> str:
    text: str = json.loads((version / f"{name}.json").read_text(encoding="utf-8"))["stdout"]
    return text


@pytest.mark.parametrize("version", [pytest.param(path.parent, id=path.parent.name) for path in RECORDED.glob("*/repo-ls-archive-id.json")])
def test_a_recorded_archive_of_two_timelines(version: Path) -> None:
    top, inner = recorded(version, "repo-ls-archive-id"), recorded(version, "repo-ls-archive-timeline")
    assert newest_directory(top, 2) == "0000000200000000"
    assert newest_directory(top, 3) is None
    found = parse_listing(top, inner)
    assert (found.newest_timeline, found.histories, found.timelines) == (2, {2}, {1, 2})
    newest = found.newest_segment(2)
    assert newest is not None
    everything = parse_listing(recorded(version, "repo-ls-archive-recurse"))
    assert everything.timelines == {1, 2}
    assert everything.newest_segment(2) == newest
    assert len(everything.segments) > len(found.segments)


@pytest.mark.parametrize("name", ["repo-ls-archive-absent", "repo-ls-archive", "repo-ls-no-wal"])
def test_a_recorded_archive_without_wal(name: str) -> None:
    paths = list(RECORDED.glob(f"*/{name}.json"))
    assert paths
    for path in paths:
        assert parse_listing(recorded(path.parent, name)) == Listing()


def test_the_newest_directory_of_every_other_timeline_is_known() -> None:
    assert last_directories(json.dumps(TOP), 10) == ("0000000100000001",)
    assert last_directories(json.dumps(TOP), 11) == ("0000000100000001", "0000000A00000001")


def test_it_is_known_when_segments_and_histories_arrived() -> None:
    inner = json.dumps({f"000000010000000000000003-{SHA}.zst": {"type": "file", "size": 1, "time": 1700000007}, "x": {"time": 3}})
    assert arrivals(json.dumps(TOP), inner) == {
        "0000000A.history": 1700000000.0,
        "0000000B.history": 1700000000.0,
        "000000010000000000000003": 1700000007.0,
    }


@pytest.mark.parametrize("version", ["2.45", "2.55.1", "2.60.0"])
def test_every_version_tells_when_a_file_arrived(version: str) -> None:
    texts = [
        json.loads((RECORDED / version / f"repo-ls-archive-{case}.json").read_text(encoding="utf-8"))["stdout"]
        for case in ("id", "timeline")
    ]
    found = arrivals(*texts)
    assert "00000002.history" in found
    assert any(name.startswith("00000002") and len(name) == 24 for name in found)
    assert all(time > 1_700_000_000 for time in found.values())
