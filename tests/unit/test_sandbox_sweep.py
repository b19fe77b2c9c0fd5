# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a test run has made is removed at its end, however it ends; what a killed one has left, by the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "0123456789ab"
# Says that there is one image, of the run that was named to the script, or of the one whose process id a file has.
_DOCKER = """#!/bin/sh
echo "$@" >> {log}
case "$1 $2" in
  "image ls") echo {image} ;;
  "image inspect") cat {run} 2>/dev/null || tr '\\0' '\\n' < /proc/$PPID/cmdline | tail -n 1 ;;
esac
"""
_TEST = """
import pathlib, time
def test_it_waits():
    pathlib.Path({began!r}).touch()
    while not pathlib.Path({end!r}).exists():
        time.sleep(0.02)
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is asked of Docker."""
    found = tmp_path / "log"
    found.touch()
    command = tmp_path / "docker"
    command.write_text(_DOCKER.format(log=found, image=IMAGE, run=tmp_path / "run"), encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return found


@pytest.fixture
def run(tmp_path: Path, log: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of one test that has begun, in a process that does not know the stories."""
    (tmp_path / "test_waits.py").write_text(_TEST.format(began=str(tmp_path / "began"), end=str(tmp_path / "end")), encoding="utf-8")
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")} | {"PYTHONPATH": str(ROOT / "tests")}
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "conftest", f"--rootdir={tmp_path}", str(tmp_path / "test_waits.py")]
    # Whoever runs in the background of a script has SIGINT ignored, and so would what it starts.
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen([sys.executable, *words], env=env, stdout=subprocess.PIPE, text=True) as started:
        signal.signal(signal.SIGINT, heeded)
        while not (tmp_path / "began").exists() and started.poll() is None:
            time.sleep(0.02)
        assert started.poll() is None
        yield started
        started.kill()


@pytest.mark.parametrize("ends", [None, signal.SIGINT, signal.SIGTERM])
def test_its_images_are_removed_however_it_ends(ends: signal.Signals | None, run: subprocess.Popen[str], tmp_path: Path, log: Path) -> None:
    if ends is None:
        (tmp_path / "end").touch()
    else:
        run.send_signal(ends)
    output = run.communicate(timeout=60)[0]
    assert (run.returncode == 0) == (ends is None), output
    assert f"image rm -f {IMAGE}" in log.read_text("utf-8").splitlines()


def swept(log: Path, run: int) -> bool:
    """Whether the next run removes the image of the run with this process id."""
    (log.parent / "run").write_text(str(run), encoding="utf-8")
    log.write_text("", encoding="utf-8")
    subprocess.run([str(ROOT / "sandbox" / "host"), "sweep"], check=True)
    return f"image rm -f {IMAGE}" in log.read_text("utf-8").splitlines()


def test_one_that_was_killed_is_cleared_up_by_the_next(run: subprocess.Popen[str], log: Path) -> None:
    assert not swept(log, run.pid), "it goes on"
    run.kill()
    run.wait()
    assert swept(log, run.pid)


def test_also_where_its_process_id_is_anothers_now(log: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            assert swept(log, other.pid)
        finally:
            other.kill()
