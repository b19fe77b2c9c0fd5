# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at a recovered cluster and its endpoints, and remembers the looks of one recovery."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from . import aftercare, endpoints, postgres, state
from .aftercare import Log, Look
from .endpoints import Endpoint
from .postgres import Cluster, NotAnswering
from .restoring import Journal

TAIL = 16 << 20  # bytes of the log that are read
FILE = "aftercare.json"
_COUNTED = ("connections", "rollbacks", "deadlocks", "unarchived")
_SEEN = """
select json_build_object(
  'started', extract(epoch from pg_postmaster_start_time()),
  'connections', (select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()),
  'rollbacks', (select coalesce(sum(xact_rollback), 0) from pg_stat_database),
  'deadlocks', (select coalesce(sum(deadlocks), 0) from pg_stat_database),
  'unarchived', (select failed_count from pg_stat_archiver),
  'log', pg_current_logfile('stderr'), 'directory', current_setting('data_directory'),
  'destination', current_setting('log_destination'), 'messages', current_setting('lc_messages'))
"""


def look(cluster: Cluster, asked: Sequence[Endpoint]) -> Look:
    """One look. Changes nothing."""
    found = aftercare.of_endpoints(endpoints.ask_all(asked))
    file = f"/var/log/postgresql/postgresql-{cluster.version}-{cluster.name}.log"
    try:
        seen: dict[str, Any] = postgres.ask(cluster.port, _SEEN)
    except NotAnswering as error:
        return Look(time.time(), silent=str(error), endpoints=found)
    file = os.path.join(seen["directory"], seen["log"]) if seen["log"] else file
    connections, rollbacks, deadlocks, unarchived = (int(seen[name]) for name in _COUNTED)
    log = _log(file, seen["destination"], seen["messages"])
    return Look(time.time(), float(seen["started"]), connections, rollbacks, deadlocks, unarchived, log, found, file=file)


def _log(file: str, destination: str, messages: str) -> Log:
    unread = aftercare.unreadable(destination, messages)
    if unread:
        return Log(unread=unread)
    try:
        with open(file, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL))
            return aftercare.count(stream.read().decode(errors="replace"))
    except OSError as error:
        return Log(unread=f"{file}: {error.strerror}")


def remember(journal: Journal, seen: Look) -> list[Look]:
    """The looks at this recovery, this one included. Those at another one are forgotten."""
    looks = [*looks_of(journal), seen]
    documents = [aftercare.document(one) for one in looks]
    with suppress(OSError):  # a disk that keeps nothing is the watch's trouble
        state.save(state.path(journal.home.stanza, FILE), {"recovery": journal.name, "looks": documents})
    return looks


def looks_of(journal: Journal) -> list[Look]:
    """The looks at a recovery until now, the first one first."""
    found = state.load(state.DIRECTORY / journal.home.stanza / FILE)
    return [aftercare.parse(one) for one in found["looks"]] if found.get("recovery") == journal.name else []
