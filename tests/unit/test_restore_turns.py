# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two commands for one recovery: whoever waited for his turn does nothing by what he had seen before it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from _recovery import restore_consent, restore_journal, restore_places, restore_run, restore_undo, restoring, state
from _recovery.archive import Holdings
from _recovery.catalog import Repository
from _recovery.postgres import Cluster
from _recovery.problem import Problem, Refusal
from _recovery.restore_run import Consent
from _recovery.restoring import Journal
from _recovery.window import Outlook
from test_restoring import GOAL, JOURNAL, ORDER, planned

SEEN = replace(JOURNAL, phase=restoring.RESTORE)
ENDED = replace(JOURNAL, phase="", outcome=restoring.ACCEPTED)
NEXT = replace(JOURNAL, name="20261124-080000", phase="", outcome=restoring.RETURNED)
MEANWHILE = "with which another command has gone on meanwhile; expected the recovery 20261122-120000 as it was"


@dataclass(frozen=True)
class Here:
    """This host, as far as a plan asks."""

    keep: bool = True


@dataclass(frozen=True)
class Sight:
    """What is seen of it."""

    here: Here = Here()
    outlooks: tuple[Outlook, ...] = (Outlook(Repository(2, 0, "ok"), Holdings(1 << 24)),)


def silent(_line: str) -> None:
    """Tell nobody."""


