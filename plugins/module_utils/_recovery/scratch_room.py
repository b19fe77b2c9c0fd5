# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Watches the disk below a scratch copy: before it takes the last of what the live server writes to, the copy is ended.

What a copy needs is refused beforehand as far as it is known; how much WAL, rows and queries add to it, and what others write
meanwhile, nobody knows.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .problem import Problem, Unfinished
from .scratch import kept_free
from .spoken import human

EACH = 0.5  # seconds between two looks


class Room:
    """The room for a copy. `short` is empty as long as there is enough of it, and then says why the copy was ended."""

    def __init__(self, directory: str, end: Callable[[], None]) -> None:
        self.short: Problem | None = None
        self._directory, self._end, self._over = directory, end, threading.Event()
        self._watch = threading.Thread(target=self._run, name="room", daemon=True)

    def look(self) -> None:
        """End the copy where too little is left."""
        usage = shutil.disk_usage(self._directory)
        least = kept_free(usage.total)
        if usage.free < least:
            found = f"{human(usage.free)} left on the disk of {self._directory} while the copy was made or asked"
            expected = f"at least {human(least)}, which stays free for the live server"
            self.short = Problem(found, expected, "df -h; then make room there or choose another directory for the copy")
            self._end()

    def _run(self) -> None:
        while not self._over.wait(EACH):
            with suppress(OSError, Unfinished):  # the directory is removed, or not there yet; what does not end is tried again
                self.look()

    def start(self) -> None:
        self._watch.start()

    def stop(self) -> None:
        self._over.set()
        self._watch.join()


@contextmanager
def watched(directory: str, end: Callable[[], None]) -> Iterator[Room]:
    """Watch while the body runs. `end` ends what fills the disk; it is called from another thread, as long as that is so."""
    room = Room(directory, end)
    room.start()
    try:
        yield room
    finally:
        room.stop()
