# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which set and target a drill takes, and what was mistyped: that is refused, it is no recovery that fails. Pure."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches

from . import preloading, target
from .catalog import Backup
from .drill import COPY, NEWEST, OLDEST, RANDOM, REMOVE, SITE, SITE_LADDER, Order
from .problem import Problem, Refusal
from .reach import Here
from .scratch import LEAST_MEMORY
from .snapshots import Snapshot
from .spoken import human
from .target import BACKUP, LATEST, LSN, POINT, TIME, Target, exact
from .wal import Lsn
from .window import SAFE, Outlook, Stretch

NOTHING = Problem("no set from which anything can be recovered", "one", "sudo /opt/axiomdb/axiomdb-recovery status")


SHOWN = 8  # sets that a refusal names, the newest ones


class NothingDrilled(Refusal):
    """Raised for what was mistyped: nothing was made, and nothing is kept of it. Only whoever typed it is told."""


def judge(order: Order) -> list[Problem]:
    """What speaks against a drill before anything is looked at."""
    problems = [*_judge_form(order), *preloading.judge(order.preload)]
    declared = [one.scenario for one in order.objectives]
    if order.scenario and order.scenario not in declared:
        problems.append(Problem(f"the scenario {order.scenario}", f"one of {', '.join(declared)}", "correct drill_scenario"))
    for one in (one for one in order.checks if not one.sql.strip()):
        problems.append(
            Problem(f"the check {one.name or one.database} without a query", "one that proves something", "correct drill_checks")
        )
    if order.kind == COPY and order.memory < LEAST_MEMORY:
        problems.append(Problem(f"a memory bound of {human(order.memory)}", f"at least {human(LEAST_MEMORY)}", "correct drill_memory_mib"))
    if order.label and order.target.startswith("backup:") and order.target != f"backup:{order.label}":
        problems.append(Problem(f"{order.target} and the set {order.label}", "one set", "leave one of them out"))
    given = {"databases": ",".join(order.databases), "directory": order.directory, "preload_libraries": ",".join(order.preload)}
    for name, value in given.items() if order.kind == SITE else ():
        if value:
            whole = "the whole cluster in its own place, with its own settings, as a rebuild brings it back"
            problems.append(Problem(f"drill_{name}={value} for a lost site", whole, "leave it out, or drill with drill_kind=copy"))
    known = (*SITE_LADDER, REMOVE)
    for name in (name for one in order.objectives for name in one.phases if name not in known):
        problems.append(Problem(f"an objective of the phase {name}", f"one of {', '.join(known)}", "correct recovery_objectives"))
    return problems


def is_typed(order: Order) -> bool:
    """Whether somebody typed the moment itself; what is chosen for them is never mistyped."""
    return order.target not in (NEWEST, OLDEST, RANDOM)


def _judge_form(order: Order) -> list[Problem]:
    """Whether the target and the set can be read at all. A set is looked for first where nothing is provisioned for that."""
    problems = []
    if is_typed(order):
        problems += _unread(order.target, f"{NEWEST}, {OLDEST}, {RANDOM}, ")
    malformed = judge_form_of_label(order)
    return [*problems, malformed] if malformed and order.kind == SITE else problems


def judge_form_of_label(order: Order) -> Problem | None:
    """Why the set that was named has no name of a set."""
    if not order.label or target.LABEL.fullmatch(order.label):
        return None
    expected = "the label of a set, as the status shows it, such as 20261122-020001F"
    return Problem(f"the set '{order.label}'", expected, "correct drill_set, or --set")


def _unread(text: str, more: str) -> list[Problem]:
    try:
        target.parse(text)
    except Refusal as refusal:
        return [
            Problem(one.found, f"{more}{one.expected}" if one.expected.startswith("one of ") else one.expected, one.next_step)
            for one in refusal.problems
        ]
    return []


def judge_repository(order: Order, configured: Collection[int]) -> Problem | None:
    """Why the repository cannot be meant; `configured` are those of this host."""
    if not order.repository or order.repository in configured or not configured:
        return None
    known = ", ".join(map(str, configured))
    return Problem(f"no repository {order.repository} on this host", f"one of {known}", "correct drill_repository, or --repository")


def judge_label(order: Order, outlooks: Sequence[Outlook]) -> Problem | None:
    """Why the set cannot be meant: no repository has ever said that it holds it. One that is lost or broken is another matter.

    `outlooks` are of all repositories; where one was named, its sets are those that could be meant. One without any has lost them.
    """
    label, typed = _label_of(order)
    sets = _catalogue(outlooks)
    labels = [one.label for one in _catalogue([one for one in outlooks if order.repository in (0, one.repository.number)])]
    if not label or not sets or not labels or label in {one.label for one in sets}:
        return judge_form_of_label(order)
    where = ", ".join(str(one.repository.number) for one in outlooks)
    shown = ", ".join(labels[-SHOWN:]) + (f" and {len(labels) - SHOWN} older" if len(labels) > SHOWN else "")
    nearest = get_close_matches(label, labels, 1, 0.0)[0]
    return Problem(f"no set {label} in repository {where}", f"one of {shown}", f"type the same with {typed.format(nearest)}")


def _label_of(order: Order) -> tuple[str, str]:
    """The set that was named, and how it is typed."""
    if order.label:
        return order.label, "drill_set={0}, or --set={0}"
    if not is_typed(order):
        return "", ""
    return target.parse(order.target).backup, "backup:{0}"


def _catalogue(outlooks: Sequence[Outlook]) -> list[Backup]:
    """Each set that the repositories name, lost ones too, the oldest first; nothing where one of them could not be read."""
    if not all(one.repository.readable for one in outlooks):
        return []
    found = {one.label: one for outlook in outlooks for one in outlook.repository.current_backups}
    return sorted(found.values(), key=lambda one: (one.stopped, one.label))


def is_mistyped(wanted: Target, outlooks: Sequence[Outlook], snapshots: Sequence[Snapshot], here: Here) -> bool:
    """Whether a target that nothing leads to never was one: before the first set, in the future, or of a name that nobody gave.

    `outlooks` are of all repositories: what any of them knows was there, and the one that was named has lost it.
    Where this cannot be told apart from something that is lost, it is a recovery that fails.
    """
    sets = _catalogue(outlooks)
    if not sets:
        return False
    known = {here.timeline, *(timeline for one in outlooks for timeline in one.windows)}
    if wanted.timeline > max(known):
        return True
    if wanted.kind == POINT:
        return wanted.name not in {one.name for one in snapshots}
    if wanted.kind == TIME and wanted.time is not None:
        return not sets[0].stopped + SAFE <= wanted.time.timestamp() <= here.now
    if wanted.kind == LSN and wanted.lsn is not None:
        ends = [Lsn.parse(one.lsn_stop) for one in sets if one.lsn_stop]
        ahead = here.lsn is not None and wanted.lsn > here.lsn and wanted.timeline in (0, here.timeline)
        return ahead or (len(ends) == len(sets) and wanted.lsn < min(ends))
    return False


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
