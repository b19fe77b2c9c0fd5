# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person may type as a target, and the sentence for everything else: each ends with the corrected thing to type."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from _recovery.problem import Refusal
from _recovery.target import KINDS, Target, parse
from _recovery.wal import Lsn
from hypothesis import given
from hypothesis import strategies as st

HALF_PAST_TWO = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
LABEL = "20261122-020001F"


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("latest", Target("latest")),
        (" immediate ", Target("immediate")),
        ("time:2026-11-22T14:30:00Z", Target("time", time=HALF_PAST_TWO)),
        ("time:2026-11-22t14:30z", Target("time", time=HALF_PAST_TWO)),
        ("time:2026-11-22 14:30:00+00", Target("time", time=HALF_PAST_TWO)),
        ("time:2026-11-22T16:30:00+02:00", Target("time", time=HALF_PAST_TWO)),
        ("time:2026-11-22T09:00:00-05:30", Target("time", time=HALF_PAST_TWO)),
        ("before-time:2026-11-22T14:30:00.25Z", Target("time", True, time=HALF_PAST_TWO + timedelta(seconds=0.25))),
        ("name:pre-migration-v2.3", Target("name", name="pre-migration-v2.3")),
        ("lsn:0/3000050", Target("lsn", lsn=Lsn.parse("0/3000050"))),
        ("before-lsn:0/3000050", Target("lsn", True, lsn=Lsn.parse("0/3000050"))),
        ("xid:1234", Target("xid", xid=1234)),
        ("before-xid:1234", Target("xid", True, xid=1234)),
        (f"backup:{LABEL}", Target("backup", backup=LABEL)),
        (f"backup:{LABEL}_20261122-030001I", Target("backup", backup=f"{LABEL}_20261122-030001I")),
        (f"xid:1234,backup:{LABEL}", Target("xid", xid=1234, backup=LABEL)),
        (f"backup:{LABEL}, xid:1234", Target("xid", xid=1234, backup=LABEL)),
        ("time:2026-11-22T14:30:00Z,timeline:1", Target("time", time=HALF_PAST_TWO, timeline=1)),
    ],
)
def test_a_target_is_read(given_text: str, expected: Target) -> None:
    assert parse(given_text) == expected
    assert parse(str(expected)) == expected


@pytest.mark.parametrize(
    ("mapping", "same"),
    [
        ({"latest": None}, "latest"),
        ({"immediate": True}, "immediate"),
        ({"time": "2026-11-22T14:30:00Z"}, "time:2026-11-22T14:30:00Z"),
        ({"time": datetime(2026, 11, 22, 16, 30, tzinfo=timezone(timedelta(hours=2)))}, "time:2026-11-22T14:30:00Z"),
        ({"before-xid": 1234, "backup": LABEL}, f"before-xid:1234,backup:{LABEL}"),
        ({"lsn": "0/3000050", "timeline": 2}, "lsn:0/3000050,timeline:2"),
        ({"name": "v2", "timeline": ""}, "name:v2"),
    ],
)
def test_a_mapping_is_the_same_as_a_string(mapping: dict[str, object], same: str) -> None:
    assert str(parse(mapping)) == same
    assert parse(mapping) == parse(same)


FORMS = f"one of {', '.join(KINDS)}, and at most backup and timeline beside it"
NAIVE = "one from UTC: without it, it would mean another moment on each host"
ZONED = "an offset from UTC, as it was in that zone at that moment"
ISO = "an ISO 8601 time with an offset or Z"


