# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Windows are true: what is planned has exactly the rows that were committed, and what is refused really fails or has other rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from converged import Converged
from lab import SYSTEMS, Host
from timelines import ROWS, told
from truths import Truth, play

pytestmark = [pytest.mark.core, pytest.mark.xdist_group("windows")]

SEEDED, MANY = 8, 40


@pytest.fixture(scope="module")
def truths(converged_hosts: dict[str, Converged], request: pytest.FixtureRequest) -> dict[str, Truth]:
    """The story of one host of each system, all at once."""
    here = [item for item in request.session.items if item.path == Path(__file__) and hasattr(item, "callspec")]
    wanted = {item.callspec.params["system"] for item in here}
    count = SEEDED if request.config.getoption("--tier") == "ci" else MANY

    def told(host: Host) -> Truth:
        return play(host, str(request.config.getoption("--seed")), count)

    with ThreadPoolExecutor() as pool:
        hosts = list(pool.map(lambda system: converged_hosts[system].twin("windows"), sorted(wanted, key=SYSTEMS.index)))
        return dict(zip((host.system for host in hosts), pool.map(told, hosts), strict=True))


def test_the_history_has_three_timelines_with_commits_on_each(system: str, truths: dict[str, Truth]) -> None:
    life = truths[system].life
    assert [{row.timeline for row in life.paths[timeline]} for timeline in (1, 2, 3)] == [{1}, {1, 2}, {1, 2, 3}]
    assert [set(life.paths[timeline]) <= set(life.rows) for timeline in (1, 2)] == [False, False]
    assert life.host.sql(ROWS, db="axiomdb") == told(life.rows)


@pytest.mark.parametrize("which", ["seeded", "idle", "last", "abandoned", "latest", "archived at last"])
def test_a_copy_of_a_target_inside_has_exactly_the_rows_that_were_committed(system: str, which: str, truths: dict[str, Truth]) -> None:
    copies = truths[system].copied[which]
    assert copies
    assert [one.wrong for one in copies if one.wrong] == []


def test_a_time_behind_the_last_commit_is_planned_as_its_lsn(system: str, truths: dict[str, Truth]) -> None:
    story = truths[system]
    assert [one.plan["kind"] for one in story.copied["last"]] == ["lsn"] * 2
    for one in story.copied["last"]:
        assert one.plan["notes"][0].startswith("nothing was committed from ")
        assert one.plan["only_here"] == []
    assert {one.plan["kind"] for one in story.copied["idle"]} == {"time"}


def test_what_only_the_host_has_is_archived_before_a_copy_is_made(system: str, truths: dict[str, Truth]) -> None:
    run = truths[system].unarchived
    assert run is not None and run.rc == 1, run
    assert " on this host alone; expected all of it in repository 1, from which a copy is made. Next: sudo -u postgres psql " in run.stderr


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("in the future", ", which is in the future: it is |; expected a time before |, the newest commit"),
        ("an LSN in the future", ", which is in the future: the server writes at |; expected an LSN that was written"),
        ("a transaction in the future", ", which is in the future: the server's next one is |; expected a transaction that was begun"),
        ("on a dead branch", ", which lies on the abandoned timeline 1: timeline 3 left it at LSN |,timeline:1 for what was written on"),
        ("before the first backup", ", before the first backup in repository 1 (|) was complete; expected a time from "),
        ("an LSN before the first backup", ", before the first backup in repository 1 (|) was complete at |; expected an LSN from "),
        ("a transaction that no set covers", "the transaction 3, which no set covers: the oldest was complete before transaction "),
        ("naive", "without an offset; expected one from UTC: without it, it would mean another moment on each host. Next: type time:"),
        ("with a zone name", "with the zone name Europe/Berlin; expected an offset from UTC, as it was in that zone at that moment"),
        ("a name that is unknown", "no snapshot secondd; expected one of those that were taken, such as second. Next: type name:second"),
        (
            "a name that exists twice",
            "the snapshot second more than once: | and |; expected the name once: recovery would stop at the first",
        ),
        ("in a hole", ", which lies in a hole of repository 1: the WAL segment {a hole} is missing; expected a time before the hole, or"),
        (
            "an LSN in a hole",
            ", which lies in a hole of repository 1: the WAL segment {a hole} is missing; expected an LSN before the hole",
        ),
        ("behind a hole, before a backup", ", which lies in a hole of repository 1: the WAL segment {a hole} is missing; expected an LSN"),
        ("beyond a hole", ", beyond a hole of repository 1: the WAL segment {the last hole} is missing, and no backup was taken after it"),
        ("an LSN beyond a hole", ", beyond a hole of repository 1: the WAL segment {the last hole} is missing, and no backup was taken"),
    ],
)
def test_each_target_outside_is_a_sentence_of_its_own_with_the_nearest_that_works(
    system: str, what: str, said: str, truths: dict[str, Truth]
) -> None:
    story = truths[system]
    run = story.said[what]
    assert run.rc == 1 and run.stdout.startswith("REFUSED: axiomdb: Found "), run.output
    for part in said.format(**story.life.segments).split("|"):
        assert part in run.stdout, run.stdout
    assert story.nearest[what], run.stdout
    assert [one.output for one in story.nearest[what].values() if one.rc] == [], run.stdout


def test_t_and_z_are_understood(system: str, truths: dict[str, Truth]) -> None:
    story = truths[system]
    typed = story.targets["with T and Z"].removeprefix("time:").replace("T", " ").replace("Z", "+00")
    assert story.said["with T and Z"].rc == 0 and f"'--target={typed}'" in story.said["with T and Z"].stdout


def test_a_time_before_a_hole_is_still_planned(system: str, truths: dict[str, Truth]) -> None:
    assert truths[system].said["the time before a hole"].rc == 0, truths[system].said["the time before a hole"].output


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("in the future", "recovery ended before configured recovery target was reached"),
        ("an LSN in the future", "recovery ended before configured recovery target was reached"),
        ("an LSN before the first backup", "requested recovery stop point is before consistent recovery point"),
        ("in a hole", "recovery ended before configured recovery target was reached"),
        ("beyond a hole", "recovery ended before configured recovery target was reached"),
        ("an LSN beyond a hole", "recovery ended before configured recovery target was reached"),
    ],
)
def test_what_is_refused_fails_in_postgresql(system: str, what: str, said: str, truths: dict[str, Truth]) -> None:
    forced = truths[system].forced[what]
    assert forced.run.rc == 1 and said in forced.run.stderr, forced.run.output


def test_a_time_of_a_dead_branch_has_other_rows_on_the_path(system: str, truths: dict[str, Truth]) -> None:
    story = truths[system]
    forced = story.forced["on a dead branch"]
    kept = [row for row in story.life.paths[1] if row in story.life.paths[2]]
    assert forced.answer == told(kept) != told(forced.rows), forced.run.output
