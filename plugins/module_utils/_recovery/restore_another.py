# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of a recovery that failed: who serves now, and another set, of other files, that leads to the same target."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from . import held_server, horizon, host, restore_journal, restoring, target
from .plan import Plan
from .postgres import Cluster, NotAnswering
from .problem import Refusal
from .restoring import Journal, Order
from .run import CommandFailed
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


def sentence(journal: Journal) -> str:
    """Which other set leads to the target, where the set itself was what failed."""
    if journal.phase not in (restoring.RESTORE, restoring.RECOVER) or journal.undoes:
        return ""
    home = journal.home
    with suppress(Refusal, CommandFailed, NotAnswering, OSError):
        cluster = Cluster(home.version, home.cluster, home.port)
        by_another = target_by_another(journal.order, home.stanza, cluster, journal.goal.label)
        if by_another:
            return f" Another set leads there too: {restoring.TOOL} restore '{by_another}' --stanza={home.stanza}"
    return ""


def serving(journal: Journal) -> str:
    """Who serves now, in a sentence: nobody's clients may think that a copy is the old data."""
    home, place = journal.home, restore_journal.place(journal.home.stanza)
    running = host.postmaster(home.directory)
    if running is None:
        return f"No server runs on {home.directory}; clients are kept out."
    if held_server.state(place):
        return f"The server of {home.version}/{home.cluster} runs on {home.directory}."
    return f"The held server runs on {home.directory}, which nobody has accepted; clients are kept out."
