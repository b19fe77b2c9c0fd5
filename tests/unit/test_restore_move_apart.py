# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A paused recovery goes on along its own repository and timeline, whatever another repository holds by now."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import ends, held_server, horizon, restore_clients, restore_move, restoring, state, waiting
from _recovery.history import tree_of
from _recovery.horizon import Sight
from _recovery.plan import Plan
from _recovery.problem import Refusal
from _recovery.target import parse
from _recovery.wal import Lsn
from _recovery.window import Seen
from archives import BEATS, HERE, NEW, OLD, SIZE, Scene
from test_restore_move import CLUSTER, LATER, PAUSED

HELD = replace(PAUSED, goal=replace(PAUSED.goal, label=OLD.label, timeline=1, lsn=Lsn.parse("0/4000100")))
BACK = f"go back, and plan that restore from there: {restoring.go_back(HELD)} && sudo /opt/axiomdb/axiomdb-recovery restore"


def seeing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, first: Scene, second: Scene, timeline: int = 1) -> Sight:
    """What is seen: both repositories, and a held server that stands at its goal."""
    outlooks = (first.outlook(1), second.outlook(2))
    trees = {one.repository.number: tree_of({}, one.holdings.timelines) for one in outlooks}
    sight = Sight("axiomdb", CLUSTER, replace(HERE, timeline=timeline), outlooks, trees, Seen(BEATS), SIZE)
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(state, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))
    monkeypatch.setattr(horizon, "look", lambda *_words: sight)
    monkeypatch.setattr(ends, "read_end", lambda *_words: Seen())
    monkeypatch.setattr(restore_clients, "look", lambda *_words: waiting.Seen())
    monkeypatch.setattr(held_server, "state", lambda _place: "dead")
    return sight


def refused(target: str, journal: restoring.Journal = HELD) -> str:
    with pytest.raises(Refusal) as found:
        restore_move.further(journal, replace(LATER, target=target), CLUSTER)
    return str(found.value)


@pytest.mark.parametrize("target", ["time:2026-11-22T11:15:00Z", "lsn:0/7000050"])
@pytest.mark.parametrize("timeline", [0, 1, 2])
def test_a_newer_set_in_another_repository_does_not_stop_it(
    target: str, timeline: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sight = seeing(monkeypatch, tmp_path, Scene(), Scene(backups=(OLD,)), timeline)
    preferred = horizon.foresee(parse(target), replace(sight, here=replace(sight.here, timeline=1, directory="")))
    assert isinstance(preferred, Plan) and (preferred.repository, preferred.backup) == (1, NEW.label)
    found = restore_move.further(HELD, replace(LATER, target=target), CLUSTER)
    assert (found.repository, found.backup, found.timeline, found.target) == (2, OLD.label, 1, target)


def test_where_its_own_repository_does_not_lead_it_goes_back_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seeing(monkeypatch, tmp_path, Scene(), Scene(backups=(OLD,), numbers=(3, 4)))
    said = refused("lsn:0/7000050")
    assert "Found the recovery at 0/4000100, from repository 2 on timeline 1, which does not lead there: " in said
    assert "expected a target there; lsn:0/7000050 is in repository 1 on timeline 1. Next: " in said
    assert said.endswith(f"Next: {BACK} lsn:0/7000050 --stanza=axiomdb --reason='orders lost their keys'")
    bare = refused("lsn:0/7000050", replace(HELD, order=replace(HELD.order, keep=False)))
    assert bare.endswith("Next: nothing was kept to go back to; to let it end where it stands, type: " + bare.rsplit("type: ", 1)[1])
    assert "rollback" not in bare


def test_where_no_repository_leads_the_nearest_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seeing(monkeypatch, tmp_path, Scene(), Scene(backups=(OLD,)))
    said = refused("lsn:0/F000050")
    assert said.startswith("Found the LSN 0/F000050, behind the last record in repository 2 ")


def test_a_hole_that_only_a_newer_set_leads_over_stops_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seeing(monkeypatch, tmp_path, Scene(), Scene(numbers=(3, 4, 6, 7, 8, 9)))
    said = refused("lsn:0/7000050")
    assert "on timeline 1, and no 000000010000000000000005 behind it there; expected each WAL segment up to 00000001000000000000000" in said
    assert f"Next: {BACK} lsn:0/7000050" in said
