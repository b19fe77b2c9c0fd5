# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery in place, decided: its order, its phases and the journal in which they stand. Nothing is touched here.

Until `RELEASE` nothing of the new timeline has reached a repository, and no client could write: going back leaves no trace.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .kept_names import RESTORING, is_within, kept, other, wal_beside
from .problem import Problem, playbook
from .scratch import RESET, Goal

SAVE, QUIET, KEEP, RESTORE, RECOVER = "save", "quiet", "keep", "restore", "recover"
PROVE, PROMOTE, RELEASE, SERVE, SETTLE = "prove", "promote", "release", "serve", "settle"
PHASES: Mapping[str, str] = {
    SAVE: "the last WAL is saved",
    QUIET: "jobs are paused, the server is stopped and stays so after a boot",
    KEEP: "the old data is put aside",
    RESTORE: "the set is restored",
    RECOVER: "the server recovers to the target; nobody else reaches it",
    PROVE: "what was recovered is proven",
    PROMOTE: "the server begins its new timeline; its archive is held",
    RELEASE: "archiving is released, and seen in each repository",
    SERVE: "clients come back",
    SETTLE: "jobs begin again, and a backup is taken",
}
RETURNS_BY_ITSELF = (SAVE, QUIET, KEEP, RESTORE, RECOVER, PROVE, PROMOTE)
REPLACED_IN = (RESTORE, RECOVER, PROVE, PROMOTE)  # something else lies in the old data's place, and nobody else knows of it
ACCEPTED, RETURNED = "accepted", "returned"
PROMOTES, PAUSES, SHUTS_DOWN = "promote", "pause", "shutdown"
ACTIONS = (PROMOTES, PAUSES, SHUTS_DOWN)
ENDINGS: Mapping[str, str] = {
    PROMOTES: "a new timeline begins, and clients come back",
    PAUSES: "stays at its target, proven, with nobody let in, until the same command is typed without that",
    SHUTS_DOWN: "is stopped at its target, proven, until the same command is typed without that",
}
WOKE = "woke"  # in what a journal remembers of the host that is lost
NAMED, UNMOUNTED = "named", "unmounted"  # there too: the repository that was named, and whether mounts were to be ignored
NO_WAY_BACK = "/no-way-back"
TOOL = "sudo /opt/axiomdb/axiomdb-recovery"
FOLLOW = "on the host: sudo tail -f /var/log/axiomdb/restore.log"
PATIENCE = 300.0


@dataclass(frozen=True)
class Check:
    """A query and what psql must print for it, rows without alignment; blanks around count for nothing."""

    name: str
    sql: str
    expected: str
    database: str = "postgres"


def checks_of(given: Iterable[Mapping[str, str]]) -> tuple[Check, ...]:
    """The checks as an option or a journal has them. Raises TypeError for other keys than those of a check."""
    return tuple(Check(**item) for item in given)


@dataclass(frozen=True)
class Order:
    """What a person wants. Without `keep` the old data is overwritten, and there is no way back.

    After `patience` seconds without any movement a recovery stands still. `services` are the units on the host that are stopped
    meanwhile, where they run. A `rebuild` is one onto a host that had no data: nothing is kept, and there is nothing to go back to.
    It takes the place of the machine `lost`; `reindex` makes the indexes anew whose order another system would have made. A
    `rehearsal` is a rebuild that ends with its new timeline: it is never accepted, and nothing of it leaves the host.
    """

    target: str
    reason: str
    action: str = PROMOTES
    keep: bool = True
    checks: tuple[Check, ...] = ()
    patience: float = PATIENCE
    services: tuple[str, ...] = ()
    rebuild: bool = False
    lost: str = ""
    reindex: bool = False
    rehearsal: bool = False

    @property
    def serves(self) -> bool:
        """Whether clients come back at its end: one that pauses or shuts down stays at its target."""
        return self.action == PROMOTES


@dataclass(frozen=True)
class Clients:
    """Who is kept waiting: the units that ran, and the databases of the pooler that nobody had paused.

    `trouble` says, in a sentence each, what did not come back.
    """

    services: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()


