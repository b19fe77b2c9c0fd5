# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From when to when can be recovered, and where the holes are: per repository and timeline, by LSN and by the time of commits.

The two ends differ. By LSN a window reaches as far as WAL without a gap. By time it begins one second after a backup's end, whose
fraction pgBackRest cuts off, and ends before the newest commit that is known to be in that WAL: at a later one recovery never stops.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter

from .archive import Holdings, Run, merged
from .catalog import Backup, Repository
from .forks import Fork, Span, forks_of, spans_of
from .history import Path, Step, Tree
from .moments import Moment
from .wal import Lsn, Segment
from .waldump import Dump

HEADER = 40  # bytes before the first record of a segment
SAFE = 1  # seconds after a backup's end as pgBackRest tells it
_LSN = attrgetter("lsn")


@dataclass(frozen=True)
class Tail:
    """What was read in the WAL itself at the end of a stretch, up to the segment `number` of a timeline.

    Nothing was committed after `commit`. `stop` is the first place behind it where a record is known to begin, `last` the last one.
    """

    timeline: int
    number: int
    commit: Moment | None = None
    stop: Lsn | None = None
    last: Lsn | None = None


def tail_of(newest: Segment, dumps: Sequence[Dump], final: Lsn | None = None, live: Lsn | None = None) -> Tail:
    """The end of a stretch from what was read of it up to its `newest` segment, the newest part first.

    `final` is where the last whole record of that segment begins. `live` is where a server writes in it: before anything is
    recovered a switch puts a record there, unless nothing was written since the last one.
    """
    commit = next((one.commit for one in dumps if one.commit), None)
    behind = max((one for one in (final, *(dump.last for dump in dumps)) if one), default=None)
    empty = live is not None and live.position <= newest.start.position + HEADER
    live = None if empty else live
    switched = bool(dumps) and dumps[0].switched and behind is not None and (empty or behind >= newest.start)
    last = behind if switched else live or final
    records = (*(dump.after for dump in dumps), behind, live)
    stop = min((one for one in records if commit and one and one >= commit.lsn), default=None)
    return Tail(newest.timeline, newest.number, commit, stop, last)


@dataclass(frozen=True)
class Seen:
    """What is known of times: moments of every timeline, and ends of WAL that were read."""

    moments: tuple[Moment, ...] = ()
    tails: tuple[Tail, ...] = ()


@dataclass(frozen=True)
class Broken:
    """A backup set from which nothing can be recovered, and why."""

    label: str
    reason: str


@dataclass(frozen=True)
class Hole:
    """Missing segments of a path: the first, the last, how many; the set begun before them and the one after, empty for none."""

    first: str
    last: str
    count: int
    after_set: str
    before_set: str


@dataclass(frozen=True)
class Stretch:
    """WAL without a gap, with the sets from which it is replayed, in the order of their ends.

    Any LSN from `first` on and before `end` can be reached; of the last segment only what is known to be followed by a record.
    What was committed until `complete` is in it; `commits` are those that are known in it, in the order of their LSNs.
    """

    numbers: Run
    sets: tuple[Backup, ...]
    first: Lsn
    end: Lsn
    spans: tuple[Span, ...] = ()
    forks: tuple[Fork, ...] = ()
    complete: float | None = None
    tail: Tail | None = None
    commits: tuple[Moment, ...] = ()

    def reaches(self, lsn: Lsn) -> bool:
        """Whether recovery to before `lsn` ends there."""
        if self.tail is not None and self.tail.last is not None:
            return self.first <= lsn <= self.tail.last
        return self.first <= lsn < self.end

    @property
    def latest(self) -> float | None:
        """The newest commit that is known to be in it; times before it can be recovered."""
        return self.spans[-1].end if self.spans else None

    @property
    def is_known(self) -> bool:
        """Whether it is known until when can be recovered, at its end and before each fork in it; else only its WAL can tell."""
        return not self.is_open and all(fork.is_known for fork in self.forks)

    @property
    def is_open(self) -> bool:
        """Whether no commit is known at its end, so that only its WAL can tell until when it can be recovered."""
        last = self.forks[-1].before if self.forks else None
        return self.latest is None or (bool(self.forks) and (last is None or self.spans[-1].first < last))


