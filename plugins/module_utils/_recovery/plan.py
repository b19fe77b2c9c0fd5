# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How to get to a target: from which repository and set, on which timeline, with which WAL; or why not, and the nearest that works.

What pgBackRest and PostgreSQL do by default is never relied on: the set and the timeline are always named, and what would only fail
when the server recovers is refused here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from . import nearest, new_timeline, rates, reach, reach_time, up_to
from .nearest import Around
from .problem import Problem
from .reach import Choice, Here
from .snapshots import Snapshot
from .spoken import human
from .target import BACKUP, IMMEDIATE, LATEST, LSN, POINT, TIME, XID, Target
from .up_to import UpTo
from .wal import Lsn
from .window import Outlook, Stretch, Window, gaps, name_of, runs_on

WAL_AT_ONCE = 1 << 30  # bytes that pg_wal holds between two restartpoints: max_wal_size by default


@dataclass(frozen=True)
class Plan:
    """What a recovery will do. Sizes in bytes; `free`, `seconds` are None where nobody knows.

    `options` are those of pgbackrest restore, `kind` and `value` its type and target. Replay ends before `lsn` where that is known,
    and at a commit later than `time`.
    `only_here` are segments that no repository has yet: they must be saved before anything else. `notes` are for whoever confirms.
    `serving` is the timeline of the data that is there now; `up_to` the moment up to which it is brought back.
    """

    target: str
    repository: int
    backup: str
    timeline: int
    kind: str
    value: str
    options: tuple[str, ...]
    lsn: str
    time: str
    exclusive: bool
    first_segment: str
    last_segment: str
    segments: int
    only_here: tuple[str, ...]
    restore_bytes: int
    wal_bytes: int
    needed_bytes: int
    free_bytes: int | None
    seconds: float | None
    seconds_from: str
    kept: tuple[str, ...]
    erased: tuple[str, ...]
    notes: tuple[str, ...] = ()
    serving: int = 0
    up_to: UpTo = field(default_factory=UpTo)

    @property
    def command(self) -> str:
        """The end of a command line: pgbackrest --stanza=… restore with these options."""
        return " ".join(f"'{word}'" if " " in word else word for word in self.options)


@dataclass(frozen=True)
class Archives:
    """What every repository can recover. `with_host` is the same with the WAL that only this host has; `snapshots` is the catalogue."""

    outlooks: tuple[Outlook, ...]
    with_host: Mapping[int, Outlook] = field(default_factory=dict)
    snapshots: tuple[Snapshot, ...] = ()

    def whole(self, outlook: Outlook) -> Outlook:
        """An outlook with the WAL that only this host has, where somebody has looked for it."""
        return self.with_host.get(outlook.repository.number, outlook)


def plan(target: Target, archives: Archives, here: Here) -> Plan | Problem:
    """The plan for a target, or the reason why there is none with the nearest target that there is a plan for."""
    choices: list[tuple[Outlook, Choice]] = []
    problems: list[tuple[Problem, Window | None]] = []
    notes = []
    asked = replace(here, timeline=here.timeline or _newest(archives))
    windows = _windows(target, archives, asked)
    near = nearest.to(target, (one for one in windows.values() if one is not None))
    for outlook in archives.outlooks:
        number = outlook.repository.number
        if not outlook.repository.readable:
            notes.append(f"repository {number} could not be read: {outlook.repository.message}")
            continue
        if outlook.windows and 0 < here.timeline < max(outlook.windows):
            notes.append(f"repository {number} has timeline {max(outlook.windows)}, above this server's timeline {here.timeline}")
        found = _choose(target, archives.whole(outlook), archives.snapshots, asked, near)
        found = _without_history(found, number, here) or found
        if isinstance(found, Problem):
            problems.append((found, windows[number]))
        else:
            choices.append((outlook, found))
    if not choices:
        return nearest.least(target, problems) if problems else _nothing_to_look_at(archives, here)
    plans = [_plan(target, outlook, archives, one, here) for outlook, one in choices]
    known = {one.repository.number: one.holdings for one in archives.outlooks}
    # Of those that lead as far, one that knows of every timeline: what its recovery begins is nobody's yet.
    taken = {one.repository: bool(new_timeline.taken(one.timeline, one.repository, known)) for one in plans}
    best = min(plans, key=lambda one: (-_reached(target, one), taken[one.repository], one.segments, one.repository))
    room = _no_room(best, here)
    return room or _with_notes(best, here, [*notes, *(f"not from another repository: {one.found}" for one, _window in problems)])


