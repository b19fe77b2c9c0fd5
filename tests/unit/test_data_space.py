# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the data of a cluster takes, by filesystem: what lies on another disk makes no room on this one."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from _recovery import data_space


def links(directory: Path) -> tuple[Path, Path, Path]:
    """A data directory, a tablespace to which it leads twice, and a directory for its WAL; with content."""
    data, space, wal = directory / "data", directory / "space", directory / "wal"
    for made in (data / "pg_tblspc", space, wal):
        made.mkdir(parents=True)
    (space / "2").write_bytes(b"x" * 300_000)
    (wal / "000000010000000000000009").write_bytes(b"x" * 200_000)
    (data / "pg_tblspc" / "16384").symlink_to(space)
    (data / "pg_tblspc" / "16385").symlink_to(space)
    return data, space, wal


def on_another_disk(monkeypatch: pytest.MonkeyPatch, *tops: Path) -> None:
    """Let what lies in these directories lie on a filesystem of its own each."""
    stat, lstat = os.stat, os.lstat

    def moved(path: object, entry: os.stat_result) -> SimpleNamespace:
        device = next((number for number, top in enumerate(tops, 1) if str(path).startswith(str(top))), 0)
        return SimpleNamespace(st_dev=entry.st_dev + device, st_ino=entry.st_ino, st_blocks=entry.st_blocks, st_mode=entry.st_mode)

    fake = SimpleNamespace(stat=lambda path: moved(path, stat(path)), lstat=lambda path: moved(path, lstat(path)))
    monkeypatch.setattr(data_space, "os", SimpleNamespace(walk=os.walk, path=os.path, **vars(fake)))


def test_tablespaces_and_wal_behind_links_are_data_too_and_counted_once(tmp_path: Path) -> None:
    data, _space, wal = links(tmp_path)
    taken, rooms = data_space.held(str(data))
    assert 300_000 <= taken < 400_000
    (data / "pg_wal").symlink_to(wal)
    taken, rooms = data_space.held(str(data))
    assert 500_000 <= taken < 600_000
    assert rooms == ()


def test_what_lies_on_another_disk_makes_no_room_here_and_has_a_room_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, space, wal = links(tmp_path)
    (data / "pg_wal").symlink_to(wal)
    (data / "1").write_bytes(b"x" * 100_000)
    on_another_disk(monkeypatch, space)
    taken, (room,) = data_space.held(str(data))
    assert 300_000 <= taken < 400_000
    assert room.place == str(space)
    assert 300_000 <= room.used_bytes < 400_000
    assert room.free_bytes > 0


def test_two_other_disks_are_two_rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, space, wal = links(tmp_path)
    (data / "pg_wal").symlink_to(wal)
    on_another_disk(monkeypatch, space, wal)
    _taken, rooms = data_space.held(str(data))
    assert [room.place for room in rooms] == [str(wal), str(space)]


def test_a_link_that_leads_nowhere_is_no_obstacle(tmp_path: Path) -> None:
    data, _space, _wal = links(tmp_path)
    (data / "pg_tblspc" / "16386").symlink_to(tmp_path / "gone")
    assert data_space.held(str(data))[0] >= 300_000
