# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A process id that a power cut has left in a data directory is believed of a server that works there, and of nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _recovery import host

PORT = 5432


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works in `here` and has the word in its command line."""
    (tmp_path / "here").mkdir()
    words = [sys.executable, "-c", "print(flush=True); input()", "postgres"]
    with subprocess.Popen(words, cwd=tmp_path / "here", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        yield started
        started.communicate(b"\n")


def left(directory: Path, pid: int) -> str:
    directory.mkdir(exist_ok=True)
    (directory / "postmaster.pid").write_text(f"{pid}\n{directory}\n1764100000\n{PORT}\n", encoding="utf-8")
    return str(directory)


def test_a_server_works_in_its_data(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    assert host.postmaster(left(tmp_path / "here", process.pid)) == (process.pid, PORT)


def test_another_process_of_that_number_is_no_server(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    assert host.postmaster(left(tmp_path / "elsewhere", process.pid)) is None


def test_no_process_is_no_server(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert host.postmaster(left(tmp_path / "here", ended.pid)) is None
    assert host.postmaster(str(tmp_path)) is None
