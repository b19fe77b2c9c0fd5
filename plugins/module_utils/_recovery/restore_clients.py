# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps clients waiting while a cluster is recovered in place, and lets them go on. What is stopped is written down before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from . import pooler_console, postgres, restore_journal, restoring, waiting
from .postgres import NotAnswering
from .problem import Problem
from .restoring import Clients, Journal, Order
from .run import CommandFailed, run
from .scratch_copy import Failed
from .waiting import Seen

PAUSED_WITHIN = 10.0  # seconds for transactions that run; the server's fast shutdown ends those that are left
LEAST = 1.0  # seconds for each database, however long the others took
STARTED_WITHIN = 120.0  # seconds for each service
Tell = Callable[[str], None]


def look(services: Sequence[str], port: int) -> Seen:
    """Who would have to wait. Changes nothing. A pooler that does not answer keeps nobody from a recovery."""
    seen = Seen({unit: _state(unit) for unit in services}, answers=_answers(port))
    console = None if pooler_console.UNIT in services else pooler_console.find()
    if console is None:
        return seen
    try:
        running = console.look()
    except CommandFailed as error:
        return replace(seen, silent=str(error))
    patience = float(running.settings["query_wait_timeout"][0])
    pools = waiting.leading_to(running.databases, port)
    return replace(seen, pools=pools, patience=patience, endless=console.typed("SET query_wait_timeout = 0"))


def _answers(port: int) -> bool:
    try:
        return bool(postgres.ask(port, "select to_json(true)"))
    except NotAnswering:
        return False


def _state(unit: str) -> str:
    shown = run(["systemctl", "show", "--property=LoadState,ActiveState", "--", unit]).stdout
    return waiting.state_of(dict(line.split("=", 1) for line in shown.splitlines() if "=" in line))


def judge(journal: Journal, order: Order) -> list[Problem]:
    """What speaks against going on with an open recovery for those who wait, as they are declared now: as at its beginning.

    How long the pooler's clients would wait counts until they wait: to leave a recovery open later on helps none of them.
    """
    seconds = journal.plan.get("seconds") if restoring.stopped_nobody(journal) else None
    return waiting.judge(look(order.services, journal.home.port), float(seconds) if seconds is not None else None)


def hold(journal: Journal, tell: Tell) -> Journal:
    """Stop the services that run, then pause the pooler's databases. Raises Failed for a service that does not stop."""
    if journal.clients is None:
        seen = look(journal.order.services, journal.home.port)
        journal = restore_journal.save(replace(journal, clients=Clients(seen.running, seen.pools)))
    clients = journal.clients or Clients()
    for unit in clients.services:
        tell(f"stops {unit}")
        done = run(["systemctl", "stop", "--", unit])
        if done.code != 0:
            raise Failed(Problem(f"{unit}, which does not stop: {done.detail}", "it at rest", f"systemctl status {unit}"))
    if clients.pools:
        _pause(clients.pools, tell)
    return journal


def _pause(pools: Sequence[str], tell: Tell) -> None:
    """Pause each. From the first moment nobody new is let through; whoever asks for it only waits for those inside."""
    console = pooler_console.find()
    if console is None:
        tell("PgBouncer does not run: nothing to pause")
        return
    tell(f"pauses {', '.join(pools)} in PgBouncer: clients wait")
    deadline = time.monotonic() + PAUSED_WITHIN
    for name, word in zip(pools, waiting.quoted(pools), strict=True):
        done = console.command(f"PAUSE {word}", max(LEAST, deadline - time.monotonic()))
        if done.code != 0:
            tell(f"  {name} is not at rest ({done.detail}): what still runs there ends with the server")


def release(journal: Journal, tell: Tell) -> Journal:
    """Let the pooler's clients go on, and start the services, the last one first. What does not come back is told, and stops nothing."""
    clients = journal.clients
    if clients is None:
        return journal
    trouble = [*_resume(clients.pools, tell), *_start(clients.services, tell)]
    for sentence in trouble:
        tell(f"NOT BACK: {sentence}")
    return replace(journal, clients=replace(clients, trouble=tuple(trouble)))


def _resume(pools: Sequence[str], tell: Tell) -> list[str]:
    """What is wrong with those that could not be resumed."""
    console = pooler_console.find() if pools else None
    if pools and console is None:
        problem = Problem("no running PgBouncer", f"it, with {', '.join(pools)}", f"sudo systemctl start {pooler_console.UNIT}")
        return [problem.sentence()]
    trouble = []
    for name, word in zip(pools, waiting.quoted(pools), strict=True):
        done = console.command(f"RESUME {word}") if console else None
        if console and done and done.code != 0 and waiting.refused_resume(done.detail):
            sentence = Problem(f"{name} paused in PgBouncer ({done.detail})", "its clients served", console.typed(f"RESUME {name}"))
            trouble.append(sentence.sentence())
        else:
            tell(f"clients of {name} go on")
    return trouble


def _start(services: Sequence[str], tell: Tell) -> list[str]:
    trouble = []
    for unit in reversed(services):
        run(["systemctl", "reset-failed", "--", unit])
        done = run(["systemctl", "start", "--", unit], timeout=STARTED_WITHIN)
        if done.code != 0:
            trouble.append(Problem(f"{unit}, which does not start: {done.detail}", "it running", f"systemctl status {unit}").sentence())
        else:
            tell(f"started {unit}")
    return trouble
