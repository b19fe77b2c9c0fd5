# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What root has done by a child is done by that user alone, and every end of the child is an answer."""

from __future__ import annotations

import os
import pwd
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from _recovery import in_child
from _recovery.problem import Problem, Refusal, Unfinished

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root steps down")
PROBLEM = Problem("something", "something else", "type it")
NOBODY = "nobody"


@pytest.fixture(autouse=True)
def _as_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_child, "USER", NOBODY)


def _done(act: Callable[[Any], Any]) -> tuple[Any, list[str]]:
    told: list[str] = []
    return in_child.as_postgres(act, told.append), told


def _who(tell: Callable[[str], None]) -> list[int]:
    tell("first")
    tell("second")
    return [os.getuid(), os.geteuid(), *os.getresuid(), *os.getresgid()]


def test_the_child_is_that_user_wholly_and_for_good() -> None:
    account = pwd.getpwnam(NOBODY)
    assert _done(_who) == ([account.pw_uid] * 5 + [account.pw_gid] * 3, ["first", "second"])
    assert os.geteuid() == 0


def _raise(error: BaseException) -> Callable[[Any], Any]:
    def act(_tell: Callable[[str], None]) -> None:
        raise error

    return act


@pytest.mark.parametrize("kind", [Refusal, Unfinished])
def test_a_refusal_arrives_with_its_problems(kind: type[Refusal]) -> None:
    with pytest.raises(Refusal) as caught:
        _done(_raise(kind(PROBLEM, PROBLEM)))
    assert isinstance(caught.value, Unfinished) == issubclass(kind, Unfinished)
    assert caught.value.problems == (PROBLEM, PROBLEM)


def test_an_error_that_nobody_thought_of_arrives_too() -> None:
    with pytest.raises(Unfinished, match=r"by zero"):
        _done(lambda _tell: 1 // 0)


def test_a_child_that_is_killed_is_no_answer() -> None:
    with pytest.raises(Unfinished, match="ended without a word"):
        _done(lambda _tell: os.kill(os.getpid(), signal.SIGKILL))


def test_no_child_stays() -> None:
    _done(_who)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_the_child_does_not_outlive_whoever_forked_it() -> None:
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:

        def act(_tell: Callable[[str], None]) -> None:
            try:
                os.write(writing, b"began ")
                time.sleep(30)
            except SystemExit:
                os.write(writing, b"cleaned up")
                raise

        try:
            in_child.as_postgres(act, lambda _line: None)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as said:
        assert said.read(6) == b"began "
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        assert said.read() == b"cleaned up"