def _newest(archives: Archives) -> int:
    """The newest timeline: of a server that does not answer it counts, and not that of a repository which was left behind."""
    return max((max(one.windows, default=0) for one in archives.outlooks), default=0)


def _windows(target: Target, archives: Archives, here: Here) -> dict[int, Window | None]:
    """The window that is asked about, by the repository; None where it has none."""
    found = {one.repository.number: reach.window_of(target, archives.whole(one), here) for one in archives.outlooks}
    return {number: None if isinstance(window, Problem) else window for number, window in found.items()}


def _reached(target: Target, found: Plan) -> int:
    """How far a plan goes, where that depends on the repository."""
    return Lsn.parse(found.lsn).position if target.kind in (LATEST, IMMEDIATE) else 0


def _without_history(found: Choice | Problem, number: int, here: Here) -> Problem | None:
    """Why a recovery along this timeline cannot begin: PostgreSQL wants its history file, except for the end of a set."""
    if isinstance(found, Problem) or found.kind == reach.IMMEDIATELY or not found.window.lost:
        return None
    name = f"{found.window.timeline:08X}.history"
    push = reach.pushing(here.stanza, f"{here.directory}/pg_wal/{name}")
    at_home = here.directory and here.timeline >= found.window.timeline
    expected = "it there: without it PostgreSQL recovers along no timeline but the first"
    return Problem(f"no {name} in repository {number}", expected, push if at_home else f"type backup:{found.backup.label}")


def _choose(target: Target, outlook: Outlook, snapshots: Sequence[Snapshot], here: Here, near: Around) -> Choice | Problem:
    if target.kind == TIME:
        return reach_time.choose(target, outlook, here, near)
    if target.kind == POINT:
        return reach.of_name(target, outlook, snapshots)
    choosers = {LATEST: reach.of_latest, IMMEDIATE: reach.of_immediate, LSN: reach.of_lsn, XID: reach.of_xid, BACKUP: reach.of_backup}
    return choosers[target.kind](target, outlook, here)


def end_to_read(target: Target, window: Window) -> Stretch | None:
    """The stretch whose end decides about a target by what its WAL itself says; None for a target that needs no such look."""
    if target.kind == TIME and target.time is not None:
        return window.stretches[reach_time.place_of(window, target.time.timestamp())]
    if target.kind == LATEST:
        return window.stretches[-1]
    if target.kind == LSN and target.lsn is not None:
        lsn = target.lsn
        return next((one for one in reversed(window.stretches) if one.first <= lsn), None)
    return None


def _nothing_to_look_at(archives: Archives, here: Here) -> Problem:
    messages = ", ".join(f"repository {one.repository.number}: {one.repository.message}" for one in archives.outlooks)
    found = f"no repository that can be read ({messages})" if messages else "no repository"
    remedies = [one.repository.remedy for one in archives.outlooks if one.repository.remedy]
    return Problem(found, "one", remedies[0] if remedies else f"sudo -u postgres pgbackrest --stanza={here.stanza} info")


