# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lies in a stanza's archive: names from `pgbackrest repo-ls`, sorted into segments and timeline histories."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

_SEGMENT = re.compile(r"^(?:.*/)?([0-9A-F]{24})-([0-9a-f]{40})(?:\.[a-z0-9]+)?$")
_DIRECTORY = re.compile(r"^([0-9A-F]{8})[0-9A-F]{8}$")
_HISTORY = re.compile(r"^(?:.*/)?([0-9A-F]{8})\.history$")


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


def names(text: str) -> list[str]:
    """The names in a JSON output of `repo-ls`. Raises ValueError when it is another document."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("Found another document than the names that pgbackrest repo-ls prints.")
    return list(document)
