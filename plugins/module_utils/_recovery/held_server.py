# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts, asks and stops the held server. It is a transient unit of systemd: it outlives whoever started it, but no boot."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import scratch_copy
from .durable import sync
from .files import Directory, File, make, write
from .held import Place
from .postgres import NotAnswering
from .problem import Problem
from .recovery_watch import Watched
from .run import Completed, run
from .scratch import PORT
from .scratch_copy import Failed
from .stepping_down import as_owner_of

_PROPERTIES = ("User=postgres", "UMask=0077", "KillMode=mixed", "KillSignal=SIGINT", "TimeoutStopSec=infinity", "OOMScoreAdjust=-900")
PATIENCE = 20.0  # seconds within which systemd tells of a unit


def prepare(place: Place, written: Mapping[str, str]) -> None:
    """Make its directories, and write its files."""
    for directory in (place.directory, place.socket):
        make(Directory(directory, "postgres", "postgres", 0o700))
    for path, text in written.items():
        write(File(path, text, "postgres", "postgres", 0o600))


def state(place: Place) -> str:
    """How its unit ended; empty while it lives."""
    shown = run(["systemctl", "show", "--property=ActiveState,Result,ExecMainStatus", place.unit], timeout=PATIENCE)
    found = dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
    if found.get("ActiveState") in ("active", "activating", "reloading", "deactivating"):
        return ""
    return f"{found.get('Result', 'unknown')}, exit code {found.get('ExecMainStatus', '?')}"


def start(place: Place, binaries: str, directory: str) -> Watched:
    """Start it unless it runs. Each start has a log of its own; the one before it is kept."""
    if state(place):
        run(["systemctl", "reset-failed", place.unit])
        with as_owner_of(place.log), suppress(FileNotFoundError):
            os.replace(place.log, f"{place.log}.1")
        words = [f"--property={one}" for one in _PROPERTIES]
        # The log is opened by postgres: systemd would open it as root, wherever a link there leads.
        shell = ["/bin/sh", "-c", 'log=$1; shift; exec "$@" >>"$log" 2>&1', "held", place.log]
        server = [*shell, f"{binaries}/postgres", "-D", directory, "-c", f"config_file={place.configuration}"]
        environment = ["--setenv=LC_ALL=C.UTF-8", "--setenv=TZ=UTC", "--setenv=HOME=/var/lib/postgresql"]
        done = run(["systemd-run", "--quiet", f"--unit={place.unit}", *words, *environment, *server])
        if done.code != 0:
            raise Failed(Problem(f"no server started: {done.detail}", "the held server", f"journalctl -n 50 -u {place.unit}"))
    _wait_for_log(place)
    return Watched(place.log, directory, lambda: state(place), lambda sql: query(place, "postgres", sql, 10.0))


def _wait_for_log(place: Place) -> None:
    deadline = time.monotonic() + PATIENCE
    while not os.path.exists(place.log) and time.monotonic() < deadline:
        time.sleep(0.1)


def stop(place: Place) -> None:
    """Stop it as the cluster's own unit would: what it wrote is archived as far as it may be. Nothing to do when it does not run."""
    if not state(place):
        run(["systemctl", "stop", place.unit], timeout=None)
    run(["systemctl", "reset-failed", place.unit])


def kill(place: Place) -> None:
    """End it at once: its data is not needed any more."""
    if not state(place):
        run(["systemctl", "kill", "--signal=SIGQUIT", place.unit])
        deadline = time.monotonic() + PATIENCE
        while not state(place) and time.monotonic() < deadline:
            time.sleep(0.1)
        run(["systemctl", "kill", "--signal=SIGKILL", place.unit])
        run(["systemctl", "stop", place.unit], timeout=60)
    run(["systemctl", "reset-failed", place.unit])


def query(place: Place, database: str, sql: str, timeout: float = 600.0) -> Completed:
    """One query through its own socket; `timeout` is in seconds."""
    return scratch_copy.query_at(place.socket, PORT, database, sql, timeout)


def ask(place: Place, sql: str, database: str = "postgres") -> Any:
    """The JSON that a query returns. Raises NotAnswering with psql's reason."""
    done = query(place, database, sql)
    if done.code != 0:
        raise NotAnswering(done.detail)
    return json.loads(done.stdout)


def clear(place: Place) -> None:
    """Remove what it was configured with; its log stays until the next recovery."""
    with as_owner_of(place.configuration):
        for path in (place.configuration, place.own_settings, f"{place.directory}/pg_hba.conf", f"{place.directory}/pg_ident.conf"):
            Path(path).unlink(missing_ok=True)
        shutil.rmtree(place.wal, ignore_errors=True)
        with suppress(FileNotFoundError):  # what comes back after a power cut would be taken for that of the next recovery
            sync(place.directory)
