# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is broken in the repositories: each thing one clause, with the command that helps.

What `pgbackrest verify` read is only a part of it: it notices no missing WAL segment, and its exit code is 0 for corruption. What a
host that is well shows for a moment is not accused: a segment that is on its way, a backup that runs, WAL from before the first set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from .catalog import NOT_OPENED, Backup
from .freshness import too_old
from .problem import playbook
from .reach import left_without_history, pushing, say
from .spoken import age, counted, moment
from .summary import Picture, reasons
from .wal import Segment
from .window import Broken, Hole, Outlook, Window

DAY = 86400
IN_FLIGHT = 8  # segments that archive-push may have sent to one repository and not yet to another
SEGMENT_NAME = 24  # characters
TOOL = "sudo /opt/axiomdb/axiomdb-recovery"
STATUS, FULL, VERIFY = f"{TOOL} status", f"{TOOL} backup --type=full", f"{TOOL} verify"
COLUMN = " " * 15
ARCHIVING = ("archiver", "archiving", "stopped", "waiting", "writer")  # topics of the summary that are faults


@dataclass(frozen=True)
class Reading:
    """What `pgbackrest verify` showed of one repository. `code` is its own exit code, kept for the record; `files` are of the sets."""

    repository: int
    code: int
    backups: int
    segments: int
    broken: tuple[str, ...] = ()
    files: int = 0


@dataclass(frozen=True)
class Fault:
    """One thing that is broken: what was found, and what to type. Of one `topic` there is one in a verdict."""

    topic: str
    repository: int
    found: str
    command: str

    @property
    def sentence(self) -> str:
        return f"{self.found}. Type: {self.command}"


@dataclass(frozen=True)
class Limits:
    """How old the newest backup may be, in seconds, and how many days back each window must reach; 0 days for no demand."""

    max_age_seconds: float
    window_days: int = 0


@dataclass(frozen=True)
class Judgement:
    """A verdict and when it was given, in Unix seconds."""

    time: float
    readings: tuple[Reading, ...] = ()
    faults: tuple[Fault, ...] = ()


def judge(picture: Picture, outlooks: Sequence[Outlook], limits: Limits, readings: Sequence[Reading] = ()) -> tuple[Fault, ...]:
    """Everything that is broken. A standby writes nothing, and what protects it is judged on its primary.

    The picture must be older than the outlooks: what its server believed archived then is in a whole archive now.
    """
    if picture.standby:
        return ()
    if not outlooks:
        return (Fault("repositories", 0, "no repository is configured", playbook("site")),)
    faults = [*_archiving(picture)]
    for outlook in outlooks:
        faults += _repository(picture, outlook, limits)
    faults += _behind(picture, outlooks)
    for reading in readings:
        faults += _read(picture, outlooks, reading)
    for topic, text in too_old(picture, limits.max_age_seconds).items():
        found, _type, command = text.partition(". Type: ")
        faults.append(Fault(topic, int(topic.split()[-1]), found, command))
    return tuple(faults)


def _archiving(picture: Picture) -> Iterator[Fault]:
    """What keeps WAL of this server from the repositories, and whose WAL gets there instead."""
    for one in reasons(picture):
        kind, _space, number = one.topic.partition(" ")
        if kind in ARCHIVING:
            yield Fault(one.topic, int(number or 0), one.reason, one.command)


def _repository(picture: Picture, outlook: Outlook, limits: Limits) -> Iterator[Fault]:
    repository = outlook.repository
    number = repository.number
    if not repository.readable:
        command = repository.remedy or f"sudo -u postgres pgbackrest --stanza={picture.stanza} --repo={number} info"
        yield Fault(f"repository {number}", number, f"repository {number} cannot be read: {repository.message}", command)
        return
    system_id = picture.server.system_id if picture.server else repository.current.system_id if repository.current else 0
    if not repository.usable_backups(system_id):
        yield Fault(f"backup {number}", number, f"repository {number} holds no usable backup", FULL)
    window = window_of(picture, outlook)
    for hole in window.holes if window else ():
        if not _on_its_way(picture, hole.first):
            yield _hole(number, hole)
    backups = {one.label: one for one in repository.current_backups}
    for broken in outlook.broken:
        backup = backups[broken.label]
        if backup.lost or not _on_its_way(picture, backup.wal_stop or ""):
            yield _set(outlook, broken, backup)
    yield from _without_history(picture, outlook)
    if window and window.stretches and limits.window_days:
        yield from _too_short(picture, window, number, limits.window_days, system_id)


