# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Arithmetic of LSNs, WAL segments and timelines, for every legal segment size (1 MiB to 1 GiB).

Source: PostgreSQL, src/include/access/xlog_internal.h.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

DEFAULT_SEGMENT_SIZE = 16 * 1024 * 1024
LEGAL_SIZES = tuple(1 << power for power in range(20, 31))
_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
_SEGMENT = re.compile(r"[0-9A-F]{24}")


@dataclass(frozen=True, order=True)
class Lsn:
    """A position in the write-ahead log, in bytes from its beginning."""

    position: int

    @classmethod
    def parse(cls, text: str) -> Lsn:
        """Read `16/B374D848`. Raises ValueError with one sentence."""
        if not _LSN.fullmatch(text):
            raise ValueError(f"Found the LSN '{text}'; expected two hexadecimal numbers with a slash between them, such as 16/B374D848.")
        high, low = text.split("/")
        return cls((int(high, 16) << 32) + int(low, 16))

    def __str__(self) -> str:
        return f"{self.position >> 32:X}/{self.position & 0xFFFFFFFF:X}"


@dataclass(frozen=True, order=True)
class Segment:
    """One WAL segment: `number` counts segments of `size` bytes from the beginning of the log."""

    timeline: int
    number: int
    size: int = DEFAULT_SEGMENT_SIZE

    @classmethod
    def parse(cls, name: str, size: int = DEFAULT_SEGMENT_SIZE) -> Segment:
        """Read a file name of 24 hexadecimal digits. Raises ValueError with one sentence."""
        if not _SEGMENT.fullmatch(name):
            raise ValueError(f"Found the WAL segment name '{name}'; expected 24 upper-case hexadecimal digits.")
        per_log = (1 << 32) // check_segment_size(size)
        log, index = int(name[8:16], 16), int(name[16:24], 16)
        if index >= per_log:
            raise ValueError(f"Found the WAL segment name '{name}'; with segments of {size} bytes its last part is below {per_log:X}.")
        return cls(int(name[:8], 16), log * per_log + index, size)

    @classmethod
    def containing(cls, lsn: Lsn, timeline: int, size: int = DEFAULT_SEGMENT_SIZE) -> Segment:
        """The segment in which the byte at `lsn` lies."""
        return cls(timeline, lsn.position // check_segment_size(size), size)

    @property
    def name(self) -> str:
        per_log = (1 << 32) // self.size
        return f"{self.timeline:08X}{self.number // per_log:08X}{self.number % per_log:08X}"

    @property
    def start(self) -> Lsn:
        return Lsn(self.number * self.size)

    @property
    def end(self) -> Lsn:
        """Where the next segment begins."""
        return Lsn((self.number + 1) * self.size)


def check_segment_size(size: int) -> int:
    """Return `size` in bytes. Raises ValueError unless it is a power of two from 1 MiB to 1 GiB."""
    if size & (size - 1) or not 1 << 20 <= size <= 1 << 30:
        raise ValueError(f"Found a WAL segment size of {size} bytes; expected a power of two from 1 MiB to 1 GiB.")
    return size


def sizes_that_fit(name: str, lsn: Lsn) -> frozenset[int]:
    """The segment sizes with which `lsn` lies in the segment `name`, or ends it. Empty for a name that is none."""
    found = set()
    for size in LEGAL_SIZES:
        with suppress(ValueError):
            segment = Segment.parse(name, size)
            if segment.start <= lsn <= segment.end:
                found.add(size)
    return frozenset(found)
