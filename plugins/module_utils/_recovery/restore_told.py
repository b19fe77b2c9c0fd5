# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person reads of a recovery in place: what comes next, how to go on, how to go back, and what is kept."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from . import plan, restore_journal, restoring
from .plan import Plan
from .problem import Problem
from .restoring import FOLLOW, KEEP, RETURNED, SHUTS_DOWN, TOOL, Journal, Order, go_back, go_on
from .scratch import PORT
from .spoken import age, moment

COMING: Mapping[str, str] = {
    restoring.SAVE: "saves the last WAL",
    restoring.QUIET: "pauses the jobs, stops the server, and keeps it from starting at boot",
    restoring.KEEP: "puts the old data aside",
    restoring.RESTORE: "restores the set",
    restoring.RECOVER: "recovers the server to the target; nobody else reaches it",
    restoring.PROVE: "proves what was recovered",
    restoring.PROMOTE: "begins the new timeline; its archive is held",
    restoring.RELEASE: "releases archiving, and sees it in each repository",
    restoring.SERVE: "lets the clients come back",
    restoring.SETTLE: "lets the jobs begin again, and takes a backup",
}


@dataclass(frozen=True)
class Ways:
    """The commands that go back from an accepted recovery, and that remove what it has kept."""

    back: str
    release: str


def on_host(journal: Journal) -> Ways:
    """They as the tool on the host has them."""
    words, sure = f"{TOOL} rollback --stanza={journal.home.stanza}", f"--confirm={journal.home.confirmation()}"
    return Ways(f"{words} --of={journal.name} {sure}", f"{words} --release={journal.name} {sure}")


def coming(journal: Journal) -> str:
    """What an open recovery does next."""
    if journal.goes_back:
        return "puts the old data back, and its server serves again"
    if restoring.is_paused(journal):
        return _paused(journal)
    if journal.undoes and journal.phase == KEEP:
        return "puts the serving data aside, and the kept data in its place"
    return COMING[journal.phase]


def _paused(journal: Journal) -> str:
    if journal.order.action == SHUTS_DOWN:
        return "nothing by itself: it is proven, at its target, and the server is down"
    socket = restore_journal.place(journal.home.stanza).socket
    return f"nothing by itself: it is paused at its target; look: sudo -u postgres psql -h {socket} -p {PORT}"


def is_open(journal: Journal) -> str:
    """That a recovery is open, and where it stands."""
    if journal.order.rehearsal:
        return f"the rehearsal {journal.name} of a lost site is open, and is never accepted"
    if journal.goes_back:
        where = "on its way back to the old data"
    elif restoring.is_paused(journal):
        where = "at its target, proven, and waits for whoever asked it to"
    else:
        where = f"in the phase {journal.phase} (next: {coming(journal)})"
    return f"recovery {journal.name} to {journal.order.target} is open, {where}"


def ways_on(journal: Journal) -> str:
    """The commands that end an open recovery."""
    if journal.order.rehearsal:
        return f"to remove it: {go_on(journal)}"
    on = f"to go on with it: {go_on(journal)}"
    has_way_back = journal.order.keep and not (journal.undoes or journal.goes_back or journal.order.rebuild)
    return f"{on}; to go back: {go_back(journal)}" if has_way_back else on


def meets(journal: Journal) -> Problem:
    """Why nothing else is done beside an open recovery."""
    if journal.order.rehearsal:
        return restoring.rehearsed(journal)
    return Problem(is_open(journal).replace(" is open,", ", which is open,", 1), "its end", ways_on(journal))


def rehearsal_of(stanza: str) -> Problem | None:
    """The same of a rehearsal, beside which no server of this stanza may write; None when there is none."""
    found = restore_journal.open_of(stanza=stanza)
    return restoring.rehearsed(found) if found is not None and found.order.rehearsal else None


def of_directory(directory: str) -> Problem | None:
    """The same where only the cluster's data directory is known; None when no recovery of it is open."""
    found = restore_journal.open_of(directory=directory)
    return meets(found) if found is not None else None


def seen(stanza: str) -> tuple[str, str]:
    """That a recovery of this stanza is open, and the commands that end it; empty when none is."""
    found, _unreadable = restore_journal.peek(stanza)
    return (is_open(found), ways_on(found)) if found is not None and found.is_open else ("", "")


def beside_plan(stanza: str, target: str) -> list[str]:
    """What a plan for a target says while a recovery of this stanza is open, in whose place nothing is restored; nothing when none is."""
    known, _unreadable = restore_journal.peek(stanza)
    if known is None or not known.is_open:
        return []
    text = [f"  OPEN         {is_open(known)}: until its end nothing else is restored", f"  next         {ways_on(known)}"]
    if not restoring.is_paused(known) or known.order.rebuild or known.order.target == target:
        return text
    asked = f"{TOOL} restore {shlex.quote(target)} --stanza={stanza} --reason='...'"
    return [*text, f"  further      whether it goes on to this target without restoring again, says: {asked}"]


