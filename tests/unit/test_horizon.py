# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The look as far as recovery reaches: what the host has of its own, what cannot be looked at, and what an end of WAL tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _recovery import ends, horizon, host, postgres, remembered, repository, restore_record, state, telling
from _recovery.archive import Holdings
from _recovery.catalog import Repository, unreadable
from _recovery.history import Tree, tree_of
from _recovery.plan import Plan
from _recovery.postgres import Cluster, NotAnswering
from _recovery.problem import Problem, Refusal
from _recovery.restoring import Home, Journal, Order
from _recovery.run import CommandFailed, Completed
from _recovery.scratch import Goal
from _recovery.sight import Sight
from _recovery.target import parse
from _recovery.wal import Lsn, Segment
from _recovery.window import Outlook
from archives import HISTORY, NEW, OLD, SIZE, Scene, clock
from test_waldump import record

CLUSTER = Cluster("17", "main")


def name(number: int, timeline: int = 1) -> str:
    return Segment(timeline, number).name


class World:
    """A host with a server, and repositories; commands that read them are answered from here."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        (self.data / "pg_wal").mkdir(parents=True)
        self.answer: dict[str, Any] | None = {
            "data_directory": str(self.data),
            "segment_size": SIZE,
            "timeline": 1,
            "in_recovery": False,
            "lsn": "0/A000100",
            "next_xid": 3000,
        }
        self.scenes: dict[int, Scene | Repository] = {1: Scene(moments=())}
        self.histories: Mapping[int, str] = {}
        self.fails: list[Exception] = []
        self.dumps: dict[str, str] = {}
        self.archived: set[str] = set()
        self.fetched: list[str] = []
        self.dumped: list[str] = []

    def state(self, _port: int) -> dict[str, Any]:
        if self.answer is None:
            raise NotAnswering("no socket")
        return self.answer

    def look(self, _stanza: str, numbers: tuple[int, ...]) -> tuple[Repository, ...]:
        return tuple(one.outlook(number).repository if isinstance(one := self.scenes[number], Scene) else one for number in numbers)

    def list_everything(self, _stanza: str, found: Repository, size: int) -> Holdings:
        for error in self.fails:
            raise error
        scene = self.scenes[found.number]
        assert isinstance(scene, Scene)
        holdings = Holdings(size).with_segments(1, scene.numbers).with_segments(2, scene.child)
        return replace(holdings, histories=frozenset(self.histories))

    def pgbackrest(self, _stanza: str, command: list[str], _options: list[str]) -> Completed:
        assert command[0] == "archive-get"
        self.fetched.append(command[1])
        if command[1] in self.archived:
            Path(command[2]).touch()
        return Completed("pgbackrest", 0 if command[1] in self.archived else 1, "", "")

    def run(self, words: list[str], user: str) -> Completed:
        assert (words[0].rpartition("/")[2], user) == ("pg_waldump", "postgres")
        self.dumped.append(words[-1])
        return Completed(words[0], 1, "".join(text for one, text in self.dumps.items() if words[-2] <= one <= words[-1]), "")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    monkeypatch.setattr(state, "DIRECTORY", tmp_path / "lib")
    monkeypatch.setattr(repository, "configured", lambda: {number: {} for number in world.scenes})
    monkeypatch.setattr(host, "pgbackrest_version", lambda: "2.55.1")
    monkeypatch.setattr(host, "data_directory", lambda _version, _name: str(world.data))
    monkeypatch.setattr(postgres, "state", world.state)
    monkeypatch.setattr(repository, "look", world.look)
    monkeypatch.setattr(repository, "without_lost_backups", lambda _stanza, found: found)
    monkeypatch.setattr(repository, "list_everything", world.list_everything)
    monkeypatch.setattr(repository, "history", lambda _stanza, _found, timeline: world.histories[timeline])
    monkeypatch.setattr(ends, "pgbackrest", world.pgbackrest)
    monkeypatch.setattr(ends, "run", world.run)
    monkeypatch.setattr(ends, "ids", lambda *_names: (0, 0))
    monkeypatch.setattr(ends.os, "geteuid", lambda: 1000)
    return world


def look() -> Sight:
    return horizon.look("axiomdb", CLUSTER)


# --- what is looked at ------------------------------------------------------------------------------------------------


def test_the_host_tells_where_its_server_writes_and_what_it_has(world: World) -> None:
    for one in (name(8), name(9), name(10), name(11), name(9, 2), "00000002.history", "archive_status"):
        (world.data / "pg_wal" / one).touch()
    sight = look()
    assert (sight.here.timeline, sight.here.lsn, sight.here.next_xid) == (1, Lsn.parse("0/A000100"), 3000)
    assert sight.local == (8, 9, 10), "a later one is an empty file for later"
    assert sight.here.directory == sight.data_directory == str(world.data)


def test_segments_of_the_timeline_before_are_none_of_the_servers_own(world: World) -> None:
    world.answer = {**(world.answer or {}), "timeline": 2}
    for one in (name(9), name(9, 2), name(10, 2)):
        (world.data / "pg_wal" / one).touch()
    assert look().local == (9, 10)
    (world.data / "pg_wal" / name(9, 2)).unlink()
    assert look().local == (10,)


def test_the_wal_of_the_host_makes_the_outlook_longer(world: World) -> None:
    (world.data / "pg_wal" / name(10)).touch()
    sight = look()
    whole = horizon.with_host(sight, sight.outlooks[0])
    assert [one.windows[1].stretches[-1].numbers[1] for one in (sight.outlooks[0], whole)] == [9, 10]
    assert whole.windows[1].stretches[-1].complete == sight.here.now


@pytest.mark.parametrize("change", [None, {"data_directory": "/srv/another"}])
def test_without_its_server_a_host_knows_nothing_of_its_own(world: World, change: dict[str, Any] | None) -> None:
    (world.data / "pg_wal" / name(10)).touch()
    world.answer = {**(world.answer or {}), **change} if change else None
    sight = look()
    assert (sight.here.timeline, sight.here.lsn, sight.local) == (0, None, ())
    assert sight.here.directory == str(world.data)
    assert horizon.with_host(sight, sight.outlooks[0]) == sight.outlooks[0]
    assert sight.outlooks[0].newest is not None, "the repositories are looked at all the same"


def test_a_standby_has_no_position_of_its_own(world: World) -> None:
    world.answer = {**(world.answer or {}), "in_recovery": True}
    sight = look()
    assert (sight.here.timeline, sight.here.lsn, sight.local) == (1, None, ())
    assert horizon.with_host(sight, sight.outlooks[0]) == sight.outlooks[0]


def test_a_host_that_lost_its_data_names_no_directory(world: World) -> None:
    world.answer = None
    (world.data / "pg_wal").rmdir()
    world.data.rmdir()
    assert look().here.directory == ""
    assert look().here.free_bytes


@pytest.mark.parametrize("error", [CommandFailed(Completed("repo-ls", 40, "", ""), "x", "y"), ValueError("Found x")])
def test_an_archive_that_cannot_be_listed_is_unreadable_and_no_empty_one(world: World, error: Exception) -> None:
    world.fails = [error]
    (outlook,) = look().outlooks
    assert (outlook.repository.readable, dict(outlook.windows)) == (False, {})


def test_one_repository_that_cannot_be_read_hides_no_other(world: World) -> None:
    world.scenes[2] = unreadable(2, "access was denied")
    first, second = look().outlooks
    assert (first.repository.readable, second.repository.readable) == (True, False)
    assert first.newest is not None


def test_the_tree_is_that_of_the_histories_in_the_repository(world: World) -> None:
    world.scenes[1], world.histories = Scene(child=(8, 9), moments=()), {2: HISTORY}
    sight = look()
    assert [step.timeline for step in sight.trees[1].path(2)] == [1, 2]
    assert sorted(sight.outlooks[0].windows) == [1, 2]


def test_heartbeats_of_the_host_are_moments(world: World) -> None:
    kept = state.DIRECTORY / "axiomdb" / "heartbeats.jsonl"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"time": clock("11:30:00"), "lsn": "0/7000100", "timeline": 1}) + "\n{", encoding="utf-8")
    assert [one.time for one in look().seen.moments] == [clock("11:30:00")]


def test_where_nothing_is_configured_there_is_nothing_to_look_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "configured", dict)
    with pytest.raises(Refusal, match="no pgBackRest with a repository"):
        look()
    assert horizon.outlooks("axiomdb", CLUSTER) == ([], 0)


# --- ends of WAL ------------------------------------------------------------------------------------------------------


def commit(lsn: str, time: str) -> str:
    return record("Transaction", 34, lsn, f"COMMIT 2026-11-22 {time} UTC")


def test_where_no_commit_is_known_the_end_is_read_backwards_until_there_is_one(world: World) -> None:
    world.answer = None
    world.archived = {name(number) for number in range(3, 10)}
    world.dumps = {name(7): commit("0/07000100", "11:20:00"), name(9): record("XLOG", 114, "0/09000028", "CHECKPOINT_ONLINE redo 0")}
    (outlook,), timeline = horizon.outlooks("axiomdb", CLUSTER)
    assert timeline == 0
    assert world.fetched == [name(9), name(8), name(7)]
    assert outlook.windows[1].stretches[-1].latest == clock("11:20:00")


def test_no_more_than_eight_segments_are_read(world: World) -> None:
    world.answer = None
    world.scenes[1] = Scene(tuple(range(3, 40)), moments=())
    world.archived = {name(number) for number in range(3, 40)}
    (outlook,), _timeline = horizon.outlooks("axiomdb", CLUSTER)
    assert world.fetched == [name(number) for number in range(39, 31, -1)]
    assert outlook.windows[1].stretches[-1].latest is None


def test_an_end_that_cannot_be_had_tells_nothing(world: World) -> None:
    world.answer = None
    (outlook,), _timeline = horizon.outlooks("axiomdb", CLUSTER)
    assert (world.fetched, world.dumped) == ([name(9)], [])
    assert outlook.windows[1].stretches[-1].tail is None


def test_a_segment_of_the_host_is_read_from_the_host(world: World) -> None:
    (world.data / "pg_wal" / name(9)).write_bytes(b"wal")
    world.dumps = {name(9): commit("0/09000100", "11:50:00")}
    (outlook,), _timeline = horizon.outlooks("axiomdb", CLUSTER)
    assert world.fetched == []
    assert outlook.windows[1].stretches[-1].latest == clock("11:50:00")


def test_a_segment_that_the_host_recycles_meanwhile_is_read_from_the_repository(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.data / "pg_wal" / name(9)).touch()
    sight = look()
    (world.data / "pg_wal" / name(9)).unlink()
    world.archived, world.dumps = {name(9)}, {name(9): commit("0/09000100", "11:50:00")}
    assert horizon.told(sight)[0].windows[1].stretches[-1].latest == clock("11:50:00")
    assert world.fetched == [name(9)]


def test_nothing_is_left_of_what_was_fetched(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends.tempfile, "tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    world.archived, world.dumps = {name(9)}, {name(9): commit("0/09000100", "11:50:00")}
    world.answer = None
    horizon.outlooks("axiomdb", CLUSTER)
    assert (world.fetched, set(tmp_path.iterdir())) == ([name(9)], before)


def test_around_a_fork_of_which_nothing_is_known_the_wal_is_read(world: World) -> None:
    world.scenes[1], world.histories = Scene(child=(8, 9, 10), moments=()), {2: HISTORY}
    world.answer = {**(world.answer or {}), "timeline": 2}
    world.archived = {name(number) for number in range(3, 10)} | {name(number, 2) for number in (8, 9, 10)}
    world.dumps = {name(8, 2): commit("0/08000040", "11:40:00") + commit("0/08000200", "11:55:00")}
    (outlook,), timeline = horizon.outlooks("axiomdb", CLUSTER)
    (fork,) = outlook.windows[2].stretches[-1].forks
    assert timeline == 2
    assert (fork.after, fork.before) == (clock("11:40:00"), clock("11:55:00"))


# --- a host that was rebuilt ------------------------------------------------------------------------------------------


def rebuilt(world: World, *, timeline: int = 2, along: int = 1, **recovered: object) -> None:
    """Its server is on timeline 2, with heartbeats there; its record of the rebuild says what was recovered on timeline 1."""
    world.scenes[1], world.histories = Scene(child=(8, 9, 10), moments=()), {2: HISTORY}
    world.answer = {**(world.answer or {}), "timeline": 2}
    kept = state.DIRECTORY / "axiomdb" / "heartbeats.jsonl"
    kept.parent.mkdir(parents=True)
    beats = [{"time": clock("11:58:00"), "lsn": "0/9000100", "timeline": 2}, {"time": clock("11:59:00"), "lsn": "0/9000300", "timeline": 2}]
    kept.write_text("".join(json.dumps(one) + "\n" for one in beats), encoding="utf-8")
    home = Home("axiomdb", "17", "main", 5432, str(world.data), "vps2", 7)
    order, goal = Order("latest", "the host is lost", rebuild=True), Goal("axiomdb", 1, NEW.label, 1, "standby")
    plan = {"options": [], "only_here": [], "timeline": along}
    journal = Journal("20261122-114500", order, home, goal, plan, "", False, "", "accepted", timeline=timeline, recovered=recovered)
    state.save(state.path("axiomdb", "restore.json"), restore_record.document(journal))


def spans(outlook: Outlook, timeline: int) -> list[tuple[float, float | None]]:
    return [(one.first, one.end) for stretch in outlook.windows[timeline].stretches for one in stretch.spans]


def test_what_a_rebuild_has_brought_back_is_known_without_reading_it_again(world: World) -> None:
    rebuilt(world, lsn="0/8000100", commit=clock("11:40:00"))
    (outlook,), _timeline = horizon.outlooks("axiomdb", CLUSTER)
    assert spans(outlook, 2) == [(clock("10:00:01"), clock("11:40:00")), (clock("11:58:00"), clock("11:59:00"))]
    assert outlook.windows[2].stretches[-1].forks[0].before == clock("11:58:00"), "what lies between is lost, or nobody knows"
    assert world.fetched == [name(9)], "the end of the timeline that it has left"


def test_the_first_heartbeat_of_a_new_host_hides_nothing_of_the_life_before(world: World) -> None:
    rebuilt(world)
    world.archived = {name(number) for number in range(3, 10)} | {name(number, 2) for number in (8, 9, 10)}
    world.dumps = {name(7): commit("0/07000100", "11:35:00")}
    (outlook,), _timeline = horizon.outlooks("axiomdb", CLUSTER)
    assert spans(outlook, 2) == [(clock("10:00:01"), clock("11:35:00")), (clock("11:58:00"), clock("11:59:00"))]
    assert world.fetched[:2] == [name(8, 2), name(7)]
    assert name(10, 2) not in world.fetched, "the end, of which a heartbeat tells, is not read"


def test_the_life_before_a_hole_is_not_hidden_either(world: World) -> None:
    rebuilt(world)
    late = replace(NEW, label="20261122-120100F", started=int(clock("12:01:00")), stopped=int(clock("12:01:10")))
    late = replace(late, lsn_start="0/C000028", lsn_stop="0/C000138", wal_stop=name(12, 2))
    world.scenes[1] = Scene(child=(8, 9, 10, 12), moments=(), backups=(OLD, NEW, late))
    world.archived = {name(number) for number in range(3, 10)} | {name(number, 2) for number in (8, 9, 10, 12)}
    world.dumps = {name(7): commit("0/07000100", "11:35:00")}
    (outlook,), _timeline = horizon.outlooks("axiomdb", CLUSTER)
    assert (clock("10:00:01"), clock("11:35:00")) in spans(outlook, 2)


def test_the_record_of_a_rebuild_of_another_cluster_tells_nothing(world: World) -> None:
    rebuilt(world, lsn="0/8000100", commit=clock("11:40:00"))
    assert [moment.time for moment in look().seen.moments if moment.timeline == 1 and moment.commit] == [clock("11:40:00")]
    assert remembered.of_rebuilds("axiomdb", [8], []) == ()


@pytest.mark.parametrize(
    "record", [{}, {"lsn": "", "commit": None}, {"lsn": "nowhere", "commit": 1.0}, {"lsn": "0/8000100", "commit": None}]
)
def test_a_rebuild_that_found_no_commit_tells_nothing(world: World, record: dict[str, object]) -> None:
    rebuilt(world, **record)
    assert remembered.of_rebuilds("axiomdb", [7], []) == ()


def test_a_rebuild_that_ended_before_its_timeline_began_tells_of_the_one_before(world: World) -> None:
    rebuilt(world, timeline=3, along=2, lsn="0/7000100", commit=clock("11:30:00"))
    tree = tree_of({2: HISTORY, 3: f"{HISTORY}2\t0/7000100\tx\n"})
    assert [one.timeline for one in remembered.of_rebuilds("axiomdb", [7], [Tree(), tree])] == [1]


def test_what_lies_past_the_fork_is_not_told_to_end_before_it(world: World) -> None:
    rebuilt(world, lsn="0/8000100", commit=clock("11:40:00"))
    told = telling.lines(*horizon.outlooks("axiomdb", CLUSTER), now=clock("12:00:00"))
    assert "  abandoned    repository 1, timeline 1: until LSN 0/A000000; type a target with ,timeline:1 behind it" in told


# --- plans ------------------------------------------------------------------------------------------------------------


def test_a_plan_reads_the_end_only_where_a_time_is_asked_for(world: World) -> None:
    world.answer = None
    world.archived = {name(number) for number in range(3, 10)}
    world.dumps = {name(9): commit("0/09000100", "11:50:00")}
    assert isinstance(horizon.foresee(parse("latest"), look()), Plan)
    before = list(world.fetched)
    assert isinstance(horizon.foresee(parse("time:2026-11-22T11:30:00Z"), look()), Plan)
    assert name(9) in world.fetched[len(before) :]


def test_the_plan_knows_what_the_data_takes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.data / "base").mkdir()
    (world.data / "base" / "1").write_bytes(b"x" * 300_000)
    asked: list[int] = []
    monkeypatch.setattr(horizon.plan, "plan", lambda _target, _archives, here: asked.append(here.data_bytes))
    horizon.foresee(parse("latest"), look())
    assert 300_000 <= asked[0] < 400_000


# --- abandoned timelines ----------------------------------------------------------------------------------------------


def forked_often(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host on timeline 5 that remembers nothing of 1 to 4, each of which left timeline 1 before its end; 2 to 4 go on in segment 9."""
    histories = {number: HISTORY for number in range(2, 6)}
    numbers = {1: range(3, 10), 2: range(8, 10), 3: range(8, 10), 4: range(8, 10), 5: range(8, 11)}
    held = Holdings(SIZE, histories=frozenset(histories))
    for timeline, found in numbers.items():
        held = held.with_segments(timeline, found)
    world.histories, world.answer = histories, {**(world.answer or {}), "timeline": 5}
    monkeypatch.setattr(repository, "list_everything", lambda *_asked: held)
    world.archived = {name(number, timeline) for timeline, found in numbers.items() for number in found}
    world.dumps = {name(9, timeline): commit("0/09000200", f"11:4{timeline}:30.948") for timeline in range(1, 5)}
    world.dumps[name(10, 5)] = commit("0/0A000100", "11:55:00")
    world.dumps[name(7)] = commit("0/07000100", "11:35:00")


