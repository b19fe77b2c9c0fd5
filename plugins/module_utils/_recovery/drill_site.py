# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The drill of a lost site: a rebuild on a spare host, by its own phases, up to the new timeline and no further.

The host is provisioned before by the roles of a rebuild. From then on it cannot write into a repository, and at the end it is as it was.
"""

from __future__ import annotations

import pwd
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from . import (
    drill,
    drill_choice,
    drill_document,
    drill_held,
    drill_keep,
    drill_look,
    drill_run,
    drill_site_host,
    held_server,
    in_child,
    rebuild_acts,
    rebuild_look,
    rebuild_run,
    restore_journal,
    restore_phases,
    restore_run,
    restoring,
    scratch_goal,
    scratch_look,
    state,
    target,
)
from .drill import Drill, Order
from .drill_choice import NothingDrilled
from .drill_ladder import TROUBLES, Ladder
from .drill_look import Chosen
from .drill_run import AT_WORK, JOB, NOT_KEPT, Climb
from .drill_site_host import Notes
from .jobs import Stanza
from .postgres import Cluster
from .problem import Problem, Refusal, Unfinished
from .rebuild_run import Wish
from .restoring import Journal
from .scratch import Goal
from .sight import Sight
from .spoken import moment

Tell = Callable[[str], None]
LEFT_OUT = "left out: archiving, the first backup, clients, jobs, rebuild_components and hooks, which a rebuild has behind its proof"


@dataclass(frozen=True)
class Site:
    """What a rebuild is told besides the drill: its wish, whether indexes are made anew, and how it is typed again."""

    wish: Wish
    reindex: bool = False
    patience: float = restoring.PATIENCE
    again: str = ""


def refuse(order: Order, stanza: Stanza, host: str, wish: Wish) -> None:
    """Raise Refusal for what makes no sense, for a host that has data, and beside a drill that was to stay. Changes nothing."""
    problems = [*drill_choice.judge(order), *(drill_keep.judge_port(stanza.name) if order.keep else [])]
    drill_site_host.refuse_kept(stanza.name, host)
    if (state.DIRECTORY / stanza.name / f"{JOB}.running").exists():
        with _alone(stanza.name):  # whoever has lost the connection to one that goes on types the same again
            pass
    if problems:
        raise NothingDrilled(*problems)
    if drill_site_host.load(stanza.name) is None:  # what a killed drill has left is removed when the next one begins
        _refuse_data(stanza, host, wish)


@contextmanager
def _alone(stanza: str) -> Iterator[None]:
    """Hold the lock of a drill. Raises Refusal while another one does."""
    with state.only_one(stanza, JOB) as alone:
        if not alone:
            raise Refusal(AT_WORK)
        yield


def _refuse_data(stanza: Stanza, host: str, wish: Wish) -> None:
    known = rebuild_run.refuse_data(stanza.name, _cluster(stanza), host, wish)
    if known is not None:
        found = f"a rebuild of {stanza.name} on {host}"
        raise Refusal(
            Problem(found, "a spare host, on which nobody brings a site back", f"drill on another one, or {restoring.go_on(known)}")
        )


def begin(order: Order, stanza: Stanza, host: str, wish: Wish) -> list[str]:
    """Refuse a host that has data, remove what a killed drill has left, and note what there is; what was removed. Raises Refusal."""
    refuse(order, stanza, host, wish)
    gone = remove(stanza.name, even_kept=False)
    _refuse_data(stanza, host, wish)
    drill_site_host.note(stanza.name, _cluster(stanza), wish.directory)
    return gone


def left(stanza: str) -> list[str]:
    """Where a drill has left a site; nothing where it left none."""
    found = drill_site_host.load(stanza)
    return [found.directory] if found is not None else []


def remove(stanza: str, *, even_kept: bool) -> list[str]:
    """Remove what a drill has left, unless it is to stay; what was removed. Raises Refusal."""
    found = drill_site_host.load(stanza)
    if found is None or (found.kept and not even_kept):
        return []
    return drill_site_host.leave(found)


def carry_out(order: Order, stanza: Stanza, host: str, site: Site, unprovisioned: str, tell: Tell) -> dict[str, Any]:
    """Drill once, on a host that was provisioned, or could not be; the report's document. Raises Refusal before anything is done."""
    notes = drill_site_host.load(stanza.name)
    if notes is None or notes.kept or notes.boot != drill_site_host.boot():
        raise Refusal(Problem(f"no drill of a lost site that has begun on {host}", "one", "playbooks/drill.yml -e drill_kind=site"))
    with _alone(stanza.name) if _has_postgres() else nullcontext():
        ended = _climbed(order, stanza, host, site, notes, unprovisioned, tell)
        if not _has_postgres():
            return {
                **drill_document.document(ended),
                "remarks": ["the report is not kept on this host: it did not get as far as a user postgres"],
            }
        found: dict[str, Any] = in_child.as_postgres(lambda _tell: drill_run.reported(ended, stanza, notes.began), tell)
    return found


