# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The times of a stretch of WAL: where its path leaves a timeline, and which moments before, between and behind can be recovered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .history import Step
from .moments import Moment
from .wal import Lsn


@dataclass(frozen=True)
class Span:
    """Times that can be recovered: from `first` on, before `end`; both in Unix seconds. An unknown end is None."""

    first: float
    end: float | None


@dataclass(frozen=True)
class Fork:
    """Where a path leaves a timeline. What was committed between the two times is not on the path, or nobody knows on which it was.

    `after` is the newest commit that is known before it, `before` the first moment that is known behind it. `went_on` says that
    there is, or was, WAL of the timeline behind it. `is_known` says that `after` is a commit of what the path has of that very timeline,
    not one of those before: without it only the WAL can tell until when can be recovered.
    """

    timeline: int
    lsn: Lsn
    after: float | None
    before: float | None
    went_on: bool = True
    is_known: bool = True


def forks_of(
    first: Lsn, end: Lsn, left: Mapping[Step, bool], moments: Sequence[Moment], sets: Iterable[tuple[Lsn, float]]
) -> Iterator[Fork]:
    """Where a path leaves a timeline: what was committed there afterwards is not on the path, but has its time.

    `sets` have the end of each by LSN, and when it surely was begun: pgBackRest cuts off the fraction.
    """
    begun = list(sets)
    for step, went_on in left.items():
        if step.end is not None and first <= step.end <= end:
            commits = [one for one in moments if one.commit and one.lsn <= step.end]
            after = max((one.time for one in commits), default=None)
            is_known = step.begin == step.end or any(one.lsn > step.begin for one in commits)
            later = [one.time for one in moments if one.lsn > step.end]
            later += [started for stop, started in begun if stop > step.end]
            yield Fork(step.timeline, step.end, after, min(later, default=None), went_on, is_known)


def spans_of(begin: float, first: Lsn, forks: Sequence[Fork], moments: Sequence[Moment]) -> tuple[Span, ...]:
    """The times that can be recovered, from `begin` on: up to the newest commit that is known before each fork, and behind the last one."""
    found: list[Span] = []
    low, start = first, begin
    for fork in forks:
        if fork.after is not None and fork.after > start:
            found.append(Span(start, fork.after))
        if fork.before is None:
            return tuple(found)
        low, start = fork.lsn, max(start, fork.before)
    newest = max((one.time for one in moments if one.commit and one.lsn >= low), default=None)
    if newest is None or newest > start:
        found.append(Span(start, newest))
    return tuple(found)
