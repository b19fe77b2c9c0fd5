# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What another user puts in root's way leads root nowhere: links in place of directories that he owns, on the way or at its end."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from _recovery import files, state
from _recovery.files import Directory, File
from _recovery.problem import Refusal
from _recovery.stepping_down import as_owner_of, first_owner

OTHER = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root steps down")


@pytest.fixture
def his(tmp_path: Path) -> Path:
    """A directory of another user, below one that he may pass."""
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    directory = tmp_path / "his"
    directory.mkdir()
    os.chown(directory, OTHER, OTHER)
    return directory


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    directory = tmp_path / "roots"
    directory.mkdir(mode=0o755)
    return directory


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)
    os.lchown(path, OTHER, OTHER)


def test_the_first_owner_on_the_way_is_found(his: Path, roots: Path) -> None:
    assert (first_owner(f"{his}/a/b"), first_owner(f"{roots}/a"), first_owner(str(his))) == (OTHER, 0, 0)


def test_root_is_root_again_afterwards(his: Path) -> None:
    groups = os.getgroups()
    with as_owner_of(f"{his}/a"):
        assert (os.geteuid(), os.getegid()) == (OTHER, OTHER)
    assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, 0, groups)


def test_no_file_is_written_through_a_link(his: Path, roots: Path) -> None:
    link(his / "conf.d", roots)
    with pytest.raises(Refusal, match="no way for nobody to"):
        files.write(File(f"{his}/conf.d/10-ours.conf", "x"))
    assert list(roots.iterdir()) == []


def test_a_file_of_root_is_written_into_his_directory(his: Path) -> None:
    files.write(File(f"{his}/ours.conf", "x", "root", "root", 0o640))
    info = (his / "ours.conf").stat()
    assert (info.st_uid, stat.S_IMODE(info.st_mode)) == (0, 0o640)


@pytest.mark.parametrize("way", ["metrics", "between/metrics"])
def test_no_directory_changes_its_owner_through_a_link(his: Path, roots: Path, way: str) -> None:
    (roots / "metrics").mkdir()
    link(his / way.partition("/")[0], roots)
    with pytest.raises(Refusal, match="something else in place of"):
        files.make(Directory(f"{his}/{way}", "nobody", "nogroup", 0o755))
    assert {path.stat().st_uid for path in (roots, roots / "metrics")} == {0}


def test_a_directory_may_lie_behind_a_link_of_roots(roots: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(roots)
    files.make(Directory(f"{tmp_path}/link", "nobody", "nogroup", 0o750))
    assert roots.stat().st_uid == OTHER


def test_a_wrong_owner_below_directories_of_roots_is_put_right(roots: Path) -> None:
    os.chown(roots, 12345, 12345)
    files.make(Directory(str(roots), "nobody", "nogroup", 0o750))
    assert roots.stat().st_uid == OTHER


def test_no_state_is_written_through_a_link(his: Path, roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "ids", lambda *_names: (OTHER, OTHER))
    link(his / "axiomdb", roots)
    for act in (lambda: state.save(his / "axiomdb" / "a.json", {}), lambda: state._append(his / "axiomdb" / "a", "x")):
        with pytest.raises(Refusal):
            act()
    assert list(roots.iterdir()) == []
