# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes turns with pgBackRest's asynchronous archive-push, by its own locks: two that push one file write into one temporary file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

LOOK = 0.02  # seconds; between two attempts of the archiver there is about one


@contextmanager
def held(directory: str, names: Sequence[str], goes_on: Callable[[float], bool]) -> Iterator[tuple[int, ...]]:
    """Hold all of these locks. The descriptors; none when `goes_on`, which waits so many seconds, said that it is too late.

    A child that has the descriptors as well holds the locks for as long as it lives.
    """
    taken = _take(directory, names)
    while not taken and goes_on(LOOK):
        taken = _take(directory, names)
    try:
        yield taken
    finally:
        _close(taken)


def _take(directory: str, names: Sequence[str]) -> tuple[int, ...]:
    """All of them, or none."""
    taken: list[int] = []
    for name in names:
        descriptor = _lock(os.path.join(directory, name))
        if descriptor is None:
            _close(taken)
            return ()
        taken.append(descriptor)
    return tuple(taken)


def _lock(path: str) -> int | None:
    """The lock of one file, emptied of what its last holder wrote; None while somebody holds it, or where nobody can make it."""
    try:
        os.makedirs(os.path.dirname(path), 0o770, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    except OSError:
        return None
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who gives a lock back removes its file first: the next one has another file of that name.
        if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
            os.ftruncate(descriptor, 0)
            return descriptor
    os.close(descriptor)
    return None


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
