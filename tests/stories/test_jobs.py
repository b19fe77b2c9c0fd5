# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The schedule on the host: two backups due in the same minute are both taken, the heartbeat moves, a standby skips."""

from __future__ import annotations

import pytest
from byhand import Typed
from fleet import Fleet
from scheduling import LOCK_HELD, PROMISED, Collision, Skipped, heartbeats

# In the test process of test_first_run.py, whose hosts these are.
pytestmark = [pytest.mark.core, pytest.mark.xdist_group("fleet")]


def test_cron_starts_both_and_both_end(system: str, collision: dict[str, Collision]) -> None:
    entries = collision[system].job_entries
    assert {entry["operation"]: entry["outcome"] for entry in entries} == {"full": "done", "hourly": "done"}, entries
    assert collision[system].seconds <= PROMISED


def test_both_backups_are_in_each_repository(system: str, collision: dict[str, Collision]) -> None:
    made = {(backup["repository"], backup["label"]) for entry in collision[system].job_entries for backup in entry["backups"]}
    assert made <= collision[system].new
    kinds = sorted((backup["repository"], entry["operation"]) for entry in collision[system].job_entries for backup in entry["backups"])
    assert kinds == [(1, "full"), (1, "hourly"), (2, "full"), (2, "hourly")]


def test_the_log_says_which_one_waited(system: str, collision: dict[str, Collision]) -> None:
    first, second = sorted(collision[system].job_entries, key=lambda entry: entry["waited_seconds"])
    assert (first["waited_for"], first["waited_seconds"]) == ("", 0)
    assert second["waited_for"].startswith(f"the {first['operation']} job (process ")
    assert second["waited_seconds"] > 1
    log = collision[system].log
    assert f" {second['operation']}: waits for the {first['operation']} job (process " in log
    assert f" {first['operation']}: waits " not in log
    assert LOCK_HELD.search(log) is None


def test_the_heartbeat_moves_each_minute(system: str, fleet: Fleet, typed: dict[str, Typed], collision: dict[str, Collision]) -> None:
    beats = heartbeats(fleet[system])
    minutes = [int(beat["time"] // 60) for beat in beats]
    began, over = (int(moment // 60) for moment in typed[system].stopped)
    without_a_server = set(range(began, over + 1)) - set(minutes)
    assert len(minutes) >= 3
    assert sorted({*minutes, *without_a_server}) == list(range(minutes[0], minutes[-1] + 1))
    assert len(minutes) == len({*minutes})
    positions = [tuple(int(part, 16) for part in beat["lsn"].split("/")) for beat in beats]
    assert positions == sorted(set(positions))


def test_a_standby_skips_each_job(system: str, standby_jobs: dict[str, Skipped]) -> None:
    skipped = standby_jobs[system]
    assert set(skipped.answers) == {"backupfull", "backuphourly", "verify", "heartbeat"}
    for job in skipped.answers:
        rc, answer = skipped.answers[job]
        assert (rc, answer.partition(": ")[2].partition(":")[0]) == (0, "skipped"), answer
        assert "standby" in answer
    assert skipped.before == skipped.after
