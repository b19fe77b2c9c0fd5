# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drills that have ended, for the tests; times and outcomes are theirs to choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from _recovery import drill
from _recovery.drill import LADDER, PASSED, Drill, Measured, Order, Phase, Rung
from archives import NOW, Scene

BEST = Scene().planned("lsn:0/7000050")
PLAIN, SEEN = Order(), Measured(1 << 30, 1 << 26, NOW - 40, NOW - 35, 40.0)
TOOK = {name: 1000 for name in (*LADDER, drill.REMOVE)}


def ended(
    began: float = NOW,
    took: Mapping[str, int] | None = None,
    failed: Mapping[str, str] | None = None,
    order: Order = PLAIN,
    measured: Measured = SEEN,
    **more: Any,
) -> Drill:
    """A drill of which everything took a second and passed, but for what is said; times in milliseconds."""
    failed = failed or {}
    rungs = tuple(
        Rung(name, drill.FAILED, "", (failed[name],)) if name in failed else Rung(name, PASSED, f"{name} is well") for name in LADDER
    )
    phases = tuple(Phase(name, milliseconds) for name, milliseconds in {**TOOK, **(took or {})}.items())
    given = {"target": "latest", "plan": BEST, "version": "17", "system_id": 7, **more}
    return Drill("vps1", "axiomdb", began, order, rungs, phases, measured, **given)