@dataclass(frozen=True)
class Window:
    """What can be recovered on the path to one timeline. `lost`: its history file is."""

    timeline: int
    path: Path
    stretches: tuple[Stretch, ...]
    holes: tuple[Hole, ...]
    lost: bool = False


@dataclass(frozen=True)
class Outlook:
    """What one repository can recover of its current database. `repository` says why when nobody could look inside."""

    repository: Repository
    holdings: Holdings
    windows: Mapping[int, Window] = field(default_factory=dict)
    broken: tuple[Broken, ...] = ()

    @property
    def newest(self) -> Window | None:
        """The window of the newest timeline."""
        return self.windows[max(self.windows)] if self.windows else None


@dataclass(frozen=True)
class _Set:
    """A backup with its positions as numbers of segments."""

    backup: Backup
    first: int
    last: int
    stop: Lsn


def look_out(repository: Repository, holdings: Holdings, tree: Tree, seen: Seen = Seen()) -> Outlook:
    """The windows of every timeline that the archive or a set is on."""
    sets, broken = _judge_sets(repository.current_backups, holdings, tree)
    timelines = {*holdings.timelines, *sets, *tree.paths}
    windows = {timeline: _window(timeline, holdings, tree, sets, seen) for timeline in sorted(timelines)}
    held = {timeline: window for timeline, window in windows.items() if window.stretches or window.holes or timeline in holdings.timelines}
    return Outlook(repository, holdings, held, tuple(broken))


def _judge_sets(backups: Iterable[Backup], holdings: Holdings, tree: Tree) -> tuple[dict[int, list[_Set]], list[Broken]]:
    """Usable sets by timeline in the order of their ends, and the others with the reason."""
    usable: dict[int, list[_Set]] = {}
    broken: list[Broken] = []
    runs: dict[int, tuple[Run, ...]] = {}
    for backup in backups:
        if backup.lsn_start is None or backup.lsn_stop is None or not backup.timeline:
            broken.append(Broken(backup.label, "pgBackRest does not say which WAL it needs"))
            continue
        found = _place(backup, holdings.size)
        if backup.timeline not in runs:
            runs[backup.timeline] = runs_on(tree.path(backup.timeline), holdings)
        missing = tuple(gaps(runs[backup.timeline], found.first, found.last))
        if backup.error:
            broken.append(Broken(backup.label, "files of it are lost" if backup.lost else "it has pages with wrong checksums"))
        elif missing:
            broken.append(Broken(backup.label, _lacks(missing, tree.path(backup.timeline), holdings.size)))
        else:
            usable.setdefault(backup.timeline, []).append(found)
    for sets in usable.values():
        sets.sort(key=lambda one: one.stop)
    return usable, broken


