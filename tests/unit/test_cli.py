# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tool on the host: what it loads before it does anything, and that every command is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import _recovery
import pytest
from _recovery import cli

# Each module is compiled anew at each start: what the heartbeat loads is paid every minute.
HEARTBEAT = {"cli", "durable", "ending", "heartbeat", "jobs", "problem", "run", "spoken", "sql", "state", "stepping_down", "tool_settings"}
COMMANDS = ("status", "plan", "backup", "snapshot", "snapshots", "verify", "heartbeat", "watch", "scratch", "pause", "resume")


def loaded(code: str) -> set[str]:
    """Modules that are loaded after this code ran in a Python of its own."""
    directory = Path(_recovery.__file__).parent.parent
    asked = f"import sys; sys.path.insert(0, {str(directory)!r}); {code}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-I", "-c", asked], capture_output=True, text=True, check=True).stdout.split())


def test_the_heartbeat_loads_what_it_needs_alone() -> None:
    found = loaded("from _recovery import cli, heartbeat; cli._parser(['heartbeat'])")
    assert {name.removeprefix("_recovery.") for name in found if name.startswith("_recovery.")} == HEARTBEAT
    assert not found & {"ssl", "urllib.request", "hashlib", "tempfile", "difflib", "traceback"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: axiomdb-recovery {command}" in capsys.readouterr().out


def test_the_help_lists_every_command_and_scratch_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for words, names in ((["--help"], COMMANDS), (["scratch", "--help"], ("make", "query", "list", "remove"))):
        with pytest.raises(SystemExit):
            cli.main(words)
        told = capsys.readouterr().out.split()
        assert set(names) <= {word.strip(":,") for word in told}
