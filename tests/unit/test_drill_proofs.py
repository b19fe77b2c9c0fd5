# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the proofs of a drill read: heartbeats in the text of pg_waldump, corruption in that of pg_amcheck."""

from __future__ import annotations

from _recovery import drill_amcheck, drill_canary
from _recovery.drill_amcheck import Corrupt
from _recovery.wal import Lsn
from archives import BEATS, beat

END = Lsn.parse("0/5000000")


def message(tx: int, lsn: str, text: str, prefix: str = "axiomdb.heartbeat") -> str:
    payload = " ".join(f"{byte:02X}" for byte in text.encode())
    desc = f'MESSAGE transactional, prefix "{prefix}"; payload ({len(text)} bytes): {payload}'
    return f"rmgr: LogicalMessage len (rec/tot):     85/    85, tx: {tx:>10}, lsn: {lsn}, prev 0/0304C220, desc: {desc}"


def ended(tx: int, lsn: str, how: str = "COMMIT") -> str:
    desc = f"{how} 2026-11-26 03:57:01.503599 UTC"
    return f"rmgr: Transaction len (rec/tot):     34/    34, tx: {tx:>10}, lsn: {lsn}, prev 0/0304C258, desc: {desc}"


def test_a_heartbeat_counts_when_it_is_committed_before_the_end() -> None:
    first = [message(751, "0/0304C258", "1795665421.503496"), ended(751, "0/0304C2B0")]
    assert drill_canary.newest("\n".join(first), END) == 1795665421.503496
    aborted = [*first, message(752, "0/0304D258", "1795665481.5"), ended(752, "0/0304D2B0", "ABORT")]
    assert drill_canary.newest("\n".join(aborted), END) == 1795665421.503496
    open_still = [*first, message(753, "0/0304D258", "1795665481.5")]
    assert drill_canary.newest("\n".join(open_still), END) == 1795665421.503496
    later = [*first, message(754, "0/0304D258", "1795665481.5"), ended(754, "0/0304D2B0")]
    assert drill_canary.newest("\n".join(later), END) == 1795665481.5
    assert drill_canary.newest("\n".join(later), Lsn.parse("0/304D2B0")) == 1795665421.503496


def test_what_is_no_heartbeat_is_none() -> None:
    others = [message(1, "0/0304C258", "1795665421.5", "story"), ended(1, "0/0304C2B0"), message(2, "0/0304C358", "never")]
    assert drill_canary.newest("\n".join([*others, ended(2, "0/0304C3B0"), "pg_waldump: first record is after 0/3000000"]), END) is None


def test_of_what_the_host_remembers_the_newest_before_the_end_is_expected() -> None:
    assert drill_canary.expected(BEATS, 1, Lsn.parse("0/7000100")) == BEATS[1]
    assert drill_canary.expected(BEATS, 1, Lsn.parse("0/4000000")) is None
    assert drill_canary.expected(BEATS, 2, Lsn.parse("0/9000100")) is None


def test_where_the_clock_went_back_the_newest_heartbeat_is_still_the_last_one() -> None:
    wal = [message(751, "0/0304C258", "1795669021.5"), ended(751, "0/0304C2B0")]
    wal += [message(752, "0/0304D258", "1795665481.5"), ended(752, "0/0304D2B0")]
    assert drill_canary.newest("\n".join(wal), END) == 1795665481.5
    beats = (beat("12:59:00", "0/7000100"), beat("12:01:00", "0/8000100"))
    assert drill_canary.expected(beats, 1, Lsn.parse("0/9000100")) == beats[1]


def test_corrupt_relations_are_named_once_each_with_what_was_said_first() -> None:
    text = """WARNING:  page verification failed, calculated checksum 49387 but expected 57166
btree index "axiomdb.public.broken_id":
    ERROR:  heap tuple (0,101) from table "broken" lacks matching index tuple within index "broken_id"
    HINT:  Retrying verification using the function bt_index_parent_check() might provide a more specific error.
heap table "axiomdb.public.page", block 1, offset 2:
    xmin 4026531839 equals or exceeds next valid transaction ID 0:742
heap table "axiomdb.public.page", block 1, offset 3, attribute 2:
    attribute with length 4294967295 ends at offset 416848000 beyond total tuple length 58
"""
    assert drill_amcheck.parse(text) == [
        Corrupt(
            "btree index axiomdb.public.broken_id",
            'heap tuple (0,101) from table "broken" lacks matching index tuple within index "broken_id"',
            1,
        ),
        Corrupt("heap table axiomdb.public.page", "xmin 4026531839 equals or exceeds next valid transaction ID 0:742", 2),
    ]
    assert drill_amcheck.parse("") == []
