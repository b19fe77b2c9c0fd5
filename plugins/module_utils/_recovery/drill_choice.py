# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which target a drill takes: the newest, the oldest, or one of the window by a seed. Pure; `now` and the seed are arguments."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime

from .catalog import Backup
from .drill import NEWEST, OLDEST, RANDOM, Order
from .problem import Problem
from .target import BACKUP, LATEST, exact
from .window import Outlook, Stretch

NOTHING = Problem("no set from which anything can be recovered", "one", "sudo /opt/axiomdb/axiomdb-recovery status")


def seed_of(order: Order, now: float) -> str:
    """The seed that was given, or the day."""
    return order.seed or datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")


def choose(order: Order, outlooks: Sequence[Outlook], seed: str) -> str | Problem:
    """The target as it can be typed."""
    if order.target == NEWEST:
        return _of_set(LATEST, order.label)
    if order.target not in (OLDEST, RANDOM):
        kind = order.target.partition(":")[0]
        return order.target if kind == BACKUP else _of_set(order.target, order.label)
    stretches = [one for outlook in outlooks if outlook.newest for one in outlook.newest.stretches]
    sets = _sets(stretches, order.label)
    if not sets:
        return NOTHING if not order.label else Problem(f"no usable set {order.label}", "one", NOTHING.next_step)
    if order.target == OLDEST:
        return f"{BACKUP}:{min(sets, key=lambda one: (one.stopped, one.label)).label}"
    return _by_seed(stretches, sets, order.label, random.Random(seed))


def _of_set(target: str, label: str) -> str:
    return f"{target},{BACKUP}:{label}" if label else target


def _sets(stretches: Sequence[Stretch], label: str) -> list[Backup]:
    found = {one.label: one for stretch in stretches for one in stretch.sets if label in ("", one.label)}
    return sorted(found.values(), key=lambda one: (one.stopped, one.label))


def _by_seed(stretches: Sequence[Stretch], sets: Sequence[Backup], label: str, rng: random.Random) -> str:
    """A moment of the times that can be recovered, each as likely as any other; where no time is known, the end of a set."""
    since = sets[0].stopped + 1.0 if label else 0.0
    ends = {(max(one.first, since), one.end) for stretch in stretches for one in stretch.spans if one.end is not None}
    spans = [(first, end) for first, end in sorted(ends) if end > first]
    whole = sum(end - first for first, end in spans)
    if whole <= 0:
        return f"{BACKUP}:{rng.choice(list(sets)).label}"
    left = rng.random() * whole
    for first, end in spans:
        if left < end - first:
            return _of_set(f"time:{exact(first + left)}", label)
        left -= end - first
    return _of_set(f"time:{exact(spans[-1][0])}", label)
