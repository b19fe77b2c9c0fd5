# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A drill, decided: its ladder of proofs, how long each took, what was asked of it, and whether it passed. Nothing is touched here.

Each rung of the ladder is a phase too. One chain of time stamps measures them: they sum to the whole, to the millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from .drill_objective import OBJECTIVES, Found, Objective, defaults_of, missed
from .plan import Plan
from .reach import STANDBY
from .restoring import Check
from .scratch import MEMORY
from .spoken import human, stamp

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
HEARTBEAT, COMMIT, SET_END = "the newest heartbeat", "the newest commit", "the end of the set"  # what an RPO is measured by
AHEAD = 300.0  # seconds by which that may be later than the drill: two hosts have two clocks
FULL, QUICK, NONE = "full", "quick", "none"
AMCHECKS = (FULL, QUICK, NONE)
PORT = 15432


@dataclass(frozen=True)
class Order:
    """What a person wants drilled. `target` is NEWEST, OLDEST, RANDOM or a recovery target; no database means all of them.

    `kind` is COPY, beside a live server, or SITE, a rebuild on a spare host up to its new timeline. `repository` 0 lets the plan
    choose; an empty `seed` is the day. `memory` is in bytes, `preload` names libraries that the copy's server loads when it starts.
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
    preload: tuple[str, ...] = ()

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
        by = self.measured
        found = Found(self.rto_seconds, by.rpo_seconds, by.rpo_by, by.ahead, self.seconds, REBUILD, whole)
        return missed(self.order.objective, found)

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything for which it failed."""
        return (*(f"{rung.title}: {text}" for rung in self.rungs for text in rung.problems), *self.troubles, *self.missed)

    @property
    def passed(self) -> bool:
        """Nothing failed, and nothing was left out but what says why it was: a recovery that did not get to its end proves nothing."""
        climbed = all(rung.outcome in (PASSED, SKIPPED) for rung in self.rungs)
        return climbed and self.rto_seconds is not None and not self.problems


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
        f"  objective    {objective.scenario}: {', '.join(asked) or 'none'}{defaults_of(asdict(objective))}",
        *([f"  keeps        the copy on 127.0.0.1:{PORT} until drill_state=absent"] if order.keep else []),
    ]
