# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at a server that recovers, again and again: its process, its log, its own answer, its control file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress

from . import recovering
from .recovering import Log, Replayed, Seen
from .run import Completed
from .sql import SAFE_PATH

STATE = f"""{SAFE_PATH}
select json_build_object('lsn', pg_last_wal_replay_lsn(), 'time', extract(epoch from pg_last_xact_replay_timestamp()),
  'pause', case when pg_is_in_recovery() then pg_get_wal_replay_pause_state() else '' end, 'in_recovery', pg_is_in_recovery(),
  'system_id', (select system_identifier::text from pg_control_system()))
"""


class Watched:
    """A server on the data `directory` that logs to the file `log`.

    `ended` says how its process ended, empty while it lives; `ask` puts one query to it.
    """

    def __init__(self, log: str, directory: str, ended: Callable[[], str], ask: Callable[[str], Completed]) -> None:
        self.file, self.directory, self.ended, self.ask = log, directory, ended, ask
        self.log, self.read = Log(), 0
        self.movement: tuple[object, ...] = ()
        self.moved = time.monotonic()

    def look(self) -> Seen:
        """The process is asked before its log is read: what it said last is never missed."""
        ended = self.ended()
        self._read_log(all_of_it=bool(ended))
        if ended:
            return Seen(self.log, ended=ended)
        seen = Seen(self.log, self._replayed() if self.log.ready else None)
        movement = recovering.movement(seen, self._control_changed())
        if movement != self.movement:
            self.movement, self.moved = movement, time.monotonic()
        return Seen(seen.log, seen.replayed, still=time.monotonic() - self.moved)

    def _read_log(self, all_of_it: bool) -> None:
        with open(self.file, "rb") as stream:
            stream.seek(self.read)
            text = stream.read()
        whole = text if all_of_it else text[: text.rfind(b"\n") + 1]
        self.read += len(whole)
        self.log = recovering.read_log(self.log, whole.decode("utf-8", errors="replace"))

    def _replayed(self) -> Replayed | None:
        done = self.ask(STATE)
        try:
            return recovering.parse_replayed(json.loads(done.stdout), self.log) if done.code == 0 else None
        except (ValueError, KeyError):
            return None

    def _control_changed(self) -> float:
        with suppress(OSError):
            return os.stat(f"{self.directory}/global/pg_control").st_mtime
        return 0.0