@dataclass(frozen=True)
class Home:
    """The cluster that is restored. `start` is what its start.conf says; `tablespaces` are the directories of its version in them.

    `paused` says that jobs were paused by somebody before; they stay so. `mounts` are the places that are mount points; `wal` is where
    a linked pg_wal leads, empty for one that is no link; `locations` are those of the tablespaces that the set has. `above` are the
    mount points on the way to all of it: without one of them what is seen there is not the cluster's.
    """

    stanza: str
    version: str
    cluster: str
    port: int
    directory: str
    host: str
    system_id: int
    start: str = "auto"
    tablespaces: tuple[str, ...] = ()
    paused: bool = False
    mounts: tuple[str, ...] = ()
    wal: str = ""
    locations: tuple[str, ...] = ()
    above: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        return f"postgresql@{self.version}-{self.cluster}.service"

    def confirmation(self, *, keep: bool = True) -> str:
        """What has to be typed: the cluster, and that there is no way back where there is none."""
        return f"{self.host}/{self.stanza}" + ("" if keep else NO_WAY_BACK)


@dataclass(frozen=True)
class Journal:
    """A recovery that has begun. `phase` is the one to be carried out next; `outcome` is empty while it is open.

    `plan` is as it was printed. `undoes` names the accepted recovery that is taken back: its old data serves again then. One that
    `goes_back` goes on to do so, whatever is typed. `had` are the places where data was when the server was stopped,
    `inodes` which directories it is, by place and by name within a mount point; `returns` are the places of the data that serves
    again; `timeline` is the one that the server began; `trouble` is why it could not go on. `clients` are known when the
    first of them is stopped, and written down before. `last_commit` is that of the data as it was proven, in Unix seconds.
    `recovered` is what a rebuild has brought back, and what it knows of the rest. `released`: what it had kept was removed on purpose.
    """

    name: str
    order: Order
    home: Home
    goal: Goal
    plan: Mapping[str, Any]
    undoes: str = ""
    goes_back: bool = False
    phase: str = SAVE
    outcome: str = ""
    had: tuple[str, ...] = ()
    returns: tuple[str, ...] = ()
    timeline: int = 0
    trouble: str = ""
    began: float = 0.0
    ended: Mapping[str, float] = field(default_factory=dict)
    clients: Clients | None = None
    last_commit: float = 0.0
    recovered: Mapping[str, Any] = field(default_factory=dict)
    inodes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    released: bool = False

    @property
    def stops_next(self) -> bool:
        """Whether nothing was stopped yet, and that comes next: whoever must know before is told now."""
        return self.is_open and self.phase == QUIET

    @property
    def went_back(self) -> bool:
        return self.outcome == RETURNED

    @property
    def has_restored(self) -> bool:
        """Whether a restore may have begun: until then whatever lies at any place is somebody's data."""
        return self.phase not in (SAVE, QUIET, KEEP)

    @property
    def moves(self) -> dict[str, str]:
        """Where the old data is kept, by where it was; nothing when it is not."""
        return {place: self.kept_of(place) for place in self.had} if self.order.keep else {}

    @property
    def returning(self) -> dict[str, str]:
        """Where the data lies that serves again, by where it comes; nothing unless a recovery is taken back."""
        return {place: self.kept_of(place, self.undoes) for place in self.returns or self.had} if self.undoes else {}

    def kept_of(self, place: str, name: str = "") -> str:
        """Where this recovery, or the one of that name, keeps what was at a place; within it where that is a mount point."""
        return kept(place, name or self.name, within=place in self.home.mounts)

    @property
    def restores_into(self) -> str:
        """Where the set is restored: a mount point holds what is kept, so that it has a directory of its own there first."""
        own = self.kept_of(self.home.directory)
        return other(own, RESTORING) if self.order.keep and is_within(self.home.directory, own) else self.home.directory

    @property
    def wal(self) -> str:
        """Where the pg_wal of the restored data leads; empty for one that is no link. The kept data keeps its own."""
        return wal_beside(self.home.wal, self.name) if self.order.keep and not self.undoes else self.home.wal

    @property
    def places(self) -> tuple[str, ...]:
        """Where the restored data comes to lie."""
        return self.home.directory, *self.home.tablespaces

    @property
    def is_open(self) -> bool:
        return not self.outcome

    @property
    def woke(self) -> str:
        """What a host has done that was called lost while its site was rebuilt; empty for nothing. The rebuild is begun anew then."""
        return str(self.recovered.get(WOKE, ""))


