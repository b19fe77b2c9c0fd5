# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the jobs remember on a host: their last runs, troubles, heartbeats, the operations log, locks and the pause.

None of it is a reason to stop a backup or an alert: on a full disk the memory of this boot keeps what the disk does not take.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .durable import sync
from .jobs import FORMAT
from .problem import Problem, Refusal
from .spoken import moment
from .stepping_down import as_owner_of, ids

DIRECTORY = Path("/var/lib/axiomdb")
MEMORY = Path("/run/axiomdb")  # a filesystem in memory; systemd makes it for the watch, and it lasts until the next boot
LOGS = Path("/var/log/axiomdb")
SETTINGS = Path("/etc/axiomdb/recovery.json")
WEBHOOK = Path("/etc/axiomdb/webhook-url")
PAUSE = DIRECTORY / "pause.json"
RESUMED = DIRECTORY / "resumed.json"
FETCHED = ".axiomdb-fetched-"  # how directories of the system's temporary one are called that are removed again, by whoever comes
HEARTBEATS_KEPT = 2880  # two days
HOUR = 3600.0


@dataclass(frozen=True)
class Waited:
    """How long a job waited for its turn, in seconds, and for whom."""

    seconds: float = 0.0
    holder: str = ""


def path(stanza: str, name: str) -> Path:
    """A state file of a stanza; the directory is made when it is missing."""
    for directory in (DIRECTORY, DIRECTORY / stanza):
        _make(directory)
    return DIRECTORY / stanza / name


def _make(directory: Path) -> None:
    """Make a directory of postgres's. Only the postgres user and root come here."""
    if not directory.is_dir():
        with suppress(FileExistsError):  # another job made it meanwhile
            with as_owner_of(str(directory)):
                directory.mkdir(mode=0o755 if directory == DIRECTORY else 0o750)
                if os.geteuid() == 0:
                    os.chown(directory, *ids("postgres", "adm" if directory == LOGS else "postgres"))


