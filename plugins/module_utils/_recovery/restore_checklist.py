# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two checklists of a recovery in place, each line with its result: done, failed, open, or not asked for and by what it would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from . import restore_told, restoring
from .restoring import Check, Home, Journal, Order
from .spoken import human

DONE, FAILED, OPEN, UNASKED = "done", "FAILED", "open", "not asked"
OPERATIONS = "/var/log/axiomdb/operations.jsonl"
MINUTES = 30  # how long error rates are to be watched


@dataclass(frozen=True)
class Hook:
    """A command of whoever recovers, and why it failed; empty when it did not. None for one that has not run yet."""

    name: str
    reason: str | None = None


@dataclass(frozen=True)
class Line:
    """A line of a checklist."""

    what: str
    result: str
    detail: str = ""


@dataclass(frozen=True)
class Seen:
    """What was looked at when the clients were back: how many minutes, which endpoints, and all that was not well."""

    minutes: int = 0
    endpoints: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[str, ...] = ()


def before(order: Order, home: Home, plan: Mapping[str, Any], hooks: Sequence[Hook], *, confirmed: bool) -> list[Line]:
    """What is to be done before anything is touched. `plan` is its document."""
    confirmation = home.confirmation(keep=order.keep)
    here = f"in place, {confirmation}; no branch is made"
    found = f"repository {plan['repository']}, set {plan['backup']}"
    return [
        Line("Identify the restore point", DONE, f"{order.target}: {found}, timeline {plan['timeline']}"),
        Line("Confirm the target", DONE if confirmed else OPEN, here if confirmed else f"restore_confirm={confirmation}"),
        Line("Verify backup availability", DONE, found),
        _space(order, plan),
        _hooks("Notify stakeholders of the downtime", hooks, "restore_hooks_before"),
        Line("Document the reason", DONE if order.reason.strip() else FAILED, order.reason.strip() or "restore_reason"),
        Line("Test the restore beside production", UNASKED, "restore_rehearse=true"),
    ]


def _space(order: Order, plan: Mapping[str, Any]) -> Line:
    what, free = "Check the disk space", plan["free_bytes"]
    if free is None:  # a plan that restores looks for it
        return Line(what, DONE, "no room is needed: a recovery that was paused moves on, and nothing is restored")
    enough = free >= plan["needed_bytes"] or not order.keep
    return Line(what, DONE if enough else FAILED, f"{human(plan['needed_bytes'])} needed at most, {human(free)} free")


def _hooks(what: str, hooks: Sequence[Hook], variable: str) -> Line:
    if not hooks:
        return Line(what, UNASKED, variable)
    failed = [f"{hook.name}: {hook.reason}" for hook in hooks if hook.reason]
    if failed:
        return Line(what, FAILED, ", ".join(failed))
    waiting = any(hook.reason is None for hook in hooks)
    return Line(what, OPEN if waiting else DONE, ", ".join(hook.name for hook in hooks))


def after(journal: Journal, hooks: Sequence[Hook], seen: Seen) -> list[Line]:
    """What is to be done when it is over."""
    migrations = [check for check in journal.order.checks if "migration" in f"{check.name} {check.sql}".lower()]
    others = [check for check in journal.order.checks if check not in migrations]
    bad = [sentence for sentence in seen.endpoints.values() if sentence]
    return [
        _connectivity(journal),
        _checks("Check table counts", others, journal, "restore_checks"),
        _services(journal),
        _checks("Verify recent migrations", migrations, journal, "restore_checks, with one that is named migrations"),
        _asked("Test critical endpoints", list(seen.endpoints), bad, "restore_http_checks"),
        _watched(seen),
        _hooks("Update the status page", hooks, "restore_hooks_after"),
        Line("Document the outcome", OPEN, restoring.go_on(journal)) if journal.is_open else Line("Document the outcome", DONE, OPERATIONS),
    ]


def _connectivity(journal: Journal) -> Line:
    what = "Verify connectivity"
    if journal.went_back:
        return Line(what, FAILED, f"not recovered, the old data serves again: {journal.trouble or 'as it was asked for'}")
    if restoring.SERVE in journal.ended:
        return Line(what, DONE, f"the server answers, on timeline {journal.timeline}")
    return Line(what, FAILED if journal.trouble else OPEN, journal.trouble or f"next: {restore_told.coming(journal)}")


def _checks(what: str, checks: Sequence[Check], journal: Journal, variable: str) -> Line:
    if not checks:
        return Line(what, UNASKED, variable)
    names = ", ".join(check.name for check in checks)
    if restoring.PROVE in journal.ended:
        return Line(what, DONE, names)
    failed = [check.name for check in checks if f"for the check {check.name};" in journal.trouble]
    return Line(what, FAILED if failed else OPEN, ", ".join(failed) or names)


def _services(journal: Journal) -> Line:
    clients = journal.clients or restoring.Clients()
    back = [*clients.services, *(f"{name} in PgBouncer" for name in clients.pools)]
    line = _asked("Run application health checks", back, list(clients.trouble), "restore_services")
    waits = journal.is_open and restoring.SERVE not in journal.ended
    return Line(line.what, OPEN, f"not let in yet: {line.detail}") if back and waits else line


def _asked(what: str, names: Sequence[str], bad: Sequence[str], variable: str) -> Line:
    if not names:
        return Line(what, UNASKED, variable)
    return Line(what, FAILED, " ".join(bad)) if bad else Line(what, DONE, ", ".join(names))


def _watched(seen: Seen) -> Line:
    what = "Monitor error rates"
    others = [sentence for sentence in seen.findings if sentence not in seen.endpoints.values()]
    if others:
        return Line(what, FAILED, " ".join(others))
    if not seen.minutes:
        return Line(what, UNASKED, f"restore_watch_minutes={MINUTES}")
    return Line(what, DONE, f"{seen.minutes} minutes, nothing found")


def table(title: str, lines: Sequence[Line]) -> list[str]:
    """A checklist for a person."""
    width = max(len(line.what) for line in lines)
    return [f"  {title}", *(f"  {line.result:<12} {line.what:<{width}}  {line.detail}".rstrip() for line in lines)]


def document(name: str, lines: Sequence[Line]) -> list[dict[str, str]]:
    """A checklist as JSON has it."""
    return [{"list": name, **asdict(line)} for line in lines]