def last_phase(order: Order, until: str = SETTLE) -> str:
    """The last phase that is carried out now: a recovery that is to pause or to shut down ends behind its proof.

    A rehearsal ends with the new timeline, whatever is asked for.
    """
    names = list(PHASES)
    end = PROVE if not order.serves else PROMOTE if order.rehearsal else SETTLE
    return names[min(names.index(until), names.index(end))]


def after(journal: Journal, phase: str, now: float) -> Journal:
    """The journal with one more phase behind it."""
    names = list(PHASES)
    place = names.index(phase) + 1
    done = {**journal.ended, phase: now}
    if place < len(names):
        return replace(journal, phase=names[place], ended=done, trouble="")
    return replace(journal, phase="", outcome=ACCEPTED, ended=done, trouble="")


def is_paused(journal: Journal) -> bool:
    """Whether a recovery stands at its target, proven, and waits for whoever asked it to."""
    return journal.is_open and journal.phase == PROMOTE and not (journal.order.serves or journal.undoes or journal.goes_back)


def stopped_nobody(journal: Journal) -> bool:
    """Whether the clients do not wait yet: who has to, and how long, can still be decided."""
    names = list(PHASES)
    return journal.clients is None and names.index(journal.phase) <= names.index(QUIET)


def rehearsed(journal: Journal) -> Problem:
    """Why nothing goes on with a rehearsal, and nothing else is done beside it."""
    found = f"the rehearsal {journal.name} of a lost site on {journal.home.host}, which a drill has left"
    return Problem(found, "none: it is never accepted, and nothing of it may reach a repository", go_on(journal))


def remove_rehearsal(host: str) -> str:
    """The command that removes what the drill of a lost site has left on a host."""
    return playbook("drill", f"-l {host} -e drill_kind=site -e drill_state=absent")


def go_on(journal: Journal) -> str:
    """The command that goes on with an open recovery; of a rehearsal, the one that removes it."""
    if journal.order.rehearsal:
        return remove_rehearsal(journal.home.host)
    if journal.woke:
        return begin_anew(journal)
    what = "rollback" if journal.undoes else f"restore {journal.order.target}"
    keep = "" if journal.order.keep else " --keep=none"
    return f"{TOOL} {what} --stanza={journal.home.stanza}{keep} --confirm={journal.home.confirmation(keep=journal.order.keep)}"


def begin_anew(journal: Journal) -> str:
    """The command that plans a rebuild anew, and carries that out."""
    sure = f"-e rebuild_confirm={journal.home.confirmation()} -e rebuild_lost_host={journal.recovered.get('name') or 'unknown'}"
    aim = "" if journal.order.target == "latest" else f" -e {shlex.quote(f'rebuild_target={journal.order.target}')}"
    aim += f" -e rebuild_repository={journal.recovered[NAMED]}" if journal.recovered.get(NAMED) else ""
    aim += " -e rebuild_mounts=ignored" if journal.recovered.get(UNMOUNTED) else ""
    indexes = " -e rebuild_reindex=true" if journal.order.reindex else ""
    return playbook("rebuild", f"-l {journal.home.host}{aim}{indexes} {sure}")


def go_back(journal: Journal) -> str:
    """The command that goes back from a recovery."""
    return f"{TOOL} rollback --stanza={journal.home.stanza} --confirm={journal.home.confirmation()}"


def options(journal: Journal, *, delta: bool) -> list[str]:
    """The options of `pgbackrest restore`. What the configuration says of links, maps and databases is for copies by hand."""
    words = [*journal.plan["options"], "--delta" if delta else "--no-delta", "--no-link-all"]
    return [*words, *(f"--reset-{name}" for name in RESET)]


def is_open(journal: Journal | None) -> bool:
    """Whether a recovery has begun and is not over."""
    return journal is not None and journal.is_open
