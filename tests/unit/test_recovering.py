# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery is judged by what the server says and shows: reached, on its way, dead, standing still, or somewhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import recovering
from _recovery.problem import Problem
from _recovery.recovering import PAUSE, REACHED, WAITING, Log, Replayed, Seen, judge, read_log
from _recovery.recovery_watch import Watched
from _recovery.run import Completed
from _recovery.scratch import Goal
from _recovery.wal import Lsn

AT = Lsn.parse("0/B023DD0")
GOAL = Goal("axiomdb", 1, "20261122-105951F", 1, "name", "before", lsn=AT)
LATEST = Goal("axiomdb", 1, "20261122-105951F", 1, "latest", lsn=AT)
HERE = Replayed(AT, 1_795_500_000.0, 1, 77, "paused", True)
BEGUN = """\
2026-11-22 08:21:20.100 UTC [100] LOG:  starting PostgreSQL 17.12 (Debian 17.12-1) on x86_64-pc-linux-gnu
2026-11-22 08:21:20.200 UTC [101] LOG:  starting point-in-time recovery to "before"
2026-11-22 08:21:20.300 UTC [101] LOG:  restored log file "00000001000000000000000A" from archive
2026-11-22 08:21:20.400 UTC [100] LOG:  database system is ready to accept read-only connections
2026-11-22 08:21:20.410 UTC [102] FATAL:  the database system is not yet accepting connections
2026-11-22 08:21:20.500 UTC [101] LOG:  restored log file "00000002000000000000000B" from archive
"""
STOPPED = """\
2026-11-22 08:21:20.600 UTC [101] LOG:  recovery stopping at restore point "before", time 2026-11-22 08:20:00.1+00
2026-11-22 08:21:20.600 UTC [101] LOG:  pausing at the end of recovery
"""
ENDED_BEFORE = """\
2026-11-22 08:52:41.475 UTC [143] LOG:  starting PostgreSQL 17.12 (Debian 17.12-0+deb13u1) on x86_64-pc-linux-gnu
2026-11-22 08:52:41.492 UTC [148] LOG:  database system was interrupted; last known up at 2026-11-22 08:52:34 UTC
2026-11-22 08:52:41.685 UTC [148] LOG:  database system was not properly shut down; automatic recovery in progress
2026-11-22 08:52:41.688 UTC [148] LOG:  redo is not required
2026-11-22 08:52:41.725 UTC [143] LOG:  database system is ready to accept connections
"""
WAITS = "2026-11-22 08:21:21.000 UTC [101] LOG:  waiting for WAL to become available at 0/C000018\n"
TOO_EARLY = """\
2026-11-22 08:21:21.054 UTC [101] LOG:  last completed transaction was at log time 2026-11-22 08:21:21.017324+00
2026-11-22 08:21:21.054 UTC [101] FATAL:  recovery ended before configured recovery target was reached
2026-11-22 08:21:21.060 UTC [100] LOG:  shutting down due to startup process failure
"""
PANIC = "2026-11-22 08:21:21.054 UTC [101] PANIC:  WAL contains references to invalid pages\n"
TOO_LOW = """\
2026-11-22 08:21:21.054 UTC [101] WARNING:  hot standby is not possible because of insufficient parameter settings
2026-11-22 08:21:21.054 UTC [101] DETAIL:  max_connections = 50 is a lower setting than on the primary server, where its value was 100.
"""


def log(*texts: str) -> Log:
    return read_log(Log(), "".join(texts))


def refused(goal: Goal, seen: Seen) -> str:
    verdict = judge(goal, seen, 300.0)
    assert isinstance(verdict, Problem), verdict
    return verdict.sentence()


def test_a_log_is_read_line_by_line() -> None:
    seen = log(BEGUN)
    assert (seen.ready, seen.fatal, seen.restored, seen.stopped) == (True, "", "00000002000000000000000B", "")
    assert log(STOPPED).stopped == 'recovery stopping at restore point "before", time 2026-11-22 08:20:00.1+00'
    assert log(ENDED_BEFORE).ready
    parts = BEGUN.splitlines(keepends=True)
    assert read_log(read_log(Log(), "".join(parts[:3])), "".join(parts[3:])) == seen