def window_of(picture: Picture, outlook: Outlook) -> Window | None:
    """The window of the server's timeline; without an answer of the server, the newest one."""
    return outlook.windows.get(picture.server.timeline) if picture.server else outlook.newest


def _on_its_way(picture: Picture, name: str) -> bool:
    """Whether the server does not believe this segment archived yet. Several are pushed at once, and a later one may arrive first."""
    last = (picture.archiver.last_segment or "")[:SEGMENT_NAME]
    if picture.server is None or len(last) < SEGMENT_NAME or name[:8] != f"{picture.server.timeline:08X}":
        return False
    return name > last


def _hole(number: int, hole: Hole) -> Fault:
    topic = f"hole {number} {hole.first}"
    if not hole.before_set:
        lost = f"what was committed after set {hole.after_set} and behind it cannot be recovered from there"
        return Fault(topic, number, f"repository {number}: {say(hole)}: {lost}", FULL)
    between = f"no moment from there until the end of set {hole.before_set} can be recovered"
    return Fault(topic, number, f"repository {number}: {say(hole)}: {between}", STATUS)


def _set(outlook: Outlook, broken: Broken, backup: Backup) -> Fault:
    number, newest = outlook.repository.number, outlook.repository.newest_backup
    found = f"repository {number}: nothing can be recovered from set {broken.label}: {broken.reason}"
    return Fault(f"set {number} {broken.label}", number, found, FULL if newest == backup else STATUS)


def _without_history(picture: Picture, outlook: Outlook) -> Iterator[Fault]:
    """Timelines of which a repository has WAL or a backup, but no history file: PostgreSQL recovers along none of them."""
    number, own = outlook.repository.number, window_of(picture, outlook)
    there = {*outlook.holdings.runs, *(backup.timeline for backup in outlook.repository.current_backups)}
    for timeline, window in outlook.windows.items():
        if window.lost and timeline in there:
            file = picture.histories.get(timeline)
            command = pushing(picture.stanza, file) if file else FULL if window is own else STATUS
            yield Fault(f"history {number} {timeline}", number, f"repository {number}: {left_without_history(outlook, window)}", command)


def _too_short(picture: Picture, window: Window, number: int, days: int, system_id: int) -> Iterator[Fault]:
    """A cluster that is younger than what is demanded has nothing older to recover: its identifier tells when it was made."""
    reaches, wanted = window.stretches[0].sets[0].stopped, picture.now - days * DAY
    if reaches > wanted and (system_id >> 32) + DAY <= wanted:
        back = f"the window of repository {number} reaches back {age(picture.now - reaches)}, to {moment(reaches)}"
        yield Fault(f"window {number}", number, f"{back}; it must reach back {counted(days, 'day')}", STATUS)


def _behind(picture: Picture, outlooks: Sequence[Outlook]) -> Iterator[Fault]:
    """Repositories without what the server believes archived (archive-push-queue-max drops segments), or behind another repository."""
    check = f"sudo -u postgres pgbackrest --stanza={picture.stanza} --log-level-console=info check"
    readable = [one for one in outlooks if one.repository.has_stanza]
    dropped = [one.repository.number for one in readable if one.repository.number in picture.behind]
    for number in dropped:
        last = (picture.archiver.last_segment or "")[:SEGMENT_NAME]
        lacks = f"repository {number} lacks the WAL segment {last}, which PostgreSQL believes archived"
        yield Fault(f"behind {number}", number, lacks, FULL)
    newest = max((one.newest.timeline for one in readable if one.newest), default=0)
    timeline = picture.server.timeline if picture.server else newest
    runs = {one.repository.number: one.holdings.runs[timeline] for one in readable if timeline in one.holdings.runs}
    if not runs:
        return
    first = max(runs, key=lambda number: runs[number][-1][1])
    end, none = runs[first][-1][1], runs[first][0][0] - 1
    for outlook in readable:
        number = outlook.repository.number
        own = runs[number][-1][1] if number in runs else none
        if number not in dropped and end - own > (0 if picture.archiver.failing else IN_FLIGHT):
            names = [Segment(timeline, place, outlook.holdings.size).name for place in (own, end)]
            found = f"its newest WAL segment is {names[0] if number in runs else 'none'}, the other's {names[1]}"
            yield Fault(f"behind {number}", number, f"repository {number} is behind repository {first}: {found}", check)


