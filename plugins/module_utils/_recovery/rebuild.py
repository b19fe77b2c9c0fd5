# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rebuild, decided: may a lost site be brought back onto this host, from these repositories, now? And what is lost with it.

A rebuild is a recovery onto a host that has no data. What speaks against it is another host that may still serve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import new_timeline
from .archive import Holdings
from .catalog import Backup, Repository
from .plan import Plan
from .problem import Problem, playbook
from .restoring import ACCEPTED, Journal
from .spoken import age, counted, moment
from .waking import Newest
from .wal import Lsn

ALIVE_WITHIN = 3600.0  # seconds: a host that lives, with its heartbeat, has archived a segment every other minute
NAMES_SHOWN = 5


@dataclass(frozen=True)
class Writer:
    """Who wrote to the stanza last, by the newest backup that says it; empty where none does."""

    host: str = ""
    machine: str = ""
    backup: str = ""

    @property
    def name(self) -> str:
        return self.host or (f"the machine {self.machine}" if self.machine else "an unknown host")


@dataclass(frozen=True)
class Life:
    """The newest signs of life of whoever wrote to the stanza, in Unix seconds; None for what is not known.

    `newest` are the names that are the last ones, by repository and timeline. `further` says which other repository leads further than
    the one that was asked for.
    """

    writer: Writer
    segment: str = ""
    arrived: float | None = None
    heartbeat: float | None = None
    repository: int = 0
    newest: Mapping[str, Newest] = field(default_factory=dict)
    further: str = ""


@dataclass(frozen=True)
class Ground:
    """The host as it is. `data` says what lies in its data directory, `running` the server there; both empty for nothing.

    `packages` is PostgreSQL's version here, `databases` those that the inventory declares.
    """

    directory: str
    data: str = ""
    running: str = ""
    version: str = ""
    databases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Holding:
    """A repository, the names of all stanzas in it, and the databases of the set that is to be restored, where they are known."""

    repository: Repository
    stanzas: tuple[str, ...] = ()


def writer_of(repositories: Iterable[Repository]) -> Writer:
    """Who took the newest backup that says who took it."""
    signed = [one for item in repositories for one in item.current_backups if one.annotations.get("axiomdb-machine-id")]
    newest: Backup | None = max(signed, key=lambda one: one.stopped, default=None)
    if newest is None:
        return Writer()
    return Writer(newest.annotations.get("axiomdb-host", ""), newest.annotations["axiomdb-machine-id"], newest.label)


def is_done(known: Journal, target: str) -> bool:
    """Whether a rebuild to this target was accepted here, so that only the rest of the site is to be brought back."""
    return known.order.rebuild and known.outcome == ACCEPTED and known.order.target == target


def judge_ground(ground: Ground, host: str, stanza: str) -> Problem | None:
    """Why nothing may be brought back onto this host: it has data, or a server."""
    if not (ground.data or ground.running):
        return None
    found = ground.running or ground.data
    restore = playbook("restore", f"-l {host}")
    return Problem(
        f"{found} on {host}",
        f"a host without data for {stanza}: a rebuild never overwrites any",
        f"to recover in place and keep what is there: {restore}; or a rebuild onto an empty host",
    )


def judge_left(places: Sequence[str], host: str, again: str) -> Problem | None:
    """Why nothing may be brought back while tablespaces of a cluster that is gone still lie where the set has its own."""
    if not places:
        return None
    first = places[0]
    aside = f"{first.rpartition('/')[0]}/left-{first.rpartition('/')[2]}"
    return Problem(
        f"data in {', '.join(places)} on {host}",
        "tablespaces without data: a rebuild never overwrites any",
        f"let its disk be mounted elsewhere, or put it aside: sudo mv {first} {aside}; then {again}",
    )


def judge_repositories(stanza: str, host: str, holdings: Sequence[Holding], named: int = 0) -> list[Problem]:
    """Why these repositories cannot bring the site back: unreadable, empty, or of another cluster; or the `named` one is none of them."""
    info = f"on {host}: sudo -u postgres pgbackrest --stanza={stanza} info"
    problems = [_unreadable(one.repository, info, _answering(holdings)) for one in holdings if not one.repository.readable]
    problems += [one for one in (_judge_named(stanza, holdings, named),) if one is not None]
    with_stanza = [one.repository for one in holdings if one.repository.has_stanza]
    if not with_stanza and not problems:
        problems.append(_empty(stanza, holdings))
    elif with_stanza and not any(one.current_backups for one in with_stanza):
        numbers = " and ".join(str(one.number) for one in with_stanza)
        problems.append(Problem(f"no backup of {stanza} in repository {numbers}", "one to bring back", info))
    systems = {one.current.system_id: one.number for one in with_stanza if one.current is not None}
    if len(systems) > 1:
        found = ", ".join(f"the system {system} in repository {number}" for system, number in systems.items())
        step = "correct the path of the one that is foreign in pgbackrest_repositories"
        problems.append(Problem(f"foreign repositories: {found}", f"one system, of which all have backups as {stanza}", step))
    return problems


