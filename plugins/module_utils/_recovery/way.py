# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Opens a directory from / on, one name after the other: a link on the way is followed only where nobody but root could put it."""

from __future__ import annotations

import errno
import os
import stat

from .problem import Problem, Refusal

_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINKS = 40  # as many as the kernel follows
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


def opened(path: str) -> int:
    """The directory, open for reading. Raises Refusal for a link on the way that somebody else may have put there, OSError for none."""
    names, links = _names(path), 0
    here = os.open("/", _STEP)
    try:
        while names:
            name = names.pop(0)
            target = _link(here, name)
            if target is None:
                here = _moved(here, name, _STEP)
                continue
            links += 1
            if links > _LINKS or not _is_roots(here, name):
                expected = "no link on the way there, or root's own in a directory where only root writes"
                raise Refusal(Problem(f"the link {name} to {target} on the way to {path}", expected, f"namei -l {path}"))
            names = _names(target) + names
            if target.startswith("/"):
                here = _moved(here, "/", _STEP)
        here = _moved(here, ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except BaseException:
        os.close(here)
        raise
    return here


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _moved(here: int, name: str, flags: int) -> int:
    """The directory of this name, open, in place of the one in which it lies."""
    there = os.open(name, flags, dir_fd=here)
    os.close(here)
    return there


def _link(here: int, name: str) -> str | None:
    """Where a link leads; None for anything else."""
    try:
        return os.readlink(name, dir_fd=here)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise


def _is_roots(here: int, name: str) -> bool:
    """Whether only root can have put a link there."""
    directory, link = os.fstat(here), os.stat(name, dir_fd=here, follow_symlinks=False)
    return link.st_uid == directory.st_uid == 0 and not directory.st_mode & _WRITABLE
