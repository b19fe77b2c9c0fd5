# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The WAL of a recovery in place: segments that only this host has, and a pg_wal that leads to another volume."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from . import aside, durable
from .aside_within import remove_entries
from .stepping_down import as_owner_of

MOVED = "pg_wal.moved"


def carry(names: Iterable[str], source: Path, goal: Path) -> None:
    """Copy segments into a directory that is there. A link would not do: the server overwrites its segments in place."""
    with as_owner_of(str(goal / "segment")):
        for name in names:
            temporary = goal / f".{name}.new"
            if (source / name).exists():
                shutil.copyfile(source / name, temporary)
                temporary.chmod(0o600)
                durable.sync_file(str(temporary))
                os.replace(temporary, goal / name)
    durable.sync(str(goal))


def link(directory: str, target: str, owner: int, group: int) -> None:
    """Let the pg_wal of restored data lead to `target`, with what was restored in it and nothing else; make that when it is absent.

    What was killed in the middle is gone on with. Raises OSError.
    """
    wal, moved = f"{directory}/pg_wal", f"{directory}/{MOVED}"
    with suppress(FileExistsError):
        aside.make(target, owner, group)
    with as_owner_of(f"{directory}/content"):
        if os.path.isdir(wal) and not os.path.islink(wal):
            remove_entries(target, os.listdir(target))
            shutil.copytree(wal, target, copy_function=_copy, dirs_exist_ok=True)
            durable.sync(target)
            os.rename(wal, moved)
        if not os.path.lexists(wal):
            os.symlink(target, wal)
            durable.sync(directory)
        if os.path.isdir(moved):
            shutil.rmtree(moved)
            durable.sync(directory)


def _copy(source: str, goal: str) -> str:
    """Copy a file durably."""
    shutil.copy2(source, goal)
    durable.sync_file(goal)
    return goal


def leads_to(directory: str) -> str:
    """Where the pg_wal of a data directory lies when it is a link; empty when it is none."""
    wal = f"{directory}/pg_wal"
    return os.path.realpath(wal) if os.path.islink(wal) else ""
