# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Data directories are put aside and back by renaming; nothing of another user's is touched, whatever stands in their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from _recovery import aside
from _recovery.problem import Refusal

OWN = os.geteuid()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "main"
    (directory / "base").mkdir(parents=True)
    (directory / "base" / "1").write_text("rows", encoding="utf-8")
    return directory


def test_the_renamed_directory_is_the_same_one(data: Path) -> None:
    inode, kept = data.stat().st_ino, f"{data}.kept-1"
    aside.rename(str(data), kept, OWN)
    assert not data.exists()
    assert Path(kept).stat().st_ino == inode
    aside.rename(kept, str(data), OWN)
    assert data.stat().st_ino == inode


def test_kept_data_is_never_overwritten(data: Path) -> None:
    kept = Path(f"{data}.kept-1")
    kept.mkdir()
    with pytest.raises(Refusal, match=r"which is there already; expected nothing there\. Next: ls -ld "):
        aside.rename(str(data), str(kept), OWN)
    assert (data / "base" / "1").read_text(encoding="utf-8") == "rows"


def test_a_link_in_its_place_is_refused(data: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(data)
    for act in (lambda: aside.rename(str(link), f"{link}.kept-1", OWN), lambda: aside.remove(str(link), OWN)):
        with pytest.raises(Refusal, match="something else at "):
            act()
    assert (data / "base" / "1").exists()


def test_what_is_anothers_is_refused(data: Path) -> None:
    for act in (lambda: aside.rename(str(data), f"{data}.kept-1", OWN + 1), lambda: aside.remove(str(data), OWN + 1)):
        with pytest.raises(Refusal, match="something else at "):
            act()
    assert (data / "base" / "1").exists()


def test_links_are_removed_and_not_followed(data: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("theirs", encoding="utf-8")
    (data / "base" / "way_out").symlink_to(outside)
    (data / "way_out").symlink_to(outside)
    aside.remove(str(data), OWN)
    assert not data.exists()
    assert (outside / "file").exists()
    aside.remove(str(data), OWN)


def test_a_new_directory_is_empty_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "main"
    aside.make(str(path), OWN, os.getegid())
    assert oct(path.stat().st_mode)[-3:] == "700"
    with pytest.raises(FileExistsError):
        aside.make(str(path), OWN, os.getegid())
