# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How old the newest backup of each repository is, and from when on it is too old."""

from __future__ import annotations

from collections.abc import Iterator

from .catalog import Backup
from .spoken import age
from .summary import Picture

AHEAD = 300.0  # seconds by which a backup may have ended in the future: a clock that was set right meanwhile


def newest_times(picture: Picture) -> dict[int, float]:
    """When the newest usable backup of each repository ended. On a standby, and where there is none, there is nothing to grow old.

    A backup of the future, made while the clock was ahead, proves nothing beside one that is not.
    """
    found = {}
    for number, backups in _usable(picture):
        past = [float(backup.stopped) for backup in backups if backup.stopped <= picture.now + AHEAD]
        if past:
            found[number] = max(past)
    return found


def too_old(picture: Picture, limit: float) -> dict[str, str]:
    """One sentence for each repository whose newest usable backup is older than `limit` seconds, by topic."""
    old = {
        number: f"the newest backup in repository {number} is {age(picture.now - time)} old"
        for number, time in newest_times(picture).items()
        if picture.now - time > limit
    }
    for number, backups in _usable(picture):
        if all(backup.stopped > picture.now + AHEAD for backup in backups):
            old[number] = f"the newest backup in repository {number} is of the future ({backups[-1].label}): this clock went back"
    return {f"age {number}": f"{text}. Type: sudo /opt/axiomdb/axiomdb-recovery backup" for number, text in sorted(old.items())}


def _usable(picture: Picture) -> Iterator[tuple[int, tuple[Backup, ...]]]:
    if picture.server is None or picture.standby:
        return
    for repository in picture.repositories:
        backups = repository.usable_backups(picture.server.system_id)
        if backups:
            yield repository.number, backups
