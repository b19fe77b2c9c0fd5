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
from contextlib import suppress
from dataclasses import replace

from . import (
    aside,
    held_server,
    host,
    kept_inodes,
    restore_journal,
    restore_look,
    restore_phases,
    restore_places,
    restore_preflight,
    restore_wal,
    restoring,
    scratch_look,
    state,
)
from .durable import sync
from .files import File, write
from .problem import Problem, Refusal, Unfinished
from .restore_acceptance import promote
from .restore_journal import place as place_of
from .restore_places import owner
from .restoring import Home, Journal, Order
from .scratch import LATEST
from .stepping_down import as_owner_of

Tell = Callable[[str], None]
CONTROL = "global/pg_control"


def of(stanza: str, name: str, reason: str) -> Journal:
    """The journal of a recovery that takes back an accepted one: the named one, or the newest. Raises Refusal."""
    found = restore_journal.kept(stanza)
    chosen = next((one for one in reversed(found) if name in ("", one.name)), None)
    _refuse_unmounted(stanza, name, chosen)
    if chosen is None:
        known = ", ".join(one.name for one in found) or "none"
        wanted = f"the recovery {name}" if name else "an accepted recovery"
        problem = Problem(f"no kept data of {wanted}", f"one whose data is kept: {known}", f"{restoring.TOOL} rollback --list")
        raise Refusal(problem)
    home = restore_phases.home_now(chosen.home)
    if problems := restore_preflight.judge_start(home):
        raise Refusal(*problems)
    return _from(chosen, home, reason)


def _refuse_unmounted(stanza: str, name: str, chosen: Journal | None) -> None:
    """Raise Refusal when a newer recovery than the `chosen` one may have kept something on a filesystem that is away now."""
    accepted = restore_journal.accepted(stanza)
    serve_again = {one.undoes for one in accepted}
    for one in reversed(accepted):
        if chosen is not None and one.name == chosen.name:
            return
        if name in ("", one.name) and not one.released and one.name not in serve_again:
            restore_places.refuse_kept_away(one)


def instead_of(journal: Journal) -> Journal:
    """The same for one that is open, of which repositories know: it counts as accepted. Written down. Raises Refusal.

    Whether the server starts at boot and jobs are paused is as it was before that one: now they are its own doing.
    """
    ended = replace(journal, outcome=restoring.ACCEPTED, phase="")
    back = _from(ended, journal.home, journal.order.reason)
    place = place_of(journal.home.stanza)
    held_server.stop(place)
    restore_phases.settings_back(journal)
    held_server.clear(place)
    # Whoever waits for this recovery waits for the next one: nobody runs who could be found then.
    clients = None if journal.phase == restoring.SETTLE else journal.clients
    return restore_journal.succeed(ended, replace(back, clients=clients))


def _from(chosen: Journal, now_there: Home, reason: str) -> Journal:
    """The journal by which the data that `chosen` has kept serves again."""
    gone = kept_inodes.not_kept(chosen)
    if gone:
        raise Refusal(gone)
    _refuse_half(chosen)
    now = time.time()
    home = _serving(now_there, chosen)
    control = scratch_look.control_of(home.version, chosen.moves[home.directory])
    goal = replace(chosen.goal, kind=LATEST, target="", exclusive=False, timeline=control.timeline, lsn=None, expected_timeline=None)
    order = Order(f"rollback:{chosen.name}", reason, services=chosen.order.services)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    had = restore_places.there(home)
    return Journal(stamp, order, home, goal, {}, chosen.name, had=had, returns=chosen.had, began=now)


def _serving(home: Home, chosen: Journal) -> Home:
    """The cluster with the places of the data that serves now, tablespaces that the recovery brought back or that were made since."""
    found = (*chosen.had, *restore_look.tablespaces(home.directory), *restore_places.restored(chosen))
    others = restore_look.of_others(home)
    places = tuple(place for place in dict.fromkeys(found) if place != home.directory and os.path.dirname(place) not in others)
    home = replace(home, tablespaces=places, wal=restore_wal.leads_to(home.directory))
    return replace(home, above=restore_places.mounts_above(home))


