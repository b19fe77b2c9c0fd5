# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host remembers of times in the WAL: its heartbeats, and up to which commit a rebuild has brought back the life before."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from . import restore_journal, state
from .history import Tree
from .moments import Moment, parse_heartbeats
from .restoring import Journal
from .wal import Lsn


def heartbeats(stanza: str) -> tuple[Moment, ...]:
    """The heartbeats that this host has written; nothing where it keeps none."""
    file = state.DIRECTORY / stanza / "heartbeats.jsonl"
    return parse_heartbeats(file.read_text(encoding="utf-8", errors="replace")) if file.exists() else ()


def of_rebuilds(stanza: str, systems: Iterable[int], trees: Iterable[Tree]) -> tuple[Moment, ...]:
    """The last commits that rebuilds of these systems on this host have brought back: a lost host's heartbeats are lost with it."""
    known, paths = set(systems), list(trees)
    journals = [one for one in restore_journal.every(stanza) if one.order.rebuild and one.home.system_id in known]
    return tuple(moment for one in journals if (moment := last_of(one, paths)) is not None)


def last_of(journal: Journal, trees: Iterable[Tree]) -> Moment | None:
    """The last commit before the fork at which the timeline of a rebuild began; None where it found none."""
    with suppress(KeyError, TypeError, ValueError):
        commit, lsn = journal.recovered["commit"], Lsn.parse(str(journal.recovered["lsn"]))
        # The timeline of a rehearsal is nobody's: another one may have its number.
        left = 0 if journal.order.rehearsal else _left(journal.timeline, trees)
        return Moment(float(commit), lsn, left or int(journal.plan["timeline"]), commit=True)
    return None


def _left(timeline: int, trees: Iterable[Tree]) -> int:
    """The timeline that another one has left; 0 where no history tells. A recovery along 2 may end where 1 was still written."""
    paths = (tree.path(timeline) for tree in trees if timeline)
    return next((path[-2].timeline for path in paths if len(path) > 1), 0)
