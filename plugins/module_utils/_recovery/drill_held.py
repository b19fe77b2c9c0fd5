# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The held server of a rehearsal, as the proofs of a drill ask a copy: the same socket and log, the data where the cluster has it."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass

from . import drill_keep, held_server, restore_journal, restoring, scratch_copy
from .held import Place
from .recovering import Replayed
from .restore_phases import cluster_of
from .restoring import Journal
from .scratch import Layout
from .scratch_copy import LOOK, Copy
from .scratch_registry import Entry
from .stepping_down import as_owner_of


@dataclass(frozen=True)
class HeldLayout(Layout):
    """Everything lies below one directory of its own, but the data."""

    data_directory: str = ""

    @property
    def data(self) -> str:
        return self.data_directory


@dataclass(frozen=True)
class HeldCopy(Copy):
    """The rehearsed cluster itself."""

    data: str = ""

    @property
    def layout(self) -> Layout:
        return HeldLayout(self.entry.name, self.entry.directory, self.data)


class Unit:
    """The server as systemd knows it."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def poll(self) -> int | None:
        """Its exit code; None while it lives."""
        found = held_server.state(self.place)
        code = found.rpartition(" ")[2]
        return None if not found else int(code) if code.isdigit() else 1

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended. Raises TimeoutExpired after so many seconds."""
        deadline = time.monotonic() + (timeout or held_server.PATIENCE)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.place.unit, timeout or held_server.PATIENCE)
            time.sleep(LOOK)
        return code


def copy_of(journal: Journal, replayed: Replayed) -> HeldCopy:
    """The server of a rehearsal that stands at its target."""
    home, place = journal.home, restore_journal.place(journal.home.stanza)
    entry = Entry(journal.name, place.directory, home.stanza, home.version, "", journal.began, os.getpid(), False, "")
    return HeldCopy(entry, replayed, Unit(place), size=int(journal.plan["restore_bytes"]), data=home.directory)


def serve(copy: HeldCopy, journal: Journal, *, stopped: bool) -> str:
    """Start it where a person finds the copy of a drill; what to type. Raises Failed."""
    place = restore_journal.place(journal.home.stanza)
    if not stopped:
        scratch_copy.stop(copy)
    with as_owner_of(place.configuration):
        drill_keep.open_door(copy.layout)
    held_server.start(place, cluster_of(journal).binaries, journal.home.directory)
    return drill_keep.until_answers(copy.layout, copy.server, restoring.remove_rehearsal(journal.home.host))
