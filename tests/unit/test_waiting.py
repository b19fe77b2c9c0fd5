# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who waits while a cluster is recovered: whose databases lead to it, what speaks against it, and that it is written down before."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from _recovery import (
    pooler_console,
    restore_clients,
    restore_journal,
    restore_phases,
    restore_record,
    restore_run,
    restore_told,
    restore_undo,
    restoring,
    sql,
    waiting,
)
from _recovery.pooler_console import Console
from _recovery.restoring import Clients, Journal
from _recovery.run import Completed
from _recovery.scratch_copy import Failed
from _recovery.waiting import MISSING, RESTS, RUNS, Seen
from test_restoring import JOURNAL


def row(host: str, port: str = "5432", paused: str = "0") -> dict[str, str]:
    return {"host": host, "port": port, "paused": paused}


@pytest.mark.parametrize("host", ["", "/var/run/postgresql", "127.0.0.1", "localhost", "::1", "10.0.0.9,127.0.0.1"])
def test_a_database_leads_here_by_socket_and_loopback(host: str) -> None:
    assert waiting.leading_to({"app": row(host)}, 5432) == ("app",)


@pytest.mark.parametrize(
    "other", [row("10.0.0.9"), row("db.example.org"), row("127.0.0.1", "5433"), row("127.0.0.1", paused="1"), row("127.0.0.11")]
)
def test_what_leads_elsewhere_or_is_paused_is_left_alone(other: dict[str, str]) -> None:
    assert waiting.leading_to({"app": other}, 5432) == ()


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        ({"LoadState": "loaded", "ActiveState": "active"}, RUNS),
        ({"LoadState": "loaded", "ActiveState": "activating"}, RUNS),
        ({"LoadState": "loaded", "ActiveState": "failed"}, RESTS),
        ({"LoadState": "masked", "ActiveState": "inactive"}, RESTS),
        ({"LoadState": "not-found", "ActiveState": "inactive"}, MISSING),
        ({}, MISSING),
    ],
)
def test_systemd_says_what_runs(shown: dict[str, str], state: str) -> None:
    assert waiting.state_of(shown) == state


POOLED = Seen(pools=("app",), patience=120.0, endless="psql -c 'SET query_wait_timeout = 0'")


@pytest.mark.parametrize(
    ("seen", "seconds", "words"),
    [
        (POOLED, 121.0, "clients of app cut by PgBouncer after 120 s, and about 121 s to wait"),
        (POOLED, 120.0, ""),
        (POOLED, None, ""),
        (replace(POOLED, patience=0.0), 9999.0, ""),
        (replace(POOLED, answers=False), 9999.0, ""),
        (replace(POOLED, pools=()), 9999.0, ""),
        (Seen({"shop.service": MISSING}), None, "no unit shop.service on this host"),
        (Seen({"shop.service": RESTS}), None, ""),
        (Seen({"postgresql@17-main.service": RUNS}), None, "postgresql@17-main.service in restore_services"),
    ],
)
def test_what_clients_would_not_outlast_is_a_problem(seen: Seen, seconds: float | None, words: str) -> None:
    found = waiting.judge(seen, seconds)
    assert [problem.found for problem in found] == ([words] if words else [])
    if seen.pools and found:
        assert found[0].next_step == seen.endless


def test_a_plan_says_who_waits_and_how_long() -> None:
    seen = replace(POOLED, services={"shop.service": RUNS, "mail.service": RESTS})
    assert waiting.notes(seen) == [
        "PgBouncer pauses app: clients wait at most 120 s",
        "shop.service is stopped meanwhile",
        "mail.service does not run, and is left alone",
    ]
    assert waiting.notes(replace(POOLED, patience=0.0)) == ["PgBouncer pauses app: clients wait as long as it takes"]
    assert "is not paused. no console" in waiting.notes(Seen(silent="no console"))[0]


def test_the_console_reads_names_in_quotes() -> None:
    assert waiting.quoted(['a"b', "c"]) == ['"a""b"', '"c"']


