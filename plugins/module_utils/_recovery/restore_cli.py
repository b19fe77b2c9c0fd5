# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tool's `restore` and `rollback`: for the night without a control node."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import (
    plan,
    restore_consent,
    restore_journal,
    restore_move,
    restore_record,
    restore_rehearsal,
    restore_run,
    restore_told,
    restore_undo,
    restoring,
    state,
    target,
)
from .jobs import Settings, Stanza
from .postgres import Cluster, NotAnswering
from .problem import Problem, Refusal, Unfinished
from .restore_run import Consent
from .restoring import Check, Order
from .run import CommandFailed
from .spoken import counted, moment

GOOD, BAD = 0, 1
Act = Callable[[Settings, Sequence[Stanza], argparse.Namespace], int]


def add(commands: Any, texts: Mapping[str, str]) -> None:
    """Add both commands to a parser, with these texts."""
    restore = _command(commands, "restore", texts["restore"], _restore)
    restore.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        default="",
        help="latest, immediate, time:, name:, lsn:, xid:, backup:, before-time: and so on",
    )
    restore.add_argument("--reason", default="", help="why, for whoever reads the log later")
    restore.add_argument("--confirm", default="", metavar="HOST/STANZA", help="carry it out; HOST as the inventory names it")
    restore.add_argument("--plan", default="", metavar="DIGEST", help="the plan that was printed")
    restore.add_argument("--keep", choices=("beside", "none"), default="beside", help="none: overwrite the old data, NO WAY BACK")
    restore.add_argument(
        "--action",
        choices=restoring.ACTIONS,
        default=restoring.PROMOTES,
        help="pause: stay at the target, proven, with nobody let in; shutdown: the same, with the server down",
    )
    restore.add_argument(
        "--check", action="append", default=[], metavar="DATABASE:SQL=EXPECTED", help="must be true before anybody is let in"
    )
    restore.add_argument("--rehearse", action="store_true", help="the same plan and checks in a copy: the live server is not touched")
    restore.add_argument(
        "--patience", type=float, default=restoring.PATIENCE, metavar="SECONDS", help="a recovery that stands still so long is taken back"
    )
    restore.add_argument(
        "--service", action="append", default=[], metavar="UNIT", help="stopped meanwhile where it runs, and started again"
    )
    restore.add_argument("--standbys", choices=("detach",), default="", help="let standbys and slots lose their primary")
    rollback = _command(commands, "rollback", texts["rollback"], _rollback)
    rollback.add_argument("--reason", default="", help="why, for whoever reads the log later")
    rollback.add_argument("--confirm", default="", metavar="HOST/STANZA", help="carry it out; HOST as the inventory names it")
    rollback.add_argument("--of", default="", metavar="NAME", help="this recovery; the open or else the newest one by default")
    rollback.add_argument("--list", action="store_true", help="the recoveries whose old data is kept")
    rollback.add_argument("--release", default="", metavar="NAME", help="remove what is kept of this recovery; needs --confirm")


def _command(commands: Any, name: str, text: str, act: Act) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument("--stanza", action="append", default=[], help="the stanza, where the host has several")
    command.add_argument("--json", action="store_true", help="answer with one JSON document")
    command.set_defaults(act=_refusing(act), as_root=True)
    return command


