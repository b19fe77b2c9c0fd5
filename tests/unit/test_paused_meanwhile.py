# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whoever waited for a recovery that was killed when it had paused the jobs: he begins nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from _recovery import capture, state, work
from _recovery.ending import Ended
from _recovery.jobs import DONE, FAILED, SKIPPED, Settings, Stanza
from _recovery.postgres import Cluster
from _recovery.problem import Refusal
from _recovery.snapshots import Request

STANZA = Stanza("axiomdb", "17", "main", 5432)
RECOVERY = "recovery 20261122-120000 to latest"


@pytest.fixture(autouse=True)
def killed_recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's turn, in which he paused the jobs and was killed."""
    for name in ("DIRECTORY", "LOGS", "MEMORY"):
        monkeypatch.setattr(state, name, tmp_path / name)
    (tmp_path / "DIRECTORY").mkdir()
    monkeypatch.setattr(state, "PAUSE", tmp_path / "DIRECTORY" / "pause.json")
    monkeypatch.setattr(state, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))

    @contextmanager
    def waiting(*_words: object) -> Iterator[state.Waited]:
        state.save(state.PAUSE, {"since": 1_795_000_000.0, "reason": RECOVERY})
        yield state.Waited(3.0, RECOVERY)

    monkeypatch.setattr(state, "turn", waiting)


@pytest.mark.parametrize(("job", "outcome"), [("hourly", SKIPPED), ("manual", FAILED)])
def test_no_job_begins(job: str, outcome: str) -> None:
    begun: list[str] = []
    ended = work.perform(Settings("vps1", (STANZA,), {}), STANZA, job, "backup.log", lambda _tell: (begun.append(job), Ended(DONE, ""))[1])
    assert (ended.outcome, ended.began, begun) == (outcome, False, [])
    assert ended.text.startswith(f"jobs are paused: {RECOVERY}")


def test_no_snapshot_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    acts: list[str] = []
    for name in ("look", "refuse", "take"):
        monkeypatch.setattr(capture, name, lambda *_words, name=name: acts.append(name))
    with pytest.raises(Refusal, match=f"jobs paused since .*: {RECOVERY}"):
        capture.perform(Request("v2.3", "a migration"), "axiomdb", Cluster("17", "main", 5432), "vps1")
    assert acts == ["look", "refuse"], "what was seen before the turn"
