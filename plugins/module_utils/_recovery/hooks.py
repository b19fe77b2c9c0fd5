# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a command of whoever recovers, with a document on its input."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

SAID = 300  # characters of what a command said that are kept


@dataclass(frozen=True)
class Hooked:
    """How a hook ended: with an empty reason when it did what it should. `said` is the last that it printed."""

    reason: str
    said: str
    seconds: float


def run(argv: Sequence[str], document: str, timeout: float) -> Hooked:
    """Run a hook with the environment of its caller, and end it with all it has started when `timeout` seconds are over."""
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", start_new_session=True
        )
    except OSError as error:
        return Hooked(f"{argv[0]}: {error.strerror}", "", time.monotonic() - began)
    try:
        output = process.communicate(document.encode(), timeout=timeout)[0]
        reason = "" if process.returncode == 0 else f"exit code {process.returncode}"
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output, reason = b"", f"no end within {timeout:g} s"
        process.wait()
    return Hooked(reason, output.decode(errors="replace").strip()[-SAID:], time.monotonic() - began)
