# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which scratch copies there are on this host. Each has an entry whose lock its maker holds: one without a holder is a leftover.

A lock ends with its holder, also by SIGKILL or a reboot. An entry that is marked as kept needs no holder.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from . import state
from .durable import sync
from .jobs import FORMAT
from .problem import Problem, Refusal
from .scratch import Layout

HOME = state.DIRECTORY / "scratch"


@dataclass(frozen=True)
class Entry:
    """Whose a copy is, since when (Unix seconds) and why. `made` is false for a directory that was there, empty; it stays.

    `mount` is the mount point on which the directory lies: while nothing is mounted there, the copy cannot be looked at.
    """

    name: str
    directory: str
    stanza: str
    version: str
    reason: str
    began: float
    process: int
    made: bool
    mount: str
    kept: bool = False

    @property
    def layout(self) -> Layout:
        return Layout(self.name, self.directory)

    @property
    def text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


def parse(text: str) -> Entry | None:
    """An entry, or the marker in a copy's directory, which has the same content; None for anything else."""
    try:
        document = json.loads(text)
        return Entry(**document) if document.pop("format") == FORMAT else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def new_name(stamp: str) -> str:
    """A name that no copy of this host has: the time, and the process."""
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    name, number = f"{stamp}-{os.getpid()}", 1
    while _file(name).exists() or (HOME / name).exists():
        number += 1
        name = f"{stamp}-{os.getpid()}-{number}"
    return name


def entries() -> list[Entry]:
    """All copies of this host. An entry that cannot be read stands for the directory of its name."""
    found = []
    for file in sorted(HOME.glob("*.json")) if HOME.is_dir() else ():
        with suppress(FileNotFoundError):
            directory = str(HOME / file.stem)
            unknown = Entry(file.stem, directory, "", "", "its entry cannot be read", 0.0, 0, True, "")
            found.append(parse(file.read_text(encoding="utf-8", errors="replace")) or unknown)
    return found


def find(name: str) -> Entry:
    """The copy of this name. Raises Refusal."""
    known = {entry.name: entry for entry in entries()}
    if name not in known:
        raise Refusal(Problem(f"no scratch copy {name}", f"one of {', '.join(known) or 'none'}", "axiomdb-recovery scratch list"))
    return known[name]


@contextmanager
def held(entry: Entry) -> Iterator[IO[str]]:
    """Enter a new copy and hold its lock; the file is locked before anybody can see it. It is not removed here."""
    with _write(entry) as stream:
        yield stream


def keep(entry: Entry) -> Entry:
    """Mark a copy as kept: from now on it needs no holder."""
    kept = replace(entry, kept=True)
    _write(kept).close()
    return kept


def forget_unfinished() -> None:
    """Remove entries that were never whole: their makers were killed while they wrote them. Nothing else of such a copy exists."""
    for file in HOME.glob(".*.new") if HOME.is_dir() else ():
        maker = file.name.split("-")[2:3]
        if maker and Path(f"/proc/{maker[0].removesuffix('.new')}").exists():
            continue
        with suppress(OSError), file.open("r+", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink()


def _write(entry: Entry) -> IO[str]:
    temporary = HOME / f".{entry.name}.new"
    stream = os.fdopen(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "r+", encoding="utf-8")
    fcntl.flock(stream, fcntl.LOCK_EX)
    stream.write(entry.text)
    stream.flush()
    os.fsync(stream.fileno())
    temporary.replace(_file(entry.name))
    sync(str(HOME))
    return stream


@contextmanager
def taken_over(entry: Entry) -> Iterator[bool]:
    """Hold the lock of a copy that nobody holds; false when somebody does, or when the copy is gone."""
    try:
        stream = _file(entry.name).open("r+", encoding="utf-8")
    except FileNotFoundError:
        yield False
        return
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.fstat(stream.fileno()).st_ino == _file(entry.name).stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            same = False
        yield same


def is_held(entry: Entry) -> bool:
    """Whether its maker is at work."""
    with taken_over(entry) as mine:
        return not mine and _file(entry.name).exists()


def forget(entry: Entry) -> None:
    """Take the entry of a copy away that is removed."""
    _file(entry.name).unlink(missing_ok=True)


def _file(name: str) -> Path:
    return HOME / f"{name}.json"
