# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans, begins, goes on with and takes back a recovery in place. One at a time, and each step is written down before it is made."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from . import (
    held_server,
    horizon,
    host,
    kept_inodes,
    new_timeline,
    plan,
    rebuild,
    rebuild_acts,
    restore_acceptance,
    restore_another,
    restore_clients,
    restore_consent,
    restore_data,
    restore_journal,
    restore_look,
    restore_move,
    restore_phases,
    restore_places,
    restore_preflight,
    restore_return,
    restore_standby,
    restore_undo,
    restoring,
    scratch_goal,
    state,
    target,
    waiting,
)
from .plan import Plan
from .postgres import Cluster
from .problem import Problem, Refusal, Unfinished, playbook
from .restore_return import go_back
from .restoring import Home, Journal, Order
from .scratch import PORT
from .sight import Sight

Tell = Callable[[str], None]
ACTS: Mapping[str, Callable[[Journal, Tell], Journal]] = {
    restoring.SAVE: lambda journal, tell: journal if journal.order.rebuild else restore_phases.save(journal, tell),
    restoring.QUIET: lambda journal, tell: restore_look.as_stopped(restore_phases.quiet(restore_clients.hold(journal, tell), tell)),
    restoring.KEEP: restore_data.keep,
    restoring.RESTORE: lambda journal, tell: restore_data.restore(rebuild_acts.cleared(journal), tell),
    restoring.RECOVER: restore_phases.recover,
    restoring.PROVE: lambda journal, tell: rebuild_acts.proven(restore_phases.prove(journal, tell), tell),
    restoring.PROMOTE: restore_acceptance.promote,
    restoring.RELEASE: lambda journal, tell: restore_acceptance.release(
        rebuild_acts.unwoken(rebuild_acts.made_ready(journal, tell), tell), tell
    ),
    restoring.SERVE: lambda journal, tell: restore_clients.release(restore_acceptance.serve(journal, tell), tell),
    restoring.SETTLE: restore_acceptance.settle,
}

# A recovery that takes another back: the kept data serves again.
UNDOING: Mapping[str, Callable[[Journal, Tell], Journal]] = {
    **ACTS,
    restoring.KEEP: restore_undo.swap,
    restoring.RESTORE: restore_undo.skip,
    restoring.RECOVER: restore_undo.skip,
    restoring.PROVE: restore_undo.skip,
    restoring.PROMOTE: restore_undo.begin_timeline,
}


class Stopped(Unfinished):
    """Raised when a recovery could not go on; the text says why, and what is safe now."""

    def __init__(self, error: Exception, safe: str) -> None:
        super().__init__(*getattr(error, "problems", ()))
        self.args = (f"{error}\n{safe}",)


@dataclass(frozen=True)
class Consent:
    """What a person typed beside the order: the cluster, and the plan that was printed. `again` is the command that prints it.

    `with_reason` is the same with a reason.
    """

    confirm: str = ""
    printed: str = ""
    again: str = ""
    detach: bool = False
    require_verified: bool = False
    with_reason: str = ""


@dataclass(frozen=True)
class Proposal:
    """What would happen. `problems` speak against it."""

    home: Home
    plan: Plan
    problems: tuple[Problem, ...]
    action: str = restoring.PROMOTES

    @property
    def lines(self) -> list[str]:
        """For a person, with what speaks against it."""
        then = f"  then         {restoring.ENDINGS[self.action]}"
        return [*plan.lines(self.plan), then, *(f"  PROBLEM      {problem.sentence()}" for problem in self.problems)]


def propose(order: Order, stanza: str, cluster: Cluster, inventory_host: str, consent: Consent) -> Proposal:
    """Plan a recovery and judge it. Changes nothing. Raises Refusal where there is no plan at all."""
    follows = restore_standby.judge(cluster, restore_standby.look(cluster), order.target)
    if follows is not None:
        raise Refusal(follows)
    sight = horizon.look(stanza, cluster)
    sight = replace(sight, here=replace(sight.here, keep=order.keep))
    found = horizon.foresee(target.parse(order.target), sight)
    if isinstance(found, Problem):
        raise Refusal(found)
    home = restore_look.home_of(stanza, cluster, inventory_host, found)
    ground = restore_look.ground_of(home, found)
    lost = _of_another(home, sight)
    if lost is not None:
        raise Refusal(lost)
    problems = restore_preflight.judge(order, home, found, ground, detach=consent.detach, require_verified=consent.require_verified)
    unsaid = restore_preflight.judge_reason(order, consent.with_reason)
    problems = [*([unsaid] if unsaid else []), *problems]
    problems += restore_preflight.judge_start(home)
    archives = {one.repository.number: one.holdings for one in sight.outlooks}
    taken = new_timeline.judge(found.timeline, found.repository, archives, stanza)
    problems += [taken] if taken else []
    clients = restore_clients.look(order.services, home.port)
    found = replace(found, notes=(*found.notes, *waiting.notes(clients)))
    return Proposal(home, found, (*problems, *waiting.judge(clients, found.seconds)), order.action)


