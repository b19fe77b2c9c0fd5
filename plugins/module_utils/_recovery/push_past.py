# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pushes what waits past repositories that are away, into those that lack it: as postgres, between two attempts of the archiver."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from . import archive_lock, host, passing, postgres, repository, state
from .archive import names
from .catalog import Repository
from .option_types import parse_version
from .run import CommandFailed, Completed, pgbackrest, require, run
from .spoken import counted
from .survey import queue_places

PUSH = 60.0  # seconds that one file may take; one of 16 MiB takes a tenth of one
TURN = 120.0  # seconds for which the archiver may be kept waiting; each of its attempts gives up by itself after a minute


@dataclass(frozen=True)
class Sender:
    """Who archives: the stanza, its data directory, and its repositories as they were seen."""

    stanza: str
    directory: str
    repositories: tuple[Repository, ...]

    @property
    def unreadable(self) -> frozenset[int]:
        return frozenset(found.number for found in self.repositories if not found.readable)


def push_past(sender: Sender, goes_on: Callable[[float], bool]) -> str:
    """Push what is lacking, in one turn; what was done as a sentence, empty for nothing.

    `goes_on` waits so many seconds and says whether there is time left. Whatever fails is tried again in the next turn.
    """
    away = _away(sender)
    if not away or not _reachable(sender, away) or not _lacking(sender, away):
        return ""
    with state.only_one(sender.stanza, "push-past") as alone:
        pushed, away = _in_turn(sender, away, goes_on) if alone else (0, away)
    past = " and ".join(f"repository {number}" for number in sorted(away))
    return f"{counted(pushed, 'WAL file', 'WAL files')} pushed past {past}" if pushed else ""


def _in_turn(sender: Sender, away: frozenset[int], goes_on: Callable[[float], bool]) -> tuple[int, frozenset[int]]:
    """Push while the archiver cannot. How many files, and past which repositories."""
    numbers = [found.number for found in sender.repositories]
    locks = passing.locks(sender.stanza, numbers, parse_version(host.pgbackrest_version()))
    with archive_lock.held(queue_places()[1], locks, goes_on) as descriptors:
        return _push_each(sender, away, descriptors, goes_on) if descriptors else (0, away)


def _away(sender: Sender) -> frozenset[int]:
    """The repositories that are away; none where a message tells of another server's WAL."""
    queue = postgres.queue_of(sender.directory, sender.stanza, *queue_places())
    errors = postgres.push_errors(sender.stanza, queue, repository.option("log-path", "/var/log/pgbackrest"))
    return frozenset() if passing.tells_of_another_writer(errors) else sender.unreadable | passing.named(errors)


def _reachable(sender: Sender, away: frozenset[int]) -> tuple[Repository, ...]:
    return tuple(found for found in sender.repositories if found.number not in away and found.current is not None)


def _waiting(sender: Sender) -> tuple[str, ...]:
    spool = f"{queue_places()[0]}/archive/{sender.stanza}/out"
    return passing.waiting(_names(f"{sender.directory}/pg_wal/archive_status"), _names(spool))


def _names(directory: str) -> list[str]:
    with suppress(OSError):
        return os.listdir(directory)
    return []


def _lacking(sender: Sender, away: frozenset[int]) -> tuple[str, ...]:
    """What waits and a reachable repository lacks. One that cannot be listed now lacks nothing: it is looked at in the next turn."""
    waiting = _waiting(sender)
    directories = sorted({passing.directory_of(name) for name in waiting})
    held = {}
    for found in _reachable(sender, away) if waiting else ():
        with suppress(CommandFailed, ValueError):
            held[found.number] = {name for directory in directories for name in _listed(sender.stanza, found, directory)}
    return passing.lacking(waiting, held)


def _listed(stanza: str, found: Repository, directory: str) -> list[str]:
    place = f"{repository.archive_of(stanza, found)}/{directory}".rstrip("/")
    options = [f"--repo={found.number}", f"--io-timeout={repository.PATIENCE}"]
    listed = names(require(pgbackrest("", ["repo-ls", "--output=json", place], options), stanza).stdout)
    return [name.rpartition("/")[2] for name in listed]


def _push_each(
    sender: Sender, away: frozenset[int], descriptors: Sequence[int], goes_on: Callable[[float], bool]
) -> tuple[int, frozenset[int]]:
    """Push one file after the other, until one fails that is not the fault of a repository alone. How many, and past which."""
    pushed, deadline = 0, time.monotonic() + TURN
    for name in _lacking(sender, away):
        if time.monotonic() > deadline or not goes_on(0) or state.pause():
            break
        if name not in _waiting(sender):
            continue
        done = _push(sender, name, away, descriptors)
        more = passing.named([done.stderr]) - away
        if done.code != 0 and (not more or passing.tells_of_another_writer([done.stderr])):
            break
        away |= more
        if not _reachable(sender, away):
            break
        pushed += 1
    return pushed, away


def _push(sender: Sender, name: str, away: frozenset[int], descriptors: Sequence[int]) -> Completed:
    """Push one file. The process holds the locks too: they are not free before it has ended, even where this one was killed."""
    with _configuration(away) as (file, descriptor):
        scope = [f"--config={file}", f"--stanza={sender.stanza}"]
        options = ["--log-level-console=off", "--log-level-stderr=warn", "--no-archive-async"]
        command = ["pgbackrest", *scope, *options, "archive-push", f"{sender.directory}/pg_wal/{name}"]
        return run(command, user="postgres", timeout=PUSH, descriptors=[descriptor, *descriptors])


@contextmanager
def _configuration(away: frozenset[int]) -> Iterator[tuple[str, int]]:
    """The configuration without some repositories, as a file that has no name, and its descriptor: it holds passphrases."""
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in repository.files()]
    descriptor = os.memfd_create("pgbackrest.conf")
    try:
        os.write(descriptor, passing.configuration(texts, away).encode("utf-8"))
        yield f"/proc/self/fd/{descriptor}", descriptor
    finally:
        os.close(descriptor)
