# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a set could not be restored: another one, of other files, that leads to the same target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from . import horizon, target
from .plan import Plan
from .postgres import Cluster
from .restoring import Order
from .target import BACKUP
from .window import Outlook

FULL = len("20261122-020001F")  # characters of a label: the full backup on which a set stands
TRIED = 20


def others(outlooks: Sequence[Outlook], failed: str) -> list[str]:
    """Labels of the usable sets that stand on another full backup, the newest first."""
    found = {backup.label for one in outlooks for window in one.windows.values() for stretch in window.stretches for backup in stretch.sets}
    return sorted((label for label in found if label[:FULL] != failed[:FULL]), reverse=True)


def target_by_another(order: Order, stanza: str, cluster: Cluster, failed: str) -> str:
    """The same target by another set, as it can be typed; empty when there is none. Raises Refusal as horizon.look does."""
    wanted = target.parse(order.target)
    if wanted.kind == BACKUP:
        return ""
    sight = horizon.look(stanza, cluster)
    sight = replace(sight, here=replace(sight.here, keep=order.keep))
    for label in others(sight.outlooks, failed)[:TRIED]:
        by_it = replace(wanted, backup=label)
        if isinstance(horizon.foresee(by_it, sight), Plan):
            return str(by_it)
    return ""
