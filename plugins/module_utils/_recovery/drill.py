# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A drill, decided: its ladder of proofs, how long each took, what was asked of it, and whether it passed. Nothing is touched here.

Each rung of the ladder is a phase too. One chain of time stamps measures them: they sum to the whole, to the millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .plan import Plan
from .problem import Problem
from .reach import STANDBY
from .restoring import Check
from .scratch import LEAST_MEMORY, MEMORY
from .spoken import human, moment, stamp

PLAN, REPOSITORY, WAL, RESTORE, START, REPLAY = "plan", "repository", "wal", "restore", "start", "replay"
CANARY, CHECKS, OPEN, CATALOGUE, AMCHECK = "canary", "checks", "open", "catalogue", "amcheck"
DUMP, CHECKSUMS, REMOVE = "dump", "checksums", "remove"
LADDER: Mapping[str, str] = {
    PLAN: "planned",
    REPOSITORY: "repository verified",
    WAL: "WAL continuous",
    RESTORE: "restored",
    START: "started",
    REPLAY: "target reached",
    CANARY: "canary found",
    CHECKS: "checks answered as expected",
    OPEN: "opened for writing",
    CATALOGUE: "catalogue read",
    AMCHECK: "tables and indexes checked",
    DUMP: "dump possible",
    CHECKSUMS: "data checksums right",
}
# A lost site is rebuilt on a host that has nothing: that begins with packages and configuration.
PROVISION = "provision"
SITE_LADDER: Mapping[str, str] = {PROVISION: "host provisioned, nothing initialised", **LADDER}
COPY, SITE = "copy", "site"
KINDS: Mapping[str, Mapping[str, str]] = {COPY: LADDER, SITE: SITE_LADDER}
# What a recovery in place has to do too, until clients may come back: these make the RTO. The others are proof alone.
RECOVERY = (PLAN, RESTORE, START, REPLAY, CANARY, CHECKS, OPEN)
REBUILD = (PROVISION, *RECOVERY)  # a drill beside a live server has no first one
PASSED, FAILED, SKIPPED, NOT_REACHED = "passed", "failed", "skipped", "not reached"
NEWEST, OLDEST, RANDOM = "newest", "oldest", "random"
HEARTBEAT, COMMIT = "the newest heartbeat", "the newest commit"  # what an RPO is measured by
AHEAD = 300.0  # seconds by which that may be later than the drill: two hosts have two clocks
FULL, QUICK, NONE = "full", "quick", "none"
AMCHECKS = (FULL, QUICK, NONE)
PORT = 15432
ANNOTATION = "axiomdb-drill"


@dataclass(frozen=True)
class Objective:
    """What a scenario may take. Seconds; None asks nothing. `phases` are demands of single phases, by name."""

    scenario: str
    rto_seconds: float | None = None
    rpo_seconds: float | None = None
    phases: Mapping[str, float] = field(default_factory=dict)


# The runbook's table, by its upper ends. WAL is archived each minute at least, and so is the heartbeat: three in a row are late.
RPO = 300.0
OBJECTIVES = (
    Objective("database", 900.0, RPO),
    Objective("point_in_time", 1800.0, RPO),
    Objective("site", 7200.0, RPO),
    Objective("region", 14400.0, RPO),
)
SCENARIOS = tuple(one.scenario for one in OBJECTIVES)


@dataclass(frozen=True)
class Order:
    """What a person wants drilled. `target` is NEWEST, OLDEST, RANDOM or a recovery target; no database means all of them.

    `kind` is COPY, beside a live server, or SITE, a rebuild on a spare host up to its new timeline. `repository` 0 lets the plan
    choose; an empty `seed` is the day. `memory` is in bytes.
    """

    target: str = NEWEST
    label: str = ""
    repository: int = 0
    seed: str = ""
    scenario: str = ""
    databases: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    objectives: tuple[Objective, ...] = OBJECTIVES
    amcheck: str = FULL
    dump: bool = True
    keep: bool = False
    directory: str = ""
    memory: int = MEMORY
    notes: tuple[str, ...] = ()
    kind: str = COPY

    @property
    def ladder(self) -> Mapping[str, str]:
        """Its rungs by name."""
        return KINDS[self.kind]

    @property
    def objective(self) -> Objective:
        """What is asked of this drill; of a scenario that is not declared, nothing."""
        name = self.scenario or (SITE if self.kind == SITE else "database" if self.databases else "point_in_time")
        return next((one for one in self.objectives if one.scenario == name), Objective(name))


