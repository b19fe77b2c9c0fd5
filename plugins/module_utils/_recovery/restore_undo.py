# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back after acceptance: a new recovery, by which the kept data serves again on a timeline above every abandoned one.

What was written since the acceptance is lost to the clients, and kept beside in its turn. Without a timeline of its own the old
data would share a repository with a branch that pgBackRest and PostgreSQL take for its future.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

from . import aside, held_server, restore_journal, restore_phases, restoring, scratch_look
from .files import File, write
from .problem import Problem, Refusal
from .restore_acceptance import promote
from .restore_journal import place as place_of
from .restore_phases import owner
from .restoring import Journal, Order
from .scratch import LATEST
from .stepping_down import as_owner_of

Tell = Callable[[str], None]


def of(stanza: str, name: str, reason: str) -> Journal:
    """The journal of a recovery that takes back an accepted one: the named one, or the newest. Raises Refusal."""
    found = restore_journal.kept(stanza)
    chosen = next((one for one in reversed(found) if name in ("", one.name)), None)
    if chosen is None:
        known = ", ".join(one.name for one in found) or "none"
        wanted = f"the recovery {name}" if name else "an accepted recovery"
        problem = Problem(f"no kept data of {wanted}", f"one whose data is kept: {known}", f"{restoring.TOOL} rollback --list")
        raise Refusal(problem)
    now = time.time()
    home = restore_phases.home_now(chosen.home)
    control = scratch_look.control_of(home.version, chosen.moves[home.directory])
    goal = replace(chosen.goal, kind=LATEST, target="", exclusive=False, timeline=control.timeline, lsn=None, expected_timeline=None)
    order = Order(f"rollback:{chosen.name}", reason, services=chosen.order.services)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    return Journal(stamp, order, home, goal, {}, chosen.name, had=chosen.had, began=now)


def lines(journal: Journal) -> list[str]:
    """What it would do, for a person."""
    text = [f"  serves again {kept}, as {place}" for place, kept in journal.returning.items()]
    text += [
        f"  keeps        {place}, as {kept}: what was written since is there, and nowhere else" for place, kept in journal.moves.items()
    ]
    return [*text, f"  begins       a timeline above every one that a repository knows, from the end of timeline {journal.goal.timeline}"]


def swap(journal: Journal, tell: Tell) -> Journal:
    """Put the serving data aside, and the kept data in its place."""
    for place, returning in journal.returning.items():
        if not os.path.lexists(returning):
            continue
        if os.path.lexists(place):
            aside.rename(place, journal.moves[place], owner()[0])
            tell(f"keeps {journal.moves[place]}")
        aside.rename(returning, place, owner()[0])
        tell(f"{place} is what it was before the recovery {journal.undoes}")
    return journal


def swap_back(journal: Journal) -> None:
    """Undo the swap: what served before serves again."""
    for place, returning in journal.returning.items():
        if os.path.lexists(journal.moves[place]):
            if os.path.lexists(place) and not os.path.lexists(returning):
                aside.rename(place, returning, owner()[0])
            aside.rename(journal.moves[place], place, owner()[0])


def begin_timeline(journal: Journal, tell: Tell) -> Journal:
    """Let the old data recover to the end of its own WAL; the server chooses a timeline that no repository has."""
    home = journal.home
    with as_owner_of(f"{home.directory}/recovery.signal"):
        control = scratch_look.control_of(home.version, home.directory)
    if control.timeline == journal.goal.timeline and held_server.state(place_of(home.stanza)):
        write(File(f"{home.directory}/recovery.signal", "", "postgres", "postgres", 0o600))
    return promote(journal, tell)


def skip(journal: Journal, _tell: Tell) -> Journal:
    """A phase that this way does not have."""
    return journal


def remove(stanza: str, name: str) -> list[str]:
    """Remove the kept data of one recovery; the directories that are gone. Raises Refusal when nothing is kept of it."""
    found = next((one for one in restore_journal.kept(stanza) if one.name == name), None)
    if found is None:
        known = ", ".join(one.name for one in restore_journal.kept(stanza)) or "none"
        raise Refusal(Problem(f"no kept data of the recovery {name}", f"one of {known}", f"{restoring.TOOL} rollback --list"))
    gone = [place for place in found.moves.values() if os.path.lexists(place)]
    for place in gone:
        aside.remove(place, owner()[0])
    return gone
