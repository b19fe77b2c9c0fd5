# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commits, followed into the archive: when each one arrived, and the proof that it is in there."""

from __future__ import annotations

from dataclasses import dataclass

from fleet import DATABASE, STANZA
from lab import Host

ARCHIVE_TIMEOUT = 60  # seconds; the default of wal_archiving_timeout_seconds
PROMISED = ARCHIVE_TIMEOUT + 10  # seconds from a commit to its place in the archive

_LOAD = "axiomdb-load"
_BULK = "select pg_logical_emit_message(false, 'load', repeat('busy', 4096));\n"  # 16 KiB of WAL
_COMMIT = """
create table if not exists kept (note text primary key);
{before}
select pg_walfile_name(pg_current_wal_insert_lsn());
insert into kept values ('{note}') returning pg_current_xact_id(), extract(epoch from clock_timestamp());
select pg_walfile_name(pg_current_wal_insert_lsn());
"""
# A file under its final name is complete: pgBackRest renames it into place. The rename is the last change of its inode.
_WAIT = """
until found=$(find /var/lib/pgbackrest/archive -regex '.*/{segment}-[0-9a-f]+[.]zst' -printf '%C@\\n') && [ -n "$found" ]; do
  [ "$(date +%s)" -lt {deadline} ] || exit 0
  sleep 0.5
done
echo "$found"
"""
_FETCH = """
cd /tmp && rm -rf fetched && mkdir fetched && pgbackrest --stanza={stanza} archive-get {segment} /tmp/fetched/{segment} &&
/usr/lib/postgresql/*/bin/pg_waldump --rmgr=Transaction fetched/{segment} 2>/dev/null | grep -E 'tx: +{xid},.*COMMIT'
"""


@dataclass(frozen=True)
class Commit:
    """A committed row. `at` is the host's clock just before the commit, in seconds since 1970.

    ``segments`` are the WAL segments in which its record can be: the current one before and after it.
    """

    note: str
    xid: int
    at: float
    segments: tuple[str, ...]


def commit(host: Host, note: str, *, at_worst: bool = False) -> Commit:
    """Commit a row in table `kept`; `at_worst` closes a segment just before it, so that it waits for a whole timeout."""
    before = "select pg_switch_wal() is null;" if at_worst else ""
    answer = host.sql(_COMMIT.format(note=note, before=before), db=DATABASE).splitlines()
    first, (xid, _bar, at), last = answer[-3], answer[-2].partition("|"), answer[-1]
    return Commit(note, int(xid), float(at), tuple(dict.fromkeys((first, last))))


def notes(host: Host) -> set[str]:
    """The notes of all rows in table `kept`."""
    return set(host.sql("select note from kept", db=DATABASE).splitlines())


def seconds_to_archive(host: Host, made: Commit) -> float | None:
    """Wait until the segment with this commit's record is in the archive; None where it is not there in the promised time.

    The record is read from what pgBackRest gives back, so a segment without it does not count.
    """
    for segment in made.segments:
        arrived = host.run(_WAIT.format(segment=segment, deadline=int(made.at) + PROMISED + 1)).stdout
        if arrived and _is_in(host, segment, made.xid):
            return float(arrived.split()[0]) - made.at
    return None


def _is_in(host: Host, segment: str, xid: int) -> bool:
    fetch = _FETCH.format(stanza=STANZA, segment=segment, xid=xid)
    return host.run(fetch, user="postgres", check=False).rc == 0


def start_load(host: Host, seed: int, seconds: int = 1800) -> None:
    """Keep a server busy: pgbench's transactions, and as many that write a MiB of WAL each second."""
    host.put("/tmp/bulk.sql", _BULK)
    host.run(["pgbench", "-i", "-q", "-s", "2", DATABASE], user="postgres")
    pgbench = [
        "pgbench",
        "-n",
        "-c",
        "4",
        "-R",
        "150",
        "-T",
        str(seconds),
        f"--random-seed={seed}",
        "-b",
        "tpcb-like",
        "-f",
        "/tmp/bulk.sql",
    ]
    host.run(["systemd-run", "-q", f"--unit={_LOAD}", "--uid=postgres", *pgbench, DATABASE])


def stop_load(host: Host) -> bool:
    """End the load; true if it ran until now."""
    ran = host.run(["systemctl", "is-active", "--quiet", _LOAD], check=False).rc == 0
    host.run(["systemctl", "stop", _LOAD], check=False)
    return ran
