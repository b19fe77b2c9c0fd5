# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lies in a stanza's archive: names from `pgbackrest repo-ls`, sorted into segments and timeline histories."""

from __future__ import annotations

import json
import re
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from .wal import check_segment_size

_SEGMENT = re.compile(r"^(?:.*/)?([0-9A-F]{24})-([0-9a-f]{40})(?:\.[a-z0-9]+)?$")
_DIRECTORY = re.compile(r"^([0-9A-F]{8})[0-9A-F]{8}$")
_HISTORY = re.compile(r"^(?:.*/)?([0-9A-F]{8})\.history$")
_NAMES = re.compile(rb"/([0-9A-F]{24})-[0-9a-f]{40}(?:\.[a-z0-9]+)?$", re.MULTILINE)
_HISTORIES = re.compile(rb"^([0-9A-F]{8})\.history$", re.MULTILINE)

Run = tuple[int, int]


@dataclass(frozen=True)
class Listing:
    """`segments` maps the name of an archived WAL segment to the SHA-1 of its bytes.

    `timelines` are those of which a segment, a directory or a history file is there; `histories` have a history file.
    """

    segments: dict[str, str] = field(default_factory=dict)
    timelines: frozenset[int] = frozenset()
    histories: frozenset[int] = frozenset()

    @property
    def newest_timeline(self) -> int:
        """The highest timeline in the archive; 0 when the archive is empty."""
        return max(self.timelines, default=0)

    def newest_segment(self, timeline: int) -> str | None:
        prefix = f"{timeline:08X}"
        return max((name for name in self.segments if name.startswith(prefix)), default=None)


@dataclass(frozen=True)
class Holdings:
    """All segments of an archive: by timeline, the first and the last number of each run without a gap, in order.

    `size` is that of a segment in bytes; `histories` are the timelines with a history file.
    """

    size: int
    runs: Mapping[int, tuple[Run, ...]] = field(default_factory=dict)
    histories: frozenset[int] = frozenset()

    @property
    def timelines(self) -> frozenset[int]:
        return frozenset(self.runs) | self.histories

    def with_segments(self, timeline: int, numbers: Iterable[int]) -> Holdings:
        """The same with further segments of one timeline."""
        more = merged([*self.runs.get(timeline, ()), *((number, number) for number in numbers)])
        return Holdings(self.size, {**self.runs, timeline: more} if more else self.runs, self.histories)


def read_holdings(pieces: Iterable[bytes], size: int) -> Holdings:
    """Read the text output of `repo-ls --recurse`, one name in a line, as it comes; the memory does not grow with its length.

    Names of other files count for nothing. Raises ValueError for a segment that cannot be one of `size` bytes.
    """
    check_segment_size(size)
    found: dict[int, list[Run]] = {}
    histories: set[int] = set()
    for lines in _whole_lines(pieces):
        for timeline, numbers in _numbers(_NAMES.findall(lines), size):
            runs = found.setdefault(timeline, [])
            if numbers == list(range(numbers[0], numbers[-1] + 1)):
                runs.append((numbers[0], numbers[-1]))
            else:
                runs += merged((number, number) for number in numbers)
        if b".history" in lines:
            histories.update(int(timeline, 16) for timeline in _HISTORIES.findall(lines))
    return Holdings(size, {timeline: merged(runs) for timeline, runs in found.items()}, frozenset(histories))


def _numbers(names: list[bytes], size: int) -> Iterator[tuple[int, list[int]]]:
    """The numbers of segments with these names, by timeline. Raises ValueError for a name that no segment of this size has."""
    words = array("I", bytes.fromhex(b"".join(names).decode()))
    if sys.byteorder == "little":
        words.byteswap()
    per_log = (1 << 32) // size
    highest = max(words[2::3], default=0)
    if highest >= per_log:
        name = names[words[2::3].index(highest)].decode()
        raise ValueError(f"Found the WAL segment {name}; with segments of {size} bytes its last part is below {per_log:X}.")
    for timeline, places in groupby(zip(words[0::3], words[1::3], words[2::3], strict=True), itemgetter(0)):
        yield timeline, [log * per_log + place for _timeline, log, place in places]


def _whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        head, newline, tail = piece.rpartition(b"\n")
        if newline:
            yield rest + head
            rest = tail
        else:
            rest += piece
    yield rest


def merged(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Runs in order, those that touch or overlap as one."""
    whole: list[Run] = []
    for first, last in sorted(runs):
        if whole and first <= whole[-1][1] + 1:
            whole[-1] = (whole[-1][0], max(whole[-1][1], last))
        else:
            whole.append((first, last))
    return tuple(whole)


def parse_listing(*texts: str) -> Listing:
    """Read one or more JSON outputs of `repo-ls`. Raises ValueError when one of them is another document."""
    segments: dict[str, str] = {}
    histories: set[int] = set()
    timelines: set[int] = set()
    for text in texts:
        for path in names(text):
            if match := _SEGMENT.match(path):
                segments[match[1]] = match[2]
                timelines.add(int(match[1][:8], 16))
            elif match := _HISTORY.match(path):
                histories.add(int(match[1], 16))
            elif match := _DIRECTORY.match(path):
                timelines.add(int(match[1], 16))
    return Listing(segments, frozenset(timelines | histories), frozenset(histories))


def directories_since(text: str, timeline: int, segment: str) -> tuple[str, ...]:
    """The directories (16 hexadecimal digits: timeline and log) of a timeline in a JSON output of `repo-ls`, sorted.

    The newest one always, and those from the directory of `segment` on where that is not empty. Raises ValueError.
    """
    found = sorted(name for name in names(text) if _DIRECTORY.match(name) and int(name[:8], 16) == timeline)
    return tuple(name for name in found if segment and name >= segment[:16]) or tuple(found[-1:])


def last_directories(text: str, but: int) -> tuple[str, ...]:
    """The newest directory of each timeline but one in a JSON output of `repo-ls`, sorted. Raises ValueError."""
    found = {int(name[:8], 16): name for name in sorted(names(text)) if _DIRECTORY.match(name)}
    return tuple(name for timeline, name in sorted(found.items()) if timeline != but)


def arrivals(*texts: str) -> dict[str, float]:
    """When each segment and each history file in JSON outputs of `repo-ls` arrived, in Unix seconds. Raises ValueError."""
    found: dict[str, float] = {}
    for path, entry in (item for text in texts for item in _document(text).items()):
        match = _SEGMENT.match(path)
        if (match or _HISTORY.match(path)) and isinstance(entry, dict) and "time" in entry:
            found[match[1] if match else path.rpartition("/")[2]] = float(entry["time"])
    return found


def names(text: str) -> list[str]:
    """The names in a JSON output of `repo-ls`. Raises ValueError when it is another document."""
    return list(_document(text))


def _document(text: str) -> dict[str, Any]:
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("Found another document than the names that pgbackrest repo-ls prints.")
    return document