class World:
    """A host with services and a pooler, without any of it: what is done, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.did: list[str] = []
        self.fails: dict[str, str] = {}
        self.pooler: Console | None = Console("/run", 6432)
        self.seen = Seen({"shop.service": RUNS, "mail.service": RESTS, "mill.service": RUNS}, ("app", "b"))
        monkeypatch.setattr(restore_clients, "look", lambda _services, _port: self.seen)
        monkeypatch.setattr(restore_clients, "run", self.run)
        monkeypatch.setattr(pooler_console, "run", self.run)
        monkeypatch.setattr(pooler_console, "find", lambda: self.pooler)
        monkeypatch.setattr(restore_journal, "save", self.save)

    def run(self, argv: list[str], **_options: Any) -> Completed:
        words = argv[-1] if argv[0] == sql.client() else " ".join(word for word in argv if word != "--")
        self.did.append(words)
        failed = next((text for key, text in self.fails.items() if key in words), "")
        return Completed(" ".join(argv), 1 if failed else 0, "", failed)

    def save(self, journal: Journal) -> Journal:
        self.did.append("journal")
        assert restore_record.parse(json.loads(json.dumps(restore_record.document(journal)))) == journal
        return journal


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def teller(said: list[str]) -> Callable[[str], None]:
    return said.append


HELD = replace(JOURNAL, clients=Clients(("shop.service", "mill.service"), ("app", "b")))


def test_what_is_stopped_is_written_down_before(world: World) -> None:
    held = restore_clients.hold(JOURNAL, teller([]))
    assert held == HELD
    assert world.did == ["journal", "systemctl stop shop.service", "systemctl stop mill.service", 'PAUSE "app"', 'PAUSE "b"']


def test_a_killed_run_stops_again_what_it_wrote_down_and_nothing_else(world: World) -> None:
    world.seen = Seen({"shop.service": RESTS, "mill.service": RESTS})
    assert restore_clients.hold(HELD, teller([])) == HELD
    assert world.did == ["systemctl stop shop.service", "systemctl stop mill.service", 'PAUSE "app"', 'PAUSE "b"']


def test_a_transaction_that_does_not_end_stops_no_recovery(world: World) -> None:
    said: list[str] = []
    world.fails = {'PAUSE "app"': "no answer within 10 s"}
    restore_clients.hold(JOURNAL, teller(said))
    assert world.did[-1] == 'PAUSE "b"'
    assert said[-1] == "  app is not at rest (no answer within 10 s): what still runs there ends with the server"


def test_a_service_that_does_not_stop_does(world: World) -> None:
    world.fails = {"stop shop.service": "Failed"}
    with pytest.raises(Failed, match="Found shop.service, which does not stop: Failed; expected it at rest. Next: systemctl status"):
        restore_clients.hold(JOURNAL, teller([]))
    assert 'PAUSE "app"' not in world.did


def test_clients_go_on_before_services_and_the_last_one_begins(world: World) -> None:
    assert restore_clients.release(HELD, teller([])) == HELD
    assert [word for word in world.did if "reset" not in word] == [
        'RESUME "app"',
        'RESUME "b"',
        "systemctl start mill.service",
        "systemctl start shop.service",
    ]


def test_nobody_who_was_not_stopped_is_started(world: World) -> None:
    assert restore_clients.release(JOURNAL, teller([])) == JOURNAL
    assert world.did == []


def test_a_pooler_that_was_started_anew_has_forgotten_the_pause(world: World) -> None:
    world.fails = {"RESUME": "ERROR:  database app is not paused"}
    back = restore_clients.release(HELD, teller([]))
    assert back.clients is not None
    assert back.clients.trouble == ()


def test_what_does_not_come_back_is_told_and_written_down(world: World) -> None:
    said: list[str] = []
    world.fails = {'RESUME "b"': "ERROR:  no such database: b", "start shop.service": "Job failed"}
    back = restore_clients.release(HELD, teller(said))
    assert back.clients is not None
    assert [sentence.partition(";")[0] for sentence in back.clients.trouble] == [
        "Found b paused in PgBouncer (ERROR:  no such database: b)",
        "Found shop.service, which does not start: Job failed",
    ]
    assert [f"NOT BACK: {sentence}" for sentence in back.clients.trouble] == [line for line in said if line.startswith("NOT BACK")]
    assert "  NOT BACK     Found shop.service" in "\n".join(restore_told.lines(back))


def test_a_pooler_that_is_gone_is_told(world: World) -> None:
    world.pooler = None
    back = restore_clients.release(HELD, teller([]))
    assert back.clients is not None
    assert back.clients.trouble == ("Found no running PgBouncer; expected it, with app, b. Next: sudo systemctl start pgbouncer.service",)


def test_a_journal_of_an_older_release_has_neither_services_nor_clients() -> None:
    found = json.loads(json.dumps(restore_record.document(JOURNAL)))
    del found["clients"], found["order"]["services"]
    assert restore_record.parse(found) == JOURNAL


class Books:
    """The journals that were written, the newest last; `gave_up` has the one with which a failed phase went back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: list[Journal] = []
        self.gave_up: list[Journal] = []
        monkeypatch.setattr(restore_journal, "save", self.save)
        monkeypatch.setattr(restore_journal, "load", lambda _stanza: self.written[-1])
        monkeypatch.setattr(restore_journal, "refuse_another", lambda _stanza, _journal: None)
        monkeypatch.setattr(restore_run, "_alone", lambda _journal, _tell: nullcontext())
        monkeypatch.setattr(restore_run, "_give_up", lambda journal, _error, _tell: self.gave_up.append(journal))

    def save(self, journal: Journal) -> Journal:
        self.written.append(journal)
        return journal


def test_what_a_phase_wrote_down_before_it_failed_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    books = Books(monkeypatch)

    def quiet(journal: Journal, _tell: object) -> Journal:
        books.save(replace(journal, clients=HELD.clients))
        raise OSError("a full disk")

    monkeypatch.setattr(restore_run, "ACTS", {restoring.QUIET: quiet})
    with pytest.raises(restore_run.Stopped, match="a full disk"):
        restore_run.carry_on(replace(JOURNAL, phase=restoring.QUIET), teller([]))
    assert [(journal.clients, journal.trouble) for journal in books.gave_up] == [(HELD.clients, "a full disk")]


@pytest.mark.parametrize(
    ("phase", "clients"), [(restoring.RELEASE, HELD.clients), (restoring.SERVE, HELD.clients), (restoring.SETTLE, None)]
)
def test_whoever_waits_still_is_let_in_by_the_way_back(monkeypatch: pytest.MonkeyPatch, phase: str, clients: Clients | None) -> None:
    books = Books(monkeypatch)
    back = replace(JOURNAL, name="20261122-130000", undoes=JOURNAL.name)
    monkeypatch.setattr(restore_undo, "_from", lambda *_words: back)
    monkeypatch.setattr(restore_undo, "held_server", SimpleNamespace(stop=lambda _place: None, clear=lambda _place: None))
    monkeypatch.setattr(restore_phases, "settings_back", lambda _journal: None)
    monkeypatch.setattr(restore_journal, "succeed", lambda _ended, following: following)
    monkeypatch.setattr(restore_run, "carry_on", lambda journal, _tell: journal)
    held = books.save(replace(HELD, phase=phase))
    assert restore_run.take_back(held, teller([])) == replace(back, clients=clients)
