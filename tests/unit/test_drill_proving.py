# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No proof of a drill passes by having looked at nothing: odd names, closed databases, looks that never ended."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from _recovery import drill_look, drill_proofs, quoted, rebuild_acts, recovery_watch, scratch_copy, sql
from _recovery.drill import Order
from _recovery.drill_look import Faults
from _recovery.drill_proofs import Witness
from _recovery.jobs import Stanza
from _recovery.postgres import NotAnswering
from _recovery.problem import Refusal
from _recovery.recovering import Replayed
from _recovery.run import Completed
from _recovery.scratch_copy import Copy
from _recovery.scratch_registry import Entry
from _recovery.verdict import Reading
from drilled import BEST

ENTRY = Entry("one", "/var/lib/axiomdb/scratch/one", "axiomdb", "15", "a drill", 0.0, 1, True, "")
ODD = ['Orders.2026"x', "host=10.0.0.1 dbname=other", "it's\\"]
FOUND = {"relations": 3, "columns": 9, "bytes": 100, "files": None}


class Asked:
    """A copy that answers by what it is asked, and remembers by whom it was asked what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, databases: Sequence[str], closed: Sequence[str] = ()) -> None:
        self.said: list[tuple[str, str]] = []
        self.words: list[tuple[str, ...]] = []
        self.databases, self.closed, self.triggers = list(databases), list(closed), ["told", 'on "all"']
        self.prepared: dict[str, list[str]] = {}
        monkeypatch.setattr(Copy, "text", lambda _copy, database, sql, timeout=600.0: self._text(database, sql))
        monkeypatch.setattr(drill_proofs, "program", self._program)
        server = subprocess.Popen(["true"])
        server.wait()
        self.copy = Copy(ENTRY, Replayed(None, None, None, 7, "", False), server)

    def _text(self, database: str, sql: str) -> str:
        self.said.append((database, sql))
        known = (drill_proofs._DATABASES, self.databases), (drill_proofs._CLOSED, self.closed), (drill_proofs._TRIGGERS, self.triggers)
        answers: dict[str, Any] = {**dict(known), drill_proofs._PREPARED: self.prepared.get(database, [])}
        return json.dumps(answers.get(sql, FOUND))

    def _program(self, _copy: Copy, name: str, *words: str) -> Completed:
        self.words.append((name, *words))
        return Completed(name, 0, "", "")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Asked]:
    return lambda *names, closed=(): Asked(monkeypatch, names, closed)


def test_a_name_means_its_database_and_nothing_else() -> None:
    assert [quoted.identifier(name) for name in ODD] == ['"Orders.2026""x"', '"host=10.0.0.1 dbname=other"', '"it\'s\\"']
    assert [quoted.connection(name) for name in ODD] == [
        "dbname='Orders.2026\"x'",
        "dbname='host=10.0.0.1 dbname=other'",
        "dbname='it\\'s\\\\'",
    ]


def test_whatever_a_database_is_called_it_is_checked_and_dumped(asked: Callable[..., Asked]) -> None:
    seen, witness = asked(*ODD), Witness(databases=ODD)
    drill_proofs.amcheck(seen.copy, Order(), witness)
    drill_proofs.dump(seen.copy, witness)
    checked = next(words for words in seen.words if words[0] == "pg_amcheck")
    assert [word for word in checked if word.startswith("--database=")] == [f"--database={quoted.identifier(name)}" for name in ODD]
    assert "--no-strict-names" not in checked  # a name that means no database is an error
    dumped = [words[1] for words in seen.words if words[0] == "pg_dump"]
    assert dumped == [f"--dbname={quoted.connection(name)}" for name in ODD]


def test_queries_go_to_the_copy_whatever_its_database_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(argv: Sequence[str], **_more: Any) -> Completed:
        ran.append(list(argv))
        return Completed("psql", 0, "", "")

    monkeypatch.setattr(scratch_copy, "run", run)
    scratch_copy.query(ENTRY.layout, ODD[1], "select")
    assert ran[0][ran[0].index("-d") + 1] == f"dbname='{ODD[1]}'" and ENTRY.layout.socket in ran[0]


def test_no_setting_of_the_source_hides_damage_or_forbids_a_proof() -> None:
    options = scratch_copy.environment(600)["PGOPTIONS"]
    for setting in ("zero_damaged_pages=off", "ignore_checksum_failure=off", "default_transaction_read_only=off", "lock_timeout=0"):
        assert f"-c {setting}" in options
    assert "-c statement_timeout=600s" in options
    # A standby refuses serializable transactions, and another role may not make what proves.
    assert r"-c default_transaction_isolation=read\ committed" in options and "-c role=none" in options


def test_a_copy_that_does_not_end_fails_its_proof_and_not_the_whole_drill(
    asked: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = subprocess.Popen(["sleep", "60"])
    copy = replace(asked().copy, server=server)
    monkeypatch.setattr(scratch_copy, "program", lambda *_words: Completed("pg_ctl", 0, "", ""))
    monkeypatch.setattr(scratch_copy, "STOPPED_WITHIN", 0.05)
    with pytest.raises(Refusal, match="a copy that has stopped and does not end"):
        scratch_copy.stop(copy)
    server.kill()
    server.wait()


def test_a_database_that_lets_nobody_in_is_opened_and_proven(asked: Callable[..., Asked]) -> None:
    seen, witness = asked("app", "archive", "postgres", closed=["archive"]), Witness()
    assert drill_proofs.catalogue(seen.copy, Order(), witness) == "9 relations in 3 databases, 300 B"
    assert seen.said[1] == ("postgres", 'alter database "archive" allow_connections true') and witness.databases == seen.databases


def test_transactions_that_were_prepared_do_not_let_the_proofs_wait(asked: Callable[..., Asked]) -> None:
    seen = asked("app", "postgres")
    seen.prepared = {"app": ["it's\\1"]}
    drill_proofs.catalogue(seen.copy, Order(), Witness())
    ended = [one for one in seen.said if one[1].startswith("rollback")]
    assert ended == [("app", r"rollback prepared E'it''s\\1'")]
    assert seen.said.index(ended[0]) < seen.said.index(("app", drill_proofs._CATALOGUE))


def test_a_database_that_is_wanted_and_not_there_fails(asked: Callable[..., Asked]) -> None:
    with pytest.raises(Refusal, match="no database shop in the copy; expected one of app, postgres"):
        drill_proofs.catalogue(asked("app", "postgres").copy, Order(databases=("app", "shop")), Witness())


def test_event_triggers_are_silenced_before_anything_is_made(asked: Callable[..., Asked]) -> None:
    seen = asked("app")
    drill_proofs.amcheck(seen.copy, Order(), Witness(databases=["app"]))
    silenced = [f"alter event trigger {name} disable" for name in ('"told"', '"on ""all"""')]
    assert seen.said == [("app", sql) for sql in (drill_proofs._TRIGGERS, *silenced)] and seen.words[0][0] == "pg_amcheck"


