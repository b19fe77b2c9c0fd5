# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proofs of a drill that ask its copy: canary, checks, the end of recovery, catalogue, pg_amcheck, pg_dump, pg_checksums.

Each returns one sentence of what it found, or raises Refusal with all that was not as it must be. The postgres user alone comes here.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from . import drill_amcheck, drill_canary, host, scratch_copy, scratch_look, state, waldump
from .drill import FULL, Order
from .drill_ladder import Skipped
from .moments import Moment, parse_heartbeats
from .postgres import NotAnswering
from .problem import Problem, Refusal
from .quoted import connection, identifier, literal
from .scratch import LATEST, Goal
from .scratch_copy import Copy, program
from .spoken import counted, human, moment
from .sql import SAFE_PATH
from .wal import Lsn, Segment

SCANNED = 64  # segments that are read from the end of WAL backwards, until one has a heartbeat
JOBS = 4  # connections that pg_amcheck uses at most
PATIENCE = 600.0  # seconds for the end of recovery
SHOWN = 3
_SEGMENT = re.compile(r"[0-9A-F]{24}")
# Every database but the template that nobody may write to; one whose DROP DATABASE was interrupted cannot be entered any more.
_DATABASES = f"{SAFE_PATH} select json_agg(datname order by datname) from pg_database where datname <> 'template0' and datconnlimit <> -2"
_CLOSED = f"""{SAFE_PATH}
select coalesce(json_agg(datname), '[]') from pg_database where not datallowconn and datname <> 'template0' and datconnlimit <> -2
"""
_CATALOGUE = rf"""{SAFE_PATH}
select json_build_object('relations', (select count(*) from pg_class), 'columns', (select count(*) from pg_attribute),
  'bytes', pg_database_size(current_database()),
  'files', (select json_object_agg(pg_relation_filepath(oid), regexp_replace(oid::regclass::text, '^public\.', ''))
    from pg_class where relkind in ('r', 'i', 't', 'm', 'S') and pg_relation_filepath(oid) is not null))
"""
# Making an extension is an event; what its triggers do reaches further than the copy. From PostgreSQL 17 on a setting silences them.
_TRIGGERS = f"{SAFE_PATH} select coalesce(json_agg(evtname), '[]') from pg_event_trigger where evtenabled <> 'D'"
# They hold their locks until somebody ends them, and nobody who knows of them reaches a copy: what proves would wait for ever.
_PREPARED = f"{SAFE_PATH} select coalesce(json_agg(gid), '[]') from pg_prepared_xacts where database = current_database()"
NOT_READ = Problem("no database of which the catalogue was read", "each of them", "mend what failed before")
_BAD_BLOCK = r'checksum verification failed in file "{data}/([^"]+)", block (\d+)'


@dataclass
class Witness:
    """What the proofs of one drill learn. `files` are relations by their path; the newest `heartbeat` and `commit` are in Unix seconds."""

    databases: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    heartbeat: float | None = None
    commit: float | None = None
    stopped: bool = False


def canary(copy: Copy, goal: Goal, witness: Witness) -> str:
    """The newest heartbeat in the WAL that was planned is the newest that the host remembers, as far as it remembers any.

    A standby replays more than that, where more arrives meanwhile: it was not there when the drill began.
    """
    lsn, control = copy.replayed.lsn, scratch_look.control_of(copy.entry.version, copy.layout.data)
    if lsn is None:
        raise Skipped("the copy does not say where it stands")
    lsn = min(lsn, goal.lsn) if goal.kind == LATEST and goal.lsn else lsn
    end = Segment.containing(Lsn(max(0, lsn.position - 1)), copy.replayed.timeline or goal.timeline, control.segment_size)
    remembered = drill_canary.expected(_beats(goal.stanza), end.timeline, lsn)
    first = remembered.lsn.position // end.size - 1 if remembered else end.number - SCANNED
    found = _newest_heartbeat(copy, end, max(0, first), lsn)
    witness.heartbeat, witness.commit = found.time, found.commit
    if found.time is not None and (remembered is None or found.time >= remembered.time):
        return f"the heartbeat of {moment(found.time)} is there, {'as this host remembers it' if remembered else 'by the WAL itself'}"
    if remembered is None or not found.whole:
        raise Skipped("no heartbeat in the WAL that was replayed")
    there = f"the one of {moment(found.time)}" if found.time is not None else "none"
    expected = f"the heartbeat of {moment(remembered.time)}, which this host has committed before {lsn}"
    raise Refusal(Problem(f"{there} as the newest heartbeat", expected, "sudo /opt/axiomdb/axiomdb-recovery status"))


