# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs beside a live server has a scope of its own, entered once, and children that do not outlive it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from _recovery import confine
from _recovery.run import Completed


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would replace this process, as root on a host with systemd."""
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "execvp", lambda _file, words: commands.append(words))
    monkeypatch.setattr(Path, "is_dir", lambda _self: True)
    monkeypatch.setattr(confine, "run", lambda *_words, **_more: Completed("", 0, "", ""))
    monkeypatch.setitem(os.environ, confine.INSIDE, "")
    return commands


def test_a_scope_is_entered_once_and_bounds_memory(entered: list[list[str]]) -> None:
    confine.enter_scope("scratch", 256 << 20)
    confine.enter_scope("scratch", 256 << 20)
    assert len(entered) == 1
    assert {"--scope", "--collect", f"--property=MemoryMax={256 << 20}"} <= set(entered[0])
    assert entered[0][entered[0].index("--") + 1 :] == [sys.executable, *sys.argv]


def test_a_bound_that_is_refused_leaves_room_for_whoever_refuses_it(entered: list[list[str]]) -> None:
    confine.enter_scope("scratch", 1 << 20)
    assert f"--property=MemoryMax={128 << 20}" in entered[0]


@pytest.mark.parametrize("without", ["root", "systemd", "an answer of systemd"])
def test_nothing_is_entered_without(without: str, entered: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    if without == "root":
        monkeypatch.setattr(os, "geteuid", lambda: 101)
    elif without == "systemd":
        monkeypatch.setattr(Path, "is_dir", lambda _self: False)
    else:
        monkeypatch.setattr(confine, "run", lambda *_words, **_more: Completed("", 1, "", ""))
    confine.enter_scope("scratch", 256 << 20)
    assert entered == []


def test_a_command_that_cannot_begin_anew_moves_into_its_scope(entered: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def call(words: list[str], **_more: object) -> Completed:
        calls.append(words)
        return Completed("", 0, "", "")

    monkeypatch.setattr(confine, "run", call)
    monkeypatch.setattr(Path, "read_text", lambda _self, **_more: f"0::/system.slice/{calls[0][7]}\n")
    confine.join_scope("drill", 512 << 20)
    (words,) = calls
    assert words[:2] == ["busctl", "call"] and words[7].startswith("axiomdb-drill-") and words[7].endswith(".scope")
    text = " ".join(words)
    assert f" PIDs au 1 {os.getpid()} " in text and f" MemoryMax t {512 << 20} " in text and words[9] == "6" and words[-1] == "0"
    monkeypatch.setitem(os.environ, confine.INSIDE, "drill")
    confine.join_scope("drill", 512 << 20)
    assert len(calls) == 1 and entered == []


def test_a_child_ends_with_its_maker() -> None:
    sleeper = [*confine.calm("QUIT"), sys.executable, "-c", "print(1, flush=True); import time; time.sleep(5); print(2)"]
    # A shell lets what it starts in the background ignore the signal; a server never does.
    heeds = "import signal; signal.signal(signal.SIGQUIT, signal.SIG_DFL)"
    maker = f"{heeds}; import os, subprocess; p = subprocess.Popen({sleeper!r}); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", maker], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = {process.stdout.readline().strip(), process.stdout.readline().strip()}
        process.kill()
        assert "1" in said and process.stdout.read() == "", "the child went on"


def test_a_process_that_wants_more_memory_than_the_bound_does_not_get_it() -> None:
    code = "import sys; print(len(bytes(200 << 20)))"
    for memory, ended in ((100 << 20, 1), (400 << 20, 0), (0, 0)):
        done = subprocess.run([*confine.calm("QUIT", memory), sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == ended, done.stderr
        assert ended == 0 or "MemoryError" in done.stderr
