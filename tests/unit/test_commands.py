# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is ended is of this host: a container that it runs may have a cluster of the same name, and a restore of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _recovery import scratch_removal


@pytest.fixture
def process() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        yield started.pid
        started.communicate(b"\n")


def test_a_process_of_this_host_is_found(process: int) -> None:
    assert process in dict(scratch_removal.commands())


@pytest.mark.parametrize(("found", "seen"), [("pid:[1]", False), (PermissionError(), True), (FileNotFoundError(), False)])
def test_one_of_a_container_is_not(found: str | OSError, seen: bool, process: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.readlink

    def readlink(path: Any, **options: Any) -> str:
        if Path(path) != Path(f"/proc/{process}/ns/pid"):
            return str(real(path, **options))
        if isinstance(found, OSError):
            raise found
        return found

    monkeypatch.setattr(os, "readlink", readlink)
    assert (process in dict(scratch_removal.commands())) is seen
