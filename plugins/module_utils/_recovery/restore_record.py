# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal of a recovery as JSON has it, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from . import restore_bounds
from .restoring import PHASES, Clients, Home, Journal, Order, checks_of
from .scratch import Goal
from .wal import Lsn


def document(journal: Journal) -> dict[str, Any]:
    """The journal as JSON has it."""
    goal = {**asdict(journal.goal), "lsn": str(journal.goal.lsn) if journal.goal.lsn else None}
    return {**asdict(journal), "goal": goal}


def parse(found: Mapping[str, Any]) -> Journal:
    """Read it back. Raises KeyError, TypeError or ValueError for anything else."""
    given = {key: value for key, value in found.items() if key != "format"}
    order = dict(given.pop("order"))
    order["checks"] = checks_of(order["checks"])
    order["services"] = tuple(order.get("services", ()))
    home = dict(given.pop("home"))
    home |= {key: tuple(home.get(key, ())) for key in ("tablespaces", "mounts", "locations", "above")}
    given |= {key: tuple(given.get(key, ())) for key in ("had", "returns")}
    if given.get("clients") is not None:
        given["clients"] = Clients(**{name: tuple(value) for name, value in given["clients"].items()})
    goal = dict(given.pop("goal"))
    goal["lsn"] = Lsn.parse(goal["lsn"]) if goal["lsn"] else None
    journal = Journal(order=Order(**order), home=Home(**home), goal=Goal(**goal), **given)
    if journal.is_open and journal.phase not in PHASES:
        raise ValueError(f"Found the phase '{journal.phase}'; expected one of {', '.join(PHASES)}.")
    restore_bounds.judge(journal)
    return journal
