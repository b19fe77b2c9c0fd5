# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules of a recovery in place and of a rebuild share: the order in their options, and the result that they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import plan, restore_consent, restore_journal, restore_record, state, target
from .plan import Plan
from .restoring import PROMOTES, Journal, Order, checks_of


def order_of(options: Mapping[str, Any], **more: Any) -> Order:
    """What was asked for, as the engine knows it; `more` is what one of them alone can be asked. Raises Refusal."""
    given = options["target"]
    text = str(target.parse(given if isinstance(given, dict) else str(given)))
    checks, services = checks_of(options["checks"]), tuple(options["services"])
    patience = options["patience_seconds"]
    return Order(text, options["reason"], options["action"], checks=checks, patience=patience, services=services, **more)


def result(
    lines: Sequence[str],
    *,
    action: str,
    journal: Journal | None = None,
    planned: Plan | None = None,
    told: Sequence[str] = (),
    begun: bool = False,
) -> dict[str, Any]:
    """What both return: the plan or the journal for a person, and what a play looks at; `action` is the one that was asked for."""
    return {
        "changed": begun,
        "begun": begun,
        "drift_is_listed": False,
        "summary": list(lines),
        "told": list(told),
        "plan": plan.document(planned) if planned else {},
        "digest": restore_consent.digest(planned) if planned else "",
        "journal": restore_record.document(journal) if journal else {},
        "serves": action == PROMOTES,
        "stops_next": journal is not None and journal.stops_next,
        "went_back": journal is not None and journal.went_back,
    }


def teller(told: list[str]) -> Callable[[str], None]:
    """Tells the log of each step, and the result."""

    def tell(line: str) -> None:
        state.log(restore_journal.LOG, line)
        told.append(line)

    return tell
