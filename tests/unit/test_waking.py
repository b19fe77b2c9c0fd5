# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lost host that wakes up while its site is rebuilt elsewhere stops it before the new timeline is archived."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import rebuild, rebuild_acts, rebuild_look, restore_consent, restore_journal, restoring, state, waking
from _recovery.rebuild import Life, Writer
from _recovery.restoring import Journal
from _recovery.scratch import Goal
from _recovery.scratch_copy import Failed

OLD, NEW, OWN = "0000000100000000000000A1", "0000000100000000000000A2", "000000020000000000000003"
LIFE = Life(Writer("vps1", "a" * 32, "F"), OLD, 1.0, None, 2, {"2": {"00000001": OLD}})
ORDER = restoring.Order("latest", "the host is lost", rebuild=True, lost="a" * 32)
HOME = restoring.Home("axiomdb", "17", "main", 5432, "/data", "vps2", 7)
GOAL = Goal("axiomdb", 2, "F", 1, "latest")
JOURNAL = Journal("20261122-120000", ORDER, HOME, GOAL, {}, phase=restoring.RELEASE, timeline=2, recovered=rebuild.remembered(LIFE))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, dict[str, str]]:
    """What is in the repositories now; the journal is written down."""
    found: dict[str, dict[str, str]] = {"2": {"00000001": OLD}}
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(state, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))
    monkeypatch.setattr(rebuild_look, "newest_of", lambda _stanza: found)
    restore_journal.save(JOURNAL)
    return found


def known() -> Journal:
    found = restore_journal.load("axiomdb")
    assert found is not None
    return found


# --- the names -----------------------------------------------------------------------------------------------------------


def test_the_newest_name_of_each_timeline_is_kept() -> None:
    names = [NEW, OLD, "00000002.history", "00000003.history", "000000030000000000000001"]
    assert waking.newest(names) == {"00000001": NEW, "00000002": "00000002.history", "00000003": "000000030000000000000001"}


@pytest.mark.parametrize(
    "later",
    [
        {"2": {"00000001": NEW}},
        {"2": {"00000001": OLD, "00000002": "00000002.history"}},
        {"1": {"00000001": OLD}, "2": {"00000001": OLD}},
    ],
)
def test_whatever_is_new_is_a_sign_of_life(later: dict[str, dict[str, str]]) -> None:
    problem = waking.judge("vps1", LIFE.newest, later, "type that")
    assert problem is not None
    assert problem.found.startswith("signs that vps1 lives: since the rebuild was planned 0000000")
    assert problem.next_step.endswith("then what it has archived is taken over too by: type that")


def test_what_was_there_or_is_gone_is_none() -> None:
    assert waking.judge("vps1", LIFE.newest, LIFE.newest, "") is None
    assert waking.judge("vps1", LIFE.newest, {"2": {}}, "") is None
    assert waking.judge("vps1", {"2": {"00000002": OWN}}, {"2": {"00000002": "00000002.history"}}, "") is None


# --- before the archive is released --------------------------------------------------------------------------------------


def test_a_host_that_stays_silent_lets_it_go_on(now: dict[str, dict[str, str]]) -> None:
    after = rebuild_acts.unwoken(JOURNAL, lambda _line: None)
    assert after.phase == restoring.RELEASE
    assert after.recovered[rebuild_acts.ARCHIVES]


def test_one_that_wakes_up_stops_it_and_it_is_begun_anew(now: dict[str, dict[str, str]]) -> None:
    now["2"] = {"00000001": NEW}
    with pytest.raises(Failed, match=f"signs that vps1 lives: since the rebuild was planned {NEW} in repository 2"):
        rebuild_acts.unwoken(JOURNAL, lambda _line: None)
    assert known().phase == restoring.RESTORE, "no repository knows of its timeline: it may be led elsewhere"
    again = "playbooks/rebuild.yml -l vps2 -e rebuild_confirm=vps2/axiomdb -e rebuild_lost_host=vps1"
    assert restoring.go_on(known()).endswith(again)


def test_the_tool_on_the_host_does_not_carry_the_old_plan_out(now: dict[str, dict[str, str]]) -> None:
    now["2"] = {"00000001": NEW}
    with pytest.raises(Failed):
        rebuild_acts.unwoken(JOURNAL, lambda _line: None)
    problem = restore_consent.judge_open(known(), ORDER, "vps2/axiomdb")
    assert problem is not None
    assert problem.expected == "a rebuild that is planned anew"


def test_its_own_segments_are_no_sign_once_it_archives(now: dict[str, dict[str, str]]) -> None:
    after = rebuild_acts.unwoken(JOURNAL, lambda _line: None)
    now["2"] = {"00000001": OLD, "00000002": OWN}
    assert rebuild_acts.unwoken(after, lambda _line: None) == after
    with pytest.raises(Failed, match=OWN):
        rebuild_acts.unwoken(JOURNAL, lambda _line: None)  # somebody else has begun the same timeline


def test_any_other_recovery_passes(now: dict[str, dict[str, str]]) -> None:
    now["2"] = {"00000001": NEW}
    in_place = replace(JOURNAL, order=replace(ORDER, rebuild=False))
    assert rebuild_acts.unwoken(in_place, lambda _line: None) == in_place


def test_what_was_wanted_is_said_again() -> None:
    aimed = replace(JOURNAL, order=replace(ORDER, target="name:before", reindex=True))
    assert " -e rebuild_target=name:before -e rebuild_reindex=true -e rebuild_confirm=" in restoring.begin_anew(aimed)