@dataclass(frozen=True)
class _Found:
    """A heartbeat, and the newest commit; `whole` says that all WAL was read in which one was looked for."""

    time: float | None
    whole: bool
    commit: float | None = None


def _newest_heartbeat(copy: Copy, end: Segment, first: int, until: Lsn) -> _Found:
    directory = Path(copy.layout.data, "pg_wal")
    there = {name for name in os.listdir(directory) if _SEGMENT.fullmatch(name)}
    commit: float | None = None
    for number in range(end.number, first - 1, -1):
        begin, last = (Segment(end.timeline, one, end.size) for one in (number, min(number + 1, end.number)))
        if not {begin.name, last.name} <= there:
            return _Found(None, False, commit)
        # A message may end one segment, and its commit begin the next one.
        words = ["--rmgr=LogicalMessage", "--rmgr=Transaction", f"--path={directory}", begin.name, last.name]
        text = program(copy, "pg_waldump", *words).stdout
        found, ended = drill_canary.newest(text, until), waldump.parse(text, end.timeline, until).commit
        commit = commit if commit is not None or ended is None else ended.time
        if found is not None:
            return _Found(found, True, commit)
    return _Found(None, True, commit)


def _beats(stanza: str) -> tuple[Moment, ...]:
    with suppress(OSError):
        return parse_heartbeats((state.DIRECTORY / stanza / "heartbeats.jsonl").read_text(encoding="utf-8", errors="replace"))
    return ()


def checks(copy: Copy, order: Order) -> str:
    """The queries of whoever drills."""
    if not order.checks:
        raise Skipped("drill_checks has none")
    problems = []
    for one in order.checks:
        try:
            answer = copy.text(one.database, one.sql).strip()
        except NotAnswering as error:
            answer = str(error)
        if answer != one.expected.strip():
            next_step = "correct the check, or find out what became of these rows"
            problems.append(Problem(f"'{answer}' for the check {one.name}", f"'{one.expected.strip()}'", next_step))
    if problems:
        raise Refusal(*problems)
    return ", ".join(one.name for one in order.checks)


def open_for_writing(copy: Copy, goal: Goal) -> str:
    """End recovery: the copy begins a timeline of its own, of which nothing is archived."""
    copy.text("postgres", "select pg_promote(false)" if goal.kind == LATEST else "select pg_wal_replay_resume()")
    deadline = time.monotonic() + PATIENCE
    while copy.text("postgres", "select pg_is_in_recovery()").strip() != "f":
        if time.monotonic() > deadline:
            raise Refusal(Problem(f"a copy still in recovery after {PATIENCE:g} s", "its end", f"tail {copy.layout.log}"))
        time.sleep(scratch_copy.LOOK)
    timeline = copy.text("postgres", "select left(pg_walfile_name(pg_current_wal_lsn()), 8)").strip()
    return f"on a timeline of its own, {int(timeline, 16)}; nothing of it is archived"


def catalogue(copy: Copy, order: Order, witness: Witness) -> str:
    """Every database answers with its relations."""
    for name in copy.ask("postgres", _CLOSED):
        copy.text("postgres", f"alter database {identifier(name)} allow_connections true")
    known = copy.ask("postgres", _DATABASES)
    witness.databases = [name for name in known if not order.databases or name in (*order.databases, "postgres")]
    wanted = f"one of {', '.join(known)}"
    problems = [Problem(f"no database {name} in the copy", wanted, "correct the name") for name in order.databases if name not in known]
    relations, size = 0, 0
    for name in witness.databases:
        try:
            for transaction in copy.ask(name, _PREPARED):
                copy.text(name, f"rollback prepared {literal(transaction)}")
            found = copy.ask(name, _CATALOGUE)
        except NotAnswering as error:
            problems.append(Problem(f"no catalogue in the database {name} ({error})", "its relations", _again(copy)))
            continue
        relations, size = relations + int(found["relations"]), size + int(found["bytes"])
        witness.files |= {path: f"{relation} in {name}" for path, relation in (found["files"] or {}).items()}
    if problems:
        raise Refusal(*problems)
    return f"{counted(relations, 'relation')} in {counted(len(witness.databases), 'database')}, {human(size)}"