def _place(backup: Backup, size: int) -> _Set:
    start, stop = Lsn.parse(backup.lsn_start or ""), Lsn.parse(backup.lsn_stop or "")
    return _Set(backup, start.position // size, max(0, stop.position - 1) // size, stop)


def _lacks(missing: Sequence[Run], path: Path, size: int) -> str:
    count = sum(last - first + 1 for first, last in missing)
    name = name_of(path, missing[0][0], size)
    more = f" and {count - 1} more" if count > 1 else ""
    return f"the WAL segment {name}{more}, which it needs, {'are' if count > 1 else 'is'} missing"


def runs_on(path: Path, holdings: Holdings) -> tuple[Run, ...]:
    """The segments with which a server follows a path: the one in which a fork lies is read from the later timeline."""
    found: list[Run] = []
    for step in path:
        begin = step.begin.position // holdings.size
        end = None if step.end is None else step.end.position // holdings.size - 1
        for first, last in holdings.runs.get(step.timeline, ()):
            clipped = max(first, begin), last if end is None else min(last, end)
            if clipped[0] <= clipped[1]:
                found.append(clipped)
    return merged(found)


def gaps(runs: Sequence[Run], first: int, last: int) -> Iterator[Run]:
    """The numbers from `first` to `last` that lie in none of the runs, as runs."""
    place = max(0, bisect_right(runs, first, key=itemgetter(0)) - 1)
    for index in range(place, len(runs)):
        begin, end = runs[index]
        if first > last or begin > last:
            break
        if begin > first:
            yield first, begin - 1
        first = max(first, end + 1)
    if first <= last:
        yield first, last


def name_of(path: Path, number: int, size: int) -> str:
    """The name of a segment on a path."""
    timeline = next(step.timeline for step in reversed(path) if step.begin.position // size <= number)
    return Segment(timeline, number, size).name


def _window(timeline: int, holdings: Holdings, tree: Tree, sets: Mapping[int, list[_Set]], seen: Seen) -> Window:
    path = tree.path(timeline)
    runs = runs_on(path, holdings)
    usable = [one for step in path for one in sets.get(step.timeline, ()) if step.covers(one.stop)]
    usable.sort(key=lambda one: one.stop)
    moments = _on_path(path, seen.moments)
    left = {step: _went_on(step.timeline, step.end, holdings, seen.moments) for step in path if step.end is not None}
    by_run: dict[int, list[_Set]] = {}
    for one in usable:
        place = bisect_right(runs, one.last, key=itemgetter(0)) - 1
        if place >= 0 and runs[place][0] <= one.first and one.last <= runs[place][1]:
            by_run.setdefault(place, []).append(one)
    stretches = tuple(
        _stretch(runs[place], found, path, left, holdings.size, moments, seen.tails) for place, found in sorted(by_run.items())
    )
    return Window(timeline, path, stretches, _holes(runs, path, usable, holdings.size), timeline in tree.lost)


def _on_path(path: Path, moments: Iterable[Moment]) -> list[Moment]:
    """The moments of a path. The segment in which a fork lies has the records before it on both timelines."""
    steps = {step.timeline: step for step in path}
    found = (one for one in moments if one.timeline in steps and steps[one.timeline].covers(one.lsn))
    return sorted(found, key=lambda one: (one.lsn, one.time))


def _holes(runs: Sequence[Run], path: Path, sets: Sequence[_Set], size: int) -> tuple[Hole, ...]:
    """Gaps after the beginning of the first set. One before it is harmless: nobody would ever replay it."""
    ordered = sorted(sets, key=lambda one: one.first)
    begins = [one.first for one in ordered]
    found = []
    for (_first, end), (begin, _last) in zip(runs, runs[1:], strict=False):
        place = bisect_right(begins, end)
        if place == 0:
            continue
        later = bisect_left(begins, begin)
        before = ordered[later].backup.label if later < len(ordered) else ""
        names = name_of(path, end + 1, size), name_of(path, begin - 1, size)
        found.append(Hole(*names, begin - end - 1, ordered[place - 1].backup.label, before))
    return tuple(found)


def _went_on(timeline: int, end: Lsn, holdings: Holdings, moments: Iterable[Moment]) -> bool:
    """Whether a timeline has WAL behind the place where a path leaves it."""
    runs = holdings.runs.get(timeline, ())
    archived = bool(runs) and runs[-1][1] >= end.position // holdings.size
    return archived or any(one.timeline == timeline and one.lsn > end for one in moments)


def _stretch(
    numbers: Run, sets: Sequence[_Set], path: Path, left: Mapping[Step, bool], size: int, moments: Sequence[Moment], tails: Iterable[Tail]
) -> Stretch:
    owner = next(step.timeline for step in reversed(path) if step.begin.position // size <= numbers[1])
    tail = next((one for one in tails if (one.timeline, one.number) == (owner, numbers[1])), None)
    first, end = sets[0].stop, Segment(owner, numbers[1], size).end
    inside = moments[bisect_left(moments, first, key=_LSN) : bisect_right(moments, end, key=_LSN)]
    forks = tuple(forks_of(first, end, left, inside, [(one.stop, one.backup.started + float(SAFE)) for one in sets]))
    spans = spans_of(sets[0].backup.stopped + SAFE, first, forks, inside)
    complete = max((one.time for one in inside if not forks or one.lsn > forks[-1].lsn), default=None)
    commits = tuple(one for one in inside if one.commit)
    return Stretch(numbers, tuple(one.backup for one in sets), first, end, spans, forks, complete, tail, commits)
