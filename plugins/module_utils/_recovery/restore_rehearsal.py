# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The same plan and the same proofs in a scratch copy: the live server is not touched, and nothing is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import horizon, in_child, measuring, scratch_copy, scratch_goal, state, target
from .plan import Plan
from .postgres import Cluster, NotAnswering
from .problem import Problem, Refusal, Unfinished
from .restoring import Check, Order
from .run import CommandFailed
from .scratch import Goal, Wish
from .spoken import moment

Tell = Callable[[str], None]
CHOOSE = "choose another target, or correct the check"


def plan_of(order: Order, stanza: str, cluster: Cluster) -> tuple[Plan, Goal]:
    """The plan, of what the repositories have alone. Raises Refusal where there is none, or where this host alone has WAL for it."""
    wanted, sight = target.parse(order.target), horizon.look(stanza, cluster)
    sight = replace(sight, here=replace(sight.here, free_bytes=None))  # the copy looks for room where it is made
    found = horizon.foresee(wanted, sight)
    if not isinstance(found, Problem) and found.only_here:
        found = scratch_goal.of_archive(found, horizon.foresee(wanted, horizon.archived(sight)))
    if isinstance(found, Problem):
        raise Refusal(found)
    goal = scratch_goal.goal_of(found, stanza)
    if isinstance(goal, Problem):
        raise Refusal(goal)
    return found, goal


def rehearse(order: Order, stanza: str, cluster: Cluster, host: str, tell: Tell) -> list[str]:
    """Carry the plan out in a copy; what was proven, line by line. Raises Refusal, or Unfinished with all that was not as planned."""
    entry = {"operation": "rehearse", "host": host, "stanza": stanza, "target": order.target, "text": order.reason}
    began = time.monotonic()
    try:
        lines: list[str] = in_child.as_postgres(lambda say: _in_copy(order, stanza, cluster, say), tell)
    except Refusal as refusal:
        state.operation({**entry, "outcome": "failed", "error": str(refusal)})
        raise
    seconds = round(time.monotonic() - began, 1)
    state.operation({**entry, "outcome": "done", "seconds": seconds})
    return [*lines, f"  took         {seconds} s; the copy is removed, the live server was not touched"]


def _in_copy(order: Order, stanza: str, cluster: Cluster, tell: Tell) -> list[str]:
    found, goal = plan_of(order, stanza, cluster)
    tell(f"restores the set {found.backup} from repository {found.repository} into a copy")
    try:
        with scratch_copy.scratch(goal, Wish(f"rehearsal of {order.target}"), port=cluster.port, tell=tell) as copy:
            measuring.remember(stanza, measuring.RESTORE, copy.size, copy.seconds, "the rehearsal")
            seen = copy.replayed
            last = f", last commit {moment(seen.time)}" if seen.time is not None else ""
            lines = [f"  rehearsed    {order.target}: stands at {seen.lsn} on timeline {goal.timeline}{last}, as planned"]
            problems = []
            for check in order.checks:
                answer = _answer(copy, check)
                lines.append(f"  check        {check.name}: {answer}")
                if answer != check.expected.strip():
                    problems.append(Problem(f"'{answer}' for the check {check.name}", f"'{check.expected.strip()}'", CHOOSE))
    except CommandFailed as error:
        raise Unfinished(Problem(f"a copy that could not be made ({error})", "one", "mend that, and rehearse again")) from error
    if problems:
        raise Unfinished(*problems)
    return lines


def _answer(copy: Any, check: Check) -> str:
    try:
        return str(copy.text(check.database, check.sql)).strip()
    except NotAnswering as error:
        return str(error)
