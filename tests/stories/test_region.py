# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A region is gone with its host and its repository: the site comes back from the other region's, and archives to what it declares now."""

from __future__ import annotations

import pytest
from converged import Converged
from regions import LOST, NEW, OTHER, Region, play
from stores import Stores

pytestmark = [pytest.mark.tier("torture"), pytest.mark.xdist_group("stores")]


@pytest.fixture(scope="module")
def story(system: str, converged: Converged, stores: Stores) -> Region:
    return play(converged, stores)


def test_a_repository_that_is_gone_is_named_with_what_to_do(system: str, story: Region) -> None:
    said = story.refused["gone"]
    assert f"repository {LOST} with the new configuration: pgBackRest cannot read " in said
    assert "where that one is lost with its region, declare in its item what takes its place" in said


def test_nothing_comes_back_from_the_new_one(system: str, story: Region) -> None:
    assert f"no backup of axiomdb in repository {NEW}; expected one that holds it: {OTHER}" in story.refused["empty"]


def test_set_and_bundle_are_of_the_repository_that_was_named(system: str, story: Region) -> None:
    assert f"  from         repository {OTHER}, set " in story.plan
    assert f"the site bundle in repository {OTHER} is of {story.lost}" in story.plan
    assert f"-e rebuild_repository={OTHER} -e rebuild_confirm={story.host.name}/axiomdb" in story.plan
    assert story.repository == OTHER


def test_the_site_is_back_with_every_row(system: str, story: Region) -> None:
    assert story.run is not None and story.run.rc == 0, story.run and story.run.output
    assert story.run.last_line == f"PROTECTED: {story.host.name}: each WAL segment is archived and a backup exists."
    assert story.rows == "100|5050"


def test_it_archives_to_what_its_inventory_declares(system: str, story: Region) -> None:
    assert story.backups == [1, NEW, OTHER]
    assert story.archived == {1: True, NEW: True, OTHER: True}
