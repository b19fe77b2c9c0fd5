# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all tests of quality share: the files of the repository, read once, and the tools beside this Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


class AnyTag(yaml.SafeLoader):
    """Reads YAML with tags of Ansible, such as ``!vault``, as plain values."""


AnyTag.add_multi_constructor("!", lambda loader, suffix, node: loader.construct_scalar(node))


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Every file that is committed or would be by ``git add .``, relative to the top; no links."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    files = [Path(name) for name in sorted(set(names)) if name]
    return [path for path in files if (ROOT / path).is_file() and not (ROOT / path).is_symlink()]


@pytest.fixture(scope="session")
def read_yaml() -> Callable[[Path], Any]:
    """A function that reads the YAML file at a path relative to the top."""

    def read(path: Path) -> Any:
        with (ROOT / path).open(encoding="utf-8") as stream:
            return yaml.load(stream, Loader=AnyTag)

    return read


@pytest.fixture(scope="session")
def tool() -> Callable[..., str]:
    """A function that runs a command of this virtual environment at the top, fails with its output, or returns it."""

    def run(name: str, *arguments: str, **environment: str) -> str:
        commands = Path(sys.executable).parent
        env = os.environ | {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"} | environment
        done = subprocess.run([str(commands / name), *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"{name} {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}", pytrace=False)
        return done.stdout

    return run


@pytest.fixture(scope="session")
def shellcheck() -> str:
    """The judge of shell scripts, from Debian's package; installed if it is missing."""
    if shutil.which("shellcheck") is None:
        subprocess.run([str(ROOT / "sandbox" / "packages"), "shellcheck"], check=True)
    return shutil.which("shellcheck") or pytest.fail("there is no shellcheck: apt-get install shellcheck")
