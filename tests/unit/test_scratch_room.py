# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A copy is ended before it takes the last of a disk to which the live server writes too."""

from __future__ import annotations

import threading
from collections import namedtuple
from pathlib import Path

import pytest
from _recovery import scratch, scratch_copy, scratch_removal, scratch_room
from _recovery.scratch import GIB, MIB
from _recovery.scratch_copy import Failed
from _recovery.scratch_registry import Entry

Usage = namedtuple("Usage", "total used free")
TOTAL = 40 * GIB
LEAST = scratch.kept_free(TOTAL)


class Disk:
    """A disk whose free space is said; `ended` counts how often a copy was ended, and `seen` is set when it was."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free, self.ended, self.seen = LEAST, 0, threading.Event()
        monkeypatch.setattr(scratch_room.shutil, "disk_usage", lambda _path: Usage(TOTAL, 0, self.free))
        monkeypatch.setattr(scratch_room, "EACH", 0.001)

    def end(self, *_given: object) -> None:
        self.ended += 1
        self.seen.set()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_a_gibibyte_stays_free_or_a_twentieth_of_a_smaller_disk() -> None:
    assert (LEAST, scratch.kept_free(10 * GIB), scratch.kept_free(0)) == (GIB, 512 * MIB, 0)


def test_a_copy_that_leaves_enough_goes_on_and_one_that_does_not_is_ended(disk: Disk) -> None:
    room = scratch_room.Room("/copy", disk.end)
    room.look()
    assert (disk.ended, room.short) == (0, None)
    disk.free -= 1
    room.look()
    assert disk.ended == 1 and room.short is not None
    assert room.short.sentence() == (
        "Found 1024.0 MiB left on the disk of /copy while the copy was made or asked; expected at least 1.0 GiB, "
        "which stays free for the live server. Next: df -h; then make room there or choose another directory for the copy"
    )


def test_it_is_watched_while_it_is_made_and_ended_again_until_it_is_gone(disk: Disk) -> None:
    with scratch_room.watched("/copy", disk.end) as room:
        disk.free = 0
        assert disk.seen.wait(60)
        disk.seen.clear()
        assert disk.seen.wait(60)
    assert room.short is not None and not room._watch.is_alive()


def test_whatever_its_end_looked_like_the_disk_is_what_is_told(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry("one", str(tmp_path), "axiomdb", "17", "a drill", 0.0, 1, True, "")
    monkeypatch.setattr(scratch_removal, "end", disk.end)
    with pytest.raises(Failed, match="left on the disk of"), scratch_copy._bounded(entry):
        disk.free = 0
        assert disk.seen.wait(60)
        raise ValueError("the server closed the connection")
    with pytest.raises(Failed, match="left on the disk of"), scratch_copy._bounded(entry):
        disk.seen.clear()
        assert disk.seen.wait(60)
    disk.free = LEAST
    with pytest.raises(ValueError, match="a check"), scratch_copy._bounded(entry):
        raise ValueError("a check")
