# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery in place keeps its promises where data is more than a directory: a mount point, WAL on another volume, tablespaces."""

from __future__ import annotations

import pytest
from converged import Converged
from placing import DATA, LINKED, MOUNTED, WAL, Story, tell

pytestmark = [pytest.mark.tier("torture"), pytest.mark.xdist_group("places")]
LAYOUTS = (MOUNTED, LINKED)


@pytest.fixture(scope="module")
def told(converged: Converged, request: pytest.FixtureRequest) -> dict[str, Story]:
    """The story of each layout, one after the other."""
    wanted = {item.callspec.params.get("layout") for item in request.session.items if hasattr(item, "callspec")}
    return {layout: tell(converged, layout) for layout in LAYOUTS if layout in wanted}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("step", ["restored", "back", "release", "overwritten"])
def test_each_command_does_what_it_says(system: str, layout: str, step: str, told: dict[str, Story]) -> None:
    said = told[layout].said[step]
    assert said.rc == 0, said.output


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("step", ["restored", "overwritten"])
def test_a_recovery_gives_exactly_the_rows_of_its_moment(system: str, layout: str, step: str, told: dict[str, Story]) -> None:
    story = told[layout]
    assert story.rows[step] == story.rows["target"]
    assert story.rows["live"] != story.rows["target"]
    assert story.phases["overwritten"] == "restore", "the one that overwrites was killed in it"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("phase", ["keep", "restore"])
def test_a_killed_one_is_taken_back_without_a_trace(system: str, layout: str, phase: str, told: dict[str, Story]) -> None:
    story, step = told[layout], f"killed in {phase}"
    assert story.phases[phase] in (phase, "restore"), "the old data is put aside in no time"
    assert story.said[step].rc == 0, story.said[step].output
    assert story.rows[step] == story.rows["live"]
    assert story.places[step] == []
    assert story.links[step] == story.links["live"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_after_its_acceptance_it_is_taken_back_to_exactly_the_live_rows(system: str, layout: str, told: dict[str, Story]) -> None:
    story = told[layout]
    assert story.rows["back"] == story.rows["live"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_released_is_gone_and_nothing_else(system: str, layout: str, told: dict[str, Story]) -> None:
    story = told[layout]
    assert story.places["back"] != []
    assert story.places["released"] == []
    assert story.rows["released"] == story.rows["live"]


def test_a_mount_point_keeps_everything_within_itself(system: str, told: dict[str, Story]) -> None:
    story = told[MOUNTED]
    assert story.segments == "64MB"
    for step in ("restored", "back"):
        assert any(path.startswith(f"{DATA}/.kept-") for path in story.places[step])
    assert story.in_the_backup == 0, "what is kept is not backed up once more"
    assert "which is a mount point; expected nothing kept there" in story.said["refused"].output


def test_a_linked_pg_wal_stays_linked_and_the_kept_one_untouched(system: str, told: dict[str, Story]) -> None:
    story = told[LINKED]
    assert story.links["live"] == story.links["back"] == story.links["overwritten"] == WAL
    assert story.links["restored"].startswith(f"{WAL}-")
    listed = story.host.run(["ls", "/srv/wal"]).stdout.split()
    assert listed == ["main"], "the WAL of released data is released with it"


def test_tablespaces_that_were_made_or_dropped_since_come_and_go(system: str, told: dict[str, Story]) -> None:
    story = told[LINKED]
    assert "in_dropped@dropped" in story.rows["restored"]
    assert "in_since" not in story.rows["restored"]
    assert "in_since@since" in story.rows["back"]
    assert "in_dropped" not in story.rows["back"]
