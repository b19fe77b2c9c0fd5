# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a server that starts still makes progress: a crash recovery, and the checkpoint behind it, may take longer than any patience.

Its log says nothing of use: whoever is turned away has a line there too. The processes that work show it by what they do.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from . import host
from .scratch_removal import commands

STARTUP, CHECKPOINTER = ": startup", ": checkpointer"


@dataclass(frozen=True)
class Startup:
    """A look at a server that starts. `titles` are those of the processes that recover it, with the processor's ticks that each took.

    `control` is when pg_control was written last, in Unix seconds. Without a process that recovers nothing moves.
    """

    titles: dict[str, int] = field(default_factory=dict)
    control: float = 0.0

    @property
    def recovers(self) -> str:
        """What the startup process says of itself, such as the segment that it replays; empty for none."""
        return next((title.rpartition(STARTUP)[2].strip() or "it begins" for title in self.titles if STARTUP in title), "")


def look(directory: str) -> Startup:
    """Look at the server that starts on a data directory."""
    running = host.postmaster(directory)
    if running is None:
        return Startup()
    known = [(pid, words[0]) for pid, words in commands() if words[0].startswith("postgres:")]
    titles = {title: ticks for pid, title in known if _is_part(title) and (ticks := _ticks(pid, running[0])) is not None}
    if not any(STARTUP in title for title in titles):
        return Startup()
    control = 0.0
    with suppress(OSError):
        control = os.stat(f"{directory}/global/pg_control").st_mtime
    return Startup(titles, control)


class Patience:
    """Counts for how long nothing of the server on a data directory has recovered any further."""

    def __init__(self, directory: str) -> None:
        self.directory, self.known, self.moved = directory, Startup(), time.monotonic()

    def look(self) -> Startup:
        """Look once more; what is seen is what moved, or did not."""
        seen = look(self.directory)
        if seen.recovers and seen != self.known:
            self.known, self.moved = seen, time.monotonic()
        return seen

    @property
    def still(self) -> float:
        """For how many seconds nothing has moved."""
        return time.monotonic() - self.moved


def _is_part(title: str) -> bool:
    return STARTUP in title or CHECKPOINTER in title


def _ticks(pid: int, parent: int) -> int | None:
    """Ticks of the processor that a child of `parent` took; None for another's child. Source: proc_pid_stat(5)."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(words[11]) + int(words[12]) if int(words[1]) == parent else None