def _read(picture: Picture, outlooks: Sequence[Outlook], reading: Reading) -> Iterator[Fault]:
    number = reading.repository
    unopened = any(one.repository.number == number and one.repository.message.startswith(NOT_OPENED) for one in outlooks)
    for clause in reading.broken:
        if not (unopened and clause.startswith("No usable")):
            again = f"sudo -u postgres pgbackrest --stanza={picture.stanza} --repo={number} --output=text --verbose verify"
            command = FULL if clause.startswith("the backup ") or "WAL segment" in clause else again
            yield Fault(f"verify {number} {clause}", number, f"repository {number}: {clause}", command)


def standing(first: Sequence[Fault], second: Sequence[Fault]) -> tuple[Fault, ...]:
    """What two looks, one after the other, agree on: an expiry between two answers of one look makes it see what is not."""
    topics = {fault.topic for fault in first}
    return tuple(fault for fault in second if fault.topic in topics)


def document(judgement: Judgement) -> dict[str, Any]:
    """A verdict as JSON has it."""
    return {"time": judgement.time, "repositories": [asdict(one) for one in judgement.readings], "faults": _faults(judgement.faults)}


def _faults(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    return [asdict(fault) for fault in faults]


def parse(found: Mapping[str, Any]) -> Judgement | None:
    """A verdict that was kept; None for one that cannot be read."""
    with suppress(KeyError, TypeError, ValueError):
        readings = (Reading(**{**one, "broken": tuple(one["broken"])}) for one in found["repositories"])
        return Judgement(float(found["time"]), tuple(readings), tuple(Fault(**one) for one in found["faults"]))
    return None


def said(judgement: Judgement) -> str:
    """The verdict as one sentence, or one for each thing that is broken."""
    if judgement.faults:
        return " | ".join(fault.sentence for fault in judgement.faults)
    backups, segments = (sum(getattr(one, name) for one in judgement.readings) for name in ("backups", "segments"))
    where = counted(len(judgement.readings), "repository", "repositories")
    held = f"{counted(backups, 'backup')} and {counted(segments, 'WAL segment')}"
    return f"read everything in {where}: {held}, nothing is broken or missing"


def read_lines(judgement: Judgement, stanza: str) -> list[str]:
    """What was read of each repository, for the last lines of a run in which nothing was found broken."""
    text = []
    for one in judgement.readings:
        files = f" with {counted(one.files, 'file')}" if one.files else ""
        held = f"{counted(one.backups, 'backup')}{files} and {counted(one.segments, 'WAL segment')} read"
        text.append(f"  verified     {stanza} in repository {one.repository}: {held}, nothing is broken or missing")
    return text


def lines(judgement: Judgement | None, now: float) -> list[str]:
    """The last verdict for a person, with its age and the exit codes of pgbackrest verify itself."""
    if judgement is None:
        return [f"  verdict      no backup was ever verified. Type: {VERIFY}"]
    past = f"{age(max(0.0, now - judgement.time))} ago"
    codes = ", ".join(f"{one.code:03d} for repository {one.repository}" for one in judgement.readings)
    text = [f"{COLUMN}pgbackrest verify itself ended with {codes}"] if codes else []
    if not judgement.faults:
        return [f"  verdict      {past}: {said(judgement)}", *text]
    head = f"  VERDICT      {past}: {counted(len(judgement.faults), 'thing is', 'things are')} broken"
    return [head, *(f"{COLUMN}{fault.sentence}" for fault in judgement.faults), *text]
