# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tree of timelines: which one left which other, where, and the path of WAL that leads to each of them.

Source: PostgreSQL, src/backend/access/transam/timeline.c. A history file names every ancestor of its timeline, the oldest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from .wal import Lsn


@dataclass(frozen=True)
class Step:
    """One timeline of a path, followed from `begin` until `end`, where the next one left it; the last one has no end."""

    timeline: int
    begin: Lsn
    end: Lsn | None = None

    def covers(self, lsn: Lsn) -> bool:
        """Whether what was written on this timeline before `lsn` is on the path."""
        return self.end is None or lsn <= self.end


Path = tuple[Step, ...]


@dataclass(frozen=True)
class Tree:
    """The path to each timeline, itself included. `lost` are timelines above 1 whose history file is missing.

    A path to one of those begins with itself, unless the history of a later one tells more.
    """

    paths: Mapping[int, Path] = field(default_factory=dict)
    lost: frozenset[int] = frozenset()

    def path(self, timeline: int) -> Path:
        return self.paths.get(timeline, (Step(timeline, Lsn(0)),))


def lines(text: str) -> list[str]:
    """The entries of a history file with single spaces, without empty lines."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def parse_history(text: str, timeline: int) -> Path:
    """Read the history file of a timeline. Raises ValueError with one sentence.

    A recovery along timeline 2 that ends before timeline 2 began writes the whole history of timeline 2 and a lower LSN below it:
    what lies behind that one is not on the path.
    """
    steps: list[Step] = []
    begin, last = Lsn(0), 0
    for line in lines(text):
        if line.startswith("#"):
            continue
        words = line.split(" ")
        if len(words) < 2 or not words[0].isdecimal() or not last < int(words[0]) < timeline:
            raise ValueError(f"Found '{line}' in the history of timeline {timeline}; expected an earlier timeline and the LSN of its end.")
        last, end = int(words[0]), Lsn.parse(words[1])
        steps = [step if step.end is None or step.end <= end else replace(step, end=end) for step in steps if step.begin <= end]
        steps += [Step(last, begin, end)] if begin <= end else []
        begin = end
    if not steps:
        raise ValueError(f"Found no ancestor in the history of timeline {timeline}; expected at least one.")
    return (*steps, Step(timeline, begin))


def tree_of(histories: Mapping[int, str], timelines: Iterable[int] = ()) -> Tree:
    """The tree that these history files tell, with further `timelines` of which only WAL was seen. Raises ValueError."""
    known = {timeline: parse_history(text, timeline) for timeline, text in sorted(histories.items())}
    paths: dict[int, Path] = {}
    for path in known.values():
        for place, step in enumerate(path):
            paths.setdefault(step.timeline, (*path[:place], Step(step.timeline, step.begin)))
    every = {1, *paths, *timelines}
    for timeline in every - paths.keys():
        paths[timeline] = (Step(timeline, Lsn(0)),)
    return Tree({**paths, **known}, frozenset(timeline for timeline in every if timeline > 1 and timeline not in known))
