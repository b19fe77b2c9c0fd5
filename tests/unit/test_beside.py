# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Beside a command that waits: a child that looks again and again, has nothing of the parent's, and never outlives it."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from _recovery import beside, state
from _recovery.push_past import Sender
from pictures import repository

PATIENCE = 20.0
TWO = Sender("axiomdb", "/data", (repository(1, 60.0), repository(2, 60.0)))
ONE = Sender("axiomdb", "/data", TWO.repositories[:1])


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _lives(process: int) -> bool:
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where each look of a child leaves its process number and the number of its open files."""
    file = tmp_path / "looks"
    file.touch()

    def look(_sender: Sender, goes_on: Callable[[float], bool]) -> str:
        with file.open("a") as stream:
            own = {int(name) for name in os.listdir("/proc/self/fd")} - {stream.fileno()}
            stream.write(f"{os.getpid()} {os.getuid()} {sum(os.path.exists(f'/proc/self/fd/{number}') for number in own)}\n")
        return ""

    monkeypatch.setattr(beside, "push_past", look)
    monkeypatch.setattr(beside, "EACH", 0.01)
    monkeypatch.setattr(beside, "become", lambda _user: None)
    monkeypatch.setattr(state, "LOGS", tmp_path)
    monkeypatch.setattr(state, "ids", lambda *_names: (os.getuid(), os.getgid()))
    return file


def _child(looks: Path) -> int:
    _until(lambda: looks.read_text().count("\n") > 2)
    return int(looks.read_text().split()[0])


def test_a_child_looks_again_and_again_until_the_command_ends(looks: Path) -> None:
    with beside.pushing_past(TWO):
        child = _child(looks)
        assert child != os.getpid()
        assert _lives(child)
    assert not _lives(child)


def test_it_ends_where_the_command_failed(looks: Path) -> None:
    with pytest.raises(ValueError, match="failed"), beside.pushing_past(TWO):
        child = _child(looks)
        raise ValueError("failed")
    assert not _lives(child)


def test_with_one_repository_there_is_no_child(looks: Path) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text()  # of other tests
    with beside.pushing_past(ONE):
        assert children.read_text() == before
    assert looks.read_text() == ""


def test_it_has_nothing_open_but_its_pipe(looks: Path, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w"), beside.pushing_past(TWO):
        _child(looks)
    assert {line.split()[2] for line in looks.read_text().splitlines()} == {"4"}


def test_a_lock_of_the_parent_is_free_when_it_is_killed_and_the_child_ends(looks: Path, tmp_path: Path) -> None:
    parent = os.fork()
    if parent == 0:
        lock = (tmp_path / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        with beside.pushing_past(TWO):
            time.sleep(PATIENCE)
        os._exit(0)
    child = _child(looks)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _until(lambda: not _lives(child))


def test_a_child_that_hangs_is_ended(looks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(_sender: Sender, _goes_on: Callable[[float], bool]) -> str:
        with looks.open("a") as stream:
            stream.write(f"{os.getpid()}\n\n\n")
        time.sleep(PATIENCE)
        return ""

    monkeypatch.setattr(beside, "push_past", hang)
    monkeypatch.setattr(beside, "LAST", 0.1)
    begun = time.monotonic()
    with beside.pushing_past(TWO):
        child = _child(looks)
    assert (_lives(child), time.monotonic() - begun < PATIENCE) == (False, True)


def test_what_it_did_is_a_line_of_the_log_and_an_error_ends_it(looks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["", "2 WAL files pushed past repository 2"])

    def answer(_sender: Sender, _goes_on: Callable[[float], bool]) -> str:
        try:
            return next(answers)
        except StopIteration:
            raise OSError("no configuration") from None

    monkeypatch.setattr(beside, "push_past", answer)
    beside.go_on(TWO, lambda _seconds: True)
    done, error = (tmp_path / "backup.log").read_text().splitlines()
    assert done.endswith(" axiomdb: 2 WAL files pushed past repository 2")
    assert error.endswith(" axiomdb: nothing is pushed past repositories that are away: no configuration")
