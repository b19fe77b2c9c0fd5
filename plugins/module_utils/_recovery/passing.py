# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is pushed past repositories that are away: which of them, which files, with which configuration, under whose locks. Pure.

pgBackRest 2.60 ends an asynchronous archive-push at its first error. While one repository is away, the others get the files with
which each attempt begins, and no more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from .option_types import Version
from .summary import Picture, reasons

READY, SENT = ".ready", ".ok"
LOCKS_BY_REPOSITORY = Version(2, 53)
_NAMED = re.compile(r"^\s*repo([0-9]+): ", re.MULTILINE)
_ANOTHER = re.compile(r"ArchiveDuplicateError|ArchiveMismatchError|\[0?4[45]\]|with a different checksum")
_REPOSITORY = re.compile(r"repo([0-9]*)-")
_HISTORY = re.compile(r"[0-9A-F]{8}\.history")
# Beyond such a limit archive-push says that it succeeded, and pushes nothing.
_LEFT_OUT = re.compile(r"archive-(push-)?queue-max\s*=")


def named(errors: Iterable[str]) -> frozenset[int]:
    """The repositories that pgBackRest's messages name as those to which a file could not be pushed."""
    return frozenset(int(number) for error in errors for number in _NAMED.findall(error))


def tells_of_another_writer(errors: Iterable[str]) -> bool:
    """Whether a message says that what a repository holds is not this server's: nothing is pushed past that."""
    return any(_ANOTHER.search(error) for error in errors)


def is_allowed(picture: Picture) -> bool:
    """Whether this server archives, with several repositories, and nothing shows another one that writes to them."""
    archiver, several = picture.archiver, len(picture.repositories) > 1
    archives = picture.server is not None and not picture.standby and not archiver.stopped and archiver.pushes_to(picture.stanza)
    return archives and several and not any(item.topic.startswith("writer ") for item in reasons(picture))


def configuration(texts: Iterable[str], away: Collection[int]) -> str:
    """The configuration of a host, whose files pgBackRest reads as one, without the options of these repositories."""
    return "".join(f"{line}\n" for text in texts for line in text.splitlines() if not _is_left_out(line.strip(), away))


def _is_left_out(line: str, away: Collection[int]) -> bool:
    found = _REPOSITORY.match(line)
    return bool(_LEFT_OUT.match(line)) or (found is not None and int(found[1] or 1) in away)


def waiting(status: Iterable[str], spool: Iterable[str]) -> tuple[str, ...]:
    """The files that wait, by the names in archive_status and in the spool, in the order in which PostgreSQL has them archived.

    One that the spool has as sent is in every repository.
    """
    sent = {name.removesuffix(SENT) for name in spool if name.endswith(SENT)}
    ready = {name.removesuffix(READY) for name in status if name.endswith(READY)}
    return tuple(sorted(ready - sent, key=lambda name: (_HISTORY.fullmatch(name) is None, name)))


def directory_of(name: str) -> str:
    """Where a file lies within an archive: histories at its top, everything else by timeline and log."""
    return "" if _HISTORY.fullmatch(name) else name[:16]


def lacking(names: Sequence[str], held: Mapping[int, Collection[str]]) -> tuple[str, ...]:
    """Those of the files that at least one repository lacks, by the names that each holds in their directories."""
    return tuple(name for name in names if not all(_holds(there, name) for there in held.values()))


def _holds(there: Collection[str], name: str) -> bool:
    """A segment has its checksum behind its name; other files have their name alone."""
    return name in there or any(found.startswith(f"{name}-") for found in there)


def locks(stanza: str, numbers: Iterable[int], version: Version) -> tuple[str, ...]:
    """The locks that an asynchronous archive-push holds from its begin to its end, in the order in which it takes them."""
    if version < LOCKS_BY_REPOSITORY:
        return (f"{stanza}-archive.lock",)
    return tuple(f"{stanza}-archive-{number}.lock" for number in sorted(numbers))
