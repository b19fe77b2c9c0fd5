# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries a drill out: a real restore into a copy, its ladder of proofs, the measurement, the report. The live server is not touched.

The ladder goes on behind a proof that failed as long as the next ones still say something: all failures are told at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from . import (
    drill,
    drill_choice,
    drill_document,
    drill_history,
    drill_keep,
    drill_look,
    drill_proofs,
    drill_reports,
    measuring,
    scratch_copy,
    state,
)
from .drill import Drill, Measured, Order
from .drill_choice import NothingDrilled
from .drill_ladder import TROUBLES, Ladder
from .drill_look import Chosen
from .drill_proofs import Witness
from .jobs import Stanza
from .problem import Problem, Refusal
from .scratch import LATEST, Wish
from .scratch_copy import Copy
from .spoken import moment

Tell = Callable[[str], None]
JOB = "drill"
AT_WORK = Problem("a drill of this stanza at work", "its end", "pgrep -af 'axiomdb-recovery drill'")
NOT_KEPT = Problem("a copy that was never opened for writing", "one that a person can ask", "mend what failed first, and drill again")


@dataclass
class Climb:
    """A drill under way: what was chosen and made so far, and what its proofs learn."""

    order: Order
    stanza: Stanza
    ladder: Ladder
    witness: Witness = field(default_factory=Witness)
    chosen: Chosen | None = None
    copy: Copy | None = None
    kept: str = ""


def carry_out(order: Order, stanza: Stanza, host: str, now: float, tell: Tell) -> dict[str, Any]:
    """Drill once; the report's document. `now` is in Unix seconds. Raises Refusal before anything is made or kept."""
    with state.only_one(stanza.name, JOB) as alone:
        if not alone:
            raise Refusal(AT_WORK)
        _refuse(order, stanza)
        return reported(_climb(order, stanza, host, now, tell), stanza, now)


def reported(ended: Drill, stanza: Stanza, now: float) -> dict[str, Any]:
    """The document of a drill that has ended: compared with those before it, kept on this host, in the operations log."""
    earlier = drill_reports.known(stanza.name)
    found = drill_document.document(ended)
    same = [one for one in earlier if one["host"] == ended.host]
    before = drill_history.before(same, found)
    found |= {"worse": drill_history.worse(before, found), "compared_with": before["began"] if before else None}
    unkept = drill_reports.keep(stanza.name, found, [*earlier, found], now)  # first: an annotation may wait for a backup
    annotated = drill_look.annotate(ended, stanza)
    if annotated:
        found["remarks"].append(annotated)
        unkept = drill_reports.keep(stanza.name, found, [*earlier, found], now)
    found["remarks"] += [unkept] if unkept else []
    entry = {"operation": JOB, "host": ended.host, "stanza": stanza.name, "outcome": "done" if found["passed"] else "failed"}
    more = {key: found[key] for key in ("target", "set", "seconds", "rto_seconds")}
    state.operation({**entry, **more, "text": " | ".join(found["problems"])})
    return found


def _refuse(order: Order, stanza: Stanza) -> None:
    """Refuse what makes no sense, and a copy that is to be kept where its port is taken."""
    problems = [*drill_choice.judge(order), *(drill_keep.judge_port(stanza.name) if order.keep else [])]
    if problems:
        raise NothingDrilled(*problems)


def _climb(order: Order, stanza: Stanza, host: str, now: float, tell: Tell) -> Drill:
    return ended_of(Climb(order, stanza, Ladder(time.monotonic, tell)), host, now, _plan, _in_copy)


def ended_of(climb: Climb, host: str, now: float, plans: Callable[[Climb, str], str], copies: Callable[[Climb, Chosen], None]) -> Drill:
    """Plan and look for faults, then make a copy of it, whatever that is, and prove it there; what became of it."""
    order, stanza, ladder = climb.order, climb.stanza, climb.ladder
    seed = drill_choice.seed_of(order, now)
    died = max(now, time.time())  # a host that is provisioned first is not the one that is lost, which writes on until then
    ladder.prove(drill.PLAN, lambda: plans(climb, seed))
    chosen = climb.chosen
    number = chosen.plan.repository if chosen else order.repository
    faults = drill_look.Faults(stanza, host, [number] if number else [])
    ladder.prove(drill.REPOSITORY, faults.of_repository)
    ladder.prove(drill.WAL, lambda: faults.of_wal(chosen.plan if chosen else None))
    if chosen:
        try:
            copies(climb, chosen)
        except TROUBLES as error:
            ladder.fail(error)
    phases = ladder.chain.end()
    ended = Drill(host, stanza.name, now, order, ladder.all(), phases, seed=seed, kept=climb.kept, troubles=tuple(ladder.troubles))
    if chosen is None:
        return ended
    ended = replace(ended, target=chosen.target, plan=chosen.plan, remarks=chosen.plan.notes)
    ended = replace(ended, version=chosen.version, system_id=chosen.system_id, spare=chosen.spare)
    if climb.copy is not None:
        ended = replace(ended, measured=measured(climb.copy, climb.witness, chosen, died))
        remember(ended)
    return ended


