# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A paused recovery that goes on to a later target: its plan only looks, and nothing that was decided before is forgotten."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import (
    held_server,
    horizon,
    restore_clients,
    restore_consent,
    restore_journal,
    restore_move,
    restore_phases,
    restore_places,
    restore_return,
    restore_run,
    restore_told,
    restoring,
    state,
    waiting,
)
from _recovery.horizon import Sight
from _recovery.postgres import Cluster
from _recovery.problem import Problem, Refusal
from _recovery.reach import Here
from _recovery.recovering import Replayed
from _recovery.restore_run import Consent
from _recovery.restoring import Check, Clients, Journal
from _recovery.run import Completed
from _recovery.wal import Lsn
from _recovery.window import Seen
from test_restore_told import PAUSED
from test_restoring import DATA, ORDER, planned

CLUSTER = Cluster("17", "main", 5432)
LATER = replace(ORDER, target="name:later", checks=())
STANDS = Lsn.parse("0/3000060")


def silent(_line: str) -> None:
    """Tell nobody."""


@pytest.fixture
def touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to the held server, which stands at the target; whoever begins, has a turn of his own."""
    done: list[str] = []
    for name in ("DIRECTORY", "LOGS"):
        monkeypatch.setattr(state, name, tmp_path)
    monkeypatch.setattr(state, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))
    monkeypatch.setattr(restore_places, "refuse_unmounted", lambda _home: None)
    here = Here(1.0, "axiomdb", directory=DATA, free_bytes=1)
    monkeypatch.setattr(horizon, "look", lambda *_words: Sight("axiomdb", CLUSTER, here, (), {}, Seen(), 1 << 24))
    monkeypatch.setattr(horizon, "foresee", lambda *_words: planned(target="name:later", kept=(), erased=()))
    monkeypatch.setattr(restore_clients, "look", lambda services, _port: waiting.Seen(dict.fromkeys(services, waiting.RUNS)))
    monkeypatch.setattr(held_server, "stop", lambda _place: done.append("stopped"))
    monkeypatch.setattr(held_server, "start", lambda *_words: done.append("started"))
    monkeypatch.setattr(held_server, "state", lambda _place: "dead")
    replayed = Replayed(STANDS, None, 3, 1, "paused", True)
    monkeypatch.setattr(restore_phases, "standing", lambda _journal: (done.append("started"), replayed)[1])
    restore_journal.save(PAUSED)
    return done


@pytest.mark.parametrize("action", [restoring.PAUSES, restoring.SHUTS_DOWN])
def test_a_plan_of_it_touches_no_server(action: str, touched: list[str]) -> None:
    found = restore_move.further(replace(PAUSED, order=replace(PAUSED.order, action=action)), LATER, CLUSTER)
    assert (found.target, found.kept, found.erased) == ("name:later", PAUSED.had, ())
    assert touched == []


@pytest.mark.parametrize(("answer", "lsn"), [({"lsn": "0/5000000", "in_recovery": True}, "0/5000000"), (None, "0/3000060")])
def test_where_it_stands_is_asked_of_one_that_runs(
    answer: dict[str, object] | None, lsn: str, touched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.dumps({"time": 12.5, "pause": "paused", "system_id": "7", **(answer or {})})
    monkeypatch.setattr(held_server, "state", lambda _place: "")
    monkeypatch.setattr(held_server, "query", lambda *_words: Completed("", 0 if answer else 2, said, ""))
    assert restore_move.glance(replace(PAUSED, last_commit=12.5)) == (Lsn.parse(lsn), 12.5)
    assert touched == []


def test_one_that_another_command_promotes_at_that_moment_is_said_so(touched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.dumps({"lsn": "0/5000000", "time": None, "pause": "", "system_id": "7", "in_recovery": False})
    monkeypatch.setattr(held_server, "state", lambda _place: "")
    monkeypatch.setattr(held_server, "query", lambda *_words: Completed("", 0, said, ""))
    with pytest.raises(Refusal, match="which ends its recovery: another command is at work on it; expected it paused"):
        restore_move.further(PAUSED, LATER, CLUSTER)


def test_the_server_is_touched_in_the_turn_alone(touched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def alone(_journal: Journal, _tell: object) -> Iterator[None]:
        assert touched == [], "before its turn"
        touched.append("turn")
        yield

    monkeypatch.setattr(restore_run, "_alone", alone)
    moved = restore_run.begin(LATER, "axiomdb", CLUSTER, "vps1", Consent("vps1/axiomdb"), silent)
    assert touched == ["turn", "started", "stopped"]
    assert (moved.phase, moved.order.target) == (restoring.RECOVER, "name:later")
    written = restore_journal.load("axiomdb")
    assert written is not None and (written.order, written.phase) == (moved.order, moved.phase)


@pytest.mark.parametrize(("action", "left"), [(restoring.PAUSES, ["started"]), (restoring.SHUTS_DOWN, ["started", "stopped"])])
def test_a_target_that_turns_out_to_lie_behind_leaves_it_as_it_was(
    action: str, left: list[str], touched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = restore_journal.save(replace(PAUSED, order=replace(PAUSED.order, action=action)))
    behind = Replayed(Lsn.parse("0/9000000"), None, 3, 1, "paused", True)
    monkeypatch.setattr(restore_phases, "standing", lambda _journal: (touched.append("started"), behind)[1])
    with pytest.raises(Refusal, match="name:later lies behind"):
        restore_run.begin(LATER, "axiomdb", CLUSTER, "vps1", Consent("vps1/axiomdb"), silent)
    assert touched == left
    assert restore_journal.load("axiomdb") == paused


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_kept_is_not_forgotten_whatever_is_typed(keep: bool, touched: list[str]) -> None:
    moved = restore_run.begin(replace(LATER, keep=keep), "axiomdb", CLUSTER, "vps1", Consent("vps1/axiomdb"), silent)
    assert moved.moves == PAUSED.moves
    assert all(f"  kept         {place}" in restore_told.lines(moved) for place in PAUSED.moves.values())
    assert restore_return.judge(moved) is None
    assert restoring.go_back(moved) in "\n".join(restore_told.lines(moved))


def test_nor_is_that_nothing_is_kept(touched: list[str]) -> None:
    bare = restore_journal.save(replace(PAUSED, order=replace(PAUSED.order, keep=False)))
    with pytest.raises(Refusal, match="expected 'vps1/axiomdb/no-way-back'"):
        restore_run.begin(LATER, "axiomdb", CLUSTER, "vps1", Consent("vps1/axiomdb"), silent)
    found = restore_move.further(bare, LATER, CLUSTER)
    assert "  go back      NO WAY BACK: nothing was kept" in restore_told.further(bare, LATER, found)
    moved = restore_run.begin(LATER, "axiomdb", CLUSTER, "vps1", Consent("vps1/axiomdb/no-way-back"), silent)
    assert (moved.order.keep, moved.moves) == (False, {})


def test_checks_services_and_the_reason_are_as_before_where_none_are_said() -> None:
    known = replace(PAUSED, order=replace(PAUSED.order, services=("app.service",)))
    moved = restore_consent.moved(known, replace(LATER, reason=" "), PAUSED.goal, {"only_here": []})
    assert (moved.order.checks, moved.order.services, moved.order.reason) == (ORDER.checks, ("app.service",), ORDER.reason)
    other = (Check("others", "select 2", "2"),)
    order = replace(LATER, checks=other, reason="another")
    moved = restore_consent.moved(known, order, PAUSED.goal, {"only_here": []})
    assert (moved.order.checks, moved.order.reason) == (other, "another")
    assert "  checks       others: before anybody is let in" in restore_told.further(known, order, planned())


def test_a_rebuild_is_led_elsewhere_by_itself_alone(touched: list[str]) -> None:
    """Else it would be one of a host with data to go back to, whose lost host nobody looks for any more."""
    known = replace(PAUSED, order=replace(PAUSED.order, rebuild=True, lost="machine", reindex=True), recovered={"name": "vps0"})
    restore_journal.save(known)
    again = "playbooks/rebuild.yml -l vps1 -e rebuild_target=name:later -e rebuild_reindex=true -e rebuild_confirm=vps1/axiomdb"
    with pytest.raises(Refusal, match="a rebuild that is paused at ") as refused:
        restore_run.begin(LATER, "axiomdb", CLUSTER, "vps1", Consent("vps1/axiomdb"), silent)
    assert f"{again} -e rebuild_lost_host=vps0" in str(refused.value)
    assert (touched, restore_journal.load("axiomdb")) == ([], known)


def test_services_that_are_declared_now_are_judged_before_it_goes_on(touched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_clients, "look", lambda services, _port: waiting.Seen(dict.fromkeys(services, waiting.MISSING)))
    known = replace(PAUSED, order=replace(PAUSED.order, services=("gone.service",)))
    restore_journal.save(known)
    for order in (LATER, replace(LATER, target=ORDER.target)):
        with pytest.raises(Refusal, match="no unit gone.service on this host; expected each of restore_services there"):
            restore_run.begin(replace(order, services=("gone.service",)), "axiomdb", CLUSTER, "vps1", Consent("vps1/axiomdb"), silent)
    with pytest.raises(Refusal, match="other services than those that were stopped"):
        restore_run.begin(replace(LATER, services=("new.service",)), "axiomdb", CLUSTER, "vps1", Consent("vps1/axiomdb"), silent)
    assert (touched, restore_journal.load("axiomdb")) == ([], known)


@pytest.mark.parametrize("phase", [restoring.SAVE, restoring.QUIET, restoring.RESTORE])
def test_so_are_those_of_a_recovery_that_was_interrupted(phase: str, touched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_clients, "look", lambda services, _port: waiting.Seen(dict.fromkeys(services, waiting.MISSING)))
    known = replace(PAUSED, phase=phase, order=replace(ORDER, services=("gone.service",)))
    with pytest.raises(Refusal, match="no unit gone.service on this host"):
        restore_run.going_on(known, known.order, "vps1/axiomdb")
    assert restore_run.going_on(known, ORDER, "vps1/axiomdb") == known


def test_a_pooler_that_would_cut_its_clients_is_refused_as_at_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_clients, "look", lambda *_words: waiting.Seen(pools=("app",), patience=120.0, endless="SET"))
    known = replace(PAUSED, phase=restoring.SAVE, order=ORDER, plan={**PAUSED.plan, "seconds": 500.0})
    with pytest.raises(Refusal, match="clients of app cut by PgBouncer after 120 s"):
        restore_run.going_on(known, ORDER, "vps1/axiomdb")
    assert restore_run.going_on(replace(known, plan={**known.plan, "seconds": None}), ORDER, "vps1/axiomdb")


@pytest.mark.parametrize("phase", [phase for phase in restoring.PHASES if phase != restoring.SAVE])
def test_but_not_once_its_clients_wait_or_are_back(phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that was dead at the beginning answers in the last phases: to refuse these would leave the jobs paused for ever."""
    monkeypatch.setattr(restore_clients, "look", lambda *_words: waiting.Seen(pools=("app",), patience=120.0, endless="SET"))
    known = replace(PAUSED, phase=phase, order=ORDER, plan={**PAUSED.plan, "seconds": 500.0}, clients=Clients())
    assert restore_run.going_on(known, ORDER, "vps1/axiomdb") == known


def test_services_cannot_be_added_once_those_that_ran_are_written_down() -> None:
    more = replace(ORDER, services=("app.service",))
    quiet = replace(PAUSED, phase=restoring.QUIET, order=ORDER)
    assert isinstance(restore_consent.gone_on_with(quiet, more), Journal)
    assert isinstance(restore_consent.gone_on_with(replace(quiet, clients=Clients()), more), Problem)
