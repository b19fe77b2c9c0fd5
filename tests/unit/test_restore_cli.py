# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tool says of a recovery on the host: that nothing was done where nothing was, and a whole command to type next."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import (
    cli,
    horizon,
    restore_cli,
    restore_consent,
    restore_journal,
    restore_move,
    restore_phases,
    restore_rehearsal,
    restore_run,
    restore_undo,
    restoring,
    state,
)
from _recovery.horizon import Sight
from _recovery.jobs import Settings, Stanza
from _recovery.postgres import Cluster
from _recovery.problem import Problem, Refusal, Unfinished
from _recovery.reach import Here
from _recovery.wal import Lsn
from _recovery.window import Seen
from test_restore_told import BACK, OVER, PAUSED, RELEASE
from test_restoring import HOME, JOURNAL, planned

STANZA = Stanza("axiomdb", "17", "main", 5432)
CLUSTER = Cluster("17", "main", 5432)
SETTINGS = Settings("vps1", (STANZA,), {})
TOOL = "sudo /opt/axiomdb/axiomdb-recovery"
Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Type a command; its exit code, and what it printed."""
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(state, "LOGS", tmp_path)
    monkeypatch.setattr(state, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))

    def type_(*words: str) -> tuple[int, str, str]:
        options = cli._parser(words).parse_args(words)
        code = options.act(SETTINGS, (STANZA,), options)
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_


@pytest.mark.parametrize("words", [("restore",), ("restore", " ")])
def test_without_a_target_a_whole_command_is_shown(typed: Type, words: tuple[str, ...]) -> None:
    code, _out, said = typed(*words)
    assert code == 1
    assert said.startswith("REFUSED, nothing was done: Found no target; expected one of latest, immediate, time, ")
    assert said.endswith(f"Next: {TOOL} restore 'time:2026-11-22T14:30:00Z' --stanza=axiomdb --reason='...'\n")


def test_a_plan_without_a_target_shows_one_too(typed: Type) -> None:
    code, said, _err = typed("plan")
    assert (code, said) == (
        1,
        "REFUSED: axiomdb: Found no target; expected one of latest, immediate, time, name, lsn, xid, backup, before-time, before-lsn, "
        f"before-xid. Next: {TOOL} plan time:2026-11-22T14:30:00Z\n",
    )


def test_a_plan_ends_with_the_command_that_does_it(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(horizon, "look", lambda *_words: None)
    monkeypatch.setattr(horizon, "foresee", lambda *_words: planned())
    code, said, _err = typed("plan", "name:before")
    command = f"{TOOL} restore 'name:before' --stanza=axiomdb --reason='...'"
    assert (code, said.splitlines()[-1]) == (0, f"PLAN: axiomdb: nothing was changed. To do it, type: {command}")


def test_a_rehearsal_ends_with_the_command_that_does_it(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_rehearsal, "rehearse", lambda *_words: ["  rehearsed    name:before"])
    _code, said, _err = typed("restore", "name:before", "--rehearse")
    assert said.splitlines()[1:] == [
        "Nothing was changed. To do it, type:",
        f"  {TOOL} restore 'name:before' --stanza=axiomdb --reason='...'",
    ]


def test_a_plan_with_problems_is_a_refusal_and_no_command_confirms_it(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    proposal = restore_run.Proposal(HOME, planned(), (Problem("no reason", "why", "add one"),))
    monkeypatch.setattr(restore_run, "propose", lambda *_words: proposal)
    code, said, _err = typed("restore", "name:before")
    assert code == 1
    assert said.startswith("REFUSED, nothing was done: 1 PROBLEM below\n")
    assert said.endswith("Nothing was done. Mend that first, and type the same again.\n")
    assert "--confirm=" not in said
    monkeypatch.setattr(restore_run, "propose", lambda *_words: replace(proposal, problems=()))
    code, said, _err = typed("restore", "name:before")
    assert (code, "Nothing was done. To do it, type:" in said, "--confirm=vps1/axiomdb --plan=" in said) == (0, True, True)


@pytest.mark.parametrize(("error", "begins"), [(Refusal, "REFUSED, nothing was done: Found a;"), (Unfinished, "Found a;")])
def test_only_where_nothing_was_done_it_says_so(error: type[Refusal], begins: str, typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_words: object) -> None:
        raise error(Problem("a", "b", "c"))

    monkeypatch.setattr(restore_run, "way_back", fails)
    code, _out, said = typed("rollback")
    assert code == 1
    assert said.startswith(begins)


def test_a_later_target_of_a_paused_recovery_is_judged_and_planned(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    restore_journal.save(PAUSED)
    found = planned(target="name:later", kept=())
    monkeypatch.setattr(horizon, "look", lambda *_words: Sight("axiomdb", CLUSTER, Here(1.0, "axiomdb"), (), {}, Seen(), 1 << 24))
    monkeypatch.setattr(horizon, "foresee", lambda *_words: found)
    monkeypatch.setattr(restore_move, "glance", lambda _journal: (Lsn.parse(stands), None))
    monkeypatch.setattr(restore_phases, "standing", lambda _journal: pytest.fail("started"))
    stands = "0/3000060"
    code, said, _err = typed("restore", "name:later", "--reason", "more")
    lines = said.splitlines()
    assert code == 0
    assert lines[0] == "  moves        the paused recovery 20261122-120000 on from name:before; nothing is restored again"
    assert "  target       name:later" in lines
    assert [f"  kept         {place}, as before" for place in PAUSED.moves.values()] == [line for line in lines if "  kept " in line]
    assert "  checks       orders: as before, as none are said now" in lines
    assert f"  then         {restoring.ENDINGS[restoring.PROMOTES]}" in lines
    assert lines[-1] == (
        f"  {TOOL} restore 'name:later' --stanza=axiomdb --reason=more --confirm=vps1/axiomdb --plan={restore_consent.digest(found)}"
    )
    assert restore_journal.load("axiomdb") == PAUSED
    stands = "0/4000000"
    code, _out, said = typed("restore", "name:later")
    assert (code, "expected a target ahead of it; name:later lies behind" in said) == (1, True)


@pytest.mark.parametrize("target", ["name:later", "name:before"])
def test_a_plan_knows_of_a_recovery_that_is_open(target: str, typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(horizon, "look", lambda *_words: Sight("axiomdb", CLUSTER, Here(1.0, "axiomdb"), (), {}, Seen(), 1 << 24))
    monkeypatch.setattr(horizon, "foresee", lambda *_words: planned(target=target))
    restore_journal.save(PAUSED)
    code, said, _err = typed("plan", target)
    lines = said.splitlines()
    on, back = restoring.go_on(PAUSED), restoring.go_back(PAUSED)
    assert (code, "To do it" in said) == (0, False)
    assert "PLAN: axiomdb: nothing was changed, and a recovery is open" in lines
    assert f"  next         to go on with it: {on}; to go back: {back}" in lines
    asked = f"without restoring again, says: {TOOL} restore name:later --stanza=axiomdb --reason='...'"
    assert lines[-1].endswith(asked) == (target == "name:later")
    monkeypatch.setattr(horizon, "foresee", lambda *_words: Problem("nothing", "something", "ls"))
    code, said, _err = typed("plan", target)
    assert (code, on in said.splitlines()[2]) == (1, True)
    assert on in typed("plan", target, "--json")[1]
    restore_journal.save(OVER)
    assert typed("plan", target)[1] == "REFUSED: axiomdb: Found nothing; expected something. Next: ls\n"


def test_another_target_beside_a_recovery_that_was_interrupted_is_refused(typed: Type) -> None:
    restore_journal.save(replace(JOURNAL, phase=restoring.RESTORE))
    code, _out, said = typed("restore", "latest")
    assert code == 1
    assert said.startswith("REFUSED, nothing was done: Found an open recovery to name:before")
    code, said, _err = typed("restore", "name:before")
    assert (code, "  next         restores the set\n" in said) == (1, True)


def test_what_is_kept_is_listed_with_both_commands(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_journal, "kept", lambda _stanza: [OVER])
    _code, said, _err = typed("rollback", "--list")
    assert said.splitlines()[-2:] == [f"               Wrong moment? Type: {BACK}", f"               Not needed any more? Type: {RELEASE}"]
    code, _out, said = typed("rollback", "--release=20261122-120000")
    assert (code, said.endswith(f"Next: {RELEASE}\n")) == (1, True)


def test_a_way_back_that_was_confirmed_for_another_cluster_is_said_so(typed: Type) -> None:
    restore_journal.save(PAUSED)
    code, said, error = typed("rollback", "--confirm=o1/axiomdb", "--reason=it was wrong")
    wrong = "REFUSED, nothing was done: Found the confirmation 'o1/axiomdb'; expected 'vps1/axiomdb', the cluster that is meant. Next: "
    assert (code, said, error) == (1, "", f"{wrong}{TOOL} rollback --stanza=axiomdb --reason='it was wrong'\n")
    code, said, error = typed("rollback")
    assert (code, said.splitlines()[-1].split("--reason")[0], error) == (0, f"  {TOOL} rollback --stanza=axiomdb ", "")
    code, said, error = typed("rollback", "--release=20261122-120000", "--confirm=o1/axiomdb")
    assert (code, said, error) == (1, "", f"{wrong}{RELEASE}\n")
    assert restore_journal.load("axiomdb") == PAUSED


def test_what_was_removed_in_part_is_no_refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = [str(tmp_path / name) for name in ("a", "b")]
    for place in places:
        Path(place).mkdir()
    journal = replace(OVER, had=tuple(places))
    monkeypatch.setattr(restore_journal, "kept", lambda _stanza: [journal])
    monkeypatch.setattr(restore_journal, "load", lambda _stanza: journal)
    monkeypatch.setattr(restore_undo.os.path, "lexists", lambda place: place != journal.home.wal)
    monkeypatch.setattr(restore_undo, "owner", lambda: (0, 0))

    def remove(place: str, _owner: int) -> None:
        if place in refused:
            raise Refusal(Problem("something else", "a directory", "ls"))

    monkeypatch.setattr(restore_undo.aside, "remove", remove)
    refused = [journal.moves[places[1]]]
    with pytest.raises(Unfinished):
        restore_undo.remove("axiomdb", journal.name)
    refused = [journal.moves[places[0]]]
    with pytest.raises(Refusal) as refusal:
        restore_undo.remove("axiomdb", journal.name)
    assert not isinstance(refusal.value, Unfinished)


def test_a_command_is_as_it_was_typed() -> None:
    words = ("restore", "latest", "--keep=none", "--action=pause")
    options = cli._parser(words).parse_args(words)
    assert restore_cli._typed(options, STANZA) == f"{TOOL} restore 'latest' --stanza=axiomdb --keep=none --action=pause"
