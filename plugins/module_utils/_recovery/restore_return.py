# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back before acceptance: the old data is renamed to where it was, and its server starts. No byte is copied, no trace left."""

from __future__ import annotations

import errno
import time
from dataclasses import replace

from . import (
    files,
    held_server,
    kept_inodes,
    restore_clients,
    restore_journal,
    restore_phases,
    restore_places,
    restore_undo,
    restoring,
    state,
)
from .files import File
from .problem import Problem, Refusal, Unfinished
from .restore_acceptance import resume_jobs, start_cluster
from .restore_data import Tell
from .restore_journal import place as place_of
from .restore_phases import reload_units, start_file
from .restore_processes import end_restores
from .restoring import RETURNED, Journal
from .scratch_copy import Failed


def judge(journal: Journal) -> Problem | None:
    """Why there is no way back from an open recovery: nothing was kept."""
    if journal.order.rehearsal:
        return restoring.rehearsed(journal)
    if journal.order.rebuild:
        again = f"go on, until it is accepted with another rebuild_target too: {restoring.begin_anew(journal)}"
        return Problem("a rebuild, before which this host had no data", "data to go back to", again)
    touched = journal.phase not in (restoring.SAVE, restoring.QUIET, restoring.KEEP)
    if journal.order.keep or not touched:
        return None
    return Problem("nothing kept of the old data", "a way back", f"go on: {restoring.go_on(journal)}")


def go_back(journal: Journal, tell: Tell) -> Journal:
    """Put the old data back and start its server. Raises Refusal before anything is done, Failed when the old server does not answer."""
    problem = judge(journal)
    if problem:
        raise Refusal(problem)
    missing = kept_inodes.missing(journal)
    if missing:
        raise Refusal(missing)
    # Killed in the middle, this is gone on with: what lies in the data directory then is nothing to recover.
    journal = restore_journal.save_at_need(replace(journal, goes_back=True), tell)
    try:
        return _return(journal, tell)
    except Unfinished:
        raise
    except Refusal as refusal:  # something was done
        raise Unfinished(*refusal.problems) from refusal


def _return(journal: Journal, tell: Tell) -> Journal:
    home = journal.home
    end_restores(journal)
    held_server.kill(place_of(home.stanza))
    if journal.phase not in (restoring.SAVE, restoring.QUIET):
        _put_back(journal)
    held_server.clear(place_of(home.stanza))
    _let_start(journal)
    tell(f"the old data is back in {home.directory}")
    problem_of_server = ""
    if home.start != "disabled" and restore_places.holds(home, home.directory):
        try:
            start_cluster(journal, tell)
            tell("its server answers")
        except Failed as failed:
            problem_of_server = str(failed)
    journal = restore_clients.release(journal, tell)
    resume_jobs(journal)
    over = replace(journal, outcome=RETURNED, phase="", trouble=problem_of_server or journal.trouble)
    restore_journal.save_at_need(over, tell)
    line = {"operation": "restore", "host": home.host, "stanza": home.stanza, "target": journal.order.target, "outcome": RETURNED}
    state.operation({**line, "text": journal.order.reason, "error": over.trouble, "seconds": round(time.time() - journal.began, 1)})
    if problem_of_server:
        found = f"the old data back in {home.directory}, whole, and a server that does not start on it ({problem_of_server})"
        raise Failed(Problem(found, "its answer", f"df -h {home.directory}; mend what it says, then: sudo systemctl start {home.unit}"))
    return over


def _let_start(journal: Journal) -> None:
    """Let the cluster start as it did before, on a full disk too. Raises OSError."""
    text = f"{journal.home.start}\n"
    try:
        files.write(File(start_file(journal), text, "postgres", "postgres"))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        files.overwrite(start_file(journal), text)
    reload_units()


def _put_back(journal: Journal) -> None:
    """Put the data back where it was. Until the server was stopped it was nobody's but the clients'. Raises Failed."""
    if journal.undoes:
        restore_phases.settings_back(journal)
        restore_undo.swap_back(journal)
    elif journal.order.keep:
        restore_places.take_back(journal)
    lost = restore_places.lost(journal)
    if lost:
        raise Failed(lost)
