# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whole files: compared as a whole, written beside and renamed, so that nobody ever reads half of one."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .durable import sync
from .finding import ABSENT, HIDDEN, Finding
from .problem import Problem, Refusal
from .stepping_down import as_owner_of, first_owner, ids

HEADER = "Written by axiomdb.recovery as a whole; changes by hand are found by the next run and undone."
MASKED = "(the content is secret)\n"


@dataclass(frozen=True)
class File:
    """A file that is ours from the first to the last byte."""

    path: str
    content: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    secret: bool = False


@dataclass(frozen=True)
class Directory:
    """A directory with owner, group and mode; its content is not ours."""

    path: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o755


def overwrite(path: str, text: str) -> None:
    """Other words in a file that is there, for a disk that has no room for a new one: a kill in the middle leaves part of them."""
    with as_owner_of(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.pwrite(descriptor, text.encode("utf-8"), 0)
        os.ftruncate(descriptor, len(text.encode("utf-8")))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: str) -> str | None:
    """The text of a file, or None when there is none. Raises Refusal for anything but a plain file.

    Other users may write in some of these directories: root never follows a link that stands in a file's place.
    """
    try:
        with as_owner_of(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise Refusal(_no_plain_file(path)) from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise Refusal(_no_plain_file(path))
        return stream.read().decode("utf-8", errors="surrogateescape")


def _no_plain_file(path: str) -> Problem:
    return Problem(
        f"a link or a special file in place of {path}", "a plain file", f"ls -l {path}; find out who put it there, then remove it"
    )


def attributes(path: str) -> dict[str, str]:
    """Owner, group and mode as text; an unknown id is shown as its number."""
    try:
        status = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return {}
    return {"owner": _user(status.st_uid), "group": _group(status.st_gid), "mode": f"{stat.S_IMODE(status.st_mode):04o}"}


def attribute_findings(wanted: File | Directory) -> list[Finding]:
    """What differs of owner, group and mode; a missing file differs as a whole, elsewhere."""
    found = attributes(wanted.path)
    expected = {"owner": wanted.owner, "group": wanted.group, "mode": f"{wanted.mode:04o}"}
    return [Finding(f"{key} of {wanted.path}", expected[key], found[key]) for key in found if found[key] != expected[key]]


def directory_findings(wanted: Directory) -> list[Finding]:
    if not os.path.isdir(wanted.path):
        return [Finding(f"directory {wanted.path}", f"{wanted.owner}:{wanted.group} {wanted.mode:04o}", ABSENT)]
    return attribute_findings(wanted)


def diff_of(wanted: File, shown: Callable[[str], str] = str) -> dict[str, str]:
    """One entry for Ansible's diff. `shown` masks what must not be seen; the content of a secret file is masked as a whole."""
    before = read(wanted.path)
    if wanted.secret:
        same = before == wanted.content
        return _entry(wanted.path, None if before is None else MASKED, MASKED if same else f"{MASKED}{HIDDEN}\n")
    return _entry(wanted.path, None if before is None else shown(before), shown(wanted.content))


def _entry(path: str, before: str | None, after: str | None) -> dict[str, str]:
    return {
        "before_header": path if before is not None else f"{path} {ABSENT}",
        "after_header": path if after is not None else f"{path} {ABSENT}",
        "before": before or "",
        "after": after or "",
    }


def findings_diff(findings: list[Finding]) -> list[dict[str, str]]:
    """Findings that are not the content of a file, as one entry each for Ansible's diff."""
    return [
        {
            "before_header": finding.what,
            "after_header": finding.what,
            "before": "" if finding.found == ABSENT else f"{finding.found}\n",
            "after": "" if finding.expected == ABSENT else f"{finding.expected}\n",
        }
        for finding in findings
    ]


def write(wanted: File) -> None:
    """Write beside the file, make it durable, rename it into place."""
    directory = os.path.dirname(wanted.path)
    temporary = f"{directory}/.{os.path.basename(wanted.path)}.new"
    with as_owner_of(temporary):
        Path(temporary).unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(wanted.content.encode("utf-8", errors="surrogateescape"))
            stream.flush()
            os.fchown(stream.fileno(), *ids(wanted.owner, wanted.group))
            os.fchmod(stream.fileno(), wanted.mode)
            os.fsync(stream.fileno())
        with as_owner_of(wanted.path):
            os.replace(temporary, wanted.path)
    finally:
        with as_owner_of(temporary):
            Path(temporary).unlink(missing_ok=True)
    sync(directory)


def make(wanted: Directory) -> None:
    """Make the directory and its parents; set owner, group and mode of the last one."""
    try:
        with as_owner_of(wanted.path):
            missing = [path for path in (Path(wanted.path), *Path(wanted.path).parents) if not path.exists()]
            os.makedirs(wanted.path, exist_ok=True)
            for path in missing:
                with suppress(PermissionError):  # who may write there need not be allowed to read
                    sync(str(path.parent))
            descriptor = os.open(wanted.path, os.O_RDONLY | os.O_DIRECTORY)
    except (FileExistsError, NotADirectoryError) as error:
        raise Refusal(_no_directory(wanted.path)) from error
    try:
        # What another user opened for us may be anything that he can read.
        acted_as = first_owner(wanted.path)
        if acted_as != 0 and os.fstat(descriptor).st_uid not in {acted_as, ids(wanted.owner, wanted.group)[0]}:
            raise Refusal(_no_directory(wanted.path))
        os.fchown(descriptor, *ids(wanted.owner, wanted.group))
        os.fchmod(descriptor, wanted.mode)
    finally:
        os.close(descriptor)


def _no_directory(path: str) -> Problem:
    return Problem(f"something else in place of {path}", "a directory of its owner, or a link of root's to one", f"namei -l {path}")


def trial_directory() -> str:
    """A directory in memory that root writes and postgres reads, for configurations that are tried; remove it afterwards."""
    directory = tempfile.mkdtemp(prefix="axiomdb-", dir="/run")
    os.chown(directory, *ids("root", "postgres"))
    os.chmod(directory, 0o750)
    return directory


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
