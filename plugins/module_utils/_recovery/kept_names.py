# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the directories are called that a recovery makes: beside a place, or within one that is a mount point and cannot be renamed."""

from __future__ import annotations

import os
import re

KEPT, KEEPING, RETURNING, RESTORING, RESTORED = "kept", "keeping", "returning", "restoring", "restored"
LOST = "lost+found"  # a filesystem's own
_STAMP = "[0-9]{8}-[0-9]{6}"
_OURS = re.compile(rf"\.(?:{'|'.join((KEPT, KEEPING, RETURNING, RESTORING, RESTORED))})-{_STAMP}")
_SUFFIX = re.compile(rf"-{_STAMP}$")


def kept(place: str, name: str, *, within: bool) -> str:
    """Where the recovery of this name keeps what was at a place; `within` for a mount point."""
    return f"{place}/.{KEPT}-{name}" if within else f"{place}.{KEPT}-{name}"


def is_within(place: str, path: str) -> bool:
    """Whether a path of `kept` lies within its place."""
    return os.path.dirname(path) == place


def other(path: str, state: str) -> str:
    """The directory of the same recovery in another state, for a path of `kept` within a mount point."""
    directory, name = os.path.split(path)
    return f"{directory}/.{state}-{name.split('-', 1)[1]}"


def is_ours(entry: str) -> bool:
    """Whether an entry of a mount point is one of these, and none of the data that lies there."""
    return _OURS.fullmatch(entry) is not None


def is_kept(entry: str) -> bool:
    """Whether an entry of a mount point is data that is kept."""
    return is_ours(entry) and entry.startswith(f".{KEPT}-")


def wal_beside(target: str, name: str) -> str:
    """Where the WAL of restored data lies when pg_wal was a link to `target`: beside it, without the name of an earlier recovery."""
    return f"{_SUFFIX.sub('', target)}-{name}" if target else ""