def _unreadable(found: Repository, info: str, answering: str) -> Problem:
    place = "take it out of pgbackrest_repositories, or declare there what takes its place"
    return Problem(
        f"repository {found.number} unreadable: {found.message}",
        "to see what it holds before anything is brought back",
        f"{found.remedy or info}; or, where it is lost too, {place}{answering}",
    )


def _answering(holdings: Sequence[Holding]) -> str:
    """Which repositories could bring the site back, the one with the newest backup first; for the end of a sentence."""
    found = [one.repository for one in holdings if one.repository.readable and one.repository.current_backups]
    newest = sorted(found, key=_stopped, reverse=True)
    said = [f"repository {one.number} answers, its newest backup is of {moment(_stopped(one))}" for one in newest]
    return "".join(f"; {one}" for one in said)


def _stopped(found: Repository) -> float:
    return float(max(backup.stopped for backup in found.current_backups))


def _judge_named(stanza: str, holdings: Sequence[Holding], named: int) -> Problem | None:
    """Why nothing can come back from the repository that was named."""
    known = {one.repository.number: one.repository for one in holdings}
    if not named or (named in known and (known[named].current_backups or not known[named].readable)):
        return None
    usable = ", ".join(str(number) for number, one in known.items() if one.current_backups) or "none"
    found = f"no backup of {stanza} in repository {named}" if named in known else f"no repository {named} in pgbackrest_repositories"
    return Problem(found, f"one that holds it: {usable}", "correct rebuild_repository")


def _empty(stanza: str, holdings: Sequence[Holding]) -> Problem:
    foreign = {name: one.repository.number for one in holdings for name in one.stanzas if name != stanza}
    if foreign:
        name, number = next(iter(foreign.items()))
        shown = ", ".join(list(foreign)[:NAMES_SHOWN])
        found = f"a foreign repository {number}: it holds {shown}, and no stanza {stanza}"
        return Problem(found, f"the backups of {stanza}", f"correct its path in pgbackrest_repositories; or -e pgbackrest_stanza={name}")
    numbers = " and ".join(str(one.repository.number) for one in holdings)
    step = "correct path and credentials in pgbackrest_repositories: those of the lost host"
    return Problem(f"an empty repository {numbers}", f"the backups of {stanza}", step)


def judge_timeline(timeline: int, number: int, known: Mapping[int, Holdings], again: str) -> Problem | None:
    """Why the timeline that would be begun is somebody's already: the server sees those of the repository alone from which it recovers.

    It recovers along `timeline` from repository `number`, and counts on from there to the first one that has no history.
    """
    begins, ahead = new_timeline.begins(timeline, known[number]), new_timeline.taken(timeline, number, known)
    if not ahead:
        return None
    shown = " and ".join(f"timeline {max(known[other].timelines)} in repository {other}" for other in ahead)
    step = f"{again} -e rebuild_repository={ahead[0]}; or take repository {ahead[0]} out of pgbackrest_repositories"
    expected = f"none from timeline {begins} on, which a rebuild from repository {number} would begin: its WAL would be mixed with that"
    return Problem(shown, expected, step)


def judge_databases(declared: Iterable[str], held: Sequence[str] | None, where: str) -> Problem | None:
    """Why a set is foreign: none of the databases that the inventory declares is in it."""
    wanted = list(declared)
    if not wanted or held is None or set(wanted) & set(held):
        return None
    known = ", ".join(name for name in held if name not in ("postgres", "template0", "template1")) or "none"
    step = "correct postgresql_databases, or the path in pgbackrest_repositories"
    return Problem(f"a foreign cluster in {where}: its databases are {known}", f"one of {', '.join(wanted)}, as declared", step)


def judge_old_host(life: Life, machine: str, lost: str, now: float, again: str, own_name: str = "") -> Problem | None:
    """Why another host may still serve, and write to the same stanza. `lost` is the one of which a person says that it is lost.

    `machine` is the machine-id of this host; `again` the command to type with the name. Hosts made from one image may have the same
    machine-id: one of another name than `own_name` is another host.
    """
    writer = life.writer
    known = (writer.host, writer.machine)
    name = writer.host or writer.machine
    if lost:
        if not name or lost in known:
            return None
        found = f"rebuild_lost_host={lost}, and a stanza to which {writer.name} wrote last (set {writer.backup})"
        return Problem(found, "the name of the host that is lost", f"{again} -e rebuild_lost_host={name}")
    if writer.machine and writer.machine == machine and (not own_name or writer.host in ("", own_name)):
        return None
    signs = _signs(life, now)
    if not signs:
        return None
    found = f"signs that {writer.name} still lives: {' and '.join(signs)}"
    expected = "none within an hour: two servers of one system would write to the same stanza, and serve different rows"
    step = f"make sure that it is down, and stays down; then {again} -e rebuild_lost_host={name or 'unknown'}"
    return Problem(found, expected, step)


