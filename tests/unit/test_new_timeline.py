# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The timeline that a recovery begins is nobody's yet, in whatever repository."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from _recovery import new_timeline, restore_run
from _recovery.archive import Holdings
from _recovery.catalog import Repository
from _recovery.postgres import Cluster
from _recovery.restore_run import Consent
from archives import Scene
from test_restoring import JOURNAL, ORDER, planned


def archive(*timelines: int) -> Holdings:
    return Holdings(1 << 24, {one: ((1, 9),) for one in timelines}, frozenset(timelines) - {1})


@pytest.mark.parametrize(
    ("timeline", "number", "begun", "ahead"),
    [(1, 1, 4, []), (2, 1, 4, []), (1, 2, 2, [1, 3, 4]), (1, 3, 4, []), (1, 4, 3, [1, 3]), (3, 1, 4, [])],
)
def test_it_counts_on_behind_the_histories_of_its_own_repository(timeline: int, number: int, begun: int, ahead: list[int]) -> None:
    known = {1: archive(1, 2, 3), 2: archive(1), 3: archive(1, 2, 3), 4: archive(1, 2), 5: Holdings(1 << 24)}
    assert new_timeline.begins(timeline, known[number]) == begun
    assert new_timeline.taken(timeline, number, known) == ahead
    problem = new_timeline.judge(timeline, number, known, "axiomdb")
    assert (problem is not None) == bool(ahead)


def test_the_command_brings_each_history_that_the_repository_lacks() -> None:
    found = new_timeline.judge(1, 2, {1: archive(1, 2, 3), 2: archive(1)}, "axiomdb")
    assert found is not None
    assert found.found == "timeline 3 in repository 1"
    assert found.expected.startswith("none from timeline 2 on, which a recovery from repository 2 would begin")
    tool = "pgbackrest --stanza=axiomdb --no-archive-async"
    for name in ("00000002.history", "00000003.history"):
        get = f"{tool} --repo=1 archive-get {name} $d/{name}"
        assert f"sudo -u postgres sh -c 'd=$(mktemp -d) && {get} && {tool} archive-push $d/{name}'" in found.next_step
    unknown = new_timeline.judge(1, 2, {1: Holdings(1 << 24, {2: ((1, 9),)}), 2: archive(1)}, "axiomdb")
    assert unknown is not None and "--repo=1 repo-ls --recurse archive" in unknown.next_step


def test_of_two_repositories_that_lead_as_far_the_one_is_chosen_that_knows_of_the_fork() -> None:
    own = Scene().outlook()
    knows = replace(Scene().outlook(2), holdings=replace(Scene().outlook(2).holdings, histories=frozenset({2})))
    for target in ("latest", "name:pre-migration", "lsn:0/7000050"):
        assert Scene().planned(target, knows).repository == 2
    same = replace(knows, holdings=own.holdings)
    assert Scene().planned("latest", same).repository == 1


def test_a_recovery_in_place_does_not_begin_a_timeline_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(1, 0, "ok")
    outlooks = [SimpleNamespace(repository=repository, holdings=archive(1, 2, 3, 4))]
    outlooks += [SimpleNamespace(repository=replace(repository, number=2), holdings=archive(1, 2, 3))]
    here = SimpleNamespace(here=replace(Scene().here), outlooks=outlooks)
    monkeypatch.setattr(restore_run, "replace", lambda one, **changes: replace(one, **changes) if one is not here else here)
    monkeypatch.setattr(restore_run, "horizon", SimpleNamespace(look=lambda *_words: here, foresee=lambda *_words: planned()))
    monkeypatch.setattr(restore_run.restore_standby, "judge", lambda *_words: None)
    monkeypatch.setattr(restore_run.restore_look, "home_of", lambda *_words: JOURNAL.home)
    monkeypatch.setattr(restore_run.restore_look, "ground_of", lambda *_words: None)
    monkeypatch.setattr(restore_run.restore_preflight, "judge", lambda *_words, **_options: [])
    monkeypatch.setattr(restore_run, "_of_another", lambda *_words: None)
    proposal = restore_run.propose(ORDER, "axiomdb", Cluster("17", "main", 5432), "vps1", Consent())
    assert [problem.found for problem in proposal.problems] == ["timeline 4 in repository 1"]
    outlooks.pop(0)
    assert restore_run.propose(ORDER, "axiomdb", Cluster("17", "main", 5432), "vps1", Consent()).problems == ()
