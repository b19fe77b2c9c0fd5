# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proof of a drill as an annotation of the set that it restored: who may write it, and how long a recovery took by it. Pure.

Wherever the repository can be read it is known, also on a host that has never restored anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from .catalog import Backup, Repository
from .drill import REPLAY, RESTORE, SITE, START, Drill
from .rates import Rate, Rates, measured
from .spoken import moment

ANNOTATION = "axiomdb-drill"
_PART = r"(\d{1,18}) B in (\d{1,9}(?:\.\d+)?)s"
_PROOF = re.compile(rf"(\S+Z) passed \S+ in (\d{{1,9}})s(?:: restored {_PART}(?:, replayed {_PART})?)?")


def may_annotate(drill: Drill, live: int | None, standby: bool, paused: bool) -> str:
    """Why the set is not annotated with its proof; empty when it may be. `live` is the identifier of the server that answers here.

    Two hosts that write one catalogue lose a backup: only the host whose backups these are does it.
    """
    if drill.order.kind == SITE:
        return "the drill of a lost site writes nothing into a repository"
    if not drill.passed:
        return "a drill that failed proves nothing"
    if drill.order.databases:
        return f"a drill of {', '.join(drill.order.databases)} alone proves nothing of the others"
    if live != drill.system_id or standby:
        return "this host is not the one that writes these backups"
    return "jobs are paused" if paused else ""


def annotation(drill: Drill) -> dict[str, str]:
    """The proof as an annotation of the set: when, what, how long a recovery takes, and by which rates it restored and replayed."""
    found, took = drill.measured, drill.seconds
    parts = [f"restored {found.restored_bytes} B in {took.get(RESTORE, 0.0):.1f}s"] if found.restored_bytes else []
    if parts and found.wal_bytes:
        parts.append(f"replayed {found.wal_bytes} B in {took.get(START, 0.0) + took.get(REPLAY, 0.0):.1f}s")
    more = f": {', '.join(parts)}" if parts else ""
    return {ANNOTATION: f"{moment(drill.began)} passed {drill.target} in {drill.rto_seconds or 0:.0f}s{more}"}


def rates_of(repositories: Iterable[Repository]) -> Rates:
    """What the newest drill has measured of which a set says so; nothing where none does, or what it says cannot be read.

    An annotation without rates tells how long the whole recovery took: its set is counted as restored in that time.
    """
    found = [one for repository in repositories for backup in repository.backups if (one := _rates(backup)) is not None]
    return max(found, key=lambda one: one[0], default=(0.0, Rates()))[1]


def told(repositories: Iterable[Repository]) -> str:
    """What the newest drill of which a set says so has proven, for a host that has no report of one; empty where none says so."""
    found = [
        (known[0], repository.number, backup)
        for repository in repositories
        for backup in repository.backups
        if (known := _rates(backup)) is not None
    ]
    if not found:
        return ""
    at, number, backup = max(found, key=lambda one: one[0])
    took = backup.annotations[ANNOTATION].partition(" in ")[2].partition("s")[0]
    return (
        f"set {backup.label} of repository {number} was drilled on another host, or before a rebuild: passed on {moment(at)}, RTO {took} s"
    )


def _rates(backup: Backup) -> tuple[float, Rates] | None:
    proof = _PROOF.fullmatch(backup.annotations.get(ANNOTATION, ""))
    if proof is None:
        return None
    try:
        at = datetime.fromisoformat(proof[1]).timestamp()
    except ValueError:
        return None
    what = f"the drill of set {backup.label}"
    restored = (int(proof[3]), float(proof[4])) if proof[3] else (backup.size, float(proof[2]))
    replay: Rate | None = measured(int(proof[5]), float(proof[6]), at, what) if proof[5] else None
    restore = measured(*restored, at, what)
    return (at, Rates(restore, replay)) if restore else None
