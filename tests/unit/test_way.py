# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A directory is reached over links that only root can have put there, and over no other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from _recovery import aside, way
from _recovery.problem import Refusal

OTHER = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives links away")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A directory of root's with the data of another user, and one of the system's beside."""
    for name in ("lib/17/main", "system"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("lib", "lib/17", "lib/17/main"):
        os.chown(tmp_path / name, OTHER, OTHER)
    return tmp_path


def at(path: Path) -> int:
    """The inode of the directory that is reached."""
    descriptor = way.opened(str(path))
    try:
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("target", ["{top}/lib", "lib", "./system/../lib"])
def test_a_link_of_roots_in_a_directory_of_roots_is_followed(top: Path, target: str) -> None:
    (top / "link").symlink_to(target.format(top=top))
    assert at(top / "link" / "17") == (top / "lib" / "17").stat().st_ino
    (top / "again").symlink_to(top / "link")
    assert at(top / "again" / "17" / "main") == (top / "lib" / "17" / "main").stat().st_ino


def test_a_link_that_somebody_else_may_have_put_there_is_not(top: Path) -> None:
    (top / "lib" / "17" / "main").rmdir()
    (top / "lib" / "17").rmdir()
    (top / "lib" / "17").symlink_to(top / "system")
    with pytest.raises(Refusal, match=f"the link 17 to {top}/system on the way to {top}/lib/17; expected no link"):
        at(top / "lib" / "17")
    os.lchown(top / "lib" / "17", OTHER, OTHER)
    for act in _acts(top / "lib" / "17" / "main"):
        with pytest.raises(Refusal, match="the link 17 to "):
            act()
    assert list((top / "system").iterdir()) == []


def _acts(path: Path) -> list[Callable[[], None]]:
    return [
        lambda: aside.make(str(path), OTHER, OTHER),
        lambda: aside.rename(str(path), f"{path}.kept-1", OTHER),
    ]


def test_a_link_of_anothers_or_in_a_directory_of_everybodys_is_not(top: Path) -> None:
    (top / "link").symlink_to("lib")
    os.lchown(top / "link", OTHER, OTHER)
    with pytest.raises(Refusal):
        at(top / "link")
    (top / "all").mkdir()
    (top / "all").chmod(0o777)
    (top / "all" / "link").symlink_to("../lib")
    with pytest.raises(Refusal):
        at(top / "all" / "link")


def test_links_that_lead_to_each_other_end(top: Path) -> None:
    (top / "a").symlink_to("b")
    (top / "b").symlink_to("a")
    with pytest.raises(Refusal):
        at(top / "a")


def test_what_is_no_directory_is_an_error(top: Path) -> None:
    (top / "file").write_text("", encoding="utf-8")
    for name, error in (("file", NotADirectoryError), ("nothing", FileNotFoundError)):
        with pytest.raises(error):
            at(top / name / "main")


def test_a_parent_of_somebody_elses_is_refused(top: Path) -> None:
    os.chown(top / "lib" / "17", OTHER - 1, OTHER)
    with pytest.raises(Refusal, match=f"something else at {top}/lib/17; expected a directory of root's or the server's user"):
        aside.rename(str(top / "lib" / "17" / "main"), str(top / "lib" / "17" / "main.kept-1"), OTHER)
    assert (top / "lib" / "17" / "main").is_dir()
