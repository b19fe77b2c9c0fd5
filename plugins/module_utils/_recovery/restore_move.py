# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A paused recovery that goes on to a later target: planned by looking alone, and judged again once nobody else is at work on it."""

from __future__ import annotations

import json
from dataclasses import replace

from . import (
    held_server,
    horizon,
    plan,
    recovering,
    restore_clients,
    restore_consent,
    restore_journal,
    restore_phases,
    restoring,
    scratch_goal,
    target,
)
from .plan import Plan
from .postgres import Cluster
from .problem import Problem, Refusal
from .recovering import Log
from .recovery_watch import STATE
from .restoring import Journal, Order
from .sight import Sight
from .wal import Lsn, Segment
from .window import gaps, name_of, runs_on


def further(journal: Journal, order: Order, cluster: Cluster) -> Plan:
    """The plan by which a paused recovery goes on to another target. Changes nothing, starts nothing. Raises Refusal where it cannot.

    It is made in the recovery's own repository and along its own timeline alone, as nothing is restored again.
    """
    wrong = restore_consent.late_services(journal, order) or _of_rebuild(journal, order)
    against = [wrong] if wrong else restore_clients.judge(journal, order)
    if against:
        raise Refusal(*against)
    lsn, last = glance(journal)
    sight = horizon.archived(horizon.look(journal.home.stanza, cluster))
    # Nothing is restored: no room is needed, and nothing else is put aside or erased than what was.
    sight = replace(sight, here=replace(sight.here, directory="", free_bytes=None, rooms=()))
    own = _own(journal, sight)
    found = horizon.foresee(target.parse(order.target), own)
    if isinstance(found, Problem):
        raise Refusal(_elsewhere(journal, order, sight, found, lsn))
    found = replace(found, kept=tuple(journal.moves), erased=() if journal.order.keep else (journal.home.directory,))
    _refuse_behind(journal, order, found, lsn, last)
    hole = _hole(journal, own, found, lsn)
    if hole:
        raise Refusal(hole)
    return found


def _own(journal: Journal, sight: Sight) -> Sight:
    """The sight of the repository and the timeline along which the recovery goes: its server reads on there, whatever others hold."""
    outlooks = tuple(one for one in sight.outlooks if one.repository.number == journal.goal.repository)
    return replace(sight, outlooks=outlooks, here=replace(sight.here, timeline=journal.goal.timeline))


def _elsewhere(journal: Journal, order: Order, sight: Sight, problem: Problem, lsn: Lsn | None) -> Problem:
    """Why its own repository does not lead to a target: with where that lies, or with the nearest that there is when it lies nowhere."""
    other = horizon.foresee(target.parse(order.target), sight)
    if isinstance(other, Problem):
        return problem
    lies = f"a target there; {other.target} is in repository {other.repository} on timeline {other.timeline}"
    found = f"{restore_consent.stands(journal, lsn)}, which does not lead there: {problem.found}"
    return Problem(found, lies, restore_consent.anew(journal, order.target, order.reason))


def _hole(journal: Journal, own: Sight, found: Plan, lsn: Lsn | None) -> Problem | None:
    """Why it cannot read on to a target that another set leads to: WAL between is missing. Where it stands may be unknown."""
    outlook = next((one for one in own.outlooks if found.timeline in one.windows), None)
    if outlook is None or lsn is None:
        return None
    path, size = outlook.windows[found.timeline].path, outlook.holdings.size
    last = Segment.parse(found.last_segment, size).number
    missing = next(gaps(runs_on(path, outlook.holdings), lsn.position // size, last), None)
    if missing is None:
        return None
    what = f"{restore_consent.stands(journal, lsn)}, and no {name_of(path, missing[0], size)} behind it there"
    expected = f"each WAL segment up to {found.last_segment}, as nothing is restored again"
    return Problem(what, expected, restore_consent.anew(journal, found.target, journal.order.reason))


def _of_rebuild(journal: Journal, order: Order) -> Problem | None:
    """Why a rebuild is led elsewhere by itself alone: it looks whether the lost host lives, and has nothing to go back to."""
    if not journal.order.rebuild:
        return None
    found = f"a rebuild that is paused at {journal.order.target}"
    again = restoring.begin_anew(replace(journal, order=replace(journal.order, target=order.target)))
    return Problem(found, "another target by playbooks/rebuild.yml", again)


def glance(journal: Journal) -> tuple[Lsn | None, float | None]:
    """Where the held server stands, and its last commit: by its own answer where it runs, else as it was proven. Nothing is started.

    Raises Refusal when it has ended its recovery meanwhile.
    """
    place = restore_journal.place(journal.home.stanza)
    if not held_server.state(place):
        done = held_server.query(place, "postgres", STATE, 10.0)
        if done.code == 0:
            seen = recovering.parse_replayed(json.loads(done.stdout), Log())
            if not seen.in_recovery:
                found = f"the held server of {journal.name}, which ends its recovery: another command is at work on it"
                raise Refusal(Problem(found, "it paused, as it was", f"{restoring.TOOL} status"))
            return seen.lsn, seen.time
    return journal.goal.lsn, journal.last_commit or None


def go_further(journal: Journal, order: Order, found: Plan) -> Journal:
    """The journal of the paused recovery with the new target ahead, its server stopped. Raises Refusal when that lies behind it.

    In the stanza's turn. It is as it was then.
    """
    place = restore_journal.place(journal.home.stanza)
    seen = restore_phases.standing(journal)
    try:
        _refuse_behind(journal, order, found, seen.lsn, seen.time)
    except Refusal:
        if journal.order.action == restoring.SHUTS_DOWN:
            held_server.stop(place)
        raise
    held_server.stop(place)
    return restore_consent.moved(journal, order, scratch_goal.of_plan(found, journal.home.stanza), plan.document(found))


def _refuse_behind(journal: Journal, order: Order, found: Plan, lsn: Lsn | None, time: float | None) -> None:
    wanted = target.parse(order.target).time
    problem = restore_consent.judge_move(journal, found, lsn, time, wanted.timestamp() if wanted else None)
    if problem:
        raise Refusal(problem)
