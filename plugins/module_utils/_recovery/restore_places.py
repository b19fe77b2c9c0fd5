# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The places of a recovery in place: what lies there is put aside, put back or removed, at a mount point entry by entry."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from . import aside, aside_within, host, kept_inodes
from .kept_names import KEPT, RETURNING, is_within, other
from .problem import Problem, Refusal
from .restoring import Home, Journal
from .scratch_copy import Failed
from .stepping_down import ids


def owner() -> tuple[int, int]:
    """The user and the group of data directories."""
    return ids("postgres", "postgres")


def holds(home: Home, place: str) -> bool:
    """Whether data lies at a place. A mount point is always there: what lies in it counts."""
    if place in home.mounts:
        return os.path.isdir(place) and bool(aside_within.content(place))
    return os.path.lexists(place)


def there(home: Home) -> tuple[str, ...]:
    """The places where data lies now. Written down before any of it is renamed: whoever goes back knows what to look for."""
    return tuple(place for place in (home.directory, *home.tablespaces) if holds(home, place))


def keep(place: str, kept: str) -> None:
    """Put what lies at a place aside; nothing to do when that was done, or when nothing lies there. Raises Refusal."""
    if is_within(place, kept):
        aside_within.collect(place, kept, *owner())
    elif os.path.lexists(place) and not os.path.lexists(kept):
        aside.rename(place, kept, owner()[0])


def put_back(place: str, kept: str) -> None:
    """Put back what is kept of a place; nothing to do when that was done. Raises Refusal when something else lies there."""
    if is_within(place, kept):
        aside_within.give_back(place, kept, owner()[0])
    elif os.path.lexists(kept):
        aside.rename(kept, place, owner()[0])


def is_waiting(place: str, kept: str) -> bool:
    """Whether something kept waits to be put back, or all the rest of it."""
    return os.path.lexists(kept) or (is_within(place, kept) and os.path.lexists(other(kept, RETURNING)))


def of_version(home: Home, location: str) -> list[str]:
    """The directories of the cluster's version in the location of a tablespace, but kept ones."""
    found = sorted(Path(location).glob(f"PG_{home.version}_*"))
    return [str(path) for path in found if f".{KEPT}-" not in path.name]


def restored(journal: Journal) -> list[str]:
    """Where restored data may lie: the places of before, and those of the set's tablespaces."""
    made = [place for location in journal.home.locations for place in of_version(journal.home, location)]
    return list(dict.fromkeys((*journal.places, *made)))


def remove_restored(journal: Journal) -> None:
    """Remove what was restored: never the old data, which is kept or was nowhere."""
    for place in restored(journal):
        kept = journal.kept_of(place)
        if place in journal.had and not os.path.lexists(kept):
            continue  # the old data itself
        if is_within(place, kept):
            aside_within.empty(place, kept, owner()[0])
        else:
            aside.remove(place, owner()[0])


def take_back(journal: Journal) -> None:
    """Remove what was restored, and put the old data where it was. Once some of it is back nothing restored is left to remove."""
    if journal.has_restored and not kept_inodes.is_returning(journal):
        remove_restored(journal)
        if journal.wal:
            aside.remove(journal.wal, owner()[0])
    for place, kept in journal.moves.items():
        put_back(place, kept)


def refuse_unmounted(home: Home) -> None:
    """Raise Refusal when nothing is mounted where the data or its WAL lies, or above it: what is below is not the cluster's."""
    _refuse_without(home, {*home.mounts, *home.above})
    if home.wal and not os.path.isdir(home.wal):
        raise Refusal(Problem(f"nothing at {home.wal}", "the WAL of the data directory", f"mount what belongs there; ls -ld {home.wal}"))


def refuse_kept_away(journal: Journal) -> None:
    """Raise Refusal when nothing is mounted where a recovery keeps data, or above it: nobody sees then whether that is still there.

    The WAL is no sign of it: a release removes that with the data.
    """
    points = {*journal.home.mounts, *journal.home.above}
    _refuse_without(journal.home, {point for point in points for kept in journal.moves.values() if kept.startswith(f"{point}/")})


def _refuse_without(home: Home, points: Iterable[str]) -> None:
    gone = [point for point in sorted(points) if not host.mounted(point)]
    if gone:
        held = "the filesystem of the data directory" if gone[0] in home.mounts else f"the filesystem that held {_below(home, gone[0])}"
        raise Refusal(Problem(f"nothing mounted on {' and '.join(gone)}", held, f"sudo mount {'; sudo mount '.join(gone)}"))


def mounts_above(home: Home) -> tuple[str, ...]:
    """What is mounted now on the way to the places of a cluster, with what was known before."""
    found = host.mounts_above(home.directory, *home.tablespaces, *home.locations, *([home.wal] if home.wal else []))
    return tuple(sorted({*home.above, *found}))


def _below(home: Home, point: str) -> str:
    """What of a cluster lies below a mount point, for a person."""
    places = (home.directory, *home.tablespaces, *home.locations, home.wal)
    return next((place for place in places if place.startswith(f"{point}/") or place == point), "data of the cluster")


def refuse_running(home: Home) -> None:
    """Raise Failed when a server runs on the data: whoever was killed may go on when somebody has started it meanwhile."""
    running = host.postmaster(home.directory)
    if running is not None:
        raise Failed(Problem(f"the process {running[0]} on {home.directory}", "no server there", f"ps -fp {running[0]}"))


def lost(journal: Journal) -> Problem | None:
    """Why the old data is not where it was: a place is empty, or something else lies there."""
    missing = [place for place in journal.had if not _is_back(journal, place)]
    if not missing:
        return None
    look = " ".join(f"{place}/.*" if place in journal.home.mounts else f"{place}*" for place in missing)
    what = "something else" if any(holds(journal.home, place) for place in missing) else "nothing"
    return Problem(f"{what} at {', '.join(missing)}", "the old data, which was kept", f"ls -d {look}")


def _is_back(journal: Journal, place: str) -> bool:
    return holds(journal.home, place) and kept_inodes.is_at(place, place, journal.inodes.get(place, {}))
