# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tool's `drill`: rehearse a recovery for real, beside the live server, and measure it."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from . import drill, drill_keep, drill_report, drill_reports, drill_run, plan, scratch_cli
from .drill import AMCHECKS, FULL, NEWEST, PORT, Order
from .drill_choice import NothingDrilled
from .drill_objective import OBJECTIVES, SCENARIOS, Objective
from .jobs import Settings, Stanza
from .postgres import NotAnswering
from .problem import Problem, Refusal
from .restore_cli import check_of
from .run import CommandFailed
from .scratch import LEAST_MEMORY, MEMORY, MIB
from .spoken import moment

GOOD, BAD = 0, 1


def add(commands: Any, name: str, text: str) -> None:
    """Add the command to a parser."""
    command = commands.add_parser(name, help=text, description=text)
    command.add_argument("target", nargs="?", default=NEWEST, metavar="TARGET", help="newest, oldest, random, or as `plan` takes it")
    command.add_argument("--stanza", action="append", default=[], help="the stanza, where the host has several")
    command.add_argument("--json", action="store_true", help="answer with one JSON document")
    command.add_argument("--set", default="", metavar="LABEL", help="from this backup set")
    command.add_argument("--repository", type=int, default=0, metavar="N", help="from this repository; the plan chooses by default")
    command.add_argument("--seed", default="", help="for random; the day by default")
    command.add_argument("--scenario", choices=SCENARIOS, default="", help="whose objectives count")
    command.add_argument("--rto", type=float, default=None, metavar="SECONDS", help="what a recovery may take, instead of the scenario's")
    command.add_argument("--rpo", type=float, default=None, metavar="SECONDS", help="what may be lost, instead of the scenario's")
    command.add_argument("--database", action="append", default=[], help="restore this database alone; may be given again")
    command.add_argument("--check", action="append", default=[], metavar="DATABASE:SQL=EXPECTED", help="must be true in the copy")
    command.add_argument("--amcheck", choices=AMCHECKS, default=FULL, help="quick does not look for rows that indexes lack")
    command.add_argument("--no-dump", action="store_true", help="do not try whether it can be dumped")
    command.add_argument("--directory", default="", help="an empty one of postgres's for the copy")
    command.add_argument("--memory", type=int, default=MEMORY // MIB, metavar="MIB", help=f"at least {LEAST_MEMORY // MIB}")
    command.add_argument("--preload", action="append", default=[], metavar="LIBRARY", help="in the copy's shared_preload_libraries")
    command.add_argument("--note", action="append", default=[], help="for the report; may be given again")
    command.add_argument("--keep", action="store_true", help=f"leave the copy on 127.0.0.1:{PORT}")
    command.add_argument("--plan", action="store_true", help="say what would be drilled; nothing is done")
    command.add_argument("--last", action="store_true", help="print the page of the newest drill")
    command.add_argument("--absent", action="store_true", help="remove the copy that a drill has left")
    command.set_defaults(act=_drill, scope="drill")


def _drill(settings: Settings, stanzas: Sequence[Stanza], options: argparse.Namespace) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, scratch_cli.interrupted)  # what was made is removed on the way out
    try:
        if len(stanzas) != 1:
            names = ", ".join(stanza.name for stanza in stanzas)
            raise Refusal(Problem(f"the stanzas {names}", "one of them", f"axiomdb-recovery drill --stanza={stanzas[0].name}"))
        return _one(settings, stanzas[0], options)
    except NothingDrilled as refusal:
        sys.stderr.write(f"REFUSED, nothing was drilled. {refusal}\n")
        return BAD
    except (Refusal, CommandFailed, NotAnswering, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return BAD


def _one(settings: Settings, stanza: Stanza, options: argparse.Namespace) -> int:
    now = time.time()
    if options.absent:
        gone = drill_keep.remove(stanza.name)
        _write("\n".join(f"Removed the copy {entry.name} in {entry.directory}." for entry in gone) or "No drill has left a copy.")
        return GOOD
    if options.last:
        return _last(stanza, options, now)
    order = order_of(options)
    if options.plan:
        target, seed, chosen = drill_run.foretell(order, stanza, now)
        if options.json:
            _write(json.dumps({"target": target, "seed": seed, "plan": plan.document(chosen.plan)}, sort_keys=True))
        else:
            _write("\n".join([*plan.lines(chosen.plan), *drill.foretold(order, target, seed), f"PLAN: {stanza.name}: nothing was done."]))
        return GOOD
    found = drill_run.carry_out(order, stanza, settings.host, now, _tell)
    place = str(drill_reports.directory(stanza.name))
    _write(json.dumps(found, sort_keys=True) if options.json else "\n".join(drill_report.lines(found, place)))
    return GOOD if found["passed"] else BAD


def _last(stanza: Stanza, options: argparse.Namespace, now: float) -> int:
    known = drill_reports.known(stanza.name)
    if not known:
        raise Refusal(Problem(f"no drill of {stanza.name}", "one", "sudo /opt/axiomdb/axiomdb-recovery drill"))
    _write(json.dumps(known[-1], sort_keys=True) if options.json else drill_report.page(known[-1], known, now).rstrip("\n"))
    return GOOD


def order_of(options: argparse.Namespace) -> Order:
    """What was typed, as the engine knows it. Raises Refusal."""
    order = Order(
        options.target,
        options.set,
        options.repository,
        options.seed,
        options.scenario,
        tuple(options.database),
        tuple(check_of(text) for text in options.check),
        amcheck=options.amcheck,
        dump=not options.no_dump,
        keep=options.keep,
        directory=options.directory,
        memory=options.memory * MIB,
        notes=tuple(options.note),
        preload=tuple(options.preload),
    )
    return replace(order, objectives=tuple(_asked(one, options) for one in OBJECTIVES))


def _asked(one: Objective, options: argparse.Namespace) -> Objective:
    typed = {"RTO": options.rto, "RPO": options.rpo}
    rto, rpo = (known if given is None else given for given, known in zip(typed.values(), (one.rto_seconds, one.rpo_seconds), strict=True))
    return replace(one, rto_seconds=rto, rpo_seconds=rpo, by_default=tuple(name for name in one.by_default if typed[name] is None))


def _tell(line: str) -> None:
    sys.stderr.write(f"{moment(time.time())} {line}\n")
    sys.stderr.flush()


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
