# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be on the disk before the next step: a power cut may keep any change that was not asked for by name, or none."""

from __future__ import annotations

import os


def sync(directory: str) -> None:
    """Make renames and removals in a directory durable."""
    _sync(directory, os.O_DIRECTORY)


def sync_file(path: str) -> None:
    """Make the content of a file durable."""
    _sync(path, os.O_NOFOLLOW)


def _sync(path: str, flag: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | flag)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
