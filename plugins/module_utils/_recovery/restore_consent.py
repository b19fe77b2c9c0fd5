# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is typed of a recovery, held against the plan that was printed and against the recovery that is open. Nothing is touched here."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import restore_told
from .plan import Plan
from .problem import Problem
from .restoring import PHASES, PROMOTE, PROVE, RECOVER, TOOL, Home, Journal, Order, go_back, go_on, is_paused, rehearsed, stopped_nobody
from .scratch import Goal
from .wal import Lsn

DIGITS = 8


def digest(found: Plan) -> str:
    """What must not have changed since a plan was printed: repository, set, timeline, end, what is erased, and what serves."""
    essence = (found.target, found.repository, found.backup, found.timeline, found.kind, found.erased, found.serving)
    # The end of `latest` moves with each commit, and whoever asks for it wants that.
    ending = "" if found.kind == "standby" else found.lsn
    return hashlib.sha256(json.dumps([*essence, ending]).encode()).hexdigest()[:DIGITS]


def judge_consent(home: Home, found: Plan, confirm: str, printed: str, again: str) -> Problem | None:
    """Why this plan must not be carried out now: confirmed for another cluster, or not the plan that was printed. `again` prints it."""
    wanted = home.confirmation(keep=not found.erased)
    if confirm != wanted:
        return Problem(f"the confirmation '{confirm}'", f"'{wanted}', the cluster that is restored", again)
    if printed != digest(found):
        shown = f"the plan {printed}" if printed else "no plan named"
        return Problem(
            shown,
            f"{digest(found)}, which is what would happen now: repository {found.repository}, set {found.backup}",
            f"read the plan that this prints, and type what it says: {again}",
        )
    return None


def judge_open(journal: Journal, order: Order, confirm: str) -> Problem | None:
    """Why a recovery cannot begin or go on while another is open. The same order goes on, for whoever confirms the cluster again."""
    home = journal.home
    if journal.order.rehearsal:
        return rehearsed(journal)
    if journal.woke:
        return Problem(journal.woke, "a rebuild that is planned anew", go_on(journal))
    if (journal.order.target, journal.order.keep) != (order.target, order.keep):
        found = f"an open recovery to {journal.order.target}, in the phase in which {PHASES[journal.phase]}"
        return Problem(found, "its end", restore_told.ways_on(journal))
    wanted = home.confirmation(keep=order.keep)
    if confirm != wanted:
        return Problem(f"the confirmation '{confirm}'", f"'{wanted}', the cluster that is restored", go_on(journal))
    return None


def gone_on_with(journal: Journal, order: Order) -> Journal | Problem:
    """An open recovery with what was typed now: checks that are new are asked before it is accepted; what comes too late is refused.

    What was not said again is as it was.
    """
    known, names = journal.order, list(PHASES)
    new_checks = bool(order.checks) and order.checks != known.checks
    late = late_services(journal, order)
    if late:
        return late
    if new_checks and names.index(journal.phase) > names.index(PROVE) and not is_paused(journal):
        return Problem("other checks than before, and a server that is proven", "the same, or none said again", go_on(journal))
    action = order.action if is_paused(journal) else known.action
    said = replace(known, action=action, checks=order.checks or known.checks, services=order.services or known.services)
    return replace(journal, order=said, phase=PROVE if new_checks and journal.phase == PROMOTE else journal.phase)


def late_services(journal: Journal, order: Order) -> Problem | None:
    """Why other services than before cannot be named any more: those that ran are being stopped, or are."""
    is_new = bool(order.services) and order.services != journal.order.services
    if not is_new or stopped_nobody(journal):
        return None
    return Problem("other services than those that were stopped", "the same, or none said again", go_on(journal))


def judge_move(journal: Journal, found: Plan, lsn: Lsn | None, time: float | None, end: float | None) -> Problem | None:
    """Why a paused recovery cannot go on to another target: it goes forward only, in the same set's repository and on the same timeline.

    It stands at `lsn`, its last commit is of `time`; `end` is the time of the new target. Unix seconds; None for what is not known.
    """
    back = anew(journal, found.target, journal.order.reason)
    if (found.repository, found.timeline) != (journal.goal.repository, journal.goal.timeline):
        expected = f"a target there; {found.target} is in repository {found.repository} on timeline {found.timeline}"
        return Problem(stands(journal, lsn), expected, back)
    behind_lsn = found.lsn and lsn is not None and Lsn.parse(found.lsn) < lsn
    if behind_lsn or (end is not None and time is not None and end < time):
        return Problem(stands(journal, lsn), f"a target ahead of it; {found.target} lies behind", back)
    return None


def stands(journal: Journal, lsn: Lsn | None) -> str:
    """Where a paused recovery stands, and along what it can go on."""
    at = f" at {lsn}" if lsn is not None else ""
    return f"the recovery{at}, from repository {journal.goal.repository} on timeline {journal.goal.timeline}"


def anew(journal: Journal, target: str, reason: str) -> str:
    """What leads to a target to which a paused recovery cannot go on: the way back, and the plan from there. Nothing kept: no way."""
    if not journal.order.keep:
        return f"nothing was kept to go back to; to let it end where it stands, type: {go_on(journal)}"
    why = shlex.quote(reason.strip() or journal.order.reason.strip() or "...")
    plans = f"{TOOL} restore {shlex.quote(target)} --stanza={journal.home.stanza} --reason={why}"
    return f"go back, and plan that restore from there: {go_back(journal)} && {plans}"


def moved(journal: Journal, order: Order, goal: Goal, found: Mapping[str, Any]) -> Journal:
    """The journal with another target ahead: nothing is restored again.

    Whether something is kept was decided when it was put aside. Checks, services and the reason are as before where none are said now.
    """
    known = journal.order
    order = replace(order, keep=known.keep, checks=order.checks or known.checks, services=order.services or known.services)
    order = replace(order, reason=order.reason if order.reason.strip() else known.reason)
    return replace(journal, order=order, goal=goal, plan={**found, "only_here": journal.plan["only_here"]}, phase=RECOVER)
