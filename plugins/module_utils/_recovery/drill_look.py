# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks around a drill: its plan, what is broken in the repositories, and afterwards the annotation of the set with its proof."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import (
    drill_annotation,
    drill_choice,
    horizon,
    judging,
    postgres,
    preloading,
    repository,
    scratch_goal,
    scratch_look,
    state,
    target,
    work,
)
from .drill import RANDOM, Drill, Order
from .drill_choice import NothingDrilled
from .jobs import Stanza
from .plan import Plan
from .postgres import NotAnswering
from .problem import Problem, Refusal
from .run import CommandFailed
from .scratch import ALWAYS_THERE, Goal
from .sight import Sight
from .snapshots import found_in
from .spoken import counted
from .target import Target
from .verdict import Fault, Limits, Reading

OF_REPOSITORY = ("verify", "repository", "repositories", "set", "backup")
OF_WAL = ("hole", "history", "behind")
LOCK_PATIENCE = 120.0  # seconds that the annotation waits for a backup


@dataclass(frozen=True)
class Chosen:
    """What is drilled. `spare` is a host that has no cluster of these backups; `stopped` is when its set ended, in Unix seconds."""

    target: str
    plan: Plan
    goal: Goal
    version: str
    system_id: int
    spare: bool
    stopped: float = 0.0


def plan(order: Order, stanza: Stanza, seed: str) -> Chosen:
    """The plan of a drill, of what the repositories have alone.

    Raises Refusal where there is none, and NothingDrilled where what was asked for never was there.
    """
    refuse_repository(order)
    sight = horizon.look(stanza.name, work.cluster_of(stanza))
    sight = replace(sight, here=replace(sight.here, free_bytes=None))  # the copy looks for room where it is made
    refuse_label(order, sight)
    whole = sight  # what the repository that was named lost, and another one still knows, is what a drill is to find
    if order.repository:
        sight = replace(sight, outlooks=tuple(one for one in sight.outlooks if one.repository.number == order.repository))
    text = drill_choice.choose(order, horizon.told(sight) if order.target == RANDOM else sight.outlooks, seed)
    if isinstance(text, Problem):
        raise Refusal(_unreadable(sight) or text)
    wanted = target.parse(text)
    best = horizon.foresee(wanted, sight)
    if isinstance(best, Plan) and best.only_here:
        best = scratch_goal.of_archive(best, horizon.foresee(wanted, horizon.archived(sight)))
    if isinstance(best, Problem):
        raise refusal_of(order, [best], wanted, whole)
    _refuse_names(order, stanza, best)
    goal = scratch_goal.goal_of(best, stanza.name)
    if isinstance(goal, Problem):
        raise Refusal(goal)
    return _chosen(order, text, best, goal, sight)


def refuse_repository(order: Order) -> None:
    """Raise NothingDrilled for a repository that this host does not have."""
    problem = drill_choice.judge_repository(order, repository.configured())
    if problem is not None:
        raise NothingDrilled(problem)


def refuse_label(order: Order, sight: Sight) -> None:
    """Raise NothingDrilled for a set that is in none of the repositories."""
    problem = drill_choice.judge_label(order, sight.outlooks)
    if problem is not None:
        raise NothingDrilled(problem)


def refusal_of(order: Order, problems: Sequence[Problem], wanted: Target, sight: Sight) -> Refusal:
    """What is raised where no plan leads to a target: a recovery that fails, or a target that was typed and never was one.

    `sight` is of all repositories, also where one was named.
    """
    snapshots = found_in(one.repository for one in sight.outlooks)
    mistyped = drill_choice.is_typed(order) and drill_choice.is_mistyped(wanted, sight.outlooks, snapshots, sight.here)
    return NothingDrilled(*problems) if mistyped else Refusal(*problems)


def _refuse_names(order: Order, stanza: Stanza, best: Plan) -> None:
    """Raise NothingDrilled for databases that the set does not have."""
    held = scratch_look.databases(stanza.name, best.repository, best.backup) if order.databases else None
    missing = [name for name in order.databases if held is not None and name not in (*held, *ALWAYS_THERE)]
    if held is not None and missing:
        found = f"no database {', '.join(missing)} in set {best.backup} of repository {best.repository}"
        raise NothingDrilled(Problem(found, f"some of {', '.join(sorted(held))}", "correct drill_databases, or --database"))


def _unreadable(sight: Sight) -> Problem | None:
    """Why nothing can be chosen, where a repository cannot be read."""
    for one in (outlook.repository for outlook in sight.outlooks):
        if not one.readable:
            info = f"sudo -u postgres pgbackrest --stanza={sight.stanza} --repo={one.number} info"
            return Problem(f"repository {one.number} unreadable: {one.message}", "one that can be read", one.remedy or info)
    return None


