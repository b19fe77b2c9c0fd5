# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts directories of one user's aside and back. Root does it where only root may, and touches nothing that is not that user's.

A configuration that this user writes says where they lie: what is renamed or removed is looked at by its directory's descriptor,
so that no link put there meanwhile leads to somebody else's files. Root makes a directory and gives it away: who is killed between
the two leaves an empty one of root's, which is removed by whoever comes there next.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from . import way
from .problem import Problem, Refusal
from .stepping_down import as_owner_of


@contextmanager
def _parent(path: str, owner: int) -> Iterator[tuple[int, str]]:
    """The directory in which `path` lies, open, and its name there. Raises Refusal when it is neither root's nor `owner`'s."""
    directory, name = os.path.split(path)
    descriptor = way.opened(directory)
    try:
        if os.fstat(descriptor).st_uid not in (0, owner):
            raise Refusal(Problem(f"something else at {directory}", "a directory of root's or the server's user", f"namei -l {directory}"))
        yield descriptor, name
    finally:
        os.close(descriptor)


def _refuse_others(descriptor: int, name: str, path: str, owner: int) -> None:
    found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
        raise Refusal(Problem(f"something else at {path}", "a directory of the server's own user", f"ls -ld {path}"))


def discard_unmade(descriptor: int, name: str, owner: int) -> None:
    """Remove what a `make` has left that was killed before it gave the directory to `owner`: one of our own, and empty."""
    with suppress(OSError):  # it is not there, or not empty
        if os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_uid == os.geteuid() != owner:
            os.rmdir(name, dir_fd=descriptor)


def rename(path: str, to: str, owner: int) -> None:
    """Rename a directory of `owner` within its own directory, durably. Raises Refusal when it is another's, or the new name is taken."""
    with _parent(path, owner) as (descriptor, name):
        _refuse_others(descriptor, name, path, owner)
        new = os.path.basename(to)
        if is_there(descriptor, new):
            raise Refusal(Problem(f"{to}, which is there already", "nothing there", f"ls -ld {to}"))
        os.rename(name, new, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        os.fsync(descriptor)


def make(path: str, owner: int, group: int) -> None:
    """Make an empty directory of `owner`, durably. Raises FileExistsError."""
    with _parent(path, owner) as (descriptor, name):
        discard_unmade(descriptor, name, owner)
        os.mkdir(name, 0o700, dir_fd=descriptor)
        made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
        try:
            os.fchown(made, owner, group)
        finally:
            os.close(made)
        os.fsync(descriptor)


def remove(path: str, owner: int) -> None:
    """Remove a directory of `owner` with all that it holds; nothing to do when there is none. Links are removed, not followed."""
    if not os.path.lexists(path):
        return
    with _parent(path, owner) as (descriptor, name):
        discard_unmade(descriptor, name, owner)
        if not is_there(descriptor, name):
            return
        _refuse_others(descriptor, name, path, owner)
        with as_owner_of(f"{path}/content"):
            for entry in os.scandir(path):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)
        os.rmdir(name, dir_fd=descriptor)
        os.fsync(descriptor)


def is_there(descriptor: int, name: str) -> bool:
    """Whether an open directory has an entry of this name."""
    try:
        os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True