def _climbed(order: Order, stanza: Stanza, host: str, site: Site, notes: Notes, unprovisioned: str, tell: Tell) -> Drill:
    """The drill, from the end of its provisioning on."""
    ladder = Ladder(time.monotonic, tell, order.ladder)
    ladder.chain.begin(drill.PROVISION, notes.ticks)
    climb = Climb(order, stanza, ladder)
    if unprovisioned:
        ladder.fail(ValueError(unprovisioned))
    else:
        ladder.prove(drill.PROVISION, lambda: _sealed(notes))
    if ladder.outcome(drill.PROVISION) != drill.PASSED:
        _remove(climb, stanza)
        return Drill(host, stanza.name, notes.began, order, ladder.all(), ladder.chain.end(), troubles=tuple(ladder.troubles), spare=True)
    rehearsal = _Rehearsal(site, host, notes)
    ended = drill_run.ended_of(climb, host, notes.began, rehearsal.plan, rehearsal.climb)
    return replace(ended, spare=True, remarks=(*ended.remarks, LEFT_OUT))


def _has_postgres() -> bool:
    """Packages make the user; without them nobody could keep a report."""
    with suppress(KeyError):
        return bool(pwd.getpwnam(in_child.USER))
    return False


def _sealed(notes: Notes) -> str:
    drill_site_host.seal(notes)
    return f"nothing of {notes.stanza} leaves this host: archive_mode is off, and pgBackRest was told to stop"


def _remove(climb: Climb, stanza: Stanza) -> None:
    climb.ladder.begin(drill.REMOVE)
    try:
        remove(stanza.name, even_kept=False)
    except Exception as error:
        climb.ladder.fail(error)