def _of_another(home: Home, sight: Sight) -> Problem | None:
    """Why this is no recovery in place: nothing is here, and the backups are those of another host, which may live."""
    writer = rebuild.writer_of(one.repository for one in sight.outlooks)
    has_data = any(os.path.isdir(place) and os.listdir(place) for place in restore_places.there(home))
    if has_data or writer.machine in ("", host.machine_id()):
        return None
    found = f"nothing in {home.directory}, and backups of {writer.name}"
    again = "rebuild it here, which is refused while that one may live"
    return Problem(found, "the host that they were taken of", f"{again}: {playbook('rebuild', f'-l {home.host}')}")


def begin(order: Order, stanza: str, cluster: Cluster, inventory_host: str, consent: Consent, tell: Tell) -> Journal:
    """The journal of a recovery that may go on: the open one of this order, or a new one. Raises Refusal; nothing is touched then."""
    known = restore_journal.load(stanza)
    waits = known is not None and restoring.is_paused(known) and not kept_inodes.is_returning(known)
    if known is not None and waits and known.order.target != order.target:
        return _move(known, order, cluster, consent, tell)
    if known is not None and known.is_open:
        return going_on(known, order, consent.confirm)
    proposal = propose(order, stanza, cluster, inventory_host, consent)
    refused = restore_consent.judge_consent(proposal.home, proposal.plan, consent.confirm, consent.printed, consent.again)
    problems = [*([refused] if refused else []), *proposal.problems]
    if problems:
        raise Refusal(*problems)
    now = time.time()
    name = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    goal = scratch_goal.of_plan(proposal.plan, stanza)
    found = plan.document(proposal.plan)
    had = restore_places.there(proposal.home)
    journal = Journal(name, order, proposal.home, goal, found, had=had, began=now)
    with _alone(journal, tell):
        restore_journal.refuse_another(stanza, known)
        restore_journal.reserve(stanza)
        return restore_journal.save(journal)


def going_on(known: Journal, order: Order, confirm: str) -> Journal:
    """The open recovery with what was typed now, judged as at its beginning. Changes nothing. Raises Refusal."""
    found = restore_consent.judge_open(known, order, confirm) or restore_consent.gone_on_with(known, order)
    against = [found] if isinstance(found, Problem) else restore_clients.judge(known, order)
    if isinstance(found, Problem) or against:
        raise Refusal(*against)
    return found


def _move(journal: Journal, order: Order, cluster: Cluster, consent: Consent, tell: Tell) -> Journal:
    """A paused recovery with a target further on. Raises Refusal; nothing is touched then."""
    stanza = journal.home.stanza
    found = restore_move.further(journal, order, cluster)
    printed = consent.printed or restore_consent.digest(found)
    unsure = restore_consent.judge_consent(journal.home, found, consent.confirm, printed, consent.again)
    if unsure:
        raise Refusal(unsure)
    with _alone(journal, tell):
        restore_journal.refuse_another(stanza, journal)
        return restore_journal.save(restore_move.go_further(journal, order, found))


def carry_on(journal: Journal, tell: Tell, until: str = restoring.SETTLE) -> Journal:
    """Carry out the phases up to one, each written down when it is over.

    What fails before anything of the new timeline has left this host goes back by itself. Raises Refusal, Failed or CommandFailed.
    """
    names = list(restoring.PHASES)
    with _alone(journal, tell):
        restore_journal.refuse_another(journal.home.stanza, journal)
        if journal.goes_back or kept_inodes.is_returning(journal):
            return go_back(journal, tell)
        # Whoever asks for more: a rehearsal has no phase behind its new timeline.
        until = restoring.last_phase(journal.order, until) if journal.order.rehearsal else until
        while journal.is_open and names.index(journal.phase) <= names.index(until):
            phase = journal.phase
            try:
                acts = UNDOING if journal.undoes else ACTS
                journal = restore_journal.save(restoring.after(acts[phase](journal, tell), phase, time.time()))
            except Exception as error:  # whatever it is: a server that stays down is worse
                known = restore_journal.load(journal.home.stanza) or journal  # the phase may have written more down
                known = restore_journal.save_at_need(replace(known, trouble=str(error)), tell)
                raise Stopped(error, _give_up(known, error, tell)) from error
        if journal.outcome == restoring.ACCEPTED:
            _remember(journal)
        if restoring.is_paused(journal):
            _rest(journal, tell)
    return journal


