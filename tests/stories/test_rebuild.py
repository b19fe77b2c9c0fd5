# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host under load burns with its disk. An empty one is rebuilt from the object store by one command; the lost one comes back."""

from __future__ import annotations

from datetime import datetime

import pytest
from converged import Converged, refusals
from fleet import info
from rebuilding import Rebuilt, at, come_back, lose, rebuild, reported
from stores import Stores

pytestmark = [pytest.mark.core, pytest.mark.xdist_group("stores")]


@pytest.fixture(scope="module")
def story(system: str, converged: Converged, stores: Stores, request: pytest.FixtureRequest) -> Rebuilt:
    lost = lose(converged, stores, request.config.getoption("--seed"))
    return come_back(converged.lab, stores, rebuild(converged.lab, stores, lost))


def test_it_is_refused_while_the_lost_host_may_still_live(system: str, story: Rebuilt) -> None:
    said = refusals(story.refused)[story.host.name]
    assert f"signs that {story.lost.name} still lives: its WAL segment" in said
    assert "its last heartbeat is of" in said
    assert f"-e rebuild_lost_host={story.lost.name}" in said


def test_one_command_rebuilds_it(system: str, story: Rebuilt) -> None:
    assert story.run.rc == 0, story.run.output
    assert story.run.last_line == f"PROTECTED: {story.host.name}: each WAL segment is archived and a backup exists."


def test_the_next_restart_of_postgresql_reaches_the_cluster(system: str, story: Rebuilt) -> None:
    units, version = story.wanted.splitlines()
    assert f"postgresql@{version}-main.service" in units.split(), "Debian's generator has read that it may be started"


def test_every_row_that_was_archived_is_there(system: str, story: Rebuilt) -> None:
    count, last, first, _at = story.rows
    assert (first, count) == (1, last), "no row is missing among them"
    assert 0 < story.lost.archived <= last


def test_what_it_says_is_lost_is_lost_and_nothing_else(system: str, story: Rebuilt) -> None:
    assert story.returned is not None
    said, last, newest = reported(story.run.stdout), story.rows[1], story.truth[1]
    assert newest > last, "rows were committed on the lost host that were never archived"
    assert datetime.fromisoformat(story.rows[3]) <= said, "the newest row is not newer than the newest commit"
    # A row's time is taken before its commit, so the first lost row may look as old as the newest commit, the one after it not.
    assert newest < last + 2 or datetime.fromisoformat(at(story.returned, last + 2)) > said
    assert f"every commit of {story.lost.name} after " in story.run.stdout


def test_the_plan_said_up_to_when_it_would_come_back(system: str, story: Rebuilt) -> None:
    assert story.planned["up_to"]["means"] == "the newest commit in its WAL"
    assert datetime.fromisoformat(story.planned["up_to"]["time"]) == reported(story.run.stdout)


def test_its_status_reaches_back_before_the_rebuild_up_to_the_last_commit_that_was_archived(system: str, story: Rebuilt) -> None:
    (elsewhere,) = [one for one in story.status["windows"] if one["repository"] == 2]
    (window,) = [one for one in elsewhere["windows"] if one["timeline"] == 2]
    before, since = window["times"]
    assert window["path"] == [1, 2]
    assert datetime.fromisoformat(before["first"]) < datetime.fromisoformat(before["end"]) == reported(story.run.stdout)
    assert datetime.fromisoformat(since["first"]) > reported(story.run.stdout)


def test_it_tells_of_the_last_sign_of_the_lost_host(system: str, story: Rebuilt) -> None:
    assert "heartbeat    the newest in the archive is of " in story.run.stdout
    assert "last sign    its last WAL segment 0000000100000000000000" in story.run.stdout


def test_the_new_host_has_backups_of_its_own_in_every_repository(system: str, story: Rebuilt) -> None:
    mine = story.host.read("/etc/machine-id").strip()
    taken = [
        backup["database"]["repo-key"]
        for stanza in info(story.host)
        for backup in stanza["backup"]
        if backup["annotation"]["axiomdb-machine-id"] == mine
    ]
    assert sorted(taken) == [1, 2]


def test_the_returned_host_is_refused_by_name(system: str, story: Rebuilt) -> None:
    for name in ("backup", "site"):
        said = " ".join(story.answers[name].output.split())
        assert story.answers[name].rc != 0, name
        assert "another server writes to this stanza" in said, name
        assert story.host.name in said, name
