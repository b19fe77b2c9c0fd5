# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the hosts lie is said by whoever starts the engine, with the command that ends one which keeps them elsewhere.

The script is the real one, in a checkout of its own; what it asks of the machine is answered by the test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEMORY, DISK = "tmpfs", "ext2/ext3"
LIMIT = "/proc/sys/fs/inotify/max_user_instances"
Start = Callable[..., "subprocess.CompletedProcess[str]"]


def put(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts it beside an engine that answers: where that keeps its hosts, whether it is this checkout's, how much memory is free."""
    commands, cache = tmp_path / "bin", tmp_path / ".cache" / "engine"
    commands.mkdir()
    cache.mkdir(parents=True)
    shutil.copytree(ROOT / "sandbox", tmp_path / "sandbox")
    shutil.copy(shutil.which("sleep") or "", commands / "dockerd")
    engine = subprocess.Popen([str(commands / "dockerd"), "600"])
    put(commands / "cat", f'if [ "$1" = {LIMIT} ]; then echo 1024; else exec /bin/cat "$@"; fi')

    def run(*words: str, kept: str, ours: bool = True, free: int = 20, root: str = "/var/lib/docker") -> subprocess.CompletedProcess[str]:
        put(commands / "docker", f'if [ "$1" = info ]; then echo {root}; else echo 26.1; fi')
        put(commands / "stat", f"echo {kept}")
        put(commands / "awk", f"echo {free}")
        (cache / "dockerd.pid").write_text(str(engine.pid) if ours else "", encoding="utf-8")
        env = {**os.environ, "PATH": f"{commands}:{os.environ['PATH']}"}
        return subprocess.run(
            [str(tmp_path / "sandbox" / "engine"), "start", *words], capture_output=True, text=True, check=False, env=env, timeout=60
        )

    try:
        yield run
    finally:
        engine.kill()
        engine.wait()


@pytest.mark.parametrize(
    ("ours", "root", "step"),
    [
        (True, "/srv/mine/.cache/engine/store", "make engine-stop"),
        (False, "/srv/other/.cache/engine/store", "make -C /srv/other engine-stop"),
        (False, "/mnt/memory", "stop it as it was started"),
    ],
)
def test_nothing_is_measured_in_memory_that_was_meant_for_disks(ours: bool, root: str, step: str, start: Start) -> None:
    done = start("--on-disk", kept=MEMORY, ours=ours, root=root)
    assert done.returncode == 1
    found = f"Found a Docker Engine that keeps its hosts in memory ({root}); expected disks."
    assert done.stderr == f"ERROR: {found} Next: {step}, then the same command again\n"


@pytest.mark.parametrize(("ours", "step"), [(True, "make engine-stop"), (False, "stop it as it was started")])
def test_nobody_waits_for_disks_unknowingly(ours: bool, step: str, start: Start) -> None:
    done = start("--in-memory", kept=DISK, ours=ours)
    slower = "==> The Docker Engine keeps its hosts on disk (/var/lib/docker), which is slower."
    assert (done.returncode, done.stdout) == (0, f"{slower} Memory is free for them: {step}, then the same command again\n")


@pytest.mark.parametrize(
    ("words", "kept", "free"),
    [(("--in-memory",), MEMORY, 20), (("--in-memory",), DISK, 17), (("--on-disk",), DISK, 20), ((), MEMORY, 20), ((), DISK, 20)],
)
def test_what_was_asked_for_is_used(words: tuple[str, ...], kept: str, free: int, start: Start) -> None:
    done = start(*words, kept=kept, free=free)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_another_word_is_refused(start: Start) -> None:
    assert "usage: sandbox/engine" in start("--in-the-memory", kept=DISK).stderr
