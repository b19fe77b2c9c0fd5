# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which set of one repository leads to a target, and up to where: for every target but a time; or the sentence that says why none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from .catalog import Backup
from .problem import Problem
from .rates import Rates
from .snapshots import Snapshot
from .target import Target
from .wal import Lsn
from .window import Hole, Outlook, Stretch, Window

STANDBY, IMMEDIATELY, AT_LSN, AT_NAME, AT_XID = "standby", "immediate", "lsn", "name", "xid"
XID_START, XID_STOP = "axiomdb-xid-start", "axiomdb-xid-stop"
NAMES_SHOWN = 3
SMALLEST = 24  # bytes of a record


@dataclass(frozen=True)
class Room:
    """A filesystem of tablespaces or WAL that is not the data directory's, by a `place` on it; what they take there and what is free."""

    place: str
    used_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Here:
    """What this host knows. `now` is in Unix seconds, sizes in bytes; 0, None and empty mean that it knows nothing of it.

    `lsn` is where its server writes on `timeline`, or where its WAL ends when it is not `running`. With `keep` the data in
    `directory` stays until the new is accepted. `rooms` are what it leads to elsewhere. `rates` is what was measured here before.
    """

    now: float
    stanza: str
    timeline: int = 0
    lsn: Lsn | None = None
    next_xid: int = 0
    free_bytes: int | None = None
    data_bytes: int = 0
    directory: str = ""
    keep: bool = True
    running: bool = True
    rates: Rates = field(default_factory=Rates)
    rooms: tuple[Room, ...] = ()


@dataclass(frozen=True)
class Choice:
    """A set and how its recovery ends: pgBackRest's type and target. WAL before `needs` is replayed at most."""

    window: Window
    backup: Backup
    kind: str
    value: str
    exclusive: bool
    needs: Lsn
    lsn: Lsn | None = None
    time: str = ""
    notes: tuple[str, ...] = ()


def window_of(target: Target, outlook: Outlook, here: Here) -> Window | Problem:
    """The window of the timeline that the target names, else of the host's own, else of the newest; it has a stretch."""
    number, wanted = outlook.repository.number, target.timeline or here.timeline
    window = outlook.windows.get(wanted) if wanted else outlook.newest
    if window is None and wanted and outlook.windows:
        known = ", ".join(str(timeline) for timeline in outlook.windows)
        found = f"nothing of timeline {wanted} in repository {number}"
        return Problem(found, f"one of its timelines: {known}", f"type the target with ,timeline:{max(outlook.windows)} behind it")
    if window is None or not window.stretches:
        return _no_set(outlook, here)
    return window


def _no_set(outlook: Outlook, here: Here) -> Problem:
    number = outlook.repository.number
    broken = "; ".join(f"{one.label}: {one.reason}" for one in outlook.broken[-NAMES_SHOWN:])
    found = f"no usable backup in repository {number}" + (f" ({broken})" if broken else "")
    return Problem(found, "at least one to begin from", f"sudo -u postgres pgbackrest --stanza={here.stanza} --repo={number} info")


def newest_set(stretch: Stretch, target: Target, fits: Callable[[Backup], bool]) -> Backup | None:
    """The newest set of a stretch that fits, or the one that the target names if that fits."""
    return next((one for one in reversed(stretch.sets) if fits(one) and target.backup in ("", one.label)), None)


def stop_of(backup: Backup) -> Lsn:
    return Lsn.parse(backup.lsn_stop or "")


def left_without_history(outlook: Outlook, window: Window) -> str:
    """What a repository can still recover of a timeline whose history file it lacks: ends of sets, and what a later timeline took over."""
    timeline = window.timeline
    own = [one for stretch in window.stretches for one in stretch.sets if one.timeline == timeline]
    heirs = [one.timeline for one in outlook.windows.values() if any(step.timeline == timeline for step in one.path[:-1])]
    left = [f"the end of set {own[0].label}" if len(own) == 1 else f"the ends of its {len(own)} sets"] if own else []
    left += [f"what timeline {max(heirs)} took over"] if heirs else []
    told = f"of timeline {timeline} only {' and '.join(left)}" if left else f"nothing of timeline {timeline}"
    return f"{timeline:08X}.history is missing: {told} can be recovered"


def pushing(stanza: str, file: str) -> str:
    """The command that brings a file of pg_wal into every repository."""
    return f"sudo -u postgres pgbackrest --stanza={stanza} --no-archive-async archive-push {file}"