def _rest(journal: Journal, tell: Tell) -> None:
    """Stay at the target, as it was asked for: up for whoever wants to look, or down."""
    place = restore_journal.place(journal.home.stanza)
    if journal.order.action == restoring.SHUTS_DOWN:
        held_server.stop(place)
        tell("the server is down, at its target")
        return
    restore_phases.standing(journal)
    tell(f"paused at its target; look: sudo -u postgres psql -h {place.socket} -p {PORT}")


def way_back(stanza: str, name: str, reason: str) -> Journal:
    """The open recovery, or a new one that takes an accepted one back. Changes nothing. Raises Refusal when there is no way back."""
    known = restore_journal.load(stanza)
    if known is None or not known.is_open:
        return restore_undo.of(stanza, name, reason)
    problem = restore_return.judge(known)
    if problem:
        raise Refusal(problem)
    return known


def take_back(journal: Journal, tell: Tell) -> Journal:
    """Go back: without a trace where no repository knows of it, else by a recovery of its own. Raises Refusal or Failed."""
    with _alone(journal, tell):
        back = _way_back_now(journal)
        if back.goes_back or (back.phase in restoring.RETURNS_BY_ITSELF and not back.undoes):
            return go_back(back, tell)
        if not back.undoes:
            back = restore_undo.instead_of(back)
    return carry_on(back, tell)


def _way_back_now(journal: Journal) -> Journal:
    """The way back that was shown, now that nobody else is at work; a new one is written down. Raises Refusal when it is another."""
    stanza = journal.home.stanza
    known = restore_journal.load(stanza)
    if journal.undoes and (known is None or (known.name != journal.name and not known.is_open)):
        return restore_journal.save(replace(restore_undo.of(stanza, journal.undoes, journal.order.reason), name=journal.name))
    restore_journal.refuse_another(stanza, journal)
    return journal


def _give_up(journal: Journal, error: Exception, tell: Tell) -> str:
    """Go back by itself where that leaves no trace; what is safe now, in a sentence."""
    tell(f"FAILED in the phase in which {restoring.PHASES[journal.phase]}: {error}")
    if journal.phase not in restoring.RETURNS_BY_ITSELF or restore_return.judge(journal):
        safe = f"Nothing is lost. {restore_another.serving(journal)} When that is mended, go on: {restoring.go_on(journal)}"
        tell(safe)
        return safe
    tell("goes back to the old data")
    try:
        over = go_back(journal, tell)
    except Exception as second:
        known = restore_journal.load(journal.home.stanza)
        if known is not None and known.went_back:
            tell(str(second))
            return f"It went back by itself. {second}"
        serving = restore_another.serving(journal)
        safe = f"The way back did not end either ({second}). {serving} When that is mended: {restoring.go_back(journal)}"
        tell(safe)
        return safe
    return f"It went back by itself: the old data is in {over.home.directory} again, as it was.{restore_another.sentence(journal)}"


def _remember(journal: Journal) -> None:
    home, seconds = journal.home, round(time.time() - journal.began, 1)
    operation = "rebuild" if journal.order.rebuild else "restore"
    line = {"operation": operation, "host": home.host, "stanza": home.stanza, "target": journal.order.target}
    state.operation({**line, "outcome": journal.outcome, "text": journal.order.reason, "timeline": journal.timeline, "seconds": seconds})


@contextmanager
def _alone(journal: Journal, tell: Tell) -> Iterator[None]:
    """The stanza's turn: no job is at work, and none begins. Raises Refusal after an hour of waiting, or without the data's filesystem."""
    with state.turn_within_an_hour(journal.home.stanza, f"recovery {journal.name}", tell):
        restore_places.refuse_unmounted(journal.home)
        yield
