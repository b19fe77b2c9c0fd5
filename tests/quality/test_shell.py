# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shell scripts are few, and shellcheck finds nothing in them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def test_shellcheck_finds_nothing(root: Path, tracked: list[Path], shellcheck: str) -> None:
    scripts = []  # what they source is read with them
    for path in tracked:
        with (root / path).open("rb") as stream:
            if re.match(rb"#!.*\b(ba|da)?sh\b", stream.readline()):
                scripts.append(str(path))
    assert scripts, "there are some"
    done = subprocess.run([shellcheck, "-x", *scripts], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