class _Rehearsal:
    """The plan and the phases of a rebuild, measured as those of a drill."""

    def __init__(self, site: Site, host: str, notes: Notes) -> None:
        self.site, self.host, self.notes = site, host, notes
        self.journal: Journal | None = None

    def plan(self, climb: Climb, seed: str) -> str:
        """Plan as a rebuild does. Raises Refusal with all that a rebuild would be refused for, but a lost host that lives.

        Raises NothingDrilled where what was asked for never was there: only a host that was provisioned can look.
        """
        order, stanza = climb.order, climb.stanza
        cluster = _cluster(stanza)
        drill_look.refuse_repository(order)
        sight = self._sight(stanza, cluster, order) if order.label or order.target != drill.NEWEST else None
        text = drill_choice.choose(order, rebuild_look.named(sight, order.repository).outlooks if sight else (), seed)
        if isinstance(text, Problem):
            raise Refusal(text)
        wish = replace(self.site.wish, target=text, repository=order.repository)
        asked = restoring.Order(text, "a drill", patience=self.site.patience, rebuild=True, rehearsal=True, reindex=self.site.reindex)
        try:
            found = rebuild_run.propose(asked, stanza.name, cluster, self.host, wish, self.site.again)
        except Refusal as refusal:
            if sight is None or isinstance(refusal, Unfinished):
                raise
            raise drill_look.refusal_of(order, refusal.problems, target.parse(text), sight) from refusal
        self.journal = rebuild_run.rehearse(asked, found)
        best, home = found.plan, found.home
        _repository, backup = scratch_look.backup_of(stanza.name, best.repository, best.backup)
        goal: Goal = scratch_goal.of_plan(best, stanza.name)
        climb.chosen = Chosen(text, best, goal, home.version, home.system_id, True, float(backup.stopped))
        return f"{text}: repository {best.repository}, set {best.backup}, {best.segments} WAL segments"

    def _sight(self, stanza: Stanza, cluster: Cluster, order: Order) -> Sight:
        """Of all repositories, also where one was named: what it alone has lost was not mistyped. Raises NothingDrilled."""
        sight = rebuild_run.sight_of(stanza.name, cluster)
        drill_look.refuse_label(order, sight)
        return sight

    def climb(self, climb: Climb, chosen: Chosen) -> None:
        """Restore, recover, prove, begin the timeline, and prove more; then all of it is removed, or kept for whoever asked for it."""
        ladder, order = climb.ladder, climb.order
        copy: drill_held.HeldCopy | None = None
        try:
            for phase, until in ((drill.RESTORE, restoring.RESTORE), (drill.START, restoring.PROVE)):
                ladder.begin(phase)
                self._carry_on(ladder, until)
            copy = self._copy()
            climb.copy = copy
            last = f", last commit {moment(copy.replayed.time)}" if copy.replayed.time is not None else ""
            at = f"at {copy.replayed.lsn} on timeline {copy.replayed.timeline or chosen.goal.timeline}{last}"
            ladder.note(drill.REPLAY, drill.PASSED, at)
            drill_run.prove(climb, chosen, copy, lambda: self._open(ladder))
            if order.keep:
                ladder.begin(drill.REMOVE)
                if ladder.outcome(drill.OPEN) != drill.PASSED:
                    raise Refusal(NOT_KEPT)
                climb.kept = drill_held.serve(copy, self._begun, stopped=climb.witness.stopped)
                drill_site_host.keep(self.notes)
        except TROUBLES as error:
            ladder.fail(error)  # before the next phase begins, by which this one would be called passed
        finally:
            if not climb.kept:
                _remove(climb, climb.stanza)

    @property
    def _begun(self) -> Journal:
        if self.journal is None:
            raise ValueError("Found no rehearsal; expected one that has begun.")
        return self.journal

    def _carry_on(self, ladder: Ladder, until: str) -> None:
        """The phases of a rebuild up to one. What fails raises its own cause."""

        def tell(line: str) -> None:
            state.log(restore_journal.LOG, line)
            if line == restore_phases.CONSISTENT:
                ladder.begin(drill.REPLAY)
            ladder.tell(line)

        try:
            self.journal = restore_run.carry_on(self._begun, tell, until)
        except restore_run.Stopped as stopped:
            _fail(stopped.__cause__ or stopped)

    def _copy(self) -> drill_held.HeldCopy:
        return drill_held.copy_of(self._begun, restore_phases.standing(self._begun))

    def _open(self, ladder: Ladder) -> str:
        """End recovery as a rebuild does. Nothing is archived, and that is asked."""
        self._carry_on(ladder, restoring.SETTLE)
        journal = self._begun
        rebuild_acts.reindexed(journal, ladder.tell)
        archives = str(held_server.ask(restore_journal.place(journal.home.stanza), "select to_json(current_setting('archive_mode'))"))
        if archives != "off" or journal.phase != restoring.RELEASE or not drill_site_host.is_sealed(journal.home.stanza):
            found = f"archive_mode {archives}, and a rehearsal in the phase {journal.phase or journal.outcome}"
            raise Refusal(Problem(found, f"off, and {restoring.RELEASE}, which it never enters", restoring.go_on(journal)))
        return f"on a timeline of its own, {journal.timeline}; nothing of it is archived"


def _cluster(stanza: Stanza) -> Cluster:
    return Cluster(stanza.version, stanza.cluster, stanza.port)


def _fail(cause: BaseException) -> NoReturn:
    """Raise what a phase has failed of, as the proofs of a drill tell it."""
    raise cause from None
