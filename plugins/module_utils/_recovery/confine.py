# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps what is done beside a live server small: a scope of systemd with a bound on memory, the last place for CPU and disk."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from .run import CALM, run
from .scratch import LEAST_MEMORY

INSIDE = "AXIOMDB_SCOPE"
PR_SET_PDEATHSIG = 1  # source: prctl(2)
JOINED_WITHIN = 10.0  # seconds
# A child that does not outlive its maker, however that one ends; the signal is by setpriv's own name.


def enter_scope(name: str, memory: int) -> None:
    """As root where systemd answers: begin this command anew within a scope of its own that has `memory` bytes. Else do nothing."""
    if os.geteuid() != 0 or os.environ.get(INSIDE) or not Path("/run/systemd/system").is_dir():
        return
    if run(["systemctl", "show", "--property=Version"], timeout=20).code != 0:
        return
    unit = f"axiomdb-{name}-{int(time.time())}-{os.getpid()}"
    # With less, nobody would live to refuse it.
    scope = ["systemd-run", "--scope", "--quiet", "--collect", f"--unit={unit}", "--slice=system.slice"]
    bounds = [f"--property=MemoryMax={max(memory, LEAST_MEMORY)}", "--property=CPUWeight=20", "--property=IOWeight=20"]
    os.environ[INSIDE] = name
    os.execvp("systemd-run", [*scope, *bounds, "--", sys.executable, *sys.argv])


def join_scope(name: str, memory: int) -> None:
    """The same for a command that cannot begin anew: it moves, with all that it will start, into a scope. Else do nothing."""
    if os.geteuid() != 0 or os.environ.get(INSIDE) or not Path("/run/systemd/system").is_dir():
        return
    unit = f"axiomdb-{name}-{int(time.time())}-{os.getpid()}.scope"
    manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"]
    properties = {
        "PIDs": ["au", "1", str(os.getpid())],
        "Slice": ["s", "system.slice"],
        "CollectMode": ["s", "inactive-or-failed"],
        "MemoryMax": ["t", str(max(memory, LEAST_MEMORY))],
        "CPUWeight": ["t", "20"],
        "IOWeight": ["t", "20"],
    }
    words = [word for key, value in properties.items() for word in (key, *value)]
    call = ["busctl", "call", *manager, "StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail", str(len(properties)), *words, "0"]
    if run(call, timeout=20).code != 0:
        return
    own = Path("/proc/self/cgroup")
    deadline = time.monotonic() + JOINED_WITHIN
    while unit not in own.read_text(encoding="utf-8") and time.monotonic() < deadline:
        time.sleep(0.02)


def end_with_parent() -> None:
    """From now on this process gets SIGTERM when the one that has forked it ends, in whatever way."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent == 1 or os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)  # it has ended just before


def calm(deadly: str = "", memory: int = 0) -> list[str]:
    """Words before a command that let it wait for others; with a `deadly` signal it gets that one when the thread that started it ends.

    With `memory` none of its processes has more than so many bytes of its own, also where no scope bounds them together.
    """
    bound = ["prlimit", f"--data={memory}", "--"] if memory else []
    return [*CALM, *(["setpriv", "--pdeathsig", deadly, "--"] if deadly else []), *bound]