def _open(file: Path, flags: int) -> int:
    """Open a file, or make it as postgres's. Root follows no link: postgres may write in these directories."""
    with as_owner_of(str(file)):
        descriptor = os.open(file, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        if os.geteuid() == 0:
            os.fchown(descriptor, *ids("postgres", "postgres"))
    return descriptor


def load(file: Path) -> dict[str, Any]:
    """A state file; empty when there is none, or when it holds nothing that can be read: state is never a reason to stop a backup."""
    for place in (_in_memory(file), file):
        try:
            document = json.loads(place.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(document, dict) and document.get("format") == FORMAT:
            return document
    return {}


def save(file: Path, document: Mapping[str, Any]) -> None:
    """Write a state file beside and rename it, durably, so that nobody reads half of one."""
    with as_owner_of(str(file)):
        _save(file, document)


def _save(file: Path, document: Mapping[str, Any]) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump({"format": FORMAT, **document}, stream, indent=1, sort_keys=True)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
        sync(str(file.parent))
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def keep(file: Path, document: Mapping[str, Any]) -> str:
    """Write a state file, in memory when the disk does not take it; why it did not, or an empty string. Raises OSError for neither."""
    try:
        save_on_disk(file, document)
    except OSError as error:
        with suppress(OSError):
            _make(MEMORY)
        save(_in_memory(file), document)
        return error.strerror or type(error).__name__
    return ""


def save_on_disk(file: Path, document: Mapping[str, Any]) -> None:
    """Write a state file that may have been kept in memory before. Raises OSError."""
    save(file, document)
    with suppress(OSError):
        _in_memory(file).unlink(missing_ok=True)


def reserve(file: Path, size: int) -> None:
    """Take room on the disk, unless that was done: whoever removes the file may write as much. Raises OSError for a full disk."""
    with as_owner_of(str(file)):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError:
            file.unlink()
            raise
        finally:
            os.close(descriptor)


def free(file: Path) -> None:
    """Give reserved room back."""
    with as_owner_of(str(file)), suppress(OSError):
        file.unlink(missing_ok=True)


def _in_memory(file: Path) -> Path:
    """Where a state file lies that the disk did not take. It is newer than the one on the disk: the next that is taken removes it."""
    return MEMORY / f"{file.parent.name}-{file.name}"


def log(name: str, line: str) -> None:
    """One line with its time into a log of /var/log/axiomdb, such as C(backup.log)."""
    _append_or_tell(LOGS / name, f"{moment(time.time())} {line}\n")


def operation(entry: Mapping[str, Any]) -> None:
    """One line into the operations log."""
    _append_or_tell(LOGS / "operations.jsonl", json.dumps({"format": FORMAT, "time": moment(time.time()), **entry}, sort_keys=True) + "\n")


def _append_or_tell(file: Path, text: str) -> None:
    """A line that no disk takes goes to stderr."""
    try:
        _append(file, text)
    except OSError as error:
        with suppress(OSError):
            sys.stderr.write(f"{file}: {error.strerror}: {text}")
            sys.stderr.flush()


def _append(file: Path, text: str) -> None:
    _make(file.parent)
    descriptor = _open(file, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, text.encode("utf-8"))
    finally:
        os.close(descriptor)


def beat(stanza: str, entry: Mapping[str, Any]) -> None:
    """Remember a heartbeat; the newest two days are kept."""
    file = path(stanza, "heartbeats.jsonl")
    _append(file, json.dumps({"format": FORMAT, **entry}, sort_keys=True) + "\n")
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    if len(lines) > 2 * HEARTBEATS_KEPT:
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text("".join(lines[-HEARTBEATS_KEPT:]), encoding="utf-8")
        temporary.replace(file)


def point(stanza: str, name: str) -> None:
    """Remember that a restore point is about to be made: the WAL may have it, whatever becomes of the snapshot."""
    _append(path(stanza, "restore-points.jsonl"), json.dumps({"format": FORMAT, "name": name, "time": time.time()}, sort_keys=True) + "\n")


def points(stanza: str) -> dict[str, float]:
    """When this host last made a restore point of each name."""
    file = path(stanza, "restore-points.jsonl")
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        with suppress(ValueError, KeyError, TypeError):  # a line that was cut off
            entry = json.loads(line)
            found[str(entry["name"])] = float(entry["time"])
    return found


@contextmanager
def turn(stanza: str, who: str, tell: Any, patience: float) -> Iterator[Waited]:
    """Hold the stanza's lock: one job at a time. Raises TimeoutError with the holder's name after `patience` seconds."""
    with _lock(stanza, "lock") as lock:
        waited = _wait(lock, tell, patience)
        _sign(lock, f"the {who} (process {os.getpid()})")
        try:
            yield waited
        finally:
            _sign(lock, "")


def _lock(stanza: str, name: str) -> IO[str]:
    """The file of a lock; one in memory where the disk is read-only or full."""
    try:
        descriptor = _open(path(stanza, name), os.O_RDWR)
    except OSError:
        descriptor = _open(MEMORY / f"{stanza}-{name}", os.O_RDWR)
    return os.fdopen(descriptor, "r+", encoding="utf-8")


def _sign(lock: IO[str], holder: str) -> None:
    """Write the holder's name into a lock; a full disk does not keep anybody from holding it."""
    with suppress(OSError):
        os.ftruncate(lock.fileno(), 0)
        os.pwrite(lock.fileno(), holder.encode("utf-8"), 0)


def pause() -> dict[str, str]:
    """Since when jobs are paused, and why; empty when they are not."""
    document = load(PAUSE)
    return {"since": moment(float(document.get("since", 0))), "reason": str(document.get("reason", ""))} if document else {}


def end_pause() -> None:
    """Let jobs begin again. What was not done meanwhile is not overdue yet; a full disk keeps no job from going on."""
    if load(PAUSE):
        with suppress(OSError):
            keep(RESUMED, {"at": time.time()})
    with suppress(FileNotFoundError):
        os.unlink(PAUSE)
        sync(str(DIRECTORY))


def refuse_pause() -> None:
    """Raise Refusal while jobs are paused: whoever did it counts on nothing being written."""
    paused = pause()
    if paused:
        found = f"jobs paused since {paused['since']}: {paused['reason']}"
        raise Refusal(Problem(found, "nobody to have paused them", "sudo /opt/axiomdb/axiomdb-recovery resume, when that is over"))


@contextmanager
def turn_within_an_hour(stanza: str, who: str, tell: Any = str) -> Iterator[Waited]:
    """The same for a person who waits; `tell` hears for whom. Raises Refusal with the holder's name after an hour."""
    with ExitStack() as stack:
        try:
            waited = stack.enter_context(turn(stanza, who, tell, HOUR))
        except TimeoutError as error:
            raise Refusal(Problem(f"{error} at work for an hour", "its end", f"tail {LOGS}/backup.log")) from error
        yield waited


def _wait(lock: IO[str], tell: Any, patience: float) -> Waited:
    begun, holder = time.monotonic(), ""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not holder:
                lock.seek(0)
                holder = lock.read() or "another job"
                tell(f"waits for {holder}")
            if time.monotonic() - begun > patience:
                raise TimeoutError(holder) from None
            time.sleep(0.2)
        else:
            return Waited(time.monotonic() - begun if holder else 0.0, holder)


@contextmanager
def in_order(stanza: str, what: str, patience: float) -> Iterator[None]:
    """One after the other, however many begin at once; but nobody waits longer than `patience` seconds for one that was stopped."""
    with _lock(stanza, f"{what}.running") as lock:
        with suppress(TimeoutError):
            _wait(lock, lambda _line: None, patience)
        yield


@contextmanager
def only_one(stanza: str, job: str) -> Iterator[bool]:
    """Whether this is the only run of a job, waiting ones included. The others have nothing to add."""
    with _lock(stanza, f"{job}.running") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
