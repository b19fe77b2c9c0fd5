# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pg_waldump prints of commits, and what a host remembers of its heartbeats and snapshots."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from _recovery.moments import Moment, of_snapshots, parse_heartbeats
from _recovery.snapshots import Snapshot
from _recovery.wal import Lsn
from _recovery.waldump import Dump, first_commit, last_beat, parse


def record(kind: str, length: int, lsn: str, description: str) -> str:
    return f"rmgr: {kind:<11} len (rec/tot): {length:6}/{length:6}, tx: {729:10}, lsn: {lsn}, prev 0/04000028, desc: {description}\n"


TEXT = (
    record("XLOG", 114, "0/04000028", "CHECKPOINT_ONLINE redo 0/4000028; tli 1; prev tli 1; fpw true; xid 0:730")
    + record("Transaction", 34, "0/04000440", "COMMIT 2026-11-22 08:21:17.178942 UTC")
    + record("Transaction", 405, "0/04000468", "COMMIT 2026-11-22 08:21:18 UTC; inval msgs: catcache 55 catcache 54; rels: base/5/16384")
    + record("Transaction", 54, "0/04000600", "ASSIGNMENT xtop 731: subxacts: 732")
    + record("Transaction", 34, "0/04000640", "ABORT 2026-11-22 08:21:20.889072 UTC")
    + record("Transaction", 70, "0/04000668", "COMMIT_PREPARED 733: 2026-11-22 08:21:20 UTC")
    + record("XLOG", 98, "0/040006B0", "RESTORE_POINT rp COMMIT 2027-01-01 00:00:00 UTC")
)
SWITCH = record("XLOG", 24, "0/04000718", "SWITCH ")
ERROR = "pg_waldump: error: error in WAL record at 0/4000718: invalid record length at 0/4000730\n"


def moment(text: str, lsn: str) -> Moment:
    return Moment(datetime.fromisoformat(f"2026-11-22T{text}+00:00").astimezone(UTC).timestamp(), Lsn.parse(lsn), 3, commit=True)


def test_the_newest_commit_or_abort_is_found_and_where_it_ends() -> None:
    assert parse(TEXT, 3) == Dump(moment("08:21:20.889072", "0/40006AE"), Lsn.parse("0/40006B0"), False, Lsn.parse("0/40006B0"))


def test_a_switch_ends_a_segment_early() -> None:
    assert parse(TEXT + SWITCH + ERROR, 3).switched
    assert parse(SWITCH, 3) == Dump(None, Lsn.parse("0/4000718"), True, Lsn.parse("0/4000718"))
    assert parse(ERROR, 3) == Dump()


def test_the_first_record_behind_the_newest_commit_is_found() -> None:
    assert parse(TEXT + SWITCH, 3).after == Lsn.parse("0/40006B0")
    assert parse(TEXT, 3, Lsn.parse("0/40006B0")).after is None
    assert parse(SWITCH + TEXT.splitlines()[0], 3).after == Lsn.parse("0/4000718")


def test_what_lies_behind_a_position_is_left_out() -> None:
    assert parse(TEXT, 3, Lsn.parse("0/4000468")) == Dump(moment("08:21:17.178942", "0/4000462"), Lsn.parse("0/4000440"), False)


def test_the_first_commit_behind_a_position_is_found() -> None:
    assert first_commit(TEXT, 3, Lsn.parse("0/4000441")) == moment("08:21:18", "0/40005FD")
    assert first_commit(TEXT, 3, Lsn.parse("0/40006B0")) is None


def test_a_heartbeat_is_a_commit_and_a_line_that_was_cut_off_is_none() -> None:
    text = '{"format": 1, "lsn": "0/4000440", "time": 17.5, "timeline": 2}\n{"format": 1, "lsn": "0/5"\n[]\n{"time": 1}\n'
    assert parse_heartbeats(text) == (Moment(17.5, Lsn.parse("0/4000440"), 2, commit=True),)


def test_a_snapshot_is_no_commit_and_its_time_is_cut_off() -> None:
    entry = Snapshot("v2", 1, "20261122-020001F", "0/4000440", 2, "1970-01-01T00:01:00Z")
    assert of_snapshots([entry, Snapshot("v3", 1, "x", "no lsn", 2, "never")]) == (Moment(59.0, Lsn.parse("0/4000440"), 2),)


# --- heartbeats ----------------------------------------------------------------------------------------------------------

BEAT = (
    "rmgr: LogicalMessage len (rec/tot):     85/    85, tx:        778, lsn: 0/1E0000E0, prev 0/1E0000A8, "
    'desc: MESSAGE transactional, prefix "axiomdb.heartbeat"; payload (17 bytes): '
)
SPELT = "31 37 39 35 36 36 38 33 32 33 2E 35 37 32 32 31 30"


def test_the_newest_heartbeat_tells_its_own_time() -> None:
    older = SPELT.replace("33 32 33", "33 32 32")
    assert last_beat(f"{BEAT}{older}\n{BEAT}{SPELT}\n") == 1795668323.57221


@pytest.mark.parametrize("text", ["", BEAT.replace("axiomdb.heartbeat", "load") + SPELT, BEAT + "41 42"])
def test_other_messages_are_no_heartbeats(text: str) -> None:
    assert last_beat(text) is None