def _plan(target: Target, outlook: Outlook, archives: Archives, choice: Choice, here: Here) -> Plan:
    size, path = outlook.holdings.size, choice.window.path
    begin = Lsn.parse(choice.backup.lsn_start or "").position // size
    last = max(begin, (choice.needs.position - 1) // size)
    archived = runs_on(path, outlook.holdings)
    missing = [number for first, end in gaps(archived, begin, last) for number in range(first, end + 1)]
    count = last - begin + 1
    needed = _own_share(choice.backup.size, here) + min(count * size, WAL_AT_ONCE)
    seconds, seconds_from = rates.expected(choice.backup.size, count * size, here.rates)
    return Plan(
        str(target),
        outlook.repository.number,
        choice.backup.label,
        choice.window.timeline,
        choice.kind,
        choice.value,
        _options(outlook.repository.number, choice),
        str(choice.lsn) if choice.lsn else "",
        choice.time,
        choice.exclusive,
        name_of(path, begin, size),
        name_of(path, last, size),
        count,
        tuple(name_of(path, number, size) for number in missing),
        choice.backup.size,
        count * size,
        needed,
        here.free_bytes,
        seconds,
        seconds_from,
        (here.directory,) if here.directory and here.keep else (),
        (here.directory,) if here.directory and not here.keep else (),
        choice.notes,
        here.timeline,
        up_to.of(target, choice, archives.snapshots, here.now),
    )


def _options(number: int, choice: Choice) -> tuple[str, ...]:
    """pgBackRest's options. `immediate` refuses a timeline, it writes the set's own; a standby has no target to pause at."""
    options = [f"--repo={number}", f"--set={choice.backup.label}", f"--type={choice.kind}"]
    if choice.value:
        options.append(f"--target={choice.value}")
    if choice.exclusive:
        options.append("--target-exclusive")
    if choice.kind != reach.IMMEDIATELY:
        options.append(f"--target-timeline={choice.window.timeline}")
    if choice.kind != reach.STANDBY:
        options.append("--target-action=pause")
    return tuple(options)


def _own_share(size: int, here: Here) -> int:
    """Bytes of a set that come to lie on the data directory's filesystem, at most, as far as the data of today tells."""
    elsewhere = sum(room.used_bytes for room in here.rooms)
    if not elsewhere:
        return size
    return max(size - elsewhere, size * here.data_bytes // (here.data_bytes + elsewhere))


def _no_room(best: Plan, here: Here) -> Problem | None:
    places = [] if here.free_bytes is None else [(here.directory or "/", best.needed_bytes, here.free_bytes, here.data_bytes)]
    places += [(room.place, min(room.used_bytes, best.restore_bytes), room.free_bytes, room.used_bytes) for room in here.rooms]
    for place, needed, free, taken in places:
        if needed > free + (0 if here.keep else taken):
            found = f"{human(free)} free for a restore of {human(needed)} beside what is kept"
            return Problem(found, "room for both", f"df -h {place}; make room there")
    return None


def _with_notes(best: Plan, here: Here, notes: Iterable[str]) -> Plan:
    count = len(best.only_here)
    more = [f"{count} WAL segment{'s are' if count > 1 else ' is'} only on this host, and saved first"] if count else []
    more += [f"about {human(room.used_bytes)} of it in {room.place}, where {human(room.free_bytes)} are free" for room in here.rooms]
    return replace(best, notes=(*best.notes, *more, *notes))


def document(found: Plan | Problem) -> dict[str, Any]:
    """A plan or its refusal, as JSON has it."""
    if isinstance(found, Problem):
        return {"refused": found.sentence()}
    return {**asdict(found), "command": found.command}


def lines(best: Plan) -> list[str]:
    """The plan for a person, line by line."""
    only = f", {len(best.only_here)} of them only on this host" if best.only_here else ""
    count = f"{best.segments} segment{'s' if best.segments > 1 else ''}, {human(best.wal_bytes)}"
    free = "free space unknown" if best.free_bytes is None else f"{human(best.free_bytes)} free"
    text = [
        f"  target       {best.target}",
        f"  from         repository {best.repository}, set {best.backup}, timeline {best.timeline}",
        f"  ends         {_ending(best)}",
        *(f"  up to        {line}" for line in [best.up_to.line()] if line),
        f"  WAL          {best.first_segment} to {best.last_segment}: {count}{only}",
        f"  space        {human(best.restore_bytes)} to restore, {human(best.needed_bytes)} needed at most, {free}",
        f"  takes        {'unknown: ' if best.seconds is None else f'about {best.seconds:.0f} s: '}{best.seconds_from}",
    ]
    text += [f"  keeps        {path}, by renaming it" for path in best.kept]
    text += [f"  ERASES       {path}: there is no way back" for path in best.erased]
    text += [f"  note         {note}" for note in best.notes]
    return [*text, f"  options      {best.command}"]


def _ending(best: Plan) -> str:
    if best.kind == reach.STANDBY:
        return f"with the last WAL, at LSN {best.lsn}"
    if best.kind == reach.IMMEDIATELY:
        return f"where the set is consistent, at LSN {best.lsn}"
    if best.kind == TIME:
        return f"before the first commit {'at or ' if best.exclusive else ''}after {best.time}"
    if best.lsn:
        return f"before LSN {best.lsn}" if best.exclusive else f"at LSN {best.lsn}"
    return f"{'before' if best.exclusive else 'after'} the commit of transaction {best.target.split(':')[1].split(',')[0]}"