def test_a_server_whose_recovery_had_ended_before_it_was_started_is_asked_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "server.log").write_text(ENDED_BEFORE, encoding="utf-8")
    answer = '{"lsn": null, "time": null, "pause": "", "in_recovery": false, "system_id": "77"}'
    seen = Watched(str(tmp_path / "server.log"), str(tmp_path), lambda: "", lambda _sql: Completed("", 0, answer, "")).look()
    assert seen.replayed == Replayed(None, None, None, 77, "", False)
    assert "a copy that ended its recovery" in refused(GOAL, seen)


def test_a_pause_counts_only_when_the_target_stopped_recovery() -> None:
    assert judge(GOAL, Seen(log(BEGUN)), 300.0) == WAITING
    assert judge(GOAL, Seen(log(BEGUN), replace(HERE, pause="not paused")), 300.0) == WAITING
    assert judge(GOAL, Seen(log(BEGUN), HERE), 300.0) == WAITING
    assert judge(GOAL, Seen(log(BEGUN, STOPPED), HERE), 300.0) == REACHED


def test_a_server_paused_by_a_setting_is_not_at_its_target() -> None:
    assert "max_connections = 50 is a lower setting" in refused(GOAL, Seen(log(BEGUN, TOO_LOW), HERE))


def test_a_dead_server_is_a_failure_with_its_last_words() -> None:
    said = refused(GOAL, Seen(log(BEGUN, TOO_EARLY), ended="exit code 1"))
    assert "recovery ended before configured recovery target was reached" in said and "another target or set" in said
    assert "restore all databases" in refused(GOAL, Seen(log(BEGUN, PANIC), ended="exit code 1"))
    assert "a copy that died (signal 9): its log does not say why" in refused(GOAL, Seen(log(BEGUN), ended="signal 9"))
    assert "signal 9" in refused(GOAL, Seen(log(BEGUN, STOPPED), HERE, ended="signal 9"))


@pytest.mark.parametrize(
    "how", ["starting up", "shutting down", "in recovery mode", "not yet accepting connections", "not accepting connections"]
)
def test_what_a_visitor_was_told_is_not_why_a_server_died(how: str) -> None:
    visitor = f"2026-11-22 08:21:21.055 UTC [103] FATAL:  the database system is {how}\n"
    seen = Seen(log(BEGUN, TOO_EARLY, visitor), ended="exit code 1")
    assert "recovery ended before configured recovery target was reached" in refused(GOAL, seen)
    assert seen.log == log(BEGUN, TOO_EARLY)


def test_a_copy_that_ended_its_recovery_is_a_failure() -> None:
    assert "a copy that ended its recovery" in refused(GOAL, Seen(log(BEGUN, STOPPED), replace(HERE, in_recovery=False)))


def test_what_stands_still_is_a_failure_and_what_moves_is_not() -> None:
    paused_elsewhere = replace(HERE, pause="not paused")
    assert judge(GOAL, Seen(log(BEGUN), paused_elsewhere, still=300.0), 300.0) == WAITING
    assert "stands still at 0/B023DD0 for 301 s" in refused(GOAL, Seen(log(BEGUN), paused_elsewhere, still=301.0))
    assert "before it is consistent" in refused(GOAL, Seen(log(BEGUN), still=301.0))


def test_asking_in_vain_is_no_movement() -> None:
    visitor = "2026-11-22 08:21:20.410 UTC [102] FATAL:  the database system is starting up\n"
    once = Seen(log(BEGUN))
    assert recovering.movement(once, 1.0) == recovering.movement(Seen(log(BEGUN, visitor, WAITS, WAITS)), 1.0)
    assert recovering.movement(once, 1.0) != recovering.movement(Seen(log(BEGUN, STOPPED)), 1.0)
    assert recovering.movement(once, 1.0) != recovering.movement(once, 2.0)


