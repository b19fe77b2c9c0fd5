# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The phases of a recovery in place that move data: the old data is put aside, the set is restored. Each can be begun again."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from . import aside, aside_within, files, measuring, progress, restore_places, restore_wal, restoring
from .files import Directory
from .kept_names import is_within
from .problem import Problem
from .restore_journal import place as place_of
from .restore_places import owner
from .restore_processes import end_restores
from .restoring import Journal
from .run import stream
from .scratch_copy import Failed
from .stepping_down import as_owner_of

Tell = Callable[[str], None]
TOLD_EACH = 10.0  # seconds
UNFINISHED = "backup.manifest.pgbackrest.tmp"  # what a restore leaves that was killed before it began
_PERCENT = re.compile(rb"\(.*?([0-9.]+)%\)")


def keep(journal: Journal, tell: Tell) -> Journal:
    """Put the old data aside by renaming it: no byte is copied. Without a way back only the WAL that nobody else has is put aside."""
    home = journal.home
    restore_places.refuse_running(home)
    if not journal.order.keep:
        _carry(journal, Path(home.directory, "pg_wal"), Path(place_of(home.stanza).wal))
        return journal
    for place, kept in journal.moves.items():
        if not os.path.lexists(kept):
            restore_places.keep(place, kept)
            tell(f"keeps {kept}")
    missing = [place for place, kept in journal.moves.items() if not os.path.lexists(kept)]
    if missing:
        raise Failed(Problem(f"nothing at {', '.join(missing)}", "the old data", f"ls -ld {' '.join(missing)}"))
    return journal


def _carry(journal: Journal, source: Path, goal: Path) -> None:
    """Copy the segments that only this host has, if there are any."""
    names = [str(name) for name in journal.plan["only_here"]]
    if names and source.is_dir():
        if not goal.is_dir():
            files.make(Directory(str(goal), "postgres", "postgres", 0o700))
        restore_wal.carry(names, source, goal)


def restore(journal: Journal, tell: Tell) -> Journal:
    """Restore the set; go on where a killed restore stopped. At a mount point it is restored beside what is kept there, and moved up.

    Raises CommandFailed.
    """
    place, kept = journal.home.directory, journal.kept_of(journal.home.directory)
    end_restores(journal)
    if not (journal.order.keep and is_within(place, kept)):
        _restore_into(journal, place, tell)
        return journal
    if not aside_within.is_restored(place, kept):
        _restore_into(journal, journal.restores_into, tell)
    aside_within.finish(journal.restores_into, place, kept, owner()[0])
    return journal


def _restore_into(journal: Journal, directory: str, tell: Tell) -> None:
    """Restore the set into a directory, with a pg_wal that leads where it did, and the segments that only this host has."""
    delta = not journal.order.keep or is_half_restored(directory)
    if not delta:
        restore_places.remove_restored(journal)
        aside.make(directory, *owner())
    elif not is_half_restored(directory):
        _remove_unfinished(directory)
    _run(journal, directory, tell, delta=delta)
    with as_owner_of(f"{directory}/content"):
        aside_within.remove_entries(directory, aside_within.ours(directory))  # a set of a mount point may hold copies of what was kept
    if journal.wal:
        restore_wal.link(directory, journal.wal, *owner())
    _carry(journal, _only_here(journal), Path(directory, "pg_wal"))


def is_half_restored(directory: str) -> bool:
    """Whether `pgbackrest restore --delta` can go on there: its manifest is whole."""
    return Path(directory, "backup.manifest").exists() or Path(directory, "PG_VERSION").exists()


def _remove_unfinished(directory: str) -> None:
    """Without PG_VERSION pgBackRest refuses a directory in which anything lies, its own manifest as well."""
    with as_owner_of(f"{directory}/content"):
        Path(directory, UNFINISHED).unlink(missing_ok=True)


def _run(journal: Journal, directory: str, tell: Tell, *, delta: bool) -> None:
    stanza = journal.home.stanza
    words = ["pgbackrest", f"--stanza={stanza}", "--log-level-console=detail", "--log-level-stderr=warn", "--log-level-file=off"]
    words += [f"--pg1-path={directory}"]  # by which whoever comes after a kill knows it for ours
    tell(f"restores the set {journal.goal.label} from repository {journal.goal.repository}")
    began = told = time.monotonic()
    whole = int(journal.plan["restore_bytes"])
    for piece in stream([*words, *restoring.options(journal, delta=delta), "restore"], "postgres", stanza):
        found = _PERCENT.findall(piece)
        if found and time.monotonic() - told > TOLD_EACH:
            told = time.monotonic()
            tell(f"  {progress.line(float(found[-1]) / 100 * whole, whole, told - began)}")
    if not delta:
        measuring.remember(stanza, measuring.RESTORE, whole, time.monotonic() - began, f"the recovery {journal.name}")


def _only_here(journal: Journal) -> Path:
    """Where the segments lie that only this host has: in the WAL of the old data, or put aside when that was overwritten."""
    kept = journal.moves.get(journal.home.directory)
    if kept is None:
        return Path(place_of(journal.home.stanza).wal)
    return Path(journal.home.wal or f"{kept}/pg_wal")
