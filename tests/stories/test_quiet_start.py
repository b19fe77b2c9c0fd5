# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is committed on a quiet server right after its start is archived in time, and not at the first checkpoint by time."""

from __future__ import annotations

from converged import DATA, Converged
from scheduling import TOOL


def test_after_a_start_archive_timeout_counts_from_the_first_heartbeat(converged: Converged) -> None:
    host = converged.twin("started")
    host.sql("alter system set archive_timeout = '5s'")
    host.run("systemctl stop axiomdb-recovery-watch.timer cron; systemctl restart 'postgresql@*'")
    host.run("timeout 60 bash -c 'until psql -qAtc select >/dev/null 2>&1; do sleep 0.2; done'", user="postgres")
    host.run([TOOL, "heartbeat"], user="postgres")
    name = host.sql("select pg_walfile_name(pg_current_wal_insert_lsn())")
    assert host.sql("show checkpoint_timeout") == "5min", "the checkpointer sleeps for so long by itself"
    host.run(f"timeout 60 bash -c 'until test -e {DATA}/pg_wal/archive_status/{name}.done; do sleep 0.1; done'")