@pytest.mark.parametrize(
    "told",
    [
        "the database system is starting up",
        "the database system is not yet accepting connections",
        "the database system is not accepting connections",
        "the database system is shutting down",
        "the database system is in recovery mode",
        "terminating connection due to administrator command",
    ],
)
def test_what_a_dying_server_tells_a_visitor_is_not_why_it_dies(told: str) -> None:
    visitor = f"2026-11-22 08:21:21.060 UTC [103] FATAL:  {told}\n"
    assert "WAL contains references to invalid pages" in refused(GOAL, Seen(log(BEGUN, PANIC, visitor), ended="exit code 1"))


def test_latest_is_paused_when_it_has_reached_its_position() -> None:
    behind = replace(HERE, lsn=Lsn(AT.position - 1), pause="not paused")
    assert judge(LATEST, Seen(log(BEGUN), behind), 300.0) == WAITING
    assert judge(LATEST, Seen(log(BEGUN), replace(HERE, pause="not paused")), 300.0) == PAUSE
    assert judge(LATEST, Seen(log(BEGUN), replace(HERE, pause="pause requested")), 300.0) == WAITING
    assert judge(LATEST, Seen(log(BEGUN), HERE), 300.0) == REACHED


def test_an_archive_that_ends_before_latest_is_named_without_a_clock() -> None:
    behind = replace(HERE, lsn=Lsn(AT.position - 1), pause="not paused")
    assert judge(LATEST, Seen(log(BEGUN, WAITS), behind), 300.0) == WAITING
    assert "an archive of which nothing follows 0/C000018; expected WAL up to 0/B023DD0" in refused(
        LATEST, Seen(log(BEGUN, WAITS, WAITS), behind)
    )
    elsewhere = WAITS.replace("0/C000018", "0/D000018")
    assert judge(LATEST, Seen(log(BEGUN, WAITS, elsewhere), behind), 300.0) == WAITING


def test_the_proof_is_exact_but_for_latest() -> None:
    expected = replace(GOAL, expected_timeline=1)
    assert recovering.judge_proof(expected, 77, HERE) == []
    beyond = replace(HERE, lsn=Lsn(AT.position + 8))
    assert [problem.expected for problem in recovering.judge_proof(expected, 77, beyond)] == ["exactly 0/B023DD0"]
    assert recovering.judge_proof(LATEST, 77, beyond) == []
    assert [p.expected for p in recovering.judge_proof(LATEST, 77, replace(HERE, lsn=None))] == ["at least 0/B023DD0"]
    assert len(recovering.judge_proof(expected, 78, replace(HERE, timeline=2))) == 2


def test_an_answer_of_the_server_is_read() -> None:
    answer = {"lsn": "0/B023DD0", "time": None, "pause": "paused", "in_recovery": True, "system_id": "77"}
    assert recovering.parse_replayed(answer, log(BEGUN)) == replace(HERE, time=None, timeline=2)
    assert recovering.parse_replayed({**answer, "lsn": None}, Log()).lsn is None


FULL = "FATAL:  could not write init file: No space left on device\n"


def test_a_full_disk_is_the_reason_also_when_wal_could_not_be_fetched() -> None:
    fetching = "ERROR: [041]: unable to write 'pg_wal/RECOVERYXLOG': [28] No space left on device\n"
    dead = "2026-11-22 08:21:21.060 UTC [103] FATAL:  could not locate required checkpoint record at 0/6000080\n"
    assert "Found a full disk: [041]: unable to write" in refused(GOAL, Seen(log(BEGUN, fetching, dead), ended="exit code 1"))


@pytest.mark.parametrize("ended", ["", "exit code 1"])
def test_a_full_disk_is_the_reason_whoever_says_it(ended: str) -> None:
    seen = Seen(log(BEGUN, f"2026-11-22 08:21:21.060 UTC [103] {FULL}"), ended=ended)
    assert refused(GOAL, seen).startswith("Found a full disk: could not write init file: No space left on device; expected room for ")


def test_somebody_who_is_turned_away_is_no_movement() -> None:
    away = "2026-11-22 08:21:21.060 UTC [103] FATAL:  too many connections\n"
    assert recovering.movement(Seen(log(BEGUN)), 1.0) == recovering.movement(Seen(log(BEGUN, away, away)), 1.0)
