# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The heartbeat: it runs each minute on the smallest host, so it loads little."""

from __future__ import annotations

import time
from contextlib import suppress

from . import state
from .ending import Ended, guarded, remember
from .jobs import DONE, HEARTBEAT, SKIPPED, Stanza
from .sql import ask

BEAT = "select pg_logical_emit_message(true, 'axiomdb.heartbeat', extract(epoch from clock_timestamp())::text)"
BEATEN = """
select json_build_object('time', {began}::float8, 'lsn', pg_current_wal_insert_lsn(),
  'timeline', ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int,
  'started', extract(epoch from pg_postmaster_start_time())::text)
"""
WAKE = "select to_json(pg_reload_conf())"


def heartbeat(stanza: Stanza) -> Ended:
    """One commit without a table, so that even an idle server has a moment to which it can be recovered. A standby skips."""
    began = time.time()

    def beat() -> Ended:
        if state.load(state.PAUSE):
            return Ended(SKIPPED, "jobs are paused", began=False)
        if ask(stanza.port, "select to_json(pg_is_in_recovery())"):
            return Ended(SKIPPED, "a standby; its primary writes the heartbeat")
        entry = ask(stanza.port, BEATEN.format(began=began), before=BEAT)
        _wake(stanza, str(entry.pop("started")))
        with suppress(OSError):  # the watch tells of a disk that keeps nothing; the commit is made
            state.beat(stanza.name, entry)
        return Ended(DONE, f"committed before LSN {entry['lsn']}", entry)

    ended = guarded(stanza, beat)
    remember(stanza.name, HEARTBEAT, ended, began, time.time())
    return ended


def _wake(stanza: Stanza, started: str) -> None:
    """Let a server that was started since the last heartbeat count archive_timeout.

    Its checkpointer does that, and has gone to sleep for checkpoint_timeout while the server still recovered: for five minutes
    no segment would be closed, and what was committed would be on this host alone. Any signal wakes it, and a reload is the one
    that means nothing else (source: CheckpointerMain in src/backend/postmaster/checkpointer.c; seen with PostgreSQL 17).
    """
    file = state.path(stanza.name, "server.json")
    if state.load(file).get("started") != started:
        ask(stanza.port, WAKE)
        with suppress(OSError):
            state.keep(file, {"started": started})
