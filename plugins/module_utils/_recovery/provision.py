# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done so that each WAL segment reaches each repository and a first backup exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .archive import Listing
from .catalog import Repository, reason
from .wal import Segment
from .writer import Evidence, Server, is_upgrade

_REFUSED = re.compile(r"^repo([0-9]+): (.+)", re.MULTILINE | re.DOTALL)
CREATE, UPGRADE, NONE = "create", "upgrade", "none"


@dataclass(frozen=True)
class Archiver:
    """What the server believes of its archiving: pg_stat_archiver, its settings and its queue. Times are Unix seconds."""

    mode: str = "off"
    command: str = ""
    library: str = ""
    last_segment: str | None = None
    last_time: float | None = None
    last_failed_time: float | None = None
    waiting: int = 0
    oldest_waiting: float | None = None
    spool_errors: tuple[str, ...] = ()
    stopped: bool = False

    @property
    def on(self) -> bool:
        return self.mode in ("on", "always")

    @property
    def uses_pgbackrest(self) -> bool:
        command = " ".join(self._words)
        return self.on and not self.library and "pgbackrest" in command and "archive-push" in command

    def pushes_to(self, stanza: str) -> bool:
        """True when archive_command pushes with pgBackRest, and to this stanza as far as the command itself names one."""
        words = self._words
        named = [word.partition("=")[2] for word in words if word.startswith("--stanza=")]
        named += [value for word, value in zip(words, words[1:], strict=False) if word == "--stanza"]
        return self.uses_pgbackrest and all(name == stanza for name in named)

    @property
    def _words(self) -> list[str]:
        """The words of archive_command without its comments; none for a command that a shell refuses."""
        try:
            return shlex.split(self.command, comments=True)
        except ValueError:
            return []

    @property
    def failing(self) -> bool:
        """True when the newest attempt failed, by the server's own account or by the asynchronous spool's."""
        return bool(self.spool_errors) or (self.last_failed_time or 0) > (self.last_time or 0)

    @property
    def fault(self) -> str:
        """What pgBackRest says of the repository to which a segment could not be pushed; empty when it names none."""
        found = next(filter(None, map(_REFUSED.search, self.spool_errors)), None)
        return f"repository {found[1]}: {reason(found[2])}" if found else ""


def stanza_action(server: Server, repositories: Iterable[Repository]) -> str:
    """What the stanza needs in its real state; call it only when no repository refuses this server."""
    repositories = tuple(repositories)
    if any(is_upgrade(server, repository) for repository in repositories):
        return UPGRADE
    return CREATE if any(not repository.has_stanza for repository in repositories) else NONE


def check_is_due(server: Server, archiver: Archiver, evidence: Iterable[Evidence]) -> bool:
    """True unless reading alone proves that archiving works: the last segment that went out lies in every repository."""
    if archiver.failing or archiver.last_segment is None:
        return True
    return any(archiver.last_segment[:24] > (item.listing.newest_segment(server.timeline) or "") for item in evidence)


def repositories_behind(server: Server, archiver: Archiver, evidence: Iterable[Evidence]) -> tuple[int, ...]:
    """Numbers of the repositories that lack the last segment that the server believes archived on its timeline.

    pgBackRest reports a segment that it dropped (archive-push-queue-max) as archived.
    """
    last = (archiver.last_segment or "")[:24]
    if "." in last or not last.startswith(f"{server.timeline:08X}"):
        return ()
    return tuple(item.repository.number for item in evidence if last > (item.listing.newest_segment(server.timeline) or ""))


def first_hole(server: Server, archiver: Archiver, evidence: Evidence) -> str | None:
    """The first segment that a repository lacks between the start of its newest whole backup and what the server believes archived.

    Nothing that was committed after it can be recovered before there is a newer backup. Looked for on the server's own timeline.
    """
    newest, last = evidence.repository.newest_whole, (archiver.last_segment or "")[:24]
    first = (newest.first_segment(server.segment_size) or newest.wal_stop or "") if newest else ""
    prefix = f"{server.timeline:08X}"
    if not first.startswith(prefix) or not last.startswith(prefix) or "." in last:
        return None
    return first_missing(evidence.listing, first, last, server.segment_size)


def first_missing(listing: Listing, first: str, last: str, segment_size: int) -> str | None:
    """The first of the segments from `first` to `last`, both of one timeline, that a listing lacks."""
    begin, end = Segment.parse(first, segment_size), Segment.parse(last, segment_size)
    names = (Segment(end.timeline, number, segment_size).name for number in range(begin.number, end.number + 1))
    return next((name for name in names if name not in listing.segments), None)


def repositories_without_backup(server: Server, repositories: Iterable[Repository]) -> tuple[int, ...]:
    """Numbers of the repositories that hold no usable backup of this server."""
    return tuple(repository.number for repository in repositories if not repository.usable_backups(server.system_id))


def annotations_for(server: Server, next_xid: str) -> Mapping[str, str]:
    """What each backup of ours says about where it comes from."""
    return {
        "axiomdb-host": server.host,
        "axiomdb-machine-id": server.machine_id,
        "axiomdb-xid-start": next_xid,
    }
