# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a running server, as postgres through its Unix socket, one query at a time."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from . import host, restore_told, sql
from .archive import Listing
from .problem import Problem, Refusal
from .provision import Archiver
from .run import CommandFailed, run
from .wal import Lsn
from .writer import Server

LOG_READ = 1 << 16  # bytes of a log
_NOT_PUSHED = re.compile(r"\(will be retried\): (\[\d+\] .*(?:\n {20,}\S.*)*)")
_PUSHED = ": pushed WAL file "
POSITION = "case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end"
STATE = f"""
select json_build_object(
  'version', current_setting('server_version_num')::int / 10000,
  'full_version', split_part(current_setting('server_version'), ' ', 1),
  'data_directory', current_setting('data_directory'),
  'system_id', (select system_identifier::text from pg_control_system()),
  'in_recovery', pg_is_in_recovery(),
  'lsn', {POSITION},
  'timeline', case when pg_is_in_recovery() then (select timeline_id from pg_control_checkpoint())
              else ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int end,
  'next_xid', case when pg_is_in_recovery() then '0' else pg_snapshot_xmax(pg_current_snapshot())::text end,
  'segment_size', (select setting::bigint from pg_settings where name = 'wal_segment_size'),
  'checksums', current_setting('data_checksums'),
  'started', extract(epoch from pg_postmaster_start_time()),
  'settings', (select json_object_agg(name, setting) from pg_settings
               where name in ('archive_mode', 'archive_command', 'archive_library', 'archive_timeout', 'wal_level', 'port',
                              'fsync', 'full_page_writes')),
  'pending', (select coalesce(json_object_agg(name, current_setting(name)), '{{}}') from pg_settings where pending_restart),
  'archiver', (select json_build_object(
      'last_segment', last_archived_wal, 'last_time', extract(epoch from last_archived_time),
      'last_failed_time', extract(epoch from last_failed_time)) from pg_stat_archiver),
  'encoding', (select pg_encoding_to_char(encoding) from pg_database where datname = 'template1'),
  'locale', (select datcollate from pg_database where datname = 'template1'))
"""

NotAnswering, ask, psql = sql.NotAnswering, sql.ask, sql.psql
T = TypeVar("T")
_HISTORY = re.compile(r"[0-9A-F]{8}\.history")


@dataclass(frozen=True)
class Cluster:
    """A Debian cluster; `port` is where its socket is."""

    version: str
    name: str
    port: int = 5432

    @property
    def unit(self) -> str:
        return f"postgresql@{self.version}-{self.name}.service"

    @property
    def configuration(self) -> str:
        return f"{host.CLUSTERS}/{self.version}/{self.name}"

    @property
    def binaries(self) -> str:
        return f"/usr/lib/postgresql/{self.version}/bin"

    @property
    def data_directory(self) -> str:
        return host.data_directory(self.version, self.name) or f"/var/lib/postgresql/{self.version}/{self.name}"


def state(port: int) -> dict[str, Any]:
    """Everything about a running server that a decision needs, in one query. Raises NotAnswering."""
    answer: dict[str, Any] = ask(port, STATE)
    return answer


def position(port: int) -> Lsn:
    """Where the server writes, or on a standby replays, now. Raises NotAnswering."""
    return Lsn.parse(ask(port, f"select to_json({POSITION})"))


def server_of(answer: Mapping[str, Any], stanza: str, inventory_host: str, archived: Mapping[str, str]) -> Server:
    """The server as the writer's guard sees it."""
    timeline = int(answer["timeline"])
    history = Path(answer["data_directory"], "pg_wal", f"{timeline:08X}.history")
    own_name = socket.gethostname()
    return Server(
        own_name,
        inventory_host or own_name,
        host.machine_id(),
        stanza,
        int(answer["system_id"]),
        str(answer["version"]),
        timeline,
        Lsn.parse(answer["lsn"]),
        int(answer["segment_size"]),
        archived,
        history.read_text(encoding="utf-8") if timeline > 1 and history.exists() else "",
    )


def archiver_of(answer: Mapping[str, Any], stanza: str, spool: str, locks: str, logs: str) -> Archiver:
    """The archiver's state: settings, pg_stat_archiver, the queue in archive_status, errors in the spool, `pgbackrest stop`.

    The spool says nothing while another attempt is made; the log says then why the one before it failed.
    """
    settings, numbers = answer["settings"], answer["archiver"]
    queue = queue_of(answer["data_directory"], stanza, spool, locks)
    found = replace(
        queue,
        mode=settings["archive_mode"],
        command=settings["archive_command"],
        library=settings["archive_library"],
        last_segment=numbers["last_segment"],
        last_time=numbers["last_time"],
        last_failed_time=numbers["last_failed_time"],
    )
    return replace(found, spool_errors=push_errors(stanza, queue, logs)) if found.failing else found


def push_errors(stanza: str, queue: Archiver, logs: str) -> tuple[str, ...]:
    """Why the last files could not be pushed, as the spool says, or the log where the spool says nothing."""
    return queue.spool_errors or last_push_errors(_end_of(Path(logs, f"{stanza}-archive-push-async.log")))


def _end_of(file: Path) -> str:
    """The last part of a log; empty where there is none."""
    with suppress(OSError), file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - LOG_READ))
        return stream.read().decode("utf-8", "replace")
    return ""


def last_push_errors(log: str) -> tuple[str, ...]:
    """Why the last segment could not be pushed, if none was pushed since. Source: pgBackRest, src/command/archive/push/push.c."""
    failed = list(_NOT_PUSHED.finditer(log))
    if not failed or _PUSHED in log[failed[-1].end() :]:
        return ()
    return ("\n".join(line.strip() for line in failed[-1][1].splitlines()),)


