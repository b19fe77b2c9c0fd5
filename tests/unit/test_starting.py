# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server that recovers from a crash is waited for as long as it moves, and no longer."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from _recovery import host, restore_acceptance, starting
from _recovery.postgres import NotAnswering
from _recovery.recovering import Log, Seen
from _recovery.run import Completed
from _recovery.scratch_copy import Failed
from _recovery.starting import Startup
from test_restoring import JOURNAL

REPLAYS = "postgres: 17/main: startup recovering 0000000300000000000000"


class World:
    """A unit whose server answers after some looks, on a clock that goes on by a minute with each of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers_after: int, moves: bool) -> None:
        self.minutes, self.answers_after, self.moves = 0, answers_after, moves
        clock = SimpleNamespace(monotonic=lambda: self.minutes * 60.0, sleep=self.sleep)
        for module in (restore_acceptance, starting):
            monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(restore_acceptance, "run", lambda words: Completed("", 0, "activating" if "show" in words else "", ""))
        monkeypatch.setattr(restore_acceptance.postgres, "state", self.state)
        monkeypatch.setattr(starting, "look", self.look)

    def sleep(self, _seconds: float) -> None:
        self.minutes += 1

    def state(self, _port: int) -> dict[str, object]:
        if self.minutes < self.answers_after:
            raise NotAnswering("the database system is starting up")
        return {"answers": True}

    def look(self, _directory: str) -> Startup:
        segment = self.minutes if self.moves else 0
        return Startup({f"{REPLAYS}{segment:02X}": 5}, 1.0)


def test_a_crash_recovery_that_takes_an_hour_is_waited_for_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    World(monkeypatch, answers_after=60, moves=True)
    told: list[str] = []
    assert restore_acceptance.start_cluster(JOURNAL, told.append) == {"answers": True}
    assert "  17/main recovers from a crash (recovering 000000030000000000000001); nothing is to be done but to wait" in told


def test_one_that_stands_still_for_ten_minutes_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, answers_after=60, moves=False)
    with pytest.raises(Failed, match="no answer of 17/main .the database system is starting up."):
        restore_acceptance.start_cluster(JOURNAL)
    assert world.minutes == 10


def test_nor_is_a_server_in_which_nothing_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, answers_after=60, moves=True)
    monkeypatch.setattr(starting, "look", lambda _directory: Startup({}, float(world.minutes)))
    with pytest.raises(Failed):
        restore_acceptance.start_cluster(JOURNAL)
    assert world.minutes == 10


def test_the_processes_of_this_server_alone_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    running = [(7, [f"{REPLAYS}07"]), (8, ["postgres: 17/main: checkpointer performing end-of-recovery checkpoint"])]
    others = [(9, [f"{REPLAYS}09"]), (10, ["less", ": startup"]), (11, ["postgres: 17/main: postgres app [local] startup waiting"])]
    parents = {7: 5, 8: 5, 9: 6, 10: 5, 11: 6}
    monkeypatch.setattr(starting, "commands", lambda: iter([*running, *others]))
    monkeypatch.setattr(starting, "_ticks", lambda pid, parent: pid * 10 if parents[pid] == parent else None)
    monkeypatch.setattr(host, "postmaster", lambda _directory: (5, 5432))
    seen = starting.look("/none")
    assert seen == Startup({f"{REPLAYS}07": 70, running[1][1][0]: 80})
    assert seen.recovers == "recovering 000000030000000000000007"
    running.pop(0)
    assert starting.look("/none") == Startup(), "a checkpointer alone says nothing"
    monkeypatch.setattr(host, "postmaster", lambda _directory: None)
    assert starting.look("/none") == Startup()


def test_ticks_are_those_of_a_child() -> None:
    own = starting._ticks(os.getpid(), os.getppid())
    assert own is not None and own >= 0
    assert starting._ticks(os.getpid(), os.getpid()) is None
    assert starting._ticks(1 << 30, 1) is None


def test_the_held_server_is_waited_for_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    world = held(monkeypatch, moves=False)
    looks = iter([Seen(Log(), still=599.0), *[Seen(Log(), still=0.0)] * 11, Seen(Log(), still=599.0), Seen(Log(), still=601.0)])
    with pytest.raises(Failed, match="no answer of the held server"):
        restore_acceptance._until_answers(JOURNAL, SimpleNamespace(look=lambda: next(looks)))
    assert list(looks) == []
    assert world.minutes == 13


def test_a_silent_checkpoint_at_the_end_of_its_recovery_is_movement_of_the_held_server(monkeypatch: pytest.MonkeyPatch) -> None:
    world = held(monkeypatch, moves=True)
    silent = SimpleNamespace(look=lambda: Seen(Log(), still=world.minutes * 60.0))
    restore_acceptance._until_answers(JOURNAL, silent)
    assert world.minutes == 60
    world.minutes, world.moves = 0, False
    with pytest.raises(Failed, match="no answer of the held server"):
        restore_acceptance._until_answers(JOURNAL, silent)
    assert world.minutes <= 11


def held(monkeypatch: pytest.MonkeyPatch, moves: bool) -> World:
    """A held server that answers after an hour."""
    world = World(monkeypatch, answers_after=60, moves=moves)

    def ask(*_words: object) -> object:
        world.state(0)
        return False

    monkeypatch.setattr(restore_acceptance.held_server, "ask", ask)
    monkeypatch.setattr(restore_acceptance.held_server, "state", lambda _place: "")
    return world
