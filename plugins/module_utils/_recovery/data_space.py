# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the data of a cluster takes on each filesystem: tablespaces and WAL behind links may lie on others than the data directory."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from .reach import Room

BLOCK = 512  # bytes; source: stat(2), st_blocks


def held(directory: str) -> tuple[int, tuple[Room, ...]]:
    """Bytes that the disk below a data directory has free again once the data is removed, and the rooms on other filesystems.

    What lies where links lead to is data too, and counted once.
    """
    links = [Path(directory, "pg_wal"), *Path(directory, "pg_tblspc").glob("*")]
    found: dict[int, dict[int, int]] = {os.stat(directory).st_dev: {}}
    places: dict[int, str] = {}
    for top in (directory, *(str(link.resolve()) for link in links if link.is_symlink() and link.exists())):
        places.setdefault(os.stat(top).st_dev, top)
        for folder, _folders, names in os.walk(top):
            for name in names:
                with suppress(FileNotFoundError):  # a server removes files of its own
                    entry = os.lstat(os.path.join(folder, name))
                    found.setdefault(entry.st_dev, {})[entry.st_ino] = entry.st_blocks * BLOCK
    own, *others = places
    rooms = [Room(places[device], sum(found.get(device, {}).values()), shutil.disk_usage(places[device]).free) for device in others]
    return sum(found[own].values()), tuple(rooms)
