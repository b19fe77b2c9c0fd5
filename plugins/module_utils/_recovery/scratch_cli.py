# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tool's `scratch`: make a copy beside the live server and ask it, list copies, ask or remove one that was kept."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from types import FrameType
from typing import Any

from . import horizon, preloading, scratch_copy, scratch_look, scratch_registry, scratch_removal, state, target, work
from .jobs import Settings, Stanza
from .postgres import NotAnswering
from .problem import Problem, Refusal
from .run import CommandFailed
from .scratch import IMMEDIATE, KINDS, LEAST_MEMORY, MEMORY, MIB, PORT, Goal, Wish
from .scratch_copy import Copy
from .scratch_goal import goal_of, of_archive
from .spoken import moment
from .wal import Lsn

GOOD, BAD = 0, 1
BY_HAND = ("repository", "set", "type", "target", "exclusive", "timeline", "lsn")
Act = Callable[[Settings, Sequence[Stanza], argparse.Namespace], int]


def add(commands: Any, name: str, text: str) -> None:
    """Add the command and its own commands to a parser."""
    parts = commands.add_parser(name, help=text, description=text).add_subparsers(required=True, metavar="COMMAND")
    make = _part(parts, "make", "Restore a set beside the live server, recover it to a target, ask it, remove it", _make)
    make.add_argument("--stanza", action="append", default=[], help="the stanza, where the host has several")
    make.add_argument("planned", nargs="?", default="", metavar="TARGET", help="as `plan` takes it: the copy is what the plan says")
    _add_goal(make.add_argument_group("without TARGET, nothing is planned"))
    make.add_argument("--database", action="append", default=[], help="restore this database alone; may be given again")
    make.add_argument("--directory", default="", help=f"an empty one of postgres's; below {scratch_registry.HOME} by default")
    make.add_argument("--memory", type=int, default=MEMORY // MIB, metavar="MIB", help=f"at least {LEAST_MEMORY // MIB}")
    make.add_argument("--preload", action="append", default=[], metavar="LIBRARY", help="in its shared_preload_libraries")
    make.add_argument("--reason", default="by hand", help="why, for whoever reads the list")
    make.add_argument("--query", action="append", default=[], metavar="SQL", help="ask this; may be given again")
    make.add_argument("--in", dest="within", default="postgres", metavar="DATABASE", help="where to ask; postgres by default")
    make.add_argument("--keep", action="store_true", help="let it run until `scratch remove`")
    make.set_defaults(scope="scratch")
    query = _part(parts, "query", "Ask a copy that was kept", _query)
    query.add_argument("name", metavar="NAME")
    query.add_argument("sql", metavar="SQL")
    query.add_argument("--in", dest="within", default="postgres", metavar="DATABASE", help="postgres by default")
    _part(parts, "list", "The copies of this host: whose, since when, why", _list)
    remove = _part(parts, "remove", "Remove a copy that was kept", _remove)
    remove.add_argument("name", metavar="NAME")
    _part(parts, "sweep", "Remove what killed makers and reboots have left behind", _sweep)


def _add_goal(by_hand: Any) -> None:
    by_hand.add_argument("--repository", type=int, default=0, metavar="N", help="1 by default")
    by_hand.add_argument("--set", default="", metavar="LABEL", help="the newest backup by default")
    by_hand.add_argument("--type", choices=KINDS, default="", help="the kind of target; immediate, the end of the backup, by default")
    by_hand.add_argument("--target", default="", help="as pgBackRest takes it, such as 2026-11-22 14:30:00+00")
    by_hand.add_argument("--exclusive", action="store_true", help="stop just before the target")
    by_hand.add_argument("--timeline", type=int, default=0, metavar="N", help="the set's own by default")
    by_hand.add_argument("--lsn", type=_lsn, default=None, help="where replay has to stand; for latest, what it has to reach")


def _part(parts: Any, name: str, text: str, act: Act) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = parts.add_parser(name, help=text, description=text)
    command.add_argument("--json", action="store_true", help="answer with one JSON document")
    command.set_defaults(act=_refusing(act), stanza=[])
    return command


def _refusing(act: Act) -> Act:
    """The act, with its refusals on stderr."""

    def acting(settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
        try:
            return act(settings, stanzas, options)
        except (Refusal, CommandFailed, NotAnswering, OSError) as error:
            sys.stderr.write(f"{error}\n")
            return BAD

    return acting


def _lsn(text: str) -> Lsn:
    try:
        return Lsn.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _make(settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    if len(stanzas) != 1:
        names = ", ".join(stanza.name for stanza in stanzas)
        raise Refusal(Problem(f"the stanzas {names}", "one of them", f"axiomdb-recovery scratch make --stanza={stanzas[0].name}"))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)  # what was made is removed on the way out
    stanza = stanzas[0]
    goal = _planned(stanza, options) if options.planned else _goal(stanza.name, options)
    wish = Wish(options.reason, tuple(options.database), options.directory, options.memory * MIB, tuple(options.preload))
    problems = preloading.judge(wish.preload) or preloading.missing(wish.preload, stanza.version)
    if problems:
        raise Refusal(*problems)
    entry = {
        "operation": "scratch",
        "host": settings.host,
        "stanza": stanza.name,
        "set": goal.label,
        "target": options.planned or f"{goal.kind} {goal.target}".strip(),
    }
    try:
        with scratch_copy.scratch(goal, wish, port=stanza.port, keep=options.keep, tell=_tell) as copy:
            answers = [copy.text(options.within, sql) for sql in options.query]
            _show(copy, answers, options)
    except (Refusal, CommandFailed, NotAnswering) as error:
        state.operation({**entry, "outcome": "failed", "text": str(error)})
        raise
    state.operation({**entry, "outcome": "done", "text": wish.reason, "lsn": str(copy.replayed.lsn)})
    return GOOD


def interrupted(number: int, _frame: FrameType | None) -> None:
    """Leave by a signal as by any other way, so that what was made is removed."""
    raise SystemExit(128 + number)


def contradiction(options: argparse.Namespace) -> Problem | None:
    """The refusal of a target that is planned with words beside it that belong to one by hand."""
    given = [f"--{name}" for name in BY_HAND if getattr(options, name)]
    if not options.planned or not given:
        return None
    found = f"the target {options.planned} with {' '.join(given)} beside it"
    return Problem(found, "the target alone: its plan says the rest", f"axiomdb-recovery scratch make {options.planned}")


def _planned(stanza: Stanza, options: argparse.Namespace) -> Goal:
    """The goal of the plan for a target, made of what the repositories have. Raises Refusal."""
    both = contradiction(options)
    if both:
        raise Refusal(both)
    wanted = target.parse(options.planned)
    sight = horizon.look(stanza.name, work.cluster_of(stanza))
    sight = replace(sight, here=replace(sight.here, free_bytes=None))  # the room of an in-place restore is not the copy's
    found = horizon.foresee(wanted, sight)
    if isinstance(found, Problem):
        raise Refusal(found)
    if found.only_here:
        found = of_archive(found, horizon.foresee(wanted, horizon.archived(sight)))
    goal = goal_of(found, stanza.name)
    if isinstance(goal, Problem):
        raise Refusal(goal)
    _tell(f"planned: {found.command}")
    for note in found.notes:
        _tell(f"note: {note}")
    return goal


def _goal(stanza: str, options: argparse.Namespace) -> Goal:
    number, kind = options.repository or 1, options.type or IMMEDIATE
    _repository, backup = scratch_look.backup_of(stanza, number, options.set)
    timeline = options.timeline or scratch_look.timeline_of(backup)
    return Goal(stanza, number, backup.label, timeline, kind, options.target, options.exclusive, options.lsn)


def _show(copy: Copy, answers: list[str], options: argparse.Namespace) -> None:
    found = copy.replayed
    if options.json:
        replayed = {"lsn": str(found.lsn), "time": found.time, "timeline": found.timeline, "system_id": found.system_id}
        document = {"name": copy.entry.name, "directory": copy.entry.directory, "replayed": replayed, "notes": copy.notes}
        _write(json.dumps({**document, "answers": answers}, sort_keys=True))
        return
    last = f"last commit {moment(found.time)}" if found.time is not None else "no commit replayed"
    _write(f"{copy.entry.name}: paused at {found.lsn} on timeline {found.timeline or 'of the set'}, {last}")
    for answer in answers:
        _write(answer.rstrip("\n"))
    if options.keep:
        socket = copy.layout.socket
        _write(
            f"It is kept. Ask it: sudo -u postgres psql -h {socket} -p {PORT}. Remove it: axiomdb-recovery scratch remove {copy.entry.name}"
        )


def _query(_settings: Settings, _stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    done = scratch_copy.query(scratch_registry.find(options.name).layout, options.within, options.sql)
    if done.code != 0:
        raise NotAnswering(f"Found no answer ({done.detail}); expected one of {options.name}. Next: axiomdb-recovery scratch list")
    _write(json.dumps({"answer": done.stdout}) if options.json else done.stdout.rstrip("\n"))
    return GOOD


def _list(_settings: Settings, _stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    found = [{**asdict(entry), "state": _state(entry)} for entry in scratch_registry.entries()]
    if options.json:
        _write(json.dumps(found, sort_keys=True))
        return GOOD
    for item in found:
        _write(f"{item['name']}: {item['state']}, {item['stanza']} in {item['directory']} since {moment(item['began'])}: {item['reason']}")
    if not found:
        _write("There is no scratch copy on this host.")
    return GOOD


def _state(entry: scratch_registry.Entry) -> str:
    if scratch_registry.is_held(entry):
        return f"in use by process {entry.process}"
    if not entry.kept:
        return "left behind"
    return "kept and running" if scratch_removal.processes(entry.layout) else "kept, its server is down"


def _remove(_settings: Settings, _stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    entry = scratch_removal.remove_by_name(options.name)
    _write(f"Removed the scratch copy {entry.name} in {entry.directory}.")
    return GOOD


def _sweep(_settings: Settings, _stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    told = scratch_removal.sweep()
    _write(json.dumps(told) if options.json else "\n".join(told) or "Nothing was left behind.")
    return GOOD


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