def _refusing(act: Act) -> Act:
    """The act, with its refusals on stderr."""

    def acting(settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
        try:
            if len(stanzas) != 1:
                names = ", ".join(stanza.name for stanza in stanzas)
                raise Refusal(Problem(f"the stanzas {names}", "one of them", f"add --stanza={stanzas[0].name}"))
            return act(settings, stanzas, options)
        except (Refusal, CommandFailed, NotAnswering) as error:
            untouched = isinstance(error, Refusal) and not isinstance(error, Unfinished)
            sys.stderr.write(f"{'REFUSED, nothing was done: ' if untouched else ''}{error}\n")
            return BAD

    return acting


def _restore(settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    stanza = stanzas[0]
    cluster = Cluster(stanza.version, stanza.cluster, stanza.port)
    if not options.target.strip():
        raise Refusal(target.missing(f"{restoring.TOOL} restore 'time:{target.EXAMPLE_TIME}' --stanza={stanza.name} --reason='...'"))
    checks, keep = tuple(check_of(text) for text in options.check), options.keep == "beside"
    text, services = str(target.parse(options.target)), tuple(options.service)
    order = Order(text, options.reason, options.action, keep, checks, options.patience, services)
    again = _typed(options, stanza)
    with_reason = f"{_typed(options, stanza, reason=False)} --reason=WHY"
    consent = Consent(options.confirm, options.plan, again, options.standbys == "detach", with_reason=with_reason)
    if options.rehearse:
        return _rehearse(order, stanza, cluster, settings.host, options)
    known = restore_journal.load(stanza.name)
    if not options.confirm and known is not None and known.is_open:
        return _beside(known, order, cluster, options, consent)
    if not options.confirm:
        proposal = restore_run.propose(order, stanza.name, cluster, settings.host, consent)
        if options.json:
            _write(json.dumps({**plan.document(proposal.plan), "plan": restore_consent.digest(proposal.plan)}, sort_keys=True))
        else:
            against = f"REFUSED, nothing was done: {counted(len(proposal.problems), 'PROBLEM')} below"
            _write("\n".join([*([against] if proposal.problems else []), *([] if order.keep else ["NO WAY BACK"]), *proposal.lines]))
            sure = f"--confirm={proposal.home.confirmation(keep=order.keep)} --plan={restore_consent.digest(proposal.plan)}"
            ready = f"To do it, type:\n  {again} {sure}"
            _write(f"Nothing was done. {'Mend that first, and type the same again.' if proposal.problems else ready}")
        return BAD if proposal.problems else GOOD
    tell = _teller()
    journal = restore_run.begin(order, stanza.name, cluster, settings.host, consent, tell)
    return _show(restore_run.carry_on(journal, tell, restoring.last_phase(order)), options)


def _beside(known: restoring.Journal, order: Order, cluster: Cluster, options: argparse.Namespace, consent: Consent) -> int:
    """What is said of an order while a recovery is open: how it goes on with it, or why it does not."""
    if restoring.is_paused(known) and known.order.target != order.target:
        found = restore_move.further(known, order, cluster)
        if options.json:
            _write(json.dumps({**plan.document(found), "plan": restore_consent.digest(found)}, sort_keys=True))
            return GOOD
        sure = f"--confirm={known.home.confirmation(keep=not found.erased)} --plan={restore_consent.digest(found)}"
        _write("\n".join([*restore_told.further(known, order, found), "Nothing was done. To do it, type:", f"  {consent.again} {sure}"]))
        return GOOD
    restore_run.going_on(known, order, known.home.confirmation(keep=order.keep))
    _write("\n".join([*restore_told.lines(known), "Nothing was done."]))
    return BAD


def _rehearse(order: Order, stanza: Stanza, cluster: Cluster, host: str, options: argparse.Namespace) -> int:
    lines = restore_rehearsal.rehearse(order, stanza.name, cluster, host, _teller())
    reason = "" if order.reason else " --reason='...'"
    following = ["Nothing was changed. To do it, type:", f"  {_typed(options, stanza)}{reason}"]
    _write(json.dumps({"rehearsed": lines}) if options.json else "\n".join([*lines, *following]))
    return GOOD


def _typed(options: argparse.Namespace, stanza: Stanza, *, reason: bool = True) -> str:
    """The command again, without its consent."""
    words = [f"{restoring.TOOL} restore '{options.target}' --stanza={stanza.name}"]
    words += [f"--reason={shlex.quote(options.reason)}"] if options.reason and reason else []
    words += ["--keep=none"] if options.keep == "none" else []
    words += ["--standbys=detach"] if options.standbys else []
    words += [f"--action={options.action}"] if options.action != restoring.PROMOTES else []
    words += [f"--patience={options.patience:g}"] if options.patience != restoring.PATIENCE else []
    words += [f"--service={shlex.quote(unit)}" for unit in options.service]
    return " ".join([*words, *(f"--check={shlex.quote(text)}" for text in options.check)])


def check_of(text: str) -> Check:
    """A check as it is typed. Raises Refusal."""
    database, colon, rest = text.partition(":")
    sql, equals, expected = rest.rpartition("=")
    if not (colon and equals and database and sql.strip()):
        raise Refusal(
            Problem(f"the check '{text}'", "DATABASE:SQL=EXPECTED", "type one such as --check='app:select count(*) from orders=500'")
        )
    return Check(sql.strip(), sql, expected, database)


def _rollback(settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    stanza = stanzas[0].name
    confirmation = f"{settings.host}/{stanza}"
    if options.list:
        found = restore_journal.kept(stanza)
        _write("\n".join(restore_told.listed(found, time.time())) if found else "Nothing is kept.")
        return GOOD
    again = f"{restoring.TOOL} rollback --stanza={stanza}"
    if options.release:
        if options.confirm != confirmation:
            sure = f"{again} --release={options.release} --confirm={confirmation}"
            raise Refusal(_another(options.confirm, confirmation, sure))
        gone = restore_undo.remove(stanza, options.release, _teller())
        state.operation({"operation": "release", "host": settings.host, "stanza": stanza, "text": options.reason, "removed": gone})
        _write("\n".join(f"removed {place}" for place in gone))
        return GOOD
    again += f" --of={options.of}" if options.of else ""
    journal = restore_run.way_back(stanza, options.of, options.reason)
    if options.confirm and options.confirm != confirmation:
        why = f" --reason={shlex.quote(options.reason)}" if options.reason else ""
        raise Refusal(_another(options.confirm, confirmation, f"{again}{why}"))
    if not options.confirm:
        told = restore_undo.lines(journal) if journal.undoes else restore_told.lines(journal)
        _write("\n".join([*told, f"Nothing was done. To do it, type:\n  {again} --reason='...' --confirm={confirmation}"]))
        return GOOD
    return _show(restore_run.take_back(journal, _teller()), options)


def _another(typed: str, wanted: str, following: str) -> Problem:
    """That another cluster was confirmed than this one."""
    return Problem(f"the confirmation '{typed}'", f"'{wanted}', the cluster that is meant", following)


def _show(journal: restoring.Journal, options: argparse.Namespace) -> int:
    if options.json:
        _write(json.dumps(restore_record.document(journal), sort_keys=True))
    else:
        _write("\n".join(restore_told.lines(journal)))
    return GOOD


def _teller() -> Callable[[str], None]:
    """Tells a person and the log of each step, with its time."""

    def tell(line: str) -> None:
        state.log(restore_journal.LOG, line)
        sys.stderr.write(f"{moment(time.time())} {line}\n")
        sys.stderr.flush()

    return tell


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