@pytest.mark.parametrize(
    ("text", "found", "expected", "next_step"),
    [
        ("", "the target ''", FORMS, "type one such as latest or time:2026-11-22T14:30:00Z"),
        ("late:", "the target 'late:'", FORMS, "type one such as latest or time:2026-11-22T14:30:00Z"),
        (
            "pre-migration-v2.3",
            "the target 'pre-migration-v2.3'",
            FORMS,
            "type name:pre-migration-v2.3 for that snapshot, or one such as latest or time:2026-11-22T14:30:00Z",
        ),
        ("before-name:x", "the target 'before-name:x'", FORMS, "type one such as latest or time:2026-11-22T14:30:00Z"),
        ("xid:7,lsn:0/1", "the target 'xid:7,lsn:0/1'", FORMS, "type one such as latest or time:2026-11-22T14:30:00Z"),
        ("xid:7,xid:8", "the target 'xid:7,xid:8' with a part twice", "each part once", "type one such as time:2026-11-22T14:30:00Z"),
        ("latest:now", "'now' behind latest", "nothing: latest needs no value", "type latest"),
        (
            "time:2026-11-22 14:30",
            "the time '2026-11-22 14:30' without an offset",
            NAIVE,
            "type time:2026-11-22T14:30:00Z if that is UTC, or time:2026-11-22T14:30:00+02:00 with your own offset",
        ),
        (
            "before-time:2026-11-22",
            "the time '2026-11-22' without an offset",
            NAIVE,
            "type before-time:2026-11-22T00:00:00Z if that is UTC, or before-time:2026-11-22T00:00:00+02:00 with your own offset",
        ),
        (
            "time:2026-11-22T14:30:00 Europe/Berlin",
            "the time '2026-11-22T14:30:00 Europe/Berlin' with the zone name Europe/Berlin",
            ZONED,
            "type time:2026-11-22T14:30:00+02:00 with the offset in place of +02:00, or time:2026-11-22T14:30:00Z for UTC",
        ),
        (
            "time:2026-11-22 14:30:00 UTC",
            "the time '2026-11-22 14:30:00 UTC' with the zone name UTC",
            "an offset or Z",
            "type time:2026-11-22T14:30:00Z",
        ),
        (
            "time:2026-11-22 14:30:00 02:00",
            "the time '2026-11-22 14:30:00 02:00' with a blank before its offset",
            "a sign there",
            "type time:2026-11-22T14:30:00+02:00",
        ),
        ("time:yesterday", "the time 'yesterday'", ISO, "type one such as time:2026-11-22T14:30:00Z"),
        ("time:1795500000", "the time '1795500000'", ISO, "type one such as time:2026-11-22T14:30:00Z"),
        ("time:0001-01-01T00:00+14:00", "the time '0001-01-01T00:00+14:00'", ISO, "type one such as time:2026-11-22T14:30:00Z"),
        (
            "name:a b",
            "the snapshot name 'a b'",
            "letters, digits, '.', '_' and '-', as each snapshot has it",
            "type one such as name:pre-migration-v2.3",
        ),
        ("before-lsn:12", "the LSN '12'", "two hexadecimal numbers with a slash between them", "type one such as before-lsn:0/3000050"),
        (
            "xid:2",
            "the transaction id '2'",
            "a number from 3 on, as txid_current() and the server's log show it",
            "type one such as xid:1234",
        ),
        (
            "backup:latest",
            "the backup 'latest'",
            "the label of a backup set, as pgbackrest info shows it",
            "type one such as backup:20261122-020001F",
        ),
        ("lsn:0/1,timeline:0", "the timeline '0'", "a number from 1 on", "type lsn:0/1,timeline:1"),
    ],
)
def test_another_text_is_refused_with_what_to_type(text: str, found: str, expected: str, next_step: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse(text)
    assert str(refusal.value) == f"Found {found}; expected {expected}. Next: {next_step}"


@pytest.mark.parametrize("zone", ["CET", "EST5EDT", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_zone_names_are_called_by_their_name(zone: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse(f"time:2026-11-22 14:30:00 {zone}")
    assert f"with the zone name {zone}; expected {ZONED}" in str(refusal.value)


@given(st.datetimes(datetime(1971, 1, 1), datetime(9998, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_each_offset_means_the_same_moment(naive: datetime, minutes: int) -> None:
    there = naive.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    assert parse(f"time:{there.isoformat()}") == Target("time", time=naive.replace(tzinfo=UTC))
    assert parse(str(parse(f"time:{there.isoformat(' ')}"))).time == naive.replace(tzinfo=UTC)


@given(st.text(max_size=30), st.sampled_from(["", *(f"{kind}:" for kind in KINDS)]))
def test_whatever_is_typed_is_read_or_refused(text: str, kind: str) -> None:
    try:
        found = parse(kind + text)
    except Refusal as refusal:
        assert len(refusal.problems) == 1
    else:
        assert parse(str(found)) == found