def queue_of(data_directory: str, stanza: str, spool: str, locks: str) -> Archiver:
    """What waits for the archive, and why, as it lies on the disk: a server that does not answer has it too."""
    ready = Path(data_directory, "pg_wal", "archive_status").glob("*.ready")
    waiting = [found.st_mtime for path in ready if (found := _unless_gone(path.stat))]
    errors = sorted(Path(spool, "archive", stanza, "out").glob("*.error"))
    texts = [_unless_gone(partial(path.read_text, "utf-8", "replace")) for path in errors if path.is_file()]
    stopped = any(Path(locks, f"{name}.stop").exists() for name in ("all", stanza))
    said = tuple(text.strip() for text in texts if text is not None)
    return Archiver(waiting=len(waiting), oldest_waiting=min(waiting, default=None), spool_errors=said, stopped=stopped)


def history_files(data_directory: str) -> dict[int, str]:
    """The history files in pg_wal by timeline: those that a server has written, and those along which it has recovered."""
    files = Path(data_directory, "pg_wal").glob("*.history")
    return {int(file.stem, 16): str(file) for file in sorted(files) if _HISTORY.fullmatch(file.name)}


def _unless_gone(look: Callable[[], T]) -> T | None:
    """What a look at a file shows; None for one that was renamed or removed meanwhile, as those of a queue are."""
    try:
        return look()
    except FileNotFoundError:
        return None


def shared_segments(data_directory: str, listing: Listing, limit: int = 2) -> dict[str, str]:
    """SHA-1 of the newest segments that lie both in pg_wal, as complete, and in the listing; at most `limit`.

    Those that wait (`.ready`) count as well: another server's bytes under the same name are why they wait.
    """
    pg_wal = Path(data_directory, "pg_wal")
    status = (pg_wal / "archive_status").iterdir()
    done = sorted({path.name[:24] for path in status if path.suffix in (".done", ".ready")}, reverse=True)
    shared: dict[str, str] = {}
    for name in done:
        if len(shared) < limit and name in listing.segments and (digest := _digest(pg_wal / name)):
            shared[name] = digest
    return shared


def _digest(path: Path) -> str | None:
    """SHA-1 of a WAL segment; None for one that the server recycled meanwhile."""
    try:
        with path.open("rb") as stream:
            digest = hashlib.sha1(stream.read(), usedforsecurity=False).hexdigest()
            return digest if path.stat().st_ino == os.fstat(stream.fileno()).st_ino else None
    except FileNotFoundError:
        return None


def refuse_other_server(cluster: Cluster) -> None:
    """Raise Refusal when the cluster's server has another port, or the port belongs to another cluster's server."""
    live = host.postmaster(cluster.data_directory)
    if live is None:
        refuse_open_recovery(cluster)
    if live is not None and live[1] != cluster.port:
        raise Refusal(other_server(cluster, cluster.data_directory, live[1]))
    if live is None:
        try:
            answers = ask(cluster.port, "select to_json(current_setting('data_directory'))")
        except NotAnswering:
            return
        if answers != cluster.data_directory:
            raise Refusal(other_server(cluster, str(answers), cluster.port))


def refuse_open_recovery(cluster: Cluster) -> None:
    """Raise Refusal while a recovery in place of this cluster is open: its server is down, and must not be started."""
    found = restore_told.of_directory(cluster.data_directory)
    if found is not None:
        raise Refusal(found)


def other_server(cluster: Cluster, directory: str, port: int) -> Problem:
    """Why a server is not the declared cluster's; that of an open recovery has a port of its own."""
    found = restore_told.of_directory(cluster.data_directory)
    if found is not None:
        return found
    return Problem(
        f"a server on port {port} with the data directory {directory}",
        f"the cluster {cluster.version}/{cluster.name} in {cluster.data_directory} on port {cluster.port}, as declared",
        "pg_lsclusters, then correct postgresql_port or postgresql_cluster",
    )


def reload(port: int, patience: float = 20.0) -> None:
    """Reload the configuration and wait until the server has read it. Raises NotAnswering after `patience` seconds."""
    before = ask(port, "select json_build_array(extract(epoch from pg_conf_load_time()), pg_reload_conf())")[0]
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if ask(port, "select extract(epoch from pg_conf_load_time())") > before:
            return
        time.sleep(0.05)
    raise NotAnswering(f"the server did not read its configuration within {patience:g} s")


def systemctl(action: str, cluster: Cluster) -> None:
    """Act on the cluster's own unit. Raises CommandFailed."""
    done = run(["systemctl", action, cluster.unit], timeout=300)
    if done.code != 0:
        raise CommandFailed(done, f"the unit {cluster.unit} did not {action}", f"journalctl -u {cluster.unit} -n 50")


def wait_until_ready(cluster: Cluster, patience: float = 120.0) -> dict[str, Any]:
    """Wait until the server answers. Raises NotAnswering when it died or `patience` seconds are over."""
    deadline, reason = time.monotonic() + patience, ""
    while time.monotonic() < deadline:
        try:
            return state(cluster.port)
        except NotAnswering as error:
            reason = str(error)
        if run(["systemctl", "is-failed", "--quiet", cluster.unit]).code == 0:
            break
        time.sleep(0.2)
    log = f"/var/log/postgresql/postgresql-{cluster.version}-{cluster.name}.log"
    tail = run(["tail", "-n", "3", log]).stdout if os.path.exists(log) else ""
    raise NotAnswering(f"the server on port {cluster.port} does not answer: {reason} {' | '.join(tail.split(chr(10)))}".strip())
