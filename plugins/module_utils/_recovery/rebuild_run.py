# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans and begins a rebuild, or leads one that is not accepted to another target. The phases are those of a recovery in place."""

from __future__ import annotations

import os
import shlex
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import (
    aside_within,
    bundle,
    bundle_look,
    bundle_store,
    data_space,
    horizon,
    host,
    plan,
    rebuild,
    rebuild_look,
    restore_consent,
    restore_journal,
    restore_look,
    restore_places,
    restore_preflight,
    restore_record,
    restore_run,
    restoring,
    scratch_goal,
    scratch_look,
    state,
    target,
)
from .control_stand_in import stand_in
from .plan import Plan
from .postgres import Cluster
from .problem import Problem, Refusal, Unfinished, playbook
from .rebuild import Life
from .restore_acceptance import NoBackup
from .restore_run import Consent
from .restoring import Home, Journal, Order
from .run import CommandFailed
from .sight import Sight
from .waking import Newest


@dataclass(frozen=True)
class Wish:
    """What a person wants, besides the order: `lost` is the host that is said to be lost, `databases` those that are declared.

    `target` is the order's. `mounts` says whether the filesystems that the lost host had for its data must be there. `repository` is
    the one from which everything comes back; 0 lets the plan choose.
    """

    lost: str = ""
    directory: str = ""
    target: str = ""
    databases: tuple[str, ...] = ()
    mounts: bool = True
    repository: int = 0


@dataclass(frozen=True)
class Proposal:
    """What would happen, and the signs of life of whoever wrote last. `problems` speak against it."""

    home: Home
    plan: Plan
    life: Life
    problems: tuple[Problem, ...]


def refuse_data(stanza: str, cluster: Cluster, inventory_host: str, wish: Wish) -> Journal | None:
    """The rebuild of this host that is open, or that was accepted to this very target; what comes behind it can be gone on with.

    Without one, raise Refusal where the host has data. Nothing needs to be installed.
    """
    known = restore_journal.load(stanza)
    if known is not None and known.is_open and known.order.rehearsal:
        raise Refusal(restoring.rehearsed(known))
    if known is not None and known.order.rebuild and (known.is_open or (rebuild.is_done(known, wish.target) and _has_data(known.home))):
        return known
    if known is not None and known.is_open:
        raise Refusal(Problem(f"an open recovery of {stanza} on {inventory_host}", "its end", restoring.go_on(known)))
    problem = rebuild.judge_ground(rebuild_look.ground_of(cluster, wish.directory), inventory_host, stanza)
    if problem is not None:
        raise Refusal(problem)
    return None


def _has_data(home: Home) -> bool:
    """Whether what a rebuild has brought back is still there: the host may have lost it again. Raises Refusal without its filesystem."""
    restore_places.refuse_unmounted(home)
    return os.path.isdir(home.directory) and bool(aside_within.content(home.directory))


def propose(order: Order, stanza: str, cluster: Cluster, inventory_host: str, wish: Wish, again: str) -> Proposal:
    """Plan a rebuild and judge it. Changes nothing. Raises Refusal where there is no plan at all."""
    newest, unread = _newest_of(stanza)
    sight = sight_of(stanza, cluster)
    holdings = rebuild_look.holdings_of(sight)
    problems = rebuild.judge_repositories(stanza, inventory_host, holdings, wish.repository)
    if problems:
        raise Refusal(*problems)
    if unread is not None:
        raise unread
    system = next(one.repository.current for one in holdings if one.repository.current is not None)
    with stand_in(cluster, system.system_id, sight.size) as directory:
        sight = replace(sight, stand_in=directory)
        life = replace(rebuild_look.life_of(sight), newest=newest)
        found = horizon.foresee(target.parse(order.target), rebuild_look.named(sight, wish.repository))
        if wish.repository and not isinstance(found, Problem):
            life = replace(life, further=rebuild.further(found, horizon.foresee(target.parse(order.target), sight)))
    # A rehearsal writes nowhere, and lets nobody in: the lost host may live.
    me = host.machine_id()
    alive = None if order.rehearsal else rebuild.judge_old_host(life, me, wish.lost, time.time(), again, socket.gethostname())
    if isinstance(found, Problem):
        raise Refusal(*([alive] if alive else []), found)
    home = restore_look.home_of(stanza, cluster, inventory_host, found)
    ground = restore_look.ground_of(home, found)
    known = restore_journal.load(stanza)
    own = known if known is not None and known.is_open and known.order.rebuild else None
    if own is not None:
        ground = replace(ground, foreign="")  # the held server of this very rebuild, which another target stops
    left = rebuild.judge_left([] if own is not None and own.has_restored else _tablespaces_left(home), inventory_host, again)
    problems = restore_preflight.judge(order, home, found, ground, detach=False, require_verified=False)
    problems += restore_preflight.judge_start(home) if own is None else []  # this very rebuild keeps it from starting
    held = scratch_look.databases(stanza, found.repository, found.backup)
    where = f"repository {found.repository}, set {found.backup}"
    foreign = rebuild.judge_databases(wish.databases, held, where)
    archives = {one.repository.number: one.holdings for one in sight.outlooks}
    # A rehearsal archives nothing.
    taken = None if order.rehearsal else rebuild.judge_timeline(found.timeline, found.repository, archives, again)
    told, others = _by_bundle(order, home, found.repository, wish, again)
    notes = [note for note in ("" if order.rehearsal else rebuild.empties(holdings), life.further, *told) if note]
    found = replace(found, notes=(*found.notes, *notes))
    return Proposal(home, found, life, tuple(one for one in (alive, foreign, left, taken, *others, *problems) if one is not None))


