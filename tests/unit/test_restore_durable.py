# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Before a recovery writes down that a step is over, the disk has it: a power cut may forget any change that was not made durable.

The journal may lie on another filesystem than the data and the configuration: none of them keeps the order of the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import test_restore_power
from _recovery import restore_data, restore_run, state
from test_restore_power import LAYOUTS, NEW_ROWS, Machine, back, begun, failing, failing_back, recover, silent
from worlds import SEGMENT, rows

machine = test_restore_power.machine
PARTS = ("srv", "state", "etc")
ROOM = "restore.room"  # whether it is there or not changes nothing


@dataclass
class Disk:
    """What a power cut would leave of these directories: each file's text and each directory's entries as they were synced, by inode."""

    top: Path
    durable: dict[int, Any] = field(default_factory=dict)

    def fsync(self, descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        self.durable[os.fstat(descriptor).st_ino] = self._now(path)

    def settle(self, *parts: str) -> None:
        """Let what others have written be on the disk: they see to that themselves."""
        for path in self._each(parts or PARTS):
            self.durable[path.lstat().st_ino] = self._now(path)

    @property
    def forgotten(self) -> list[str]:
        """What would be another after a power cut."""
        found = [path for path in self._each(PARTS) if self._now(path) and self.durable.get(path.lstat().st_ino) != self._now(path)]
        return [str(path.relative_to(self.top)) for path in found]

    def _each(self, parts: tuple[str, ...]) -> Iterator[Path]:
        for part in parts:
            for path in (self.top / part, *sorted((self.top / part).rglob("*"))):
                if not path.is_symlink() and path.name != ROOM:
                    yield path

    @staticmethod
    def _now(path: Path) -> Any:
        if path.is_dir():
            return sorted((entry.name, entry.inode()) for entry in os.scandir(path) if entry.name != ROOM)
        return path.read_bytes()


@pytest.fixture
def watched(machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Machine]:
    """A host, on whose disk everything is that its journal has said; else it is an error."""

    def of(layout: str) -> Machine:
        one = machine(layout).made()
        disk = Disk(one.top)
        disk.settle()
        _watch(one, disk, monkeypatch)
        return one

    return of


def _watch(one: Machine, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    restores, promote, write_down = restore_data.stream, one.promote, state.save_on_disk

    def restored(*words: Any) -> Iterator[bytes]:
        yield from restores(*words)
        disk.settle("srv")

    def promoted() -> None:
        promote()
        disk.settle("srv")

    def written_down(file: Path, document: Mapping[str, Any]) -> None:
        assert file.name != "restore.json" or disk.forgotten == [], document["phase"]
        write_down(file, document)
        assert disk.forgotten == []

    monkeypatch.setattr(os, "fsync", disk.fsync)
    monkeypatch.setattr(restore_data, "stream", restored)
    monkeypatch.setattr(one, "promote", promoted)
    monkeypatch.setattr(state, "save_on_disk", written_down)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_step_is_on_the_disk_before_the_next_one(layout: str, watched: Callable[[str], Machine]) -> None:
    back(recover(watched(layout))).judge_end("old")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("act", [failing, lambda one: failing_back(recover(one))], ids=["to the old data", "to what served"])
def test_so_is_each_step_of_what_goes_back_by_itself(
    layout: str, act: Callable[[Machine], Machine], watched: Callable[[str], Machine]
) -> None:
    act(watched(layout))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_without_a_way_back_the_wal_that_only_this_host_has_is_on_the_disk_before_it_is_overwritten(
    layout: str, watched: Callable[[str], Machine]
) -> None:
    one = watched(layout)
    one.world = replace(one.world, keep=False)
    restore_run.carry_on(begun(one), silent)
    assert rows(one.world)[0] == NEW_ROWS[0]
    assert (one.data / "pg_wal" / SEGMENT).read_text("utf-8") == "unarchived"
