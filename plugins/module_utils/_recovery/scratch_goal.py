# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a plan becomes in a scratch copy: the same repository, set, timeline and target, and what then proves that it is there."""

from __future__ import annotations

from datetime import datetime

from .plan import Plan
from .problem import Problem
from .reach import AT_LSN, STANDBY
from .scratch import LATEST, Goal
from .wal import Lsn


def of_archive(best: Plan, alone: Plan | Problem) -> Plan:
    """The plan of a copy: the one that is made of the repositories `alone`, where it says the same."""
    if not best.only_here or isinstance(alone, Problem):
        return best
    same = (best.backup, best.timeline, best.kind, best.value) == (alone.backup, alone.timeline, alone.kind, alone.value)
    return alone if same else best


def goal_of(best: Plan, stanza: str) -> Goal | Problem:
    """The goal of a plan; a copy has the WAL of a repository alone, so what only the host has must be archived first."""
    return _not_archived(best) if best.only_here else of_plan(best, stanza)


def of_plan(best: Plan, stanza: str) -> Goal:
    """What the server that recovers is told, and what it has to show. What it reads on this host says no timeline in its log."""
    return Goal(
        stanza,
        best.repository,
        best.backup,
        best.timeline,
        LATEST if best.kind == STANDBY else best.kind,
        best.value,
        best.exclusive,
        Lsn.parse(best.lsn) if best.lsn else None,
        int(best.last_segment[:8], 16) if best.kind == STANDBY and not best.only_here else None,
        # An LSN may lie within a record: replay ends behind that one.
        exact=best.kind != AT_LSN,
        until=datetime.fromisoformat(best.time).timestamp() if best.time else None,
    )


def _not_archived(best: Plan) -> Problem:
    count = len(best.only_here)
    more = f" and {count - 1} more" if count > 1 else ""
    found = f"the WAL segment {best.only_here[0]}{more} up to {best.target} on this host alone"
    switch = "sudo -u postgres psql -c 'select pg_switch_wal()'; then the same again"
    return Problem(found, f"all of it in repository {best.repository}, from which a copy is made", switch)
