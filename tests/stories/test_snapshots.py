# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook's snapshot on every system, and what must not become one."""

from __future__ import annotations

import pytest
from fleet import Fleet
from snapshots import NAME, REASON, Story

# In the test process of test_first_run.py, whose hosts these are.
pytestmark = [pytest.mark.core, pytest.mark.xdist_group("fleet")]


def test_the_result_is_the_target_to_type(system: str, fleet: Fleet, snapshot_story: dict[str, Story]) -> None:
    block = snapshot_story[system].result.stdout.partition(f"\n{fleet[system].name}:\n")[2]
    assert f"  snapshot     name:{NAME} of 20" in block.partition("PROTECTED")[0]


def test_info_finds_it_in_each_repository(system: str, snapshot_story: dict[str, Story]) -> None:
    story = snapshot_story[system]
    assert set(story.entries) == {1, 2}
    assert {entry["lsn"] for entry in story.entries.values()} == {story.entries[1]["lsn"]}
    assert {entry["reason"] for entry in story.entries.values()} == {REASON}
    assert [annotation["branch"] for annotation in story.annotations] == ["main", "main"]


def test_three_later_backups_were_taken(system: str, snapshot_story: dict[str, Story]) -> None:
    story = snapshot_story[system]
    assert [line.count(" in repository ") for line in story.later] == [2, 2, 2], story.later
    assert not any(entry["label"] in line for line in story.later for entry in story.entries.values())


@pytest.mark.parametrize("repository", [1, 2])
def test_a_copy_has_the_rows_of_that_moment_and_none_after(system: str, repository: int, snapshot_story: dict[str, Story]) -> None:
    story = snapshot_story[system]
    assert story.copies[repository] == [story.rows, "id", "note"]
    assert story.now != story.rows