def of_latest(target: Target, outlook: Outlook, here: Here) -> Choice | Problem:
    """The end of the last stretch, as a standby: recovery would end by itself at a segment that is missing, and promote."""
    window = window_of(target, outlook, here)
    if isinstance(window, Problem):
        return window
    stretch = window.stretches[-1]
    backup = newest_set(stretch, target, lambda _one: True)
    if backup is None:
        return unknown_set(target, outlook, stretch.sets)
    notes = [f"{say(hole)}: what was committed after it is not recovered" for hole in behind(window, stretch)[:1]]
    end = _end_of(stretch, here.lsn if window.timeline == here.timeline else None)
    return Choice(window, backup, STANDBY, "", False, end, end, notes=tuple(notes))


def _end_of(stretch: Stretch, live: Lsn | None) -> Lsn:
    """What replay has to reach to have all of a stretch: where a server writes in it, else behind the beginning of its last record."""
    end = min(stretch.end, live or stretch.end)
    last = stretch.tail.last if stretch.tail else None
    return end if last is None or last == live else min(stretch.end, Lsn(last.position + SMALLEST))


def of_immediate(target: Target, outlook: Outlook, here: Here) -> Choice | Problem:
    """The end of the newest set."""
    window = window_of(target, outlook, here)
    if isinstance(window, Problem):
        return window
    backup = newest_set(window.stretches[-1], target, lambda _one: True)
    return of_backup(target, outlook, here) if backup is None else _consistent(window, backup)


def of_backup(target: Target, outlook: Outlook, _here: Here) -> Choice | Problem:
    """The end of the set that the target names, on whatever timeline it is."""
    for window in outlook.windows.values():
        for stretch in window.stretches:
            for backup in stretch.sets:
                if backup.label == target.backup and backup.timeline == window.timeline:
                    return _consistent(window, backup)
    newest = max(outlook.windows, default=0)
    sets = [one for stretch in outlook.windows[newest].stretches for one in stretch.sets] if newest else []
    return unknown_set(target, outlook, sets)


def _consistent(window: Window, backup: Backup) -> Choice:
    return Choice(window, backup, IMMEDIATELY, "", False, stop_of(backup), stop_of(backup))


def unknown_set(target: Target, outlook: Outlook, usable: Sequence[Backup]) -> Problem:
    """The refusal of a set that is broken, does not exist or does not lead to the target."""
    number = outlook.repository.number
    broken = next((one for one in outlook.broken if one.label == target.backup), None)
    known = any(one.label == target.backup for one in outlook.repository.current_backups)
    what = f"the backup {target.backup}"
    if broken:
        found = f"{what} in repository {number}, from which nothing can be recovered: {broken.reason}"
    else:
        found = (
            f"{what} in repository {number}, which does not lead there" if known else f"no backup {target.backup} in repository {number}"
        )
    labels = get_close_matches(target.backup, [one.label for one in usable], 1, 0.0) or ["(none)"]
    return Problem(found, "a usable one", f"type backup:{labels[0]}" if usable else "type the target without a backup")


def of_lsn(target: Target, outlook: Outlook, here: Here) -> Choice | Problem:
    """Before the record that begins at the LSN: inclusive, PostgreSQL replays one record more than was asked for."""
    lsn = target.lsn or Lsn(0)
    window = window_of(target, outlook, here)
    if isinstance(window, Problem):
        return window
    ahead = here.lsn is not None and window.timeline == here.timeline and lsn > here.lsn
    stretch = None if ahead else next((one for one in reversed(window.stretches) if one.reaches(lsn)), None)
    if stretch is None:
        return _no_lsn(target, lsn, outlook, window, here)
    backup = newest_set(stretch, target, lambda one: stop_of(one) <= lsn)
    if backup is None:
        return unknown_set(target, outlook, stretch.sets)
    read = stretch.tail is not None and stretch.tail.last is not None
    in_last = lsn.position >= stretch.numbers[1] * outlook.holdings.size
    notes = () if read or not in_last else ("the last segment could not be read: recovery fails if no record follows the LSN in it",)
    return Choice(window, backup, AT_LSN, str(lsn), True, min(Lsn(lsn.position + 1), stretch.end), lsn, notes=notes)


