# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives a verdict on every repository of a stanza, and keeps it. Nothing else is written.

Source: what `pgbackrest verify` reads, looks into the repositories, and what the server believes of its archiving.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from . import horizon, repository, space, state, verdict, verification
from .picture import any_picture
from .postgres import Cluster
from .problem import CONTROLLER, Refusal
from .run import pgbackrest
from .space import Sample
from .spoken import counted
from .summary import Picture
from .verdict import Fault, Judgement, Limits, Reading
from .window import Outlook

READS = 3  # how often a repository is read while its sets change
PAUSE = 5.0  # seconds between two looks; what is on its way arrives meanwhile
SURE = ("verify ", "age ", "repositories")  # topics of which a second look tells nothing else


@dataclass(frozen=True)
class Sight:
    """One look at the server, and then into the repositories."""

    picture: Picture
    outlooks: tuple[Outlook, ...]


def look(stanza: str, cluster: Cluster, host: str) -> Sight:
    """Look once. A server that does not answer is no obstacle."""
    picture = any_picture(stanza, cluster, host, CONTROLLER, time.time())
    try:
        return Sight(picture, horizon.look(stanza, cluster).outlooks)
    except Refusal:
        return Sight(picture, ())


def faults_of(first: Sight, again: Callable[[], Sight], limits: Limits, readings: Sequence[Reading] = ()) -> tuple[Fault, ...]:
    """What is broken: seen in this look and, after a moment, in one more."""
    faults = verdict.judge(first.picture, first.outlooks, limits, readings)
    if all(fault.topic.startswith(SURE) for fault in faults):
        return faults
    time.sleep(PAUSE)
    second = again()
    return verdict.standing(faults, verdict.judge(second.picture, second.outlooks, limits, readings))


def verify(stanza: str, cluster: Cluster, host: str, limits: Limits, tell: Callable[[str], None]) -> Judgement:
    """Let pgBackRest read every file of every repository, look at what it does not see, and judge."""
    numbers = list(repository.configured())
    gone = repository.not_mounted(numbers)
    readings = []
    for number in (number for number in numbers if number not in gone):
        reading = read(stanza, number)
        held = f"{counted(reading.backups, 'backup')} and {counted(reading.segments, 'WAL segment')}"
        found = f"{held} read, {counted(len(reading.broken), 'problem')}"
        tell(f"repository {number}: {found}; pgbackrest verify itself ended with {reading.code:03d}")
        readings.append(reading)
    first = look(stanza, cluster, host)
    return Judgement(time.time(), tuple(readings), faults_of(first, lambda: look(stanza, cluster, host), limits, readings))


def read(stanza: str, number: int) -> Reading:
    """What pgbackrest verify shows of a repository. Read again when files were expired under its hands: it calls those missing."""
    before = _sets(stanza, number)
    reading = _read(stanza, number)
    for _again in range(READS - 1):
        after = _sets(stanza, number)
        if not reading.broken or (before == after and not after[1]):
            break
        before, reading = after, _read(stanza, number)
    return reading


def _read(stanza: str, number: int) -> Reading:
    done = pgbackrest(stanza, ["verify", "--output=text", "--verbose"], [f"--repo={number}", "--log-level-stderr=info"])
    found = verification.parse(done.stdout, done.stderr)
    broken = found.broken
    if done.code != 0:
        ended = f"pgbackrest verify ended with {done.code:03d}: {done.detail}"
        broken = (ended, *(broken if found.sets or found.segments else ()))
    return Reading(number, done.code, found.sets, found.segments, broken, found.files)


def _sets(stanza: str, number: int) -> tuple[frozenset[str], bool]:
    """The labels of a repository's backups, and whether a backup or an expiry is at work."""
    found = repository.look(stanza, [number], [f"--repo={number}"])[0]
    return frozenset(backup.label for backup in found.backups), found.busy


def remember(stanza: str, judgement: Judgement) -> None:
    """Keep a verdict for status, alerts and metrics. Where nothing can be kept, the one before grows old."""
    with suppress(OSError):
        state.keep(state.path(stanza, "verdict.json"), verdict.document(judgement))


def last(stanza: str) -> Judgement | None:
    """The newest verdict that was kept."""
    return verdict.parse(state.load(state.DIRECTORY / stanza / "verdict.json"))


def free_space(picture: Picture) -> list[Sample]:
    """The space below each repository of this host's own disks."""
    samples = []
    for number, place in picture.places.items():
        if place.kind == "posix" and not place.elsewhere:
            with suppress(OSError):
                usage = shutil.disk_usage(place.path)
                samples.append(Sample(number, picture.now, usage.free, usage.total))
    return samples


def watch_space(stanza: str, picture: Picture) -> None:
    """Remember the space, so that its end can be told."""
    known = samples_of(stanza)
    samples = space.added(known, free_space(picture))
    if samples != known:
        with suppress(OSError):
            state.keep(state.path(stanza, "space.json"), space.document(samples))


def samples_of(stanza: str) -> tuple[Sample, ...]:
    """The samples of the space that were kept."""
    return space.parse(state.load(state.DIRECTORY / stanza / "space.json"))