def _newest_of(stanza: str) -> tuple[Mapping[str, Newest], Exception | None]:
    """The last names in each repository, or why one could not be read.

    They are asked for before anything else is looked at: what arrives while the plan is made, and is not in it, is a sign of life then.
    """
    try:
        return rebuild_look.newest_of(stanza), None
    except (Unfinished, CommandFailed) as error:
        return {}, error


def _tablespaces_left(home: Home) -> list[str]:
    """Directories of tablespaces in which something lies although the cluster has no data."""
    return [place for place in home.tablespaces if os.path.isdir(place) and os.listdir(place)]


def _by_bundle(order: Order, home: Home, number: int, wish: Wish, again: str) -> tuple[list[str], list[Problem]]:
    """What the site bundle of a repository says of the host that is lost, and what speaks against this one."""
    found, unopened = bundle_store.judge(home.stanza, number)
    if found is None:
        return ([] if unopened else [f"no site bundle in repository {number}"]), [unopened] if unopened else []
    foreign = bundle.judge_identity(found, home.stanza, home.system_id, number)
    if foreign is not None:
        return [], [foreign]
    sorts = [] if order.reindex else bundle.differing(found, bundle_look.libraries(home.version))
    mounts = bundle.judge_mounts(found, bundle_look.mounted(found.mounts)) if wish.mounts else None
    problems = [one for one in (rebuild.judge_collations(sorts, again), mounts) if one is not None]
    return bundle.notes(found, bundle_look.packages(home.version), number), problems


def sight_of(stanza: str, cluster: Cluster) -> Sight:
    """What the repositories hold. What an unfinished rebuild has left on this host counts for nothing, and its room as free."""
    sight = horizon.archived(horizon.look(stanza, cluster))
    free, known = sight.here.free_bytes, restore_journal.load(stanza)
    if free is not None and known is not None and known.is_open and known.order.rebuild and os.path.isdir(known.home.directory):
        free += data_space.held(known.home.directory)[0]
    return replace(sight, here=replace(sight.here, timeline=0, directory="", keep=True, free_bytes=free))


def begin(order: Order, stanza: str, cluster: Cluster, inventory_host: str, wish: Wish, consent: Consent) -> Journal:
    """The journal of a rebuild that may go on: the open one, perhaps to another target, or a new one. Raises Refusal."""
    seen = restore_journal.load(stanza)
    known = refuse_data(stanza, cluster, inventory_host, wish)
    if known is not None and not known.is_open:
        return known
    if known is not None and known.order.target == order.target and not known.woke:
        return _again(known, order, consent)
    if known is not None:
        _judge_other_target(known, order)
    proposal = propose(order, stanza, cluster, inventory_host, wish, consent.again)
    digest = consent.printed or restore_consent.digest(proposal.plan)
    refused = restore_consent.judge_consent(proposal.home, proposal.plan, consent.confirm, digest, consent.again)
    if refused or proposal.problems:
        raise Refusal(*([refused] if refused else []), *proposal.problems)
    order = replace(order, lost=proposal.life.writer.machine if proposal.life.writer.machine != host.machine_id() else "")
    recovered = {**rebuild.remembered(proposal.life), restoring.NAMED: wish.repository, restoring.UNMOUNTED: not wish.mounts}
    if known is not None:
        home = replace(proposal.home, start=known.home.start, paused=known.home.paused)
        goal, found = scratch_goal.of_plan(proposal.plan, stanza), plan.document(proposal.plan)
        moved = restore_consent.moved(known, order, goal, found)
        # The inventory is read anew in each run: a check that it has no more is one that was wrong.
        moved = replace(moved, order=replace(moved.order, checks=order.checks, services=order.services))
        return _written(replace(moved, home=home, phase=_again_from(known), recovered=recovered, trouble=""), known)
    return _written(_begun(order, proposal, recovered), seen)