def _no_lsn(target: Target, lsn: Lsn, outlook: Outlook, window: Window, here: Here) -> Problem:
    number, what = outlook.repository.number, f"the LSN {lsn}"
    oldest, newest = window.stretches[0], window.stretches[-1]
    if lsn < oldest.first:
        found = f"{what}, before the first backup in repository {number} ({oldest.sets[0].label}) was complete at {oldest.first}"
        return Problem(found, f"an LSN from {oldest.first} on", f"type lsn:{oldest.first}, the nearest after it")
    if lsn < newest.first:
        before = next(one for one in reversed(window.stretches) if one.first <= lsn)
        after = next(one for one in window.stretches if one.first > lsn)
        hole = next((one for one in window.holes if one.after_set and one.before_set == after.sets[0].label), None)
        where = say(hole) if hole else "WAL is missing"
        found = f"{what}, which lies in a hole of repository {number}: {where}"
        near = f"{nearest_lsn(before)}, the nearest before it, or lsn:{after.first}, the nearest after it"
        return Problem(found, "an LSN before the hole, or from the next backup on", f"type {near}")
    other = _dead_branch(lsn, outlook, window)
    if other and not target.timeline:
        found = f"{what}, which lies only on the abandoned timeline {other.timeline}"
        expected = f"an LSN on the path of timeline {window.timeline}, which ends at {newest.end}"
        written = f"lsn:{lsn},timeline:{other.timeline} for what was written on the abandoned timeline {other.timeline}"
        return Problem(found, expected, f"type {nearest_lsn(newest)} for the data that serves now, or {written}")
    if here.lsn is not None and lsn > here.lsn and window.timeline == here.timeline:
        found = f"{what}, which is in the future: the server writes at {here.lsn}"
        last = newest.tail.last if newest.tail else None
        # Where nothing was written since a switch, no record follows the server's position.
        written = f"lsn:{here.lsn}" if last is None or here.lsn <= last else nearest_lsn(newest)
        return Problem(found, "an LSN that was written", f"type {written} or latest")
    lost = behind(window, newest)
    if lost:
        found = f"{what}, beyond a hole of repository {number}: {say(lost[0])}, and no backup was taken after it"
        return Problem(found, f"an LSN before {newest.end}", f"type {nearest_lsn(newest)} or latest")
    ends = newest.tail.last if newest.tail and newest.tail.last else newest.end
    found = f"{what}, behind the last record in repository {number} at {ends}: recovery would not find where to stop"
    return Problem(found, "an LSN that was archived", f"type {nearest_lsn(newest)} or latest")


def nearest_lsn(stretch: Stretch) -> str:
    """The last target of a stretch that surely works: its last record, or the end of its last backup where nobody has read that."""
    if stretch.tail is not None and stretch.tail.last is not None:
        return f"lsn:{stretch.tail.last}"
    return f"backup:{stretch.sets[-1].label}"


def _dead_branch(lsn: Lsn, outlook: Outlook, window: Window) -> Window | None:
    others = [one for one in outlook.windows.values() if one.timeline < window.timeline]
    return next((one for one in reversed(others) if any(stretch.reaches(lsn) for stretch in one.stretches)), None)


def behind(window: Window, stretch: Stretch) -> list[Hole]:
    """The holes behind a stretch after which there is no usable set."""
    return [one for one in window.holes if not one.before_set and one.after_set == stretch.sets[-1].label]


def say(hole: Hole) -> str:
    """A hole in words."""
    if hole.count == 1:
        return f"the WAL segment {hole.first} is missing"
    return f"the {hole.count} WAL segments from {hole.first} to {hole.last} are missing"


def of_name(target: Target, outlook: Outlook, snapshots: Sequence[Snapshot]) -> Choice | Problem:
    """The restore point of a named snapshot, from its own set or an earlier one, on its own timeline."""
    entries = [one for one in snapshots if one.name == target.name]
    if not entries:
        return _unknown_name(target.name, snapshots)
    if len({(one.lsn, one.timeline) for one in entries}) > 1:
        told = " and ".join(f"{one.time} at LSN {one.lsn} (set {one.label})" for one in entries[:NAMES_SHOWN])
        expected = "the name once: recovery would stop at the first of them"
        last = f"type lsn:{entries[-1].lsn},timeline:{entries[-1].timeline} for the last one"
        return Problem(f"the snapshot {target.name} more than once: {told}", expected, last)
    number = outlook.repository.number
    entry = next((one for one in entries if one.repository == number), entries[0])
    lsn = Lsn.parse(entry.lsn)
    window = outlook.windows.get(entry.timeline)
    stretch = next((one for one in window.stretches if one.reaches(lsn)), None) if window else None
    if window is None or stretch is None:
        found = f"the snapshot {entry.name} at LSN {lsn} of timeline {entry.timeline}, to which no WAL of repository {number} leads"
        usable = any(one.label == entry.label for found_window in outlook.windows.values() for one in sets_of(found_window))
        nearest = f"type backup:{entry.label}, which ends shortly before it" if usable else "type latest"
        return Problem(found, "a usable set and every segment from it to the snapshot", nearest)
    own = next((one for one in stretch.sets if one.label == entry.label), None)
    limit = stop_of(own) if own else lsn
    backup = newest_set(stretch, target, lambda one: stop_of(one) <= limit)
    if backup is None:
        return unknown_set(target, outlook, stretch.sets)
    notes = () if backup.label == entry.label else (f"the snapshot's own set {entry.label} is not used: {backup.label} leads to it too",)
    return Choice(window, backup, AT_NAME, entry.name, False, min(Lsn(lsn.position + 1), stretch.end), lsn, notes=notes)


