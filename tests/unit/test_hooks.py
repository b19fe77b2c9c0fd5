# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A hook reads its document, and ends in time with all that it has started."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from _recovery import hooks


def test_a_hook_reads_its_document_and_its_last_words_are_kept() -> None:
    ended = hooks.run([sys.executable, "-c", "import sys; print('x' * 500, sys.stdin.read())"], '{"event": "before"}', 10)
    assert (ended.reason, len(ended.said)) == ("", hooks.SAID)
    assert ended.said.endswith('{"event": "before"}')


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["sh", "-c", "echo no >&2; exit 3"], "exit code 3"),
        (["sh", "-c", "kill -9 $$"], "exit code -9"),
        (["/nowhere/at/all"], "/nowhere/at/all: No such file or directory"),
    ],
)
def test_a_hook_that_fails_says_how(argv: list[str], reason: str) -> None:
    assert hooks.run(argv, "{}", 10).reason == reason


def test_a_hook_that_reads_nothing_is_no_failure() -> None:
    assert hooks.run(["true"], "x" * (1 << 20), 10).reason == ""


def test_a_hook_without_an_end_is_ended_with_its_children(tmp_path: Path) -> None:
    began, file = time.monotonic(), tmp_path / "child"
    ended = hooks.run(["sh", "-c", f"sleep 60 & echo $! > {file}; sleep 60"], "{}", 1)
    assert ended.reason == "no end within 1 s"
    assert time.monotonic() - began < 10
    status = Path("/proc", file.read_text(encoding="utf-8").strip(), "stat")
    while lives(status) and time.monotonic() - began < 10:
        time.sleep(0.01)
    assert not lives(status)


def lives(status: Path) -> bool:
    """Whether there is such a process: one that is dead and that nobody has asked for is none."""
    return status.exists() and status.read_text(encoding="utf-8").split()[2] not in "ZX"
