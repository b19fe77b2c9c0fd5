# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which directories the old data is: that something lies at its place says nothing, it may be the restored copy.

A directory keeps its inode when it is renamed. The number of its device may be another one after a boot: kept data must lie on the
filesystem of its place instead, where no other directory has that inode.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from .aside_within import content
from .kept_names import KEEPING, RETURNING, is_within, other
from .problem import Problem
from .restoring import QUIET, REPLACED_IN, SAVE, Home, Journal


def seen(home: Home, places: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """The inodes of what lies at these places: of the directory itself, of the directories within a mount point."""
    return {place: _within(place) if place in home.mounts else {"": os.lstat(place).st_ino} for place in places}


def _within(place: str) -> dict[str, int]:
    found = {name: os.lstat(f"{place}/{name}") for name in content(place)}
    return {name: status.st_ino for name, status in found.items() if stat.S_ISDIR(status.st_mode)}


def is_at(place: str, path: str, inodes: Mapping[str, int]) -> bool:
    """Whether all that lay at a place lies at `path`."""
    return all(_is(place, path, name, inode) for name, inode in inodes.items())


def _is(place: str, path: str, name: str, inode: int) -> bool:
    """Whether one directory of what lay at a place is what lies at `path` now."""
    try:
        found = os.lstat(f"{path}/{name}" if name else path)
        device = os.stat(place if name else os.path.dirname(place)).st_dev
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and (found.st_ino, found.st_dev) == (inode, device)


def is_returning(journal: Journal) -> bool:
    """Whether the old data is back already, or has begun to come, although the journal does not say so: no disk took that perhaps."""
    if not journal.order.keep or journal.phase not in REPLACED_IN:
        return False
    first = [(place, journal.inodes[place]) for place in journal.had[:1] if place in journal.inodes]
    return any(_is(place, place, name, inode) for place, known in first for name, inode in known.items())


def missing(journal: Journal) -> Problem | None:
    """Why there is no way back now: what was kept lies neither aside nor at its place."""
    if journal.phase in (SAVE, QUIET):
        return None
    for place, kept in journal.moves.items():
        aside = (kept, other(kept, KEEPING), other(kept, RETURNING)) if is_within(place, kept) else (kept,)
        if not _is_in(journal, place, (*aside, place)):
            return _problem(journal, place, kept)
    return None


def not_kept(journal: Journal) -> Problem | None:
    """Why what a recovery has kept cannot serve again: some of it is not where it was put."""
    for place, kept in journal.moves.items():
        if not _is_in(journal, place, (kept,)):
            return _problem(journal, place, kept)
    return None


def _is_in(journal: Journal, place: str, paths: tuple[str, ...]) -> bool:
    """Whether each directory of what lay at a place lies at one of these paths. A journal of before knows no inodes."""
    known = journal.inodes.get(place)
    if known is None:
        return any(os.path.lexists(path) for path in paths)
    return all(any(_is(place, path, name, inode) for path in paths) for name, inode in known.items())


def _problem(journal: Journal, place: str, kept: str) -> Problem:
    inodes = journal.inodes.get(place, {})
    found = f"another directory at {kept}" if os.path.lexists(kept) and inodes else f"nothing at {kept}"
    names = ", ".join(f"{name or 'it'} has the inode {inode}" for name, inode in sorted(inodes.items())[:1])
    expected = f"the old data of {place}, which the recovery {journal.name} kept there" + (f" ({names})" if names else "")
    number = next((inode for _name, inode in sorted(inodes.items())), None)
    look = f"sudo find / -type d -inum {number}; " if number else f"ls -ld {place}*; "
    return Problem(found, expected, f"{look}rename it back to {kept} with sudo mv; then type the same again; nothing was touched")
