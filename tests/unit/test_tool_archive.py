# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tool: the same bytes each time, and an archive that Python runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from _recovery import tool_archive


def test_the_same_source_gives_the_same_bytes() -> None:
    assert tool_archive.build() == tool_archive.build()


def test_python_runs_it_without_this_checkout(tmp_path: Path) -> None:
    tool = tmp_path / "axiomdb-recovery"
    tool.write_bytes(tool_archive.build())
    done = subprocess.run([sys.executable, "-I", str(tool), "--help"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"status", "backup", "verify", "heartbeat", "pause", "resume"} <= set(done.stdout.split())


def test_an_unknown_command_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    tool = tmp_path / "axiomdb-recovery"
    tool.write_bytes(tool_archive.build())
    done = subprocess.run([sys.executable, "-I", str(tool), "bakcup"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "backup" in done.stderr
