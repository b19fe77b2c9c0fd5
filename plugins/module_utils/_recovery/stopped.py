# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server that does not run has left behind: where its WAL ends, read from pg_control and from the WAL itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from . import host, scratch_look
from .postgres import Cluster
from .run import CommandFailed, run
from .wal import Lsn

_ENDS = re.compile(r"error in WAL record at ([0-9A-F]+/[0-9A-F]+)")
_UNFINISHED = ("in production", "shut down", "in crash recovery", "shutting down")


@dataclass(frozen=True)
class Left:
    """The timeline on which the server wrote last; its last record begins just before `lsn`."""

    timeline: int
    lsn: Lsn


def left_behind(cluster: Cluster) -> Left | None:
    """Where the WAL of a stopped server ends; None where it runs, was a standby, or where nothing can be read."""
    directory = cluster.data_directory
    if host.postmaster(directory) is not None or not Path(directory, "global/pg_control").exists():
        return None
    try:
        control = scratch_look.control_of(cluster.version, directory)
    except (CommandFailed, ValueError):
        return None
    if control.redo is None or control.state not in _UNFINISHED:
        return None
    end = ends(_read(cluster, control.timeline, control.redo))
    return Left(control.timeline, end or Lsn(control.redo.position + 1))


def segment_size(cluster: Cluster) -> int:
    """The size of a WAL segment in bytes, as pg_control has it; 0 where it cannot be read."""
    try:
        return scratch_look.control_of(cluster.version, cluster.data_directory).segment_size
    except (CommandFailed, ValueError):
        return 0


def _read(cluster: Cluster, timeline: int, start: Lsn) -> str:
    """What pg_waldump says when it finds no more: everything from the last checkpoint on is read, nothing is printed."""
    wal = f"--path={cluster.data_directory}/pg_wal"
    done = run([f"{cluster.binaries}/pg_waldump", "--quiet", wal, f"--timeline={timeline}", f"--start={start}"], user="postgres")
    return done.stderr


def ends(said: str) -> Lsn | None:
    """Just behind the beginning of the last whole record, by what pg_waldump says of the one after it."""
    found = _ENDS.findall(said)
    return Lsn(Lsn.parse(found[-1]).position + 1) if found else None