def rehearse(order: Order, proposal: Proposal) -> Journal:
    """The journal of a rehearsal. Nobody confirms it, for nobody is ever let in. Raises Refusal with what speaks against a rebuild."""
    if proposal.problems:
        raise Refusal(*proposal.problems)
    order = replace(order, rebuild=True, rehearsal=True)
    return restore_journal.save(_begun(order, proposal, rebuild.remembered(proposal.life)))


def _begun(order: Order, proposal: Proposal, recovered: dict[str, Any]) -> Journal:
    """A new journal; `recovered` is what it remembers of the host that is lost."""
    now = time.time()
    name = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    goal, found = scratch_goal.of_plan(proposal.plan, proposal.home.stanza), plan.document(proposal.plan)
    return Journal(name, order, proposal.home, goal, found, began=now, recovered=recovered)


def _written(journal: Journal, seen: Journal | None) -> Journal:
    """Write it down in the stanza's turn. Raises Refusal when another command has gone on meanwhile with what was `seen`."""
    with state.turn_within_an_hour(journal.home.stanza, f"rebuild {journal.name}"):
        restore_journal.refuse_another(journal.home.stanza, seen)
        return restore_journal.save(journal)


def _again(known: Journal, order: Order, consent: Consent) -> Journal:
    """The open rebuild of the same target, with what else may be said anew."""
    wanted = known.home.confirmation()
    if consent.confirm != wanted:
        raise Refusal(Problem(f"the confirmation '{consent.confirm}'", f"'{wanted}', the host that is rebuilt", consent.again))
    said = replace(known.order, action=order.action, checks=order.checks, patience=order.patience)
    # Collations were let pass for it: nobody may leave it out before the indexes are made.
    said = replace(said, reindex=order.reindex or known.order.reindex)
    return _written(replace(known, order=said), known)


def _judge_other_target(known: Journal, order: Order) -> None:
    """Raise Refusal when a repository may know of the timeline that was begun: what comes then is a recovery in place."""
    if known.phase in restoring.RETURNS_BY_ITSELF:
        return
    found = f"a rebuild to {known.order.target}, in the phase in which {restoring.PHASES[known.phase]}"
    restore = playbook("restore", f"-l {known.home.host} -e {shlex.quote(f'restore_target={order.target}')}")
    step = f"{restoring.go_on(known)}; then {restore}"
    raise Refusal(Problem(found, "its end: a repository may know of its timeline already", step))


def _again_from(known: Journal) -> str:
    """The phase from which another target is gone on with: what is restored is restored anew, over what is there."""
    names: Sequence[str] = list(restoring.PHASES)
    return min(known.phase, restoring.RESTORE, key=names.index)


def carry_on(journal: Journal, tell: restore_run.Tell, until: str, *, require_backup: bool = True) -> tuple[Journal, str]:
    """Carry out the phases up to one; and why there is no first backup of this host, in a sentence, empty otherwise.

    Without `require_backup` a rebuild that lacks that alone is none that failed yet: its server was accepted, and whoever starts what
    stands before it must not keep the clients out. Raises Stopped or Refusal; nothing is taken back.
    """
    try:
        return restore_run.carry_on(journal, tell, until), ""
    except restore_run.Stopped as stopped:
        if require_backup or not isinstance(stopped.__cause__, NoBackup):
            raise
        return restore_journal.load(journal.home.stanza) or journal, str(stopped.__cause__)


def document(journal: Journal) -> dict[str, Any]:
    """What hooks read when the clients were let in: a rebuild that still lacks its first backup is accepted too, and says its trouble."""
    served = restoring.SERVE in journal.ended
    told = {"format": 1, "event": "after", "host": journal.home.host, "stanza": journal.home.stanza}
    outcome = restoring.ACCEPTED if served else journal.outcome
    return {**told, "outcome": outcome, "recovery": restore_record.document(journal)}