def _unknown_name(name: str, snapshots: Sequence[Snapshot]) -> Problem:
    names = list({one.name: None for one in snapshots})
    close = get_close_matches(name, names, NAMES_SHOWN, 0.5) or names[-NAMES_SHOWN:]
    if not close:
        return Problem(f"no snapshot {name}: no backup carries one", "a snapshot that was taken", "type latest, or a time")
    return Problem(f"no snapshot {name}", f"one of those that were taken, such as {', '.join(close)}", f"type name:{close[0]}")


def sets_of(window: Window) -> Iterable[Backup]:
    return (one for stretch in window.stretches for one in stretch.sets)


def of_xid(target: Target, outlook: Outlook, here: Here) -> Choice | Problem:
    """A transaction that began after a set was complete, by the next ids that our backups say of themselves."""
    window = window_of(target, outlook, here)
    if isinstance(window, Problem):
        return window
    stretch = window.stretches[-1]
    told = {one.label: int(one.annotations[XID_STOP]) for one in sets_of(window) if one.annotations.get(XID_STOP, "").isdecimal()}
    if target.backup:
        found = next(((one, backup) for one in window.stretches for backup in one.sets if backup.label == target.backup), None)
        return _at_xid(target, window, *found) if found else unknown_set(target, outlook, list(sets_of(window)))
    if not told:
        found_text = f"the transaction {target.xid}, and no backup in repository {outlook.repository.number} that says which came before it"
        return Problem(found_text, "a backup beside it", f"type {target},backup:{stretch.sets[-1].label}, or an older one")
    xid = _whole(target.xid, max(here.next_xid, *told.values()))
    if here.next_xid and xid >= here.next_xid and not target.timeline:
        found_text = f"the transaction {xid}, which is in the future: the server's next one is {here.next_xid}"
        return Problem(found_text, "a transaction that was begun", f"type xid:{here.next_xid - 1} or latest")
    for stretch in reversed(window.stretches):
        backup = newest_set(stretch, target, lambda one: told.get(one.label, xid + 1) <= xid)
        if backup is not None:
            return _xid_in(target, xid, window, stretch, backup)
    oldest = min(told.values())
    found_text = f"the transaction {xid}, which no set covers: the oldest was complete before transaction {oldest}"
    return Problem(found_text, f"one from {oldest} on", f"type xid:{oldest}")


def _xid_in(target: Target, xid: int, window: Window, stretch: Stretch, backup: Backup) -> Choice | Problem:
    """The choice, unless a later stretch shows that the transaction came in the hole between the two, or after it."""
    later = [one for one in window.stretches if one.first > stretch.first]
    if not later:
        return _at_xid(target, window, stretch, backup)
    hole = next((one for one in window.holes if one.before_set == later[0].sets[0].label), None)
    found = f"the transaction {xid}, which may lie in a hole: {say(hole) if hole else 'WAL is missing'}"
    expected = "a transaction that ended before it, or began after the next backup"
    after = later[0].sets[0].annotations.get(XID_STOP, "")
    return Problem(found, expected, f"type {target},backup:{backup.label} to try it" + (f", or xid:{after}" if after else ""))


def _at_xid(target: Target, window: Window, stretch: Stretch, backup: Backup) -> Choice:
    note = "whether the transaction committed is found in the WAL alone: if it did not, the recovery fails and is taken back"
    return Choice(window, backup, AT_XID, str(target.xid), target.exclusive, stretch.end, notes=(note,))


def _whole(xid: int, newest: int) -> int:
    """A transaction id as the WAL and the log show it, 32 bits, with the epoch that makes it the newest before `newest`."""
    if xid >= 1 << 32 or newest < 1 << 32:
        return xid
    whole = (newest >> 32 << 32) + xid
    return whole if whole < newest else whole - (1 << 32)
