# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tool on the host: what cron starts, and what a person types who has no control node."""

from __future__ import annotations

import argparse
import json
import os
import pwd
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

# A command loads what it needs when it runs: the heartbeat begins each minute, on the smallest host too.
from . import state, tool_settings
from .jobs import FAILED, HOURLY, Settings, Stanza, chosen
from .stepping_down import become

if TYPE_CHECKING:
    from .ending import Ended

USER = "postgres"
GOOD, BAD, MISUSED = 0, 1, 2
SCRATCH = "scratch"  # its own commands are known when it is the first word
DRILL = "drill"
DRILL_HELP = "Rehearse a recovery for real beside the live server: restore, prove, measure, report"
SCRATCH_HELP = "Copies beside the live server, recovered to a moment and paused there: make, query, list, remove"

RECOVERIES = {
    "restore": "Recover the cluster in place: without --confirm, print the plan and what to type next",
    "rollback": "Go back to the data that a recovery has kept, or list and remove what is kept",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 for good, 1 for a failure or a trouble, 2 for a command that was not understood."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser(given).parse_args(given)
    try:
        if getattr(options, "scope", ""):
            from . import confine

            confine.enter_scope(options.scope, options.memory << 20)
        _become(USER if not getattr(options, "as_root", False) else "root")
        settings = tool_settings.read()
        stanzas = chosen(settings, options.stanza)
    except (OSError, ValueError, PermissionError) as error:
        sys.stderr.write(f"axiomdb-recovery: {error}\n")
        return MISUSED
    command: Callable[[Settings, Sequence[Stanza], argparse.Namespace], int] = options.act
    try:
        return command(settings, stanzas, options)
    except OSError as error:
        sys.stderr.write(f"axiomdb-recovery: Found {error}; expected to write there. Next: df -h {state.DIRECTORY} {state.LOGS}\n")
        return BAD


def _become(user: str) -> None:
    """Root becomes postgres for good: pgBackRest refuses root, and nothing here may belong to it. Others are refused.

    What stops servers stays root, and steps down where others may write.
    """
    account = pwd.getpwnam(user)
    if os.geteuid() == 0 and user == "root":
        os.umask(0o027)
        return
    if os.geteuid() == 0:
        become(USER)
    elif os.geteuid() != account.pw_uid:
        found = pwd.getpwuid(os.geteuid()).pw_name
        wanted = "root" if user == "root" else "root or postgres"
        raise PermissionError(f"Found the user {found}; expected {wanted}. Next: the same words behind sudo /opt/axiomdb/axiomdb-recovery")
    os.umask(0o027)


def _backup(settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    from . import work

    return _each(stanzas, options, lambda stanza: work.take_backups(settings, stanza, options.type, options.job))


def _snapshot(settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    from . import work
    from .snapshots import Request

    request = Request(options.name, options.reason, with_backup=not options.without_backup)
    return _each(stanzas, options, lambda stanza: work.snapshot(settings, stanza, request))


def _snapshots(_settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    from . import repository
    from .snapshots import EXAMPLE, found_in

    known = {stanza.name: found_in(repository.look(stanza.name, list(repository.configured()))) for stanza in stanzas}
    if options.json:
        _write(json.dumps({name: [asdict(item) for item in found] for name, found in known.items()}, sort_keys=True))
        return GOOD
    for name, found in known.items():
        for item in found:
            where = f"set {item.label} in repository {item.repository}, LSN {item.lsn}"
            _write(f"{name}: {item.target} of {item.time}, {where}{f': {item.reason}' if item.reason else ''}")
        if not found:
            _write(f"{name}: no snapshot. Next: sudo /opt/axiomdb/axiomdb-recovery snapshot {EXAMPLE} --reason '...'")
    return GOOD


def _verify(settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    from . import work

    return _each(stanzas, options, lambda stanza: work.verify(settings, stanza))


def _heartbeat(_settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    from .heartbeat import heartbeat

    return _each(stanzas, options, heartbeat)


def _each(stanzas: Sequence[Stanza], options: argparse.Namespace, act: Callable[[Stanza], Ended]) -> int:
    ended = {stanza.name: act(stanza) for stanza in stanzas}
    if options.json:
        _write(json.dumps({name: {"outcome": one.outcome, "text": one.text, **one.more} for name, one in ended.items()}, sort_keys=True))
    else:
        for name, one in ended.items():
            _write(f"{name}: {one.outcome}: {one.text}")
    return BAD if any(one.outcome == FAILED for one in ended.values()) else GOOD


def _status(settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    from . import status, watch

    found = {stanza.name: status.take(settings, stanza, replace(watch.picture_of(settings, stanza), here=True)) for stanza in stanzas}
    if options.json:
        _write(json.dumps({name: one.document for name, one in found.items()}, sort_keys=True))
    else:
        for one in found.values():
            _write("\n".join(one.lines))
    return GOOD if all(one.good for one in found.values()) else BAD


def _plan(_settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    from . import horizon, plan, restore_told, target
    from .postgres import Cluster
    from .problem import Problem, Refusal

    if len(stanzas) > 1:
        names = ", ".join(stanza.name for stanza in stanzas)
        sys.stderr.write(f"axiomdb-recovery: Found the stanzas {names}; expected one. Next: add --stanza={stanzas[0].name}\n")
        return MISUSED
    stanza = stanzas[0]
    try:
        if not options.target.strip():
            raise Refusal(target.missing(f"sudo /opt/axiomdb/axiomdb-recovery plan time:{target.EXAMPLE_TIME}"))
        sight = horizon.look(stanza.name, Cluster(stanza.version, stanza.cluster, stanza.port))
        found = horizon.foresee(target.parse(options.target), sight)
    except Refusal as refusal:
        found = refusal.problems[0]
    beside = restore_told.beside_plan(stanza.name, options.target if isinstance(found, Problem) else found.target)
    if options.json:
        _write(json.dumps({**plan.document(found), **({"open": beside} if beside else {})}, sort_keys=True))
    elif isinstance(found, Problem):
        _write("\n".join([f"REFUSED: {stanza.name}: {found.sentence()}", *beside]))
    elif beside:
        _write("\n".join([*plan.lines(found), f"PLAN: {stanza.name}: nothing was changed, and a recovery is open", *beside]))
    else:
        command = f"sudo /opt/axiomdb/axiomdb-recovery restore '{found.target}' --stanza={stanza.name} --reason='...'"
        _write("\n".join([*plan.lines(found), f"PLAN: {stanza.name}: nothing was changed. To do it, type: {command}"]))
    return BAD if isinstance(found, Problem) else GOOD


def _watch(settings: Settings, stanzas: Sequence[Stanza], _options: argparse.Namespace) -> int:
    from . import scratch_removal, watch

    watch.forget(settings)
    for text in scratch_removal.sweep():
        state.log("backup.log", text)
    for name, texts in watch.run(settings, stanzas).items():
        for text in texts:
            _write(f"{name}: {text}")
    return GOOD


def _pause(_settings: Settings, _stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    state.save(state.PAUSE, {"since": time.time(), "reason": options.reason})
    state.operation({"operation": "pause", "text": options.reason})
    _write(f"Jobs are paused: {options.reason}. What runs now ends first. Next: sudo /opt/axiomdb/axiomdb-recovery resume")
    return GOOD


def _resume(settings: Settings, _stanzas: Sequence[Stanza], _options: argparse.Namespace) -> int:
    from . import restore_journal, restore_told

    # The jobs are this host's, not a stanza's: one open recovery keeps all of them.
    found = next((one for one in (restore_journal.peek(stanza.name)[0] for stanza in settings.stanzas) if one and one.is_open), None)
    if found is not None:
        sys.stderr.write(f"REFUSED, nothing was done: {restore_told.meets(found).sentence()}\n")
        return BAD
    state.end_pause()
    state.operation({"operation": "resume", "text": ""})
    _write("Jobs run again as cron starts them.")
    return GOOD


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="axiomdb-recovery", description="Backups of this host: what exists, take one, verify all.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, text: str, act: Callable[..., int]) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--stanza", action="append", default=[], help="this stanza alone; all of the host by default")
        command.add_argument("--json", action="store_true", help="answer with one JSON document")
        command.set_defaults(act=act)
        return command

    add("status", "What protects this host, what can be recovered, how its jobs ended, what is wrong", _status)
    planned = add("plan", "Say how a recovery to this target would go, or why it cannot; changes nothing", _plan)
    planned.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        default="",
        help="latest, immediate, time:, name:, lsn:, xid:, backup:, before-time: and so on",
    )
    backup = add("backup", "Take a backup into every repository", _backup)
    backup.add_argument("--type", choices=("full", "diff", "incr"), default="incr", help="incr by default")
    backup.add_argument("--job", default="manual", choices=("full", HOURLY, "manual"), help=argparse.SUPPRESS)
    snapshot = add("snapshot", "Take a backup and name this moment, so that it can be recovered later", _snapshot)
    snapshot.add_argument("name", metavar="NAME", help="at most 63 letters, digits, '.', '_' and '-'")
    snapshot.add_argument("--reason", default="", help="why, for whoever reads the list later")
    snapshot.add_argument("--without-backup", action="store_true", help="make a restore point alone; it belongs to the newest backup")
    add("snapshots", "List every snapshot of every repository, the oldest first", _snapshots)
    add("verify", "Read every file of every repository, and say what is broken or missing", _verify)
    add("heartbeat", "Commit the heartbeat of this minute", _heartbeat)
    add("watch", "Look for trouble, tell the webhook, write the metrics", _watch)
    if given[:1] == [SCRATCH]:
        from . import scratch_cli

        scratch_cli.add(commands, SCRATCH, SCRATCH_HELP)
    else:
        commands.add_parser(SCRATCH, help=SCRATCH_HELP)
    if given[:1] == [DRILL]:
        from . import drill_cli

        drill_cli.add(commands, DRILL, DRILL_HELP)
    else:
        commands.add_parser(DRILL, help=DRILL_HELP)
    if set(given[:1]) & set(RECOVERIES):
        from . import restore_cli

        restore_cli.add(commands, RECOVERIES)
    else:
        for name, text in RECOVERIES.items():
            commands.add_parser(name, help=text)
    pause = add("pause", "Let no job begin until resume", _pause)
    pause.add_argument("--reason", required=True, help="why, for whoever asks")
    add("resume", "Let jobs begin again", _resume)
    return parser
