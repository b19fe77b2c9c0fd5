# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes scratch copies away: their processes first, then their files; and those whose maker was killed, or that a reboot has left."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from . import host, scratch_registry, state
from .problem import Problem, Refusal, Unfinished
from .run import run
from .scratch import Layout
from .scratch_registry import Entry

GENTLE = 5.0  # seconds that a process has to end by itself
FETCHED_WITHIN = 86400.0  # seconds after which nobody reads any more what he had fetched
FIRM = 30.0  # seconds within which a killed process is gone, unless a disk holds it


def processes(layout: Layout) -> list[int]:
    """The processes of a copy: its server, what the server starts, its restore. Their command lines name it, as nobody else's do."""
    return [pid for pid, words in commands() if is_ours(layout, words)]


def is_ours(layout: Layout, words: list[str]) -> bool:
    """Whether a command line is one of the copy: PostgreSQL's children carry its title, the others its data directory."""
    if words[0].startswith(f"postgres: {layout.title}: "):
        return True
    program = os.path.basename(words[0])
    return program in ("postgres", "pgbackrest") and any(word in (layout.data, f"--pg1-path={layout.data}") for word in words[1:])


def commands() -> Iterator[tuple[int, list[str]]]:
    """Process ids and command lines of everything that runs on this host, but in its containers: there are clusters of the same name."""
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            with suppress(OSError):
                words = (directory / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
                if words != [""] and _is_here(directory):
                    yield int(directory.name), words


def _is_here(process: Path) -> bool:
    """Whether a process counts its numbers as we do; who may not look believes it. Raises FileNotFoundError for one that has ended."""
    try:
        return os.readlink(process / "ns/pid") == os.readlink("/proc/self/ns/pid")
    except PermissionError:
        return True


def end(layout: Layout) -> None:
    """End every process of the copy; its data is not needed any more. Raises Unfinished when one does not end."""
    for number, patience in ((signal.SIGQUIT, GENTLE), (signal.SIGKILL, FIRM)):
        deadline = time.monotonic() + patience
        while found := processes(layout):
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, number if number == signal.SIGKILL or _is_postgres(pid) else signal.SIGTERM)
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
    if found := processes(layout):
        alive = " ".join(map(str, found))
        raise Unfinished(Problem(f"processes of {layout.directory} that do not end: {alive}", "none", f"ps -p {alive}"))


def _is_postgres(pid: int) -> bool:
    """A server takes SIGQUIT as the order to end at once; pgBackRest would leave a core."""
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except OSError:
        return False


def _free_shared_memory(layout: Layout) -> None:
    """A server that was killed leaves a System V segment, by which the next one on the same data would know of it."""
    with suppress(OSError, IndexError, ValueError):
        segment = Path(layout.data, "postmaster.pid").read_text(encoding="utf-8").splitlines()[6].split()[1]
        rows = (line.split() for line in Path("/proc/sysvipc/shm").read_text(encoding="utf-8").splitlines()[1:])
        if any(row[1] == segment and row[6] == "0" and int(row[7]) == os.geteuid() for row in rows):
            run(["ipcrm", "-m", segment])


def remove(entry: Entry) -> None:
    """Remove a copy whose lock is held by the caller. What is not the copy's is left alone. Raises Unfinished."""
    layout = entry.layout
    end(layout)
    directory = Path(layout.directory)
    if _is_marked(entry):
        _free_shared_memory(layout)
        try:
            _empty(directory, layout)
        except OSError as error:
            raise Unfinished(
                Problem(f"{layout.directory}, which cannot be removed: {error}", "none", f"ls -la {error.filename}")
            ) from error
    if entry.made and directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
    scratch_registry.forget(entry)


def _is_marked(entry: Entry) -> bool:
    """Whether the copy's own marker lies in its directory, or the directory is one that only copies have."""
    directory = Path(entry.directory)
    if directory.is_dir() and (directory.parent == scratch_registry.HOME or os.listdir(directory) == [Path(entry.layout.new_marker).name]):
        return True
    try:
        marker = scratch_registry.parse(Path(entry.layout.marker).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return False
    return marker is not None and marker.name == entry.name


def _empty(directory: Path, layout: Layout) -> None:
    """The marker goes last: a removal that is killed is carried on by the next one."""
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif str(path) != layout.marker:
            path.unlink()
    Path(layout.marker).unlink(missing_ok=True)


def _fetched() -> Iterator[Path]:
    """Directories of ours into which somebody who was killed had fetched WAL, which is the data of a cluster."""
    for path in Path(tempfile.gettempdir()).glob(f"{state.FETCHED}*"):
        with suppress(OSError):
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and time.time() - found.st_mtime > FETCHED_WITHIN:
                yield path


def sweep() -> list[str]:
    """Remove what nobody holds and nobody keeps; a sentence for each."""
    told = []
    for path in _fetched():
        shutil.rmtree(path, ignore_errors=True)
        told.append(f"removed {path}, which somebody who was killed has left behind")
    scratch_registry.forget_unfinished()
    for entry in scratch_registry.entries():
        if entry.kept or (entry.mount and not host.mounted(entry.mount)):
            continue
        with scratch_registry.taken_over(entry) as mine:
            if mine:
                try:
                    remove(entry)
                    told.append(f"removed the scratch copy {entry.name} in {entry.directory}, which its maker has left behind")
                except (Unfinished, OSError) as error:
                    told.append(f"the scratch copy {entry.name} is not removed: {error}")
    return told


def remove_by_name(name: str) -> Entry:
    """Remove a copy, kept or not, that is not being made or asked now. Raises Refusal."""
    entry = scratch_registry.find(name)
    if entry.mount and not host.mounted(entry.mount):
        raise Refusal(Problem(f"nothing mounted on {entry.mount}, where the copy lies", "its filesystem", f"mount {entry.mount}"))
    with scratch_registry.taken_over(entry) as mine:
        if not mine:
            holder = f"process {entry.process}"
            raise Refusal(Problem(f"the scratch copy {name} in use by {holder}", "its end", f"ps -fp {entry.process}"))
        remove(entry)
    return entry
