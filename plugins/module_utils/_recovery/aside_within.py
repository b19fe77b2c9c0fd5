# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts data aside that lies at a mount point, entry by entry, and back; a mount point cannot be renamed.

It is collected under one name and gets its final one when all of it is there: what was killed in the middle is gone on with, and a
kept directory is whole. On the way back it loses that name first: what is back already is never taken for something else.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from . import aside, way
from .kept_names import KEEPING, LOST, RESTORED, RESTORING, RETURNING, is_ours, other
from .problem import Problem, Refusal
from .stepping_down import as_owner_of


def content(place: str) -> list[str]:
    """What lies at a mount point but what a recovery keeps or makes there, and what is the filesystem's own."""
    return sorted(name for name in os.listdir(place) if name != LOST and not is_ours(name))


def ours(place: str) -> list[str]:
    """What a recovery keeps or makes in a directory."""
    return sorted(name for name in os.listdir(place) if is_ours(name)) if os.path.isdir(place) else []


@contextmanager
def _opened(path: str, owner: int, within: int | None = None) -> Iterator[int]:
    """A directory of `owner`, open. Raises Refusal when it is another's."""
    if within is None:
        descriptor = way.opened(path)
    else:
        descriptor = os.open(os.path.basename(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
    try:
        if os.fstat(descriptor).st_uid != owner:
            raise Refusal(Problem(f"something else at {path}", "a directory of the server's own user", f"ls -ld {path}"))
        yield descriptor
    finally:
        os.close(descriptor)


def _move(names: Iterable[str], source: int, goal: int, path: str) -> None:
    """Rename entries from one open directory into another, `path`, durably. Raises Refusal where one is there already."""
    for name in names:
        if aside.is_there(goal, name):
            raise Refusal(Problem(f"{path}/{name}, which is there already", "nothing there", f"ls -ld {path}/{name}"))
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=goal)
    os.fsync(goal)
    os.fsync(source)


def _rename(top: int, old: str, new: str) -> None:
    os.rename(os.path.basename(old), os.path.basename(new), src_dir_fd=top, dst_dir_fd=top)
    os.fsync(top)


def _is_there(top: int, path: str) -> bool:
    return aside.is_there(top, os.path.basename(path))


def collect(place: str, kept: str, owner: int, group: int) -> None:
    """Keep what lies at a mount point; nothing to do when it is kept already, or when nothing lies there. Raises Refusal."""
    keeping, returning = other(kept, KEEPING), other(kept, RETURNING)
    with _opened(place, owner) as top:
        if _is_there(top, kept):
            return
        if _is_there(top, returning):
            _rename(top, returning, keeping)
        aside.discard_unmade(top, os.path.basename(keeping), owner)
        if not _is_there(top, keeping):
            if not content(place):
                return
            aside.make(keeping, owner, group)
        with _opened(keeping, owner, top) as inside:
            _move(content(place), top, inside, keeping)
        _rename(top, keeping, kept)


def give_back(place: str, kept: str, owner: int) -> None:
    """Put back what is kept, or as much of it as was; nothing to do when there is nothing. Raises Refusal when something else is there."""
    keeping, returning = other(kept, KEEPING), other(kept, RETURNING)
    with _opened(place, owner) as top:
        if _is_there(top, kept):
            if found := content(place):
                what = f"{', '.join(found[:3])} at {place}, where the kept data belongs"
                raise Refusal(Problem(what, "nothing there", f"ls -la {place}"))
            _rename(top, kept, returning)
    for path in (returning, keeping):
        lift(path, place, owner)


def lift(path: str, place: str, owner: int) -> None:
    """Move everything in a directory at a mount point up, and remove it; nothing to do when there is none. Raises Refusal."""
    with _opened(place, owner) as top:
        aside.discard_unmade(top, os.path.basename(path), owner)
        if not _is_there(top, path):
            return
        with _opened(path, owner, top) as inside:
            _move(sorted(os.listdir(inside)), inside, top, place)
        os.rmdir(os.path.basename(path), dir_fd=top)
        os.fsync(top)


def finish(path: str, place: str, kept: str, owner: int) -> None:
    """Let what was restored into `path` be the data at a mount point: it is called whole first, and moved up then."""
    whole = other(kept, RESTORED)
    with _opened(place, owner) as top:
        if _is_there(top, path):
            _rename(top, path, whole)
    lift(whole, place, owner)


def is_restored(place: str, kept: str) -> bool:
    """Whether a restore into a mount point was whole; it may have been moved up only in part."""
    return os.path.lexists(other(kept, RESTORED)) or os.path.lexists(f"{place}/PG_VERSION")


def empty(place: str, kept: str, owner: int) -> None:
    """Remove what was restored into a mount point: its data, but nothing that is kept there. Links are removed, not followed."""
    with _opened(place, owner) as top:
        aside.discard_unmade(top, os.path.basename(other(kept, RESTORING)), owner)
        made = [os.path.basename(path) for path in (other(kept, RESTORING), other(kept, RESTORED)) if _is_there(top, path)]
        with as_owner_of(f"{place}/content"):
            remove_entries(place, [*content(place), *made])
        os.fsync(top)


def remove_entries(directory: str, names: Iterable[str]) -> None:
    """Remove entries of a directory, with all that they hold."""
    for name in names:
        path = f"{directory}/{name}"
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
