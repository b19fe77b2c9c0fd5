# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a recovery may take and lose, by scenario: what is asked where nobody declared it, and what was missed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MISSED = "objective missed"


@dataclass(frozen=True)
class Objective:
    """What a scenario may take. Seconds; None asks nothing. `phases` are demands of single phases, by name.

    `by_default` are those of RTO and RPO that nobody declared: they are the collection's.
    """

    scenario: str
    rto_seconds: float | None = None
    rpo_seconds: float | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    by_default: tuple[str, ...] = ()


# The runbook's table, by its upper ends. WAL is archived each minute at least, and so is the heartbeat: three in a row are late.
RPO = 300.0
BOTH = ("RTO", "RPO")
OBJECTIVES = (
    Objective("database", 900.0, RPO, by_default=BOTH),
    Objective("point_in_time", 1800.0, RPO, by_default=BOTH),
    Objective("site", 7200.0, RPO, by_default=BOTH),
    Objective("region", 14400.0, RPO, by_default=BOTH),
)
SCENARIOS = tuple(one.scenario for one in OBJECTIVES)

# What to try where one was missed.
DECLARE = "or declare another objective in recovery_objectives"
ARCHIVE = f"what tells whether archiving or the heartbeat is late: sudo /opt/axiomdb/axiomdb-recovery status; {DECLARE}"
CLOCK = "timedatectl, on this host and on the one that writes the backups"
_NEWER = "a newer set leaves less WAL to replay (backup_jobs_hourly_schedule)"
SOONER: Mapping[str, str] = {
    "provision": "packages from a nearer mirror are there sooner",
    "restore": "more processes (process-max in pgbackrest_options) or a nearer store restore sooner",
    "start": _NEWER,
    "replay": _NEWER,
    "checks": "checks that ask less answer sooner (drill_checks)",
}


def defaults_of(asked: Mapping[str, Any]) -> str:
    """What is to be said of an objective, as its document has it, that nobody declared; empty where it was declared, or who knows."""
    names = [name for name in BOTH if name in asked.get("by_default", ()) and asked.get(f"{name.lower()}_seconds") is not None]
    if not names:
        return ""
    return " (the collection's defaults)" if len(names) == len(BOTH) else f" (the {names[0]} is the collection's default)"


@dataclass(frozen=True)
class Found:
    """What was measured: RTO and RPO in seconds, None is not known, and by what the RPO was. `rpo_by` may be so many seconds `ahead`.

    `counting` are the phases that make the RTO. With `whole`, all that there is was to be recovered: an RPO that is asked for and could
    not be measured is missed too.
    """

    rto: float | None
    rpo: float | None
    rpo_by: str
    ahead: float
    seconds: Mapping[str, float]
    counting: Sequence[str]
    whole: bool = False


def missed(objective: Objective, found: Found) -> tuple[str, ...]:
    """What took longer, or lost more, than it may, and what can be done. The RTO names the phase that took most of it."""
    return (*_too_long(objective, found), *_too_old(objective, found))


def _too_long(objective: Objective, found: Found) -> list[str]:
    rto, limit, said = found.rto, objective.rto_seconds, []
    if rto is not None and limit is not None and rto > limit:
        longest = max(found.counting, key=lambda name: found.seconds.get(name, 0.0))
        most = f"the phase {longest} took {found.seconds[longest]:.1f} s of it"
        said.append(_missed(f"an RTO of {rto:.1f} s, {most}", limit, objective, _faster(longest), "RTO"))
    for name, at_most in objective.phases.items():
        if found.seconds.get(name, 0.0) > at_most:
            said.append(_missed(f"{found.seconds[name]:.1f} s in the phase {name}", at_most, objective, _faster(name)))
    return said


def _too_old(objective: Objective, found: Found) -> list[str]:
    rpo, limit = found.rpo, objective.rpo_seconds
    if limit is None:
        return []
    if rpo is not None:
        old = f"an RPO of {rpo:.0f} s: {found.rpo_by} that was recovered is so old"
        return [_missed(old, limit, objective, ARCHIVE, "RPO")] if rpo > limit else []
    if not found.whole or found.rto is None:
        return []
    if found.ahead:
        wrong = f"no RPO: {found.rpo_by} that was recovered is {found.ahead:.0f} s later than this drill, so a clock is wrong"
        return [_missed(wrong, limit, objective, CLOCK, "RPO")]
    unknown = "no RPO: neither a heartbeat nor a commit was found in the WAL that was recovered, and no end of the set is known"
    return [_missed(unknown, limit, objective, ARCHIVE, "RPO")]


def _missed(found: str, limit: float, objective: Objective, following: str, name: str = "") -> str:
    whose = ", by default" if name in objective.by_default else ""
    return f"{MISSED}: found {found}; expected at most {limit:g} s for {objective.scenario}{whose}. Next: {following}"


def _faster(phase: str) -> str:
    """What can make a phase shorter."""
    look = f"look what the phase {phase} did: sudo /opt/axiomdb/axiomdb-recovery drill --last"
    return "; ".join([look, *([SOONER[phase]] if phase in SOONER else []), DECLARE])