def amcheck(copy: Copy, order: Order, witness: Witness) -> str:
    """Every table and index, several at once. The extension is made in the copy, so the source needs none."""
    jobs = min(JOBS, max(1, host.cores()))
    deep = ["--heapallindexed", "--parent-check"] if order.amcheck == FULL else []
    if not witness.databases:
        raise Refusal(NOT_READ)
    for name in witness.databases:
        for trigger in copy.ask(name, _TRIGGERS):
            copy.text(name, f"alter event trigger {identifier(trigger)} disable")
    where = [f"--database={identifier(name)}" for name in witness.databases]
    done = program(copy, "pg_amcheck", f"--jobs={jobs}", "--install-missing", *deep, *where)
    found = drill_amcheck.parse(done.stdout)
    if done.code not in (0, drill_amcheck.CORRUPT) or (done.code and not found):
        raise Refusal(Problem(f"pg_amcheck ended with {done.code}: {done.detail}", "0", _again(copy)))
    if found:
        raise Refusal(*(_corrupt(one) for one in found[:SHOWN]), *_more(found))
    how = "with every row looked for in its indexes" if deep else "without looking for rows that indexes lack"
    return f"by {counted(jobs, 'connection')}, {how}"


def _corrupt(one: drill_amcheck.Corrupt) -> Problem:
    rows = f" ({counted(one.count, 'message')})" if one.count > 1 else ""
    return Problem(f"a corrupt {one.what}: {one.text}{rows}", "none", "look at the live one with pg_amcheck; an index is mended by REINDEX")


def _more(found: Sequence[drill_amcheck.Corrupt]) -> list[Problem]:
    more = len(found) - SHOWN
    return [Problem(f"{counted(more, 'further corrupt relation')}", "none", "look at the live one with pg_amcheck")] if more > 0 else []


def dump(copy: Copy, witness: Witness) -> str:
    """Every database can be dumped, as an upgrade or a move by pg_dump would."""
    problems = [] if witness.databases else [NOT_READ]
    for name in witness.databases:
        done = program(copy, "pg_dump", f"--dbname={connection(name)}", "--no-sync", "--file=/dev/null")
        if done.code != 0:
            problems.append(Problem(f"no dump of the database {name}: {done.detail}", "one", _again(copy)))
    done = program(copy, "pg_dumpall", "--globals-only", "--no-sync", "--file=/dev/null")
    if done.code != 0:
        problems.append(Problem(f"no dump of the roles: {done.detail}", "one", _again(copy)))
    if problems:
        raise Refusal(*problems)
    return f"{counted(len(witness.databases), 'database')} and the roles, to /dev/null"


def checksums(copy: Copy, witness: Witness) -> str:
    """Every page of every file. Only a server that was stopped cleanly has all of them on disk: it is stopped for it."""
    if copy.text("postgres", "select current_setting('data_checksums')").strip() != "on":
        raise Skipped("DATA CHECKSUMS ARE OFF in this cluster: damaged pages are not noticed, neither here nor by backups")
    scratch_copy.stop(copy)
    witness.stopped = True
    done = program(copy, "pg_checksums", "--check", f"--pgdata={copy.layout.data}")
    bad = re.findall(_BAD_BLOCK.format(data=re.escape(copy.layout.data)), done.stderr)
    if bad:
        first = [f"{path}{f' ({witness.files[path]})' if path in witness.files else ''}, block {block}" for path, block in bad[:SHOWN]]
        more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        expected = "the pages as PostgreSQL wrote them"
        raise Refusal(Problem(f"wrong checksums in {'; '.join(first)}{more}", expected, "recover from a set before the damage"))
    if done.code != 0:
        raise Refusal(Problem(f"pg_checksums ended with {done.code}: {done.detail}", "0", _again(copy)))
    scanned = re.search(r"Blocks scanned: +(\d+)", done.stdout)
    return f"{counted(int(scanned[1]), 'page')} read" if scanned else "every page read"


def _again(copy: Copy) -> str:
    return f"ask the copy that this keeps: sudo /opt/axiomdb/axiomdb-recovery drill --keep; its log was {copy.layout.log}"
