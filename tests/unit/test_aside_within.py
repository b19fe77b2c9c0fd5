# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""At a mount point data is put aside and back entry by entry; whoever is killed in the middle loses nothing and mixes nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from _recovery import aside_within
from _recovery.problem import Refusal
from kills import Killed, each_kill, killing, tree

OWN, GROUP = os.geteuid(), os.getegid()
OLD = {"PG_VERSION": "17", "base/1": "rows", "global/pg_control": "control", "postgresql.auto.conf": "", ".hidden": "theirs"}
# What is neither data nor to be touched.
OTHERS = {"lost+found/inode": "found", ".kept-20250101-000000/PG_VERSION": "17"}


class Mount:
    """A directory that stands for a mount point, made anew each time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def made(self) -> Mount:
        shutil.rmtree(self.path, ignore_errors=True)
        self.put(OLD | OTHERS)
        return self

    def put(self, files: dict[str, str], below: str = ".") -> None:
        for name, text in files.items():
            file = self.path / below / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")

    @property
    def place(self) -> str:
        return str(self.path)

    @property
    def kept(self) -> str:
        return f"{self.path}/.kept-20261122-120000"

    def tree(self) -> dict[str, str]:
        return tree(self.path)


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path / "data").made()


def collect(one: Mount) -> None:
    aside_within.collect(one.place, one.kept, OWN, GROUP)


def give_back(one: Mount) -> None:
    aside_within.give_back(one.place, one.kept, OWN)


def kept(one: Mount) -> Mount:
    collect(one.made())
    return one


def test_everything_but_the_filesystems_own_and_what_is_kept_is_put_aside(mount: Mount) -> None:
    inode = os.stat(f"{mount.place}/base/1").st_ino
    collect(mount)
    assert aside_within.content(mount.place) == []
    assert os.stat(f"{mount.kept}/base/1").st_ino == inode
    assert sorted(os.listdir(mount.kept)) == [".hidden", "PG_VERSION", "base", "global", "postgresql.auto.conf"]
    assert sorted(os.listdir(mount.place)) == [".kept-20250101-000000", ".kept-20261122-120000", "lost+found"]


def test_it_comes_back_as_it_was(mount: Mount) -> None:
    before = mount.tree()
    collect(mount)
    give_back(mount)
    assert mount.tree() == before
    give_back(mount)
    assert mount.tree() == before


def test_whoever_is_killed_while_it_is_kept_goes_on_or_back(mount: Mount) -> None:
    before = mount.tree()
    whole = kept(mount).tree()
    for killed in each_kill(mount.made, collect):
        assert not os.path.exists(mount.kept) or killed.tree() == whole, "what has the name is whole"
        collect(killed)
        assert killed.tree() == whole
    for killed in each_kill(mount.made, collect):
        give_back(killed)
        assert killed.tree() == before


def test_whoever_is_killed_on_the_way_back_goes_on(mount: Mount) -> None:
    before = mount.tree()
    for killed in each_kill(lambda: kept(mount), give_back):
        give_back(killed)
        assert killed.tree() == before


def test_whoever_is_killed_on_the_way_back_may_keep_it_again(mount: Mount) -> None:
    whole = kept(mount).tree()
    for killed in each_kill(lambda: kept(mount), give_back):
        collect(killed)
        assert killed.tree() == whole


def test_nothing_is_kept_where_nothing_lies(mount: Mount) -> None:
    for name in ("base", "global"):
        shutil.rmtree(mount.path / name)
    for name in ("PG_VERSION", "postgresql.auto.conf", ".hidden"):
        (mount.path / name).unlink()
    before = mount.tree()
    collect(mount)
    assert mount.tree() == before


def test_kept_data_does_not_come_back_into_something_else(mount: Mount) -> None:
    collect(mount)
    mount.put({"PG_VERSION": "16"})
    before = mount.tree()
    with pytest.raises(Refusal, match=r"PG_VERSION at .*, where the kept data belongs; expected nothing there"):
        give_back(mount)
    assert mount.tree() == before


def test_nothing_is_overwritten(mount: Mount) -> None:
    with pytest.raises(Killed), killing(4):
        collect(mount)
    moved = next(iter(os.listdir(f"{mount.place}/.keeping-20261122-120000")))
    mount.put({moved: "new"})
    with pytest.raises(Refusal, match=f"{moved}, which is there already"):
        collect(mount)


def test_what_was_restored_is_moved_up_when_it_is_whole(mount: Mount) -> None:
    new, into = {"PG_VERSION": "17", "base/1": "older rows"}, ".restoring-20261122-120000"

    def restored() -> Mount:
        kept(mount).put(new, into)
        return mount

    def finish(one: Mount) -> None:
        aside_within.finish(f"{one.place}/{into}", one.place, one.kept, OWN)

    restored()
    assert not aside_within.is_restored(mount.place, mount.kept)
    finish(mount)
    whole = mount.tree()
    assert aside_within.content(mount.place) == ["PG_VERSION", "base"]
    for killed in each_kill(restored, finish):
        is_named = os.path.exists(f"{killed.place}/{into}")
        assert aside_within.is_restored(killed.place, killed.kept) is not is_named
        finish(killed)
        assert killed.tree() == whole
    for killed in each_kill(restored, finish):
        aside_within.empty(killed.place, killed.kept, OWN)
        give_back(killed)
        assert killed.tree() == mount.made().tree()


def test_what_was_restored_is_removed_and_nothing_else(mount: Mount) -> None:
    outside = mount.path.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("theirs", encoding="utf-8")

    def restored() -> Mount:
        kept(mount).put({"base/1": "older rows", "PG_VERSION": "17"})
        mount.put({"base/1": "half"}, ".restoring-20261122-120000")
        (mount.path / "pg_wal").symlink_to(outside)
        return mount

    def empty(one: Mount) -> None:
        aside_within.empty(one.place, one.kept, OWN)

    whole = kept(mount).tree()
    empty(restored())
    assert mount.tree() == whole
    for killed in each_kill(restored, empty):
        empty(killed)
        assert killed.tree() == whole
    assert (outside / "file").exists()


def test_what_is_anothers_is_refused(mount: Mount) -> None:
    before = mount.tree()
    acts = (
        lambda: aside_within.collect(mount.place, mount.kept, OWN + 1, GROUP),
        lambda: aside_within.give_back(mount.place, mount.kept, OWN + 1),
        lambda: aside_within.empty(mount.place, mount.kept, OWN + 1),
    )
    for act in acts:
        with pytest.raises(Refusal, match="something else at "):
            act()
    assert mount.tree() == before