def _chosen(order: Order, text: str, best: Plan, goal: Goal, sight: Sight) -> Chosen:
    holder = next(one.repository for one in sight.outlooks if one.repository.number == best.repository)
    backup = next(one for one in holder.backups if one.label == best.backup)
    database = next(one for one in holder.databases if one.number == backup.database)
    binaries = f"/usr/lib/postgresql/{database.version}/bin"
    missing = [name for name in ("postgres", "pg_amcheck", "pg_checksums", "pg_dump") if not os.path.exists(f"{binaries}/{name}")]
    if missing:
        install = f"sudo apt-get install postgresql-{database.version}"
        raise Refusal(Problem(f"no {' '.join(missing)} in {binaries}", f"PostgreSQL {database.version}, which wrote the set", install))
    libraries = preloading.missing(order.preload, database.version)
    if libraries:
        raise Refusal(*libraries)  # nobody could recover here
    best = replace(best, kept=(), erased=())  # the copy lies beside everything
    spare = scratch_look.live_control(database.version, database.system_id) is None
    return Chosen(text, best, goal, database.version, database.system_id, spare, float(backup.stopped))


class Faults:
    """What is broken in the repositories that a drill reads: that of its plan, or all where there is no plan."""

    def __init__(self, stanza: Stanza, host: str, numbers: Sequence[int]) -> None:
        self.stanza, self.host = stanza, host
        self.numbers = list(numbers) or list(repository.configured())
        self.faults: tuple[Fault, ...] | None = None
        self.apart = ""

    def of_repository(self) -> str:
        """Every file is read, and every set is whole."""
        gone = repository.not_mounted(self.numbers)
        readings = [judging.read(self.stanza.name, number) for number in self.numbers if number not in gone]
        if not readings:
            found = f"nothing mounted where repository {', '.join(map(str, self.numbers))} lies"
            raise Refusal(Problem(found, "a repository that can be read", "mount -a; then drill again"))
        first = self._look()
        # How old the newest backup is, the status says.
        self.faults = judging.faults_of(first, self._look, Limits(math.inf), readings)
        if first.picture.standby:  # of which nothing is judged, but what was read counts
            self.apart = "; WAL apart from it is judged on the primary"
            self.faults = tuple(Fault(f"verify {one.repository}", one.repository, text, "") for one in readings for text in one.broken)
        self._refuse(OF_REPOSITORY, "a repository in which nothing is broken")
        return _read(readings)

    def of_wal(self, best: Plan | None) -> str:
        """No segment is missing, neither on the way of the plan nor elsewhere."""
        self._refuse(OF_WAL, "WAL without a gap, from the first set on")
        if best is None:
            return "no segment is missing between the sets"
        return f"{best.first_segment} to {best.last_segment}, {counted(best.segments, 'segment')}, none missing{self.apart}"

    def _look(self) -> judging.Sight:
        return judging.look(self.stanza.name, work.cluster_of(self.stanza), self.host)

    def _refuse(self, kinds: Sequence[str], expected: str) -> None:
        if self.faults is None:
            raise Refusal(Problem("no look at the repositories that came to its end", expected, "mend what failed before"))
        found = [one for one in self.faults if one.topic.split()[0] in kinds and one.repository in (0, *self.numbers)]
        if found:
            raise Refusal(*(Problem(one.found, expected, one.command) for one in found))


def _read(readings: Sequence[Reading]) -> str:
    backups, segments = (sum(getattr(one, name) for one in readings) for name in ("backups", "segments"))
    where = ", ".join(str(one.repository) for one in readings)
    return f"{counted(backups, 'backup')} and {counted(segments, 'WAL segment')} read in repository {where}"


def annotate(ended: Drill, stanza: Stanza) -> str:
    """Annotate the set with its proof, where this host may; what became of it."""
    best = ended.plan
    if best is None:
        return ""
    try:
        answer = postgres.state(stanza.port)
        live, standby = int(answer["system_id"]), bool(answer["in_recovery"])
    except NotAnswering:
        live, standby = None, False
    why = drill_annotation.may_annotate(ended, live, standby, bool(state.pause()))
    if why:
        return f"the set {best.backup} is not annotated: {why}"
    try:
        repository.annotate(stanza.name, best.repository, best.backup, drill_annotation.annotation(ended), LOCK_PATIENCE)
    except CommandFailed as error:
        return f"the set {best.backup} is not annotated: {error}"
    return f"the set {best.backup} of repository {best.repository} is annotated with {drill_annotation.ANNOTATION}"
