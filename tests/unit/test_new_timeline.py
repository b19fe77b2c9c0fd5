# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The timeline that a recovery begins is nobody's yet, in whatever repository."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from _recovery import new_timeline, restore_run
from _recovery.archive import Holdings
from _recovery.catalog import Repository
from _recovery.history import parse_history
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
    partly = new_timeline.judge(1, 2, {1: archive(1, 2, 3), 2: archive(1, 3)}, "axiomdb")
    assert partly is not None and "00000002.history" in partly.next_step
    assert "00000003.history" not in partly.next_step, "the repository has it"


def with_histories(known: dict[int, Holdings], text: str) -> dict[int, Holdings]:
    """Every repository after the commands of a text."""
    pushed = frozenset(int(name, 16) for name in re.findall(r"archive-push \$d/([0-9A-F]{8}).history", text))
    return {number: replace(held, histories=held.histories | pushed) for number, held in known.items()}


@pytest.mark.parametrize("timeline", [1, 2])
def test_a_history_that_no_repository_has_is_no_dead_end(timeline: int) -> None:
    known = {1: archive(4), 2: replace(archive(1, 2), histories=frozenset({2, 4}))}
    found = new_timeline.judge(timeline, 2, known, "axiomdb")
    assert found is not None
    assert found.found == "timeline 4 in repository 1, and no 00000003.history in any repository"
    along, same_again = found.next_step.split("; or ")
    assert along == "type the target with ,timeline:4 behind it, if it is on the way to that one"
    assert new_timeline.judge(4, 2, known, "axiomdb") is None
    assert "archive-push $d/00000004.history" not in same_again, "the repository has it"
    assert same_again.endswith("; then type the same again")
    assert new_timeline.judge(timeline, 2, with_histories(known, same_again), "axiomdb") is None


def test_the_same_again_gets_on_however_many_are_lost() -> None:
    known = {1: archive(1, 3, 5, 8), 2: archive(1)}
    for _turn in range(4):
        found = new_timeline.judge(1, 2, known, "axiomdb")
        assert found is not None and "then type the same again" in found.next_step
        known = with_histories(known, found.next_step)
    assert new_timeline.judge(1, 2, known, "axiomdb") is None


@pytest.mark.parametrize(
    "known",
    [
        {1: Holdings(1 << 24, {2: ((1, 9),)}), 2: archive(1)},
        {1: replace(archive(2, 3), histories=frozenset({3})), 2: archive(1)},
        {1: archive(3), 2: archive(1), 3: Holdings(1 << 24)},
    ],
)
def test_no_history_is_made_up_where_wal_of_it_may_be(known: dict[int, Holdings]) -> None:
    found = new_timeline.judge(1, 2, known, "axiomdb")
    assert found is not None
    assert "awk" not in found.next_step
    push = "sudo -u postgres pgbackrest --stanza=axiomdb --no-archive-async archive-push FILE"
    assert f"on each host that had this cluster: sudo find / -name 00000002.history; {push}; then type the same again" in found.next_step
    assert found.next_step.endswith("take repository 1 out of pgbackrest_repositories")


@pytest.mark.parametrize(
    ("later", "written"),
    [
        ("1\t0/3000000\tno\n2\t0/5000000\tno\n3\t0/7000000\tno\n", "1\t0/3000000\tno\n2\t0/5000000\tno\n"),
        ("1\t0/3000000\tno\n", "1\t0/3000000\tno\n"),
    ],
)
def test_what_a_later_history_says_of_the_way_is_all_that_is_written(later: str, written: str, tmp_path: Path) -> None:
    tool = tmp_path / "pgbackrest"
    tool.write_text(f"#!/bin/sh\ncase $* in *archive-get*) cp {tmp_path}/$5 $6;; *) cp $4 {tmp_path}/pushed-${{4##*/}};; esac\n", "utf-8")
    tool.chmod(0o755)
    (tmp_path / "00000004.history").write_text(later, encoding="utf-8")
    words = shlex.split(new_timeline.stand_in(3, 4, 2, "axiomdb"))
    assert words[:4] == ["sudo", "-u", "postgres", "sh"]
    subprocess.run(words[3:], check=True, env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)})
    text = (tmp_path / "pushed-00000003.history").read_text("utf-8")
    assert text == written
    parse_history(text, 3)


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