def test_every_abandoned_timeline_is_told_with_its_time_by_a_host_that_remembers_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    forked_often(world, monkeypatch)
    outlooks, timeline = horizon.outlooks("axiomdb", CLUSTER)
    told = [line for line in telling.lines(outlooks, timeline, clock("12:00:00")) if line.startswith("  abandoned")]
    assert [line.partition("; ")[0] for line in told] == [
        f"  abandoned    repository 1, timeline {number}: until 2026-11-22T11:4{number}:30Z" for number in (4, 3, 2, 1)
    ]


def test_the_end_of_an_abandoned_timeline_is_read_from_one_repository_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    forked_often(world, monkeypatch)
    world.scenes[2] = Scene(moments=())
    outlooks, _timeline = horizon.outlooks("axiomdb", CLUSTER)
    assert [one.windows[2].stretches[-1].commits[-1].time for one in outlooks] == [clock("11:42:30.948")] * 2
    assert world.fetched.count(name(9, 2)) == 1


def test_a_refused_time_names_the_abandoned_timeline_that_it_lies_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    forked_often(world, monkeypatch)
    world.dumps |= {name(8, timeline): commit("0/08000200", f"11:4{timeline}:00") for timeline in range(2, 5)}
    found = horizon.foresee(parse("time:2026-11-22T11:43:10Z"), look())
    assert isinstance(found, Problem)
    assert "11:43:10Z, which lies on the abandoned timeline 3: timeline 5 left timeline 1 at LSN 0/8000100; expected" in found.sentence()
    assert found.next_step.endswith("or time:2026-11-22T11:43:10Z,timeline:3 for what was written on the abandoned timeline 3")
    assert name(9, 2) not in world.fetched, "once it is known nothing more is read"
    there = horizon.foresee(parse("time:2026-11-22T11:43:10Z,timeline:3"), look())
    assert isinstance(there, Plan)
    assert there.timeline == 3
    between = horizon.foresee(parse("time:2026-11-22T11:43:50Z"), look())
    assert isinstance(between, Problem)
    assert "between the last commit that is known of the abandoned timeline 3 and the first that is known after timeline 5" in between.found
    assert between.next_step.endswith("or latest,timeline:3 for what was written on the abandoned timeline 3")
    world.dumps[name(9, 4)] += record("XLOG", 114, "0/09000300", "CHECKPOINT_ONLINE redo 0")
    behind = horizon.foresee(parse("time:2026-11-22T11:44:50Z"), look())
    assert isinstance(behind, Problem)
    assert behind.next_step.endswith("or time:2026-11-22T11:44:30.948Z,timeline:4 for what was written on the abandoned timeline 4")
    assert isinstance(horizon.foresee(parse("time:2026-11-22T11:44:30.948Z,timeline:4"), look()), Plan)
