# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why every annotation of ours names its repository: without the number, that of the first one loses its catalogue."""

from __future__ import annotations

import pytest
from annotating import Annotated
from fleet import Fleet
from snapshots import Story

# In the test process of test_first_run.py, whose hosts these are.
pytestmark = [pytest.mark.core, pytest.mark.xdist_group("fleet")]


def test_with_the_number_both_catalogues_are_whole(system: str, annotated: dict[str, Annotated]) -> None:
    seen = annotated[system]
    (label,) = seen.before[1]
    assert seen.with_number == (seen.before[0], {label: {"with": "number"}})


def test_without_it_the_first_catalogue_is_lost(system: str, annotated: dict[str, Annotated]) -> None:
    seen = annotated[system]
    assert seen.without_number[0].keys() == seen.before[1].keys() != seen.before[0].keys()
    assert seen.restores == (75, 55)  # there is no such backup set; a file is missing in the repository


def test_after_snapshots_each_catalogue_lists_what_its_repository_holds(
    system: str, fleet: Fleet, snapshot_story: dict[str, Story]
) -> None:
    listed = snapshot_story[system].listed
    assert {number: labels for number, (labels, _directories) in listed.items()} == {
        number: directories for number, (_labels, directories) in listed.items()
    }
    assert listed[1][0].isdisjoint(listed[2][0])