def _plan(climb: Climb, seed: str) -> str:
    climb.chosen = drill_look.plan(climb.order, climb.stanza, seed)
    best = climb.chosen.plan
    return f"{climb.chosen.target}: repository {best.repository}, set {best.backup}, {best.segments} WAL segments"


def _in_copy(climb: Climb, chosen: Chosen) -> None:
    """Restore, recover, prove; the copy is removed, or handed over to whoever asked for it."""
    order, ladder = climb.order, climb.ladder
    wish = Wish(f"{drill_keep.REASON}{chosen.target}", order.databases, order.directory, order.memory, order.preload)
    port = 0 if chosen.spare else climb.stanza.port
    ladder.begin(drill.RESTORE)
    with scratch_copy.scratch(chosen.goal, wish, port=port, keep=order.keep, tell=ladder.tell, step=ladder.begin) as copy:
        climb.copy = copy
        last = f", last commit {moment(copy.replayed.time)}" if copy.replayed.time is not None else ""
        ladder.note(drill.REPLAY, drill.PASSED, f"at {copy.replayed.lsn} on timeline {_timeline(copy, chosen)}{last}")
        prove(climb, chosen, copy)
        ladder.begin(drill.REMOVE)
        if order.keep:
            if ladder.outcome(drill.OPEN) != drill.PASSED:
                raise Refusal(NOT_KEPT)
            climb.kept = drill_keep.serve(copy, stopped=climb.witness.stopped)


def _timeline(copy: Copy, chosen: Chosen) -> int:
    return copy.replayed.timeline or chosen.goal.timeline


def prove(climb: Climb, chosen: Chosen, copy: Copy, opens: Callable[[], str] | None = None) -> None:
    """Ask the copy. What it can be asked in recovery comes first; a dead one is asked nothing more. `opens` ends its recovery."""
    order, goal, witness, ladder = climb.order, chosen.goal, climb.witness, climb.ladder
    proofs: tuple[tuple[str, Callable[[], str]], ...] = (
        (drill.CANARY, lambda: drill_proofs.canary(copy, goal, witness)),
        (drill.CHECKS, lambda: drill_proofs.checks(copy, order)),
        (drill.OPEN, opens or (lambda: drill_proofs.open_for_writing(copy, goal))),
        (drill.CATALOGUE, lambda: drill_proofs.catalogue(copy, order, witness)),
        (drill.AMCHECK, lambda: drill_proofs.amcheck(copy, order, witness)),
        (drill.DUMP, lambda: drill_proofs.dump(copy, witness)),
        (drill.CHECKSUMS, lambda: drill_proofs.checksums(copy, witness)),
    )
    unwanted = {drill.AMCHECK: order.amcheck == drill.NONE, drill.DUMP: not order.dump}
    for name, act in proofs:
        if unwanted.get(name):
            ladder.skip(name, "not wanted")
        elif not ladder.prove(name, act) and (name == drill.OPEN or (not witness.stopped and copy.server.poll() is not None)):
            return


def measured(copy: Copy, witness: Witness, chosen: Chosen, now: float) -> Measured:
    """The RPO is that of the newest target alone: what an older one leaves behind was left on purpose.

    All that was committed until its set ended is in it, too, as long as the clock of whoever says so is right.
    """
    beat = witness.heartbeat
    newest, by = (beat, drill.HEARTBEAT) if beat is not None else (witness.commit, drill.COMMIT)
    if chosen.stopped and (newest is None or newest < chosen.stopped <= now + drill.AHEAD):
        newest, by = chosen.stopped, drill.SET_END
    age = now - newest if newest is not None and chosen.goal.kind == LATEST else None
    ahead = -age if age is not None and age < -drill.AHEAD else 0.0
    rpo = None if age is None or ahead else max(0.0, age)
    return Measured(copy.size, chosen.plan.wal_bytes, beat, copy.replayed.time, rpo, by, ahead)


def remember(ended: Drill) -> None:
    """What the next plan expects. A phase that failed, or did not come to its end, tells nothing; one that passed does, whatever failed
    behind it. The drill is known by its begin, as in its report and in the status."""
    took, sizes, what = ended.seconds, ended.measured, "the drill"
    passed = {rung.name for rung in ended.rungs if rung.outcome == drill.PASSED}
    if drill.RESTORE in passed and not ended.order.databases:
        measuring.remember(ended.stanza, measuring.RESTORE, sizes.restored_bytes, took[drill.RESTORE], what, ended.began)
    if {drill.START, drill.REPLAY} <= passed:
        replay = took[drill.START] + took.get(drill.REPLAY, 0.0)
        measuring.remember(ended.stanza, measuring.REPLAY, sizes.wal_bytes, replay, what, ended.began)


def foretell(order: Order, stanza: Stanza, now: float) -> tuple[str, str, Chosen]:
    """The target, the seed and the plan of a drill; nothing is done. Raises Refusal."""
    _refuse(order, stanza)
    seed = drill_choice.seed_of(order, now)
    chosen = drill_look.plan(order, stanza, seed)
    return chosen.target, seed, chosen