@pytest.fixture(autouse=True)
def acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done."""
    done: list[str] = []
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(state, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))
    monkeypatch.setattr(restore_places, "refuse_unmounted", lambda _home: None)

    def act(name: str) -> Callable[[Journal, object], Journal]:
        return lambda journal, _tell: (done.append(name), journal)[1]

    for known in ("ACTS", "UNDOING"):
        monkeypatch.setattr(restore_run, known, {name: act(name) for name in restoring.PHASES})
    monkeypatch.setattr(restore_run, "go_back", act("back"))
    monkeypatch.setattr(restore_undo, "instead_of", lambda journal: (done.append("instead"), journal)[1])
    monkeypatch.setattr(restore_run, "_remember", lambda _journal: None)
    return done


@pytest.mark.parametrize("now", [replace(SEEN, phase=restoring.RECOVER), replace(SEEN, goes_back=True), ENDED, NEXT])
def test_what_went_on_meanwhile_is_neither_gone_on_with_nor_taken_back(now: Journal, acts: list[str]) -> None:
    restore_journal.save(now)
    for command in (restore_run.carry_on, restore_run.take_back):
        with pytest.raises(Refusal, match="another command has gone on meanwhile"):
            command(SEEN, silent)
    assert acts == []


def test_what_stands_where_it_was_seen_goes_on_or_back(acts: list[str]) -> None:
    restore_journal.save(SEEN)
    restore_run.take_back(SEEN, silent)
    assert acts == ["back"]
    acts.clear()
    restore_run.carry_on(SEEN, silent, until=restoring.RESTORE)
    assert acts == [restoring.RESTORE]


def test_a_new_way_back_begins_by_what_is_there_when_its_turn_comes(acts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown = replace(JOURNAL, name="20261123-080000", undoes=JOURNAL.name)
    fresh = replace(shown, name="20261123-090000", had=("/elsewhere",))
    monkeypatch.setattr(restore_undo, "of", lambda _stanza, _name, _reason: fresh)
    restore_journal.save(ENDED)
    over = restore_run.take_back(shown, silent)
    assert (over.name, over.had) == (shown.name, ("/elsewhere",))
    assert acts == list(restoring.PHASES)


def test_a_new_way_back_waits_for_no_recovery_that_was_begun_meanwhile(acts: list[str]) -> None:
    restore_journal.save(replace(NEXT, outcome="", phase=restoring.RECOVER))
    with pytest.raises(Refusal, match="the recovery 20261124-080000, with which another command has gone on meanwhile"):
        restore_run.take_back(replace(JOURNAL, name="20261123-080000", undoes=JOURNAL.name), silent)
    assert acts == []


def test_of_two_recoveries_that_are_begun_at_once_one_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(JOURNAL, name="20261122-115959")

    def propose(*_words: object) -> object:
        restore_journal.save(other)  # while this one plans
        return SimpleNamespace(plan=None, home=JOURNAL.home, problems=())

    monkeypatch.setattr(restore_run, "propose", propose)
    monkeypatch.setattr(restore_consent, "judge_consent", lambda *_words: None)
    monkeypatch.setattr(restore_run.scratch_goal, "of_plan", lambda _plan, _stanza: GOAL)
    monkeypatch.setattr(restore_run.plan, "document", lambda _plan: {"options": [], "only_here": []})
    monkeypatch.setattr(restore_places, "there", lambda _home: JOURNAL.had)
    with pytest.raises(Refusal, match="the recovery 20261122-115959, with which another command .* expected no recovery"):
        restore_run.begin(ORDER, "axiomdb", Cluster("17", "main", 5432), "vps1", Consent(), silent)
    assert restore_journal.load("axiomdb") == other


def test_a_turn_is_waited_for_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch, acts: list[str]) -> None:
    restore_journal.save(SEEN)

    def waits(_journal: Journal, _tell: object) -> nullcontext[None]:
        restore_journal.save(ENDED)
        return nullcontext()

    monkeypatch.setattr(restore_run, "_alone", waits)
    with pytest.raises(Refusal, match=MEANWHILE):
        restore_run.take_back(SEEN, silent)
    assert acts == []


def test_what_is_about_to_serve_again_is_not_released(monkeypatch: pytest.MonkeyPatch) -> None:
    restore_journal.save(ENDED)
    restore_journal.save(replace(JOURNAL, name="20261123-080000", undoes=JOURNAL.name))
    monkeypatch.setattr(restore_journal, "kept", lambda _stanza: [ENDED])
    with pytest.raises(Refusal, match="the recovery 20261123-080000, by which it serves again; expected its end"):
        restore_undo.remove("axiomdb", JOURNAL.name)


def test_a_disabled_cluster_is_refused_with_whatever_else_speaks_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Problem("a set of PostgreSQL 16", "one of 17", "choose another")
    sight = SimpleNamespace(look=lambda *_words: Sight(), foresee=lambda *_words: planned())
    monkeypatch.setattr(restore_run, "horizon", sight)
    monkeypatch.setattr(restore_run.target, "parse", lambda text: text)
    monkeypatch.setattr(restore_run.restore_look, "home_of", lambda *_words: replace(JOURNAL.home, start="disabled"))
    monkeypatch.setattr(restore_run.restore_look, "ground_of", lambda *_words: None)
    monkeypatch.setattr(restore_run.restore_preflight, "judge", lambda *_words, **_options: [other])
    monkeypatch.setattr(restore_run, "_of_another", lambda *_words: None)
    monkeypatch.setattr(restore_run.restore_clients, "look", lambda *_words: None)
    monkeypatch.setattr(restore_run, "waiting", SimpleNamespace(notes=lambda _clients: (), judge=lambda *_words: ()))
    proposal = restore_run.propose(ORDER, "axiomdb", Cluster("17", "main", 5432), "vps1", Consent())
    assert [problem.found for problem in proposal.problems] == [other.found, "'disabled' in /etc/postgresql/17/main/start.conf"]


def test_what_a_server_runs_on_is_not_released_and_nothing_is_while_somebody_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / f"data.kept-{JOURNAL.name}"
    kept.mkdir()
    ended = replace(ENDED, home=replace(ENDED.home, directory=str(tmp_path / "data")), had=(str(tmp_path / "data"),))
    monkeypatch.setattr(restore_journal, "kept", lambda _stanza: [ended])
    monkeypatch.setattr(restore_undo.host, "postmaster", lambda path: (4711, 5432) if path == str(kept) else None)
    with pytest.raises(Refusal, match=f"the process 4711 on {kept}; expected no server there"):
        restore_undo.remove("axiomdb", JOURNAL.name)
    assert kept.is_dir()
    monkeypatch.setattr(restore_undo.host, "postmaster", lambda _path: None)
    monkeypatch.setattr(state, "HOUR", 0.0)
    with state.turn("axiomdb", "backup", silent, 1.0), pytest.raises(Refusal, match="the backup .*at work for an hour"):
        restore_undo.remove("axiomdb", JOURNAL.name)
    assert kept.is_dir()


@pytest.mark.parametrize("now", [NEXT, ENDED, replace(SEEN, outcome=restoring.RETURNED), None])
def test_whoever_goes_on_with_a_recovery_begins_none(now: Journal | None) -> None:
    if now:
        restore_journal.save(now)
    with pytest.raises(Refusal, match="the recovery 20261122-120000 not open any more; expected it, to go on with"):
        restore_journal.refuse_ended("axiomdb", JOURNAL.name)
    restore_journal.save(SEEN)
    restore_journal.refuse_ended("axiomdb", JOURNAL.name)
