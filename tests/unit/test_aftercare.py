# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is not well behind a recovery is found by comparison with the first look; noise from before the start is none of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from _recovery import aftercare
from _recovery.aftercare import Log, Look
from _recovery.problem import Problem

# As Debian's package writes it, with log_line_prefix = '%m [%p] %q%u@%d '.
LOG = """
2026-11-22 14:30:00.001 UTC [100] app@axiomdb ERROR:  relation "old" does not exist at character 15
2026-11-22 14:31:00.001 UTC [200] LOG:  starting PostgreSQL 17.12 on x86_64-pc-linux-gnu
2026-11-22 14:31:00.101 UTC [210] app@axiomdb FATAL:  the database system is starting up
2026-11-22 14:31:00.201 UTC [200] LOG:  database system is ready to accept connections
2026-11-22 14:32:00.001 UTC [300] app@axiomdb ERROR:  duplicate key value violates unique constraint "kept_pkey"
2026-11-22 14:32:00.001 UTC [300] app@axiomdb DETAIL:  Key (note)=(ERROR) already exists.
2026-11-22 14:32:00.001 UTC [300] app@axiomdb STATEMENT:  insert into kept values ('ERROR: none')
2026-11-22 14:33:00.001 UTC [310] other@axiomdb FATAL:  password authentication failed for user "other"
"""
FIRST = Look(1000.0, 900.0, 3, 10, 1, 2, file="/var/log/postgresql/postgresql-17-main.log")
TAIL = "tail /var/log/postgresql/postgresql-17-main.log"


def test_lines_since_the_start_are_counted_by_their_severity() -> None:
    log = aftercare.count(LOG)
    assert log.lines == {"ERROR": 1, "FATAL": 1}
    assert log.last.endswith('FATAL:  password authentication failed for user "other"')


def test_a_log_without_a_start_counts_whole() -> None:
    assert aftercare.count("x ERROR:  a\ny PANIC:  b\n").total == 2
    assert aftercare.count("") == Log()


@pytest.mark.parametrize(
    ("destination", "messages", "reason"),
    [
        ("stderr", "C.UTF-8", ""),
        ("stderr", "C", ""),
        ("stderr,csvlog", "en_US.UTF-8", ""),
        ("csvlog", "C", "log_destination is csvlog"),
        ("syslog", "C", "log_destination is syslog"),
        ("stderr", "de_DE.UTF-8", "lc_messages is de_DE.UTF-8"),
    ],
)
def test_a_log_that_cannot_be_judged_is_unknown(destination: str, messages: str, reason: str) -> None:
    assert aftercare.unreadable(destination, messages) == reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rollbacks": 99, "connections": 50}, ""),
        ({"started": 950.0}, "Found a server started again at 1970-01-01T00:15:50Z; expected the one of the recovery. Next: " + TAIL),
        ({"deadlocks": 3}, "Found 2 deadlocks; expected none. Next: " + TAIL),
        ({"unarchived": 3}, "Found 1 segments that the archiver did not bring away; expected none. Next: sudo /opt/axiomdb/"),
        ({"log": Log({"ERROR": 2}, "x ERROR:  y")}, "Found 2 errors in the server's log, the last: x ERROR:  y; expected none. Next: "),
        ({"silent": "refused"}, "Found no answer of the server (refused); expected one. Next: pg_lsclusters"),
        ({"endpoints": {"shop": "Found 503", "mail": ""}}, "Found 503"),
    ],
)
def test_what_is_not_well_is_a_sentence(changes: dict[str, object], words: str) -> None:
    found = aftercare.judge(FIRST, replace(FIRST, **changes))
    assert len(found) == (1 if words else 0)
    assert not words or found[0].startswith(words)


def test_a_trouble_that_passed_is_remembered_and_none_is_said_twice() -> None:
    assert aftercare.findings([]) == []
    bad = replace(FIRST, endpoints={"shop": "Found 503"})
    errors = [replace(FIRST, log=Log({"ERROR": number}, "x")) for number in (1, 2, 3)]
    silent = replace(FIRST, silent="gone")
    found = aftercare.findings([FIRST, bad, bad, silent, *errors])
    assert [sentence.partition(";")[0] for sentence in found] == [
        "Found 3 errors in the server's log, the last: x",
        "Found 503",
        "Found no answer of the server (gone)",
    ]


def test_the_first_answer_is_what_the_others_are_compared_with() -> None:
    silent = Look(1.0, silent="gone")
    assert aftercare.first_of([silent, FIRST]) == FIRST
    assert aftercare.first_of([silent]) == silent
    assert aftercare.findings([silent, FIRST, replace(FIRST, deadlocks=1)])[0].startswith("Found no answer")


def test_each_look_is_a_line() -> None:
    look = replace(FIRST, at=1060.0, rollbacks=12, endpoints={"shop": "Found 503", "mail": ""}, log=Log({"FATAL": 1, "ERROR": 4}))
    assert aftercare.line(FIRST, look) == (
        "1970-01-01T00:17:40Z 3 connections, 2 rollbacks, 0 deadlocks, 4 ERROR, 1 FATAL in the log, 0 failures of the archiver, "
        "1 of 2 endpoints good"
    )
    assert "log unknown (log_destination is syslog)" in aftercare.line(FIRST, replace(FIRST, log=Log(unread="log_destination is syslog")))
    assert "no error in the log" in aftercare.line(FIRST, FIRST)
    assert aftercare.line(FIRST, replace(FIRST, silent="gone")).endswith("the server does not answer: gone")


def test_a_look_is_read_as_it_was_written() -> None:
    look = replace(FIRST, log=Log({"ERROR": 1}, "x"), endpoints=aftercare.of_endpoints({"a": None, "b": Problem("x", "y", "z")}))
    assert aftercare.parse(json.loads(json.dumps(aftercare.document(look)))) == look
    assert look.endpoints == {"a": "", "b": "Found x; expected y. Next: z"}


def test_minutes_are_between_the_first_look_and_the_last() -> None:
    assert aftercare.minutes([]) == aftercare.minutes([FIRST]) == 0
    assert aftercare.minutes([FIRST, replace(FIRST, at=2805.0)]) == 30