def lines(journal: Journal) -> list[str]:
    """What it would do, for a person."""
    text = [f"  serves again {kept}, as {place}" for place, kept in journal.returning.items()]
    text += [
        f"  keeps        {place}, as {kept}: what was written since is there, and nowhere else" for place, kept in journal.moves.items()
    ]
    return [*text, f"  begins       a timeline above every one that a repository knows, from the end of timeline {journal.goal.timeline}"]


def swap(journal: Journal, tell: Tell) -> Journal:
    """Put the serving data aside, and the kept data in its place. Nothing comes back before everything is aside. Raises Failed."""
    restore_places.refuse_running(journal.home)
    for place, kept in journal.moves.items():
        came_back = place in journal.returning and not restore_places.is_waiting(place, journal.returning[place])
        if not os.path.lexists(kept) and not came_back:
            restore_places.keep(place, kept)
            tell(f"keeps {kept}")
    for place, returning in journal.returning.items():
        if restore_places.is_waiting(place, returning):
            restore_places.put_back(place, returning)
            tell(f"{place} is what it was before the recovery {journal.undoes}")
    return journal


def swap_back(journal: Journal) -> None:
    """Undo the swap: what served before serves again."""
    for place, returning in journal.returning.items():
        kept = journal.moves.get(place)
        if kept is None or os.path.lexists(kept):
            restore_places.keep(place, returning)
    for place, kept in journal.moves.items():
        restore_places.put_back(place, kept)


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


def remove(stanza: str, name: str, tell: Tell = lambda _line: None) -> list[str]:
    """Remove the kept data of one recovery; the directories that are gone. Raises Refusal when nothing is kept of it, or it serves."""
    with state.turn_within_an_hour(stanza, f"release of {name}", tell):
        return _remove(stanza, name)


def _remove(stanza: str, name: str) -> list[str]:
    found = next((one for one in restore_journal.kept(stanza) if one.name == name), None)
    _refuse_unmounted(stanza, name, found)
    if found is None:
        known = ", ".join(one.name for one in restore_journal.kept(stanza)) or "none"
        raise Refusal(Problem(f"no kept data of the recovery {name}", f"one of {known}", f"{restoring.TOOL} rollback --list"))
    newest = restore_journal.load(stanza)
    if newest is not None and newest.is_open and newest.undoes == name:
        raise Refusal(Problem(f"the recovery {newest.name}, by which it serves again", "its end", restoring.go_on(newest)))
    kept = [place for place in found.moves.values() if os.path.lexists(place)]
    for place in kept:
        running = host.postmaster(place)
        if running is not None:
            raise Refusal(Problem(f"the process {running[0]} on {place}", "no server there", f"ps -fp {running[0]}; stop it first"))
    _spoil(found)
    # The WAL goes first: where nothing is kept any more, nobody would look for it.
    gone = [*_kept_wal(found), *kept]
    for number, place in enumerate(gone):
        try:
            aside.remove(place, owner()[0])
        except Refusal as refusal:
            raise (Unfinished if number else Refusal)(*refusal.problems) from refusal
    restore_journal.release(found)
    return gone


def _spoil(journal: Journal) -> None:
    """Take its control file from kept data, durably: what is left of a release that is killed is never taken for the whole."""
    kept = journal.moves.get(journal.home.directory)
    if kept is None:  # tablespaces alone
        return
    control = f"{kept}/{CONTROL}"
    with as_owner_of(control), suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(control)
        sync(os.path.dirname(control))


def _refuse_half(journal: Journal) -> None:
    """Raise Refusal when kept data has no control file: it is what a release has left that was killed, and nothing to serve."""
    kept = journal.moves.get(journal.home.directory)
    if kept is None or not os.path.lexists(f"{kept}/{CONTROL}"):
        rest = f"{restoring.TOOL} rollback --stanza={journal.home.stanza} --release={journal.name} --confirm={journal.home.confirmation()}"
        expected = "whole data, and not what a release has left that was killed"
        raise Refusal(Problem(f"no {CONTROL} in {kept or 'anything that is kept'}", expected, f"to remove the rest: {rest}"))


def _kept_wal(journal: Journal) -> list[str]:
    """The WAL of kept data, where it lies on another volume; never that of the data which serves."""
    home = journal.home
    is_own = home.wal and home.directory in journal.moves and home.wal != restore_wal.leads_to(home.directory)
    return [home.wal] if is_own and os.path.lexists(home.wal) else []