def lines(journal: Journal, ways: Ways | None = None) -> list[str]:
    """The journal for a person. How to go back is the first thing that is said of one that was accepted."""
    end = {restoring.ACCEPTED: "accepted", RETURNED: "taken back"}.get(journal.outcome, "")
    kept = list(journal.moves.values()) if journal.outcome != RETURNED else []
    ways = ways or on_host(journal)
    text = [_head(journal)]
    if journal.is_open and journal.order.rehearsal:
        text += [f"  rehearsal    of a lost site, which is never accepted; remove it: {go_on(journal)}"]
    elif journal.is_open:
        text += [f"  next         {coming(journal)}", f"  go on        {go_on(journal)}", f"  follow       {FOLLOW}"]
        back = go_back(journal) if journal.order.keep else "NO WAY BACK: nothing was kept"
        back = "to nothing: this host had no data before; until it is accepted, another rebuild_target" if journal.order.rebuild else back
        text += [] if journal.undoes else [f"  go back      {back}"]
    else:
        text += [f"  go back      Wrong moment? Type: {ways.back}"] if kept else []
        text += [f"  outcome      {end}" + (f", on timeline {journal.timeline}" if journal.timeline else "")]
    text += [f"  trouble      {journal.trouble}"] if journal.trouble else []
    text += [f"  NOT BACK     {sentence}" for sentence in (journal.clients.trouble if journal.clients else ())]
    text += [f"  kept         {place}" for place in kept]
    return [*text, *([f"  release      Not needed any more? Type: {ways.release}"] if kept and not journal.is_open else [])]


def _head(journal: Journal) -> str:
    reason = f": {journal.order.reason.strip()}" if journal.order.reason.strip() else ""
    return f"  recovery     {journal.name} of {journal.home.confirmation()} to {journal.order.target}{reason}"


def _since(journal: Journal, now: float) -> str:
    """How old kept data is: it serves nobody since it was put aside."""
    return age(max(0.0, now - journal.ended.get(KEEP, journal.began)))


def open_or_kept(journal: Journal | None, kept: Sequence[Journal], now: float) -> list[str]:
    """What a status says: a recovery that is open, first of all; and old data that is kept until somebody removes it."""
    text = lines(journal) if journal is not None and journal.is_open else []
    for one in kept:
        text += _of_kept(one, on_host(one), now)
    return text


def listed(kept: Sequence[Journal], now: float, ways: Callable[[Journal], Ways] = on_host) -> list[str]:
    """Each recovery whose old data is kept: how old that is, and the commands that go back to it and that remove it."""
    return [line for one in kept for line in (_head(one), *_of_kept(one, ways(one), now))]


def _of_kept(journal: Journal, ways: Ways, now: float) -> list[str]:
    text = [f"  kept         {place} for {_since(journal, now)}" for place in journal.moves.values()]
    text.append(f"               Wrong moment? Type: {ways.back}")
    return [*text, f"               Not needed any more? Type: {ways.release}"]


def further(journal: Journal, order: Order, found: Plan) -> list[str]:
    """How a paused recovery would go on to another target."""
    shown = [line for line in plan.lines(found) if line.split()[0] in ("target", "from", "ends", "up", "WAL", "note")]
    kept = [f"  kept         {place}, as before" for place in journal.moves.values()]
    kept += [] if journal.order.keep else ["  go back      NO WAY BACK: nothing was kept"]
    asked = order.checks or journal.order.checks
    whose = "as before, as none are said now" if journal.order.checks and not order.checks else "before anybody is let in"
    checks = [f"  checks       {', '.join(one.name for one in asked)}: {whose}"] if asked else []
    return [
        f"  moves        the paused recovery {journal.name} on from {journal.order.target}; nothing is restored again",
        *shown,
        *kept,
        *checks,
        f"  then         {restoring.ENDINGS[order.action]}",
    ]


def ended(journal: Journal) -> list[str]:
    """The result of a recovery that was accepted, in a line or two; nothing of another."""
    if journal.outcome != restoring.ACCEPTED or journal.undoes:
        return []
    last = f", data as of {moment(journal.last_commit)}, its last commit" if journal.last_commit else ""
    text = [f"  RESTORED     to {journal.order.target}{last}, on timeline {journal.timeline}"]
    where = ", ".join(journal.moves.values())
    return [*text, f"               the data that served before is kept in {where}"] if where else text