def test_nobodys_function_is_called_as_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(sql, "run", lambda _argv, **more: (given.update(more), Completed("psql", 0, "1", ""))[1])
    sql.ask(5432, "select 1", database="app")
    assert "-c search_path=pg_catalog" in given["env"]["PGOPTIONS"]
    asked = [drill_proofs._DATABASES, drill_proofs._CLOSED, drill_proofs._CATALOGUE, drill_proofs._TRIGGERS, drill_proofs._PREPARED]
    for text in (*asked, rebuild_acts._DATABASES, rebuild_acts._SORTED, recovery_watch.STATE):
        assert text.startswith("set search_path to pg_catalog;") and "{" not in text


@pytest.mark.parametrize(
    "proof", [lambda copy: drill_proofs.amcheck(copy, Order(), Witness()), lambda copy: drill_proofs.dump(copy, Witness())]
)
def test_where_no_catalogue_was_read_nothing_is_proven(proof: Callable[[Copy], str], asked: Callable[..., Asked]) -> None:
    with pytest.raises(Refusal, match="no database of which the catalogue was read"):
        proof(asked().copy)


def test_where_nobody_could_look_wal_is_not_called_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: Any) -> Any:
        raise NotAnswering("the store does not answer")

    monkeypatch.setattr(drill_look.repository, "not_mounted", lambda _numbers: {})
    monkeypatch.setattr(drill_look.judging, "read", fail)
    faults = Faults(Stanza("axiomdb", "17", "main", 5432), "vps1", [1])
    with pytest.raises(NotAnswering):
        faults.of_repository()
    with pytest.raises(Refusal, match="Found no look at the repositories that came to its end; expected WAL without a gap"):
        faults.of_wal(None)


@pytest.mark.parametrize("standby", [False, True])
def test_on_a_standby_wal_that_nobody_judged_is_not_called_whole(standby: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    sight = SimpleNamespace(picture=SimpleNamespace(standby=standby), outlooks=())
    monkeypatch.setattr(drill_look.repository, "not_mounted", lambda _numbers: {})
    monkeypatch.setattr(drill_look.judging, "read", lambda _stanza, number: Reading(number, 0, 1, 7))
    monkeypatch.setattr(drill_look.judging, "look", lambda *_given: sight)
    monkeypatch.setattr(drill_look.judging, "faults_of", lambda *_given: ())
    faults = Faults(Stanza("axiomdb", "17", "main", 5432), "vps1", [1])
    faults.of_repository()
    assert faults.of_wal(BEST).endswith("none missing; WAL apart from it is judged on the primary" if standby else "none missing")


def test_a_repository_that_is_not_mounted_is_not_called_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill_look.repository, "not_mounted", lambda _numbers: {2: "/mnt/backup"})
    with pytest.raises(Refusal, match="nothing mounted where repository 2 lies"):
        Faults(Stanza("axiomdb", "17", "main", 5432), "vps1", [2]).of_repository()