@dataclass(frozen=True)
class Rung:
    """One proof: its outcome, what was found, and one sentence for each thing that was not as it must be."""

    name: str
    outcome: str
    text: str = ""
    problems: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return SITE_LADDER[self.name]


@dataclass(frozen=True)
class Phase:
    """How long a phase took, in whole milliseconds."""

    name: str
    milliseconds: int

    @property
    def seconds(self) -> float:
        return self.milliseconds / 1000


class Chain:
    """One time stamp ends a phase and begins the next one. `clock` counts seconds from anywhere."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._marks: list[tuple[str, int]] = []

    def begin(self, name: str, at: float | None = None) -> None:
        """End the phase before, and begin this one; the first one may have begun before, `at` a time of the same clock."""
        self._marks.append((name, round((self._clock() if at is None else at) * 1000)))

    def end(self) -> tuple[Phase, ...]:
        """End the last phase; all of them."""
        ends = [*(at for _name, at in self._marks[1:]), round(self._clock() * 1000)]
        return tuple(Phase(name, end - at) for (name, at), end in zip(self._marks, ends, strict=True))

    @property
    def current(self) -> str:
        return self._marks[-1][0] if self._marks else ""


@dataclass(frozen=True)
class Measured:
    """What a drill measured; None is not known. `heartbeat` is the newest one that was recovered, `last_commit` the newest commit.

    `rpo_seconds` is what would have been lost, had the host died when the drill began; of an older target it is not known. It is
    measured by `rpo_by`, which tells nothing when it is so many seconds `ahead` of this host's clock.
    """

    restored_bytes: int = 0
    wal_bytes: int = 0
    heartbeat: float | None = None
    last_commit: float | None = None
    rpo_seconds: float | None = None
    rpo_by: str = HEARTBEAT
    ahead: float = 0.0


@dataclass(frozen=True)
class Drill:
    """A drill that has ended. Times are Unix seconds; `kept` says where its copy answers. `spare` is a host without the cluster.

    `troubles` are failures that are none of a proof: a copy that could not be removed, or not be kept.
    """

    host: str
    stanza: str
    began: float
    order: Order
    rungs: tuple[Rung, ...]
    phases: tuple[Phase, ...]
    measured: Measured = Measured()
    target: str = ""
    plan: Plan | None = None
    version: str = ""
    system_id: int = 0
    spare: bool = False
    seed: str = ""
    kept: str = ""
    troubles: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its report."""
        return f"drill-{self.stanza}-{stamp(self.began)}"

    @property
    def milliseconds(self) -> int:
        return sum(phase.milliseconds for phase in self.phases)

    @property
    def seconds(self) -> Mapping[str, float]:
        return {phase.name: phase.seconds for phase in self.phases}

    @property
    def rto_seconds(self) -> float | None:
        """What a recovery would have taken; None where it did not get to its end."""
        outcomes = {rung.name: rung.outcome for rung in self.rungs}
        if outcomes.get(OPEN) != PASSED:
            return None
        return sum(phase.milliseconds for phase in self.phases if phase.name in REBUILD) / 1000

    @property
    def missed(self) -> tuple[str, ...]:
        """A sentence for each objective that was missed, or of which nobody can say that it was met."""
        whole = self.plan is not None and self.plan.kind == STANDBY
        return missed(self.order.objective, self.rto_seconds, self.measured, self.seconds, whole=whole)

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything for which it failed."""
        return (*(f"{rung.title}: {text}" for rung in self.rungs for text in rung.problems), *self.troubles, *self.missed)

    @property
    def passed(self) -> bool:
        """Nothing failed, and nothing was left out but what says why it was: a recovery that did not get to its end proves nothing."""
        climbed = all(rung.outcome in (PASSED, SKIPPED) for rung in self.rungs)
        return climbed and self.rto_seconds is not None and not self.problems


def judge(order: Order) -> list[Problem]:
    """What speaks against a drill before anything is looked at."""
    problems = []
    declared = [one.scenario for one in order.objectives]
    if order.scenario and order.scenario not in declared:
        problems.append(Problem(f"the scenario {order.scenario}", f"one of {', '.join(declared)}", "correct drill_scenario"))
    for one in (one for one in order.checks if not one.sql.strip()):
        problems.append(
            Problem(f"the check {one.name or one.database} without a query", "one that proves something", "correct drill_checks")
        )
    if order.kind == COPY and order.memory < LEAST_MEMORY:
        problems.append(Problem(f"a memory bound of {human(order.memory)}", f"at least {human(LEAST_MEMORY)}", "correct drill_memory_mib"))
    if order.label and order.target.startswith("backup:") and order.target != f"backup:{order.label}":
        problems.append(Problem(f"{order.target} and the set {order.label}", "one set", "leave one of them out"))
    if order.kind == SITE and (order.databases or order.directory):
        given = f"drill_databases={','.join(order.databases)}" if order.databases else f"drill_directory={order.directory}"
        whole = "the whole cluster in its own place, as a rebuild brings it back"
        problems.append(Problem(f"{given} for a lost site", whole, "leave it out, or drill with drill_kind=copy"))
    known = (*SITE_LADDER, REMOVE)
    for name in (name for one in order.objectives for name in one.phases if name not in known):
        problems.append(Problem(f"an objective of the phase {name}", f"one of {', '.join(known)}", "correct recovery_objectives"))
    return problems


def missed(
    objective: Objective, rto: float | None, measured: Measured, seconds: Mapping[str, float], *, whole: bool = False
) -> tuple[str, ...]:
    """What took longer, or lost more, than it may. The RTO names the phase that took most of it.

    With `whole`, all that there is was to be recovered: an RPO that is asked for and could not be measured is missed too.
    """
    found = []
    if rto is not None and objective.rto_seconds is not None and rto > objective.rto_seconds:
        longest = max(REBUILD, key=lambda name: seconds.get(name, 0.0))
        most = f"the phase {longest} took {seconds[longest]:.1f} s of it"
        found.append(_missed(f"an RTO of {rto:.1f} s", f"at most {objective.rto_seconds:g} s for {objective.scenario}", most))
    for name, limit in objective.phases.items():
        if seconds.get(name, 0.0) > limit:
            found.append(_missed(f"{seconds[name]:.1f} s in the phase {name}", f"at most {limit:g} s for {objective.scenario}"))
    rpo = measured.rpo_seconds
    if rpo is not None and objective.rpo_seconds is not None and rpo > objective.rpo_seconds:
        wanted = f"at most {objective.rpo_seconds:g} s for {objective.scenario}"
        found.append(_missed(f"an RPO of {rpo:.0f} s: {measured.rpo_by} that was recovered is so old", wanted))
    if rpo is None and objective.rpo_seconds is not None and whole and rto is not None:
        unknown = "no RPO: neither a heartbeat nor a commit was found in the WAL that was recovered"
        if measured.ahead:
            unknown = f"no RPO: {measured.rpo_by} that was recovered is {measured.ahead:.0f} s later than this drill, so a clock is wrong"
        found.append(_missed(unknown, f"at most {objective.rpo_seconds:g} s for {objective.scenario}"))
    return tuple(found)


def _missed(found: str, expected: str, more: str = "") -> str:
    return f"objective missed: found {found}{f', {more}' if more else ''}; expected {expected}"


def may_annotate(drill: Drill, live: int | None, standby: bool, paused: bool) -> str:
    """Why the set is not annotated with its proof; empty when it may be. `live` is the identifier of the server that answers here.

    Two hosts that write one catalogue lose a backup: only the host whose backups these are does it.
    """
    if drill.order.kind == SITE:
        return "the drill of a lost site writes nothing into a repository"
    if not drill.passed:
        return "a drill that failed proves nothing"
    if drill.order.databases:
        return f"a drill of {', '.join(drill.order.databases)} alone proves nothing of the others"
    if live != drill.system_id or standby:
        return "this host is not the one that writes these backups"
    return "jobs are paused" if paused else ""


def annotation(drill: Drill) -> dict[str, str]:
    """The proof as an annotation of the set."""
    return {ANNOTATION: f"{moment(drill.began)} passed {drill.target} in {drill.rto_seconds or 0:.0f}s"}


def document(drill: Drill, worse: Sequence[str] = ()) -> dict[str, Any]:
    """A drill as JSON has it. There is no secret in it; the answers of checks are."""
    seconds, order, best = drill.seconds, drill.order, drill.plan
    return {
        "name": drill.name,
        "host": drill.host,
        "stanza": drill.stanza,
        "kind": order.kind,
        "spare": drill.spare,
        "began": drill.began,
        "passed": drill.passed,
        "asked": order.target,
        "target": drill.target,
        "seed": drill.seed,
        "databases": list(order.databases),
        "set": best.backup if best else "",
        "repository": best.repository if best else 0,
        "timeline": best.timeline if best else 0,
        "lsn": best.lsn if best else "",
        "version": drill.version,
        "rungs": [{**asdict(rung), "title": rung.title, "seconds": seconds.get(rung.name, 0.0)} for rung in drill.rungs],
        "phases": [{"name": phase.name, "seconds": phase.seconds} for phase in drill.phases],
        "seconds": drill.milliseconds / 1000,
        "rto_seconds": drill.rto_seconds,
        **asdict(drill.measured),
        "rates": rates(drill),
        "objective": asdict(order.objective),
        "problems": list(drill.problems),
        "worse": list(worse),
        "remarks": list(drill.remarks),
        "notes": list(order.notes),
        "kept": drill.kept,
    }


def rates(drill: Drill) -> dict[str, float]:
    """Bytes in a second, restored and replayed."""
    sizes = {RESTORE: drill.measured.restored_bytes, REPLAY: drill.measured.wal_bytes}
    took = {RESTORE: drill.seconds.get(RESTORE, 0.0), REPLAY: drill.seconds.get(START, 0.0) + drill.seconds.get(REPLAY, 0.0)}
    return {name: round(size / took[name]) for name, size in sizes.items() if size and took[name]}


def foretold(order: Order, target: str, seed: str) -> list[str]:
    """What a drill would do, for a person; the lines behind those of its plan."""
    unwanted = {AMCHECK: order.amcheck == NONE, DUMP: not order.dump, CHECKS: not order.checks}
    objective = order.objective
    asked = [f"{name} {value:g} s" for name, value in (("RTO", objective.rto_seconds), ("RPO", objective.rpo_seconds)) if value is not None]
    where = f"{order.directory or 'a directory of its own below /var/lib/axiomdb/scratch'}, with {human(order.memory)} of memory"
    where = "the place of the lost cluster on this host, which it leaves as it was" if order.kind == SITE else where
    by_seed = f", chosen by the seed {seed}" if order.target == RANDOM else ""
    return [
        f"  drills       {target}{by_seed}, in {where}",
        f"  proves       {', '.join(title for name, title in order.ladder.items() if not unwanted.get(name))}",
        f"  objective    {objective.scenario}: {', '.join(asked) or 'none'}",
        *([f"  keeps        the copy on 127.0.0.1:{PORT} until drill_state=absent"] if order.keep else []),
    ]
