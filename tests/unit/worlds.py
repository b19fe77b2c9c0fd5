# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster's data on a disk, in each layout, and a pgBackRest that restores a set into it: what a recovery in place moves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from _recovery.restoring import RESTORE, Home, Journal
from kills import tree
from test_restoring import GOAL, ORDER

NAME = "20261122-120000"
VERSION = "PG_17_202406281"
SEGMENT = "000000010000000000000009"
OLD = {"PG_VERSION": "17", "base/1": "live rows", "global/pg_control": "old", "pg_wal/000000010000000000000001": "old WAL"}
NEW = {"PG_VERSION": "17", "base/1": "older rows", "global/pg_control": "new", "pg_wal/archive_status/": ""}
LAYOUTS = ("plain", "mount", "linked", "mount and linked")
# Root acts for another user, as on a host: what he has made a moment ago is root's until it is given away.
OWNER, GROUP = (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


@dataclass
class World:
    """A cluster with its data in `data`, three locations of tablespaces, and a repository with one set.

    One tablespace was there then and is now, one was made since, and one was dropped since.
    """

    top: Path
    layout: str
    keep: bool = True

    @property
    def data(self) -> Path:
        return self.top / "srv" / "data"

    @property
    def journal(self) -> Journal:
        home = Home(
            "axiomdb",
            "17",
            "main",
            5432,
            str(self.data),
            "vps1",
            7711944285235987502,
            tablespaces=tuple(str(self.top / "srv" / name / VERSION) for name in ("both", "since")),
            mounts=(str(self.data),) if "mount" in self.layout else (),
            wal=str(self.top / "srv" / "wal") if "linked" in self.layout else "",
            locations=tuple(str(self.top / "srv" / name) for name in ("both", "dropped")),
        )
        plan = {"options": [], "only_here": [SEGMENT], "restore_bytes": 1}
        journal = Journal(NAME, replace(ORDER, keep=self.keep), home, GOAL, plan, phase=RESTORE, began=1.5)
        return replace(journal, had=(home.directory, *home.tablespaces))

    def made(self) -> World:
        """As it was before the recovery."""
        shutil.rmtree(self.top / "srv", ignore_errors=True)
        shutil.rmtree(self.top / "state", ignore_errors=True)
        (self.top / "state" / "axiomdb" / "restore").mkdir(parents=True)
        put(self.data, OLD)
        if "linked" in self.layout:
            shutil.move(self.data / "pg_wal", self.top / "srv" / "wal")
            (self.data / "pg_wal").symlink_to(self.top / "srv" / "wal")
        put(self.data, {f"pg_wal/{SEGMENT}": "unarchived"})
        for name in ("both", "since"):
            put(self.top / "srv" / name / VERSION, {"5/1": f"live rows in {name}"})
        (self.top / "srv" / "dropped").mkdir()
        for path in (*self.top.glob("srv/*"), self.top / "state"):
            give(path)
        if "mount" in self.layout:
            put(self.data, {"lost+found/inode": "found"})
        return self

    def tree(self) -> dict[str, str]:
        return tree(self.top / "srv")


def put(top: Path, entries: dict[str, str]) -> None:
    for name, text in entries.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            (top / name).mkdir(parents=True, exist_ok=True)
        else:
            (top / name).write_text(text, encoding="utf-8")


def give(top: Path) -> None:
    """Let everything there be the owner's."""
    for path in (top, *top.rglob("*")):
        os.lchown(path, OWNER, GROUP)


@contextmanager
def acting() -> Iterator[None]:
    """Act as the owner, as a process of his does."""
    root = os.geteuid() == 0
    try:
        if root:
            os.setegid(GROUP)
            os.seteuid(OWNER)
        yield
    finally:
        if root:
            os.seteuid(0)
            os.setegid(0)


def pgbackrest(world: World) -> Callable[..., Iterator[bytes]]:
    """As the real one: a directory that is not empty is refused or cleaned, links are replaced, PG_VERSION comes last."""

    def restore(argv: Sequence[str], _user: str, _stanza: str) -> Iterator[bytes]:
        given = [word.partition("=")[2] for word in argv if word.startswith("--pg1-path=")]
        into, delta = Path(given[0]) if given else world.data, "--delta" in argv
        spaces = [world.top / "srv" / name / VERSION for name in ("both", "dropped")]
        going_on = (into / "backup.manifest").exists() or (into / "PG_VERSION").exists()
        for directory in (into, *spaces):
            if directory.is_dir() and os.listdir(directory) and not (delta and going_on):
                raise AssertionError(f"040: {directory} contains files")
        with acting():
            _begin(into, spaces)
        yield b"restore (50%)"
        with acting():
            _fill(into, spaces)

    return restore


def _begin(into: Path, spaces: Sequence[Path]) -> None:
    """Write the manifest, and clean."""
    os.mkdir(into) if not into.is_dir() else None
    (into / "backup.manifest.pgbackrest.tmp").write_text("manifest", encoding="utf-8")
    os.rename(into / "backup.manifest.pgbackrest.tmp", into / "backup.manifest")
    for directory in (into, *spaces):
        for entry in list(directory.iterdir()) if directory.is_dir() else ():
            if entry.name not in ("backup.manifest", "lost+found"):
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else os.unlink(entry)


def _fill(into: Path, spaces: Sequence[Path]) -> None:
    """Write what the set has."""
    for name, text in sorted(NEW.items(), key=lambda item: item[0] == "PG_VERSION"):
        put(into, {name: text})
        os.replace(into / "backup.manifest", into / "backup.manifest")  # one more moment in which it can be killed
    for space in spaces:
        put(space, {"5/1": "older rows"})
        os.replace(into / "backup.manifest", into / "backup.manifest")
    os.unlink(into / "backup.manifest")


def rows(world: World) -> list[str]:
    """What a server on the data directory would find: main data, tablespaces, and the segment that only this host had."""
    paths = [world.data / "base/1", *(world.top / "srv" / name / VERSION / "5/1" for name in ("both", "since", "dropped"))]
    return [path.read_text("utf-8") if path.exists() else "" for path in (*paths, world.data / "pg_wal" / SEGMENT)]