def _signs(life: Life, now: float) -> list[str]:
    signs = []
    if life.arrived is not None and now - life.arrived < ALIVE_WITHIN:
        signs.append(f"its WAL segment {life.segment} reached repository {life.repository} {_ago(now - life.arrived)}")
    if life.heartbeat is not None and now - life.heartbeat < ALIVE_WITHIN:
        signs.append(f"its last heartbeat is of {_ago(now - life.heartbeat)}")
    return signs


def _ago(seconds: float) -> str:
    return f"{age(max(0.0, seconds))} ago"


@dataclass(frozen=True)
class Sorted:
    """What decides the order of text: a collation or a database's own, with the version by which data was sorted, and this system's."""

    database: str
    collation: str
    was: str
    now: str


def judge_collations(found: Sequence[Sorted], again: str) -> Problem | None:
    """Why indexes on text cannot be trusted here: they were sorted by other rules."""
    if not found:
        return None
    shown = ", ".join(f"{one.collation} of {one.database} by version {one.was}, here {one.now or 'none'}" for one in found[:NAMES_SHOWN])
    more = f" and {len(found) - NAMES_SHOWN} more" if len(found) > NAMES_SHOWN else ""
    expected = "the versions by which the indexes are sorted: a search would miss rows, and a unique index let some in twice"
    return Problem(f"other collation versions: {shown}{more}", expected, f"the lost host's system here; or {again} -e rebuild_reindex=true")


def further(named: Plan, whole: Plan | Problem) -> str:
    """Which repository leads further than the one that was named; empty for none. `whole` is the plan of all of them."""
    if isinstance(whole, Problem) or whole.repository == named.repository or not (whole.lsn and named.lsn):
        return ""
    if (whole.timeline, Lsn.parse(whole.lsn)) <= (named.timeline, Lsn.parse(named.lsn)):
        return ""
    return f"repository {whole.repository} leads further, to LSN {whole.lsn} on timeline {whole.timeline}"


def remembered(life: Life) -> dict[str, Any]:
    """What a journal keeps of the host that is lost."""
    return {
        "host": life.writer.name,
        "name": life.writer.host or life.writer.machine,
        "repository": life.repository,
        "segment": life.segment,
        "arrived": life.arrived,
        "heartbeat": life.heartbeat,
        "newest": life.newest,
        "further": life.further,
    }


@dataclass(frozen=True)
class Recovered:
    """What a rebuild has brought back: until which commit, and until where. `known` is what `remembered` gave."""

    target: str
    lsn: str
    commit: float | None
    known: Mapping[str, Any] = field(default_factory=dict)


def recovered_of(journal: Journal) -> Recovered:
    """What the journal of a rebuild says of it."""
    known = journal.recovered
    commit = known.get("commit")
    return Recovered(journal.order.target, str(known.get("lsn", "")), None if commit is None else float(commit), known)


def report(found: Recovered) -> list[str]:
    """What was recovered up to when, and what is lost at most, for a person."""
    known = found.known
    host = known.get("host") or "the lost host"
    at = f"LSN {found.lsn}" if found.lsn else "a position that is not known yet"
    newest = f"its newest commit is of {exactly(found.commit)}" if found.commit is not None else "no commit is known in what was replayed"
    beat = known.get("heartbeat")
    text = [f"  recovered    up to {at}; {newest}"]
    text += [f"  heartbeat    the newest in the archive is of {exactly(beat)}"] if beat is not None else []
    if found.target == "latest":
        since = f"after {exactly(found.commit)}" if found.commit is not None else "that was not archived"
        end = f"{known['further']}, and was not asked for" if known.get("further") else "nothing later can be recovered"
        text.append(f"  lost         every commit of {host} {since}, and none before: {end}")
    else:
        text.append(f"  lost         every commit of {host} behind {found.target}, as it was asked for")
    arrived = known.get("arrived")
    if arrived is not None:
        later = "" if found.commit is None else f", {age(max(0.0, arrived - found.commit))} after that commit"
        where = f"repository {known.get('repository')} at {moment(arrived)}"
        text.append(f"  last sign    its last WAL segment {known.get('segment')} reached {where}{later}")
    return text


def exactly(seconds: float) -> str:
    """A time with its fraction: whether a row is lost may hang on it."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def empties(holdings: Sequence[Holding]) -> str:
    """A note about repositories in which nothing is yet; empty for none."""
    numbers = [str(one.repository.number) for one in holdings if one.repository.readable and not one.repository.has_stanza]
    if not numbers:
        return ""
    return f"{counted(len(numbers), 'repository', 'repositories')} without the stanza ({', '.join(numbers)}): it is created there"
