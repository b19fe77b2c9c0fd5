# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a repository lies, and what a declaration would lose that has another place, account or passphrase for its number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .catalog import Backup, Repository
from .problem import Problem
from .spoken import counted, moment

LOCAL = ("posix", "cifs")
DEFAULTS: Mapping[str, str] = {"type": "posix", "path": "/var/lib/pgbackrest", "cipher-type": "none"}
# Options that make up the address of a store, in the order in which a person reads them. An account may be a secret: it is never shown.
_SHOWN = ("host", "s3-endpoint", "gcs-endpoint", "sftp-host", "sftp-host-port", "storage-host", "storage-port")
_CONTAINERS = ("s3-bucket", "azure-container", "gcs-bucket")
_PLACE = ("type", "path", "azure-account", *_SHOWN, *_CONTAINERS)
_LOCK = ("cipher-type", "cipher-pass")
Options = Mapping[str, object]
Seen = Mapping[str, Repository]  # what one repository holds, by stanza
Declared = Mapping[int, Seen]


@dataclass(frozen=True)
class Former:
    """A repository as the configuration of the host has it, by its options without `repoN-`; `seen` is what it holds, by stanza."""

    number: int
    options: Options
    seen: Seen

    @property
    def place(self) -> str:
        return where(self.options)

    @property
    def labels(self) -> frozenset[tuple[str, str]]:
        return labels(self.seen)

    @property
    def backups(self) -> list[Backup]:
        return [backup for found in self.seen.values() for backup in found.backups]

    @property
    def unread(self) -> str:
        """Why nobody could look inside; empty where somebody could."""
        return next((found.message for found in self.seen.values() if not found.readable), "")


def options_of(number: int, options: Options) -> dict[str, object]:
    """The options of one repository without `repoN-`, of those that a file has."""
    prefix = f"repo{number}-"
    return {name.removeprefix(prefix): value for name, value in options.items() if name.startswith(prefix)}


def where(options: Options) -> str:
    """The place as one word: a path of this host, or an address with the path in it."""
    kind, path = _value(options, "type"), _value(options, "path")
    if is_here(options):
        return path
    parts = [":".join(filter(None, (_value(options, name) for name in _SHOWN))), *(_value(options, name) for name in _CONTAINERS)]
    return f"{kind}://{'/'.join(filter(None, parts))}{path}"


def _value(options: Options, name: str) -> str:
    value = options.get(name)
    return DEFAULTS.get(name, "") if value in (None, "") else str(value)


def is_here(options: Options) -> bool:
    """Whether it lies in a directory of this host."""
    return _value(options, "type") in LOCAL and not _value(options, "host")


def is_elsewhere(old: Options, new: Options) -> bool:
    """Whether the two are not the same place."""
    return any(_value(old, name) != _value(new, name) for name in _PLACE)


def is_changed(old: Options, new: Options) -> bool:
    """Whether what is opened with the one may not be opened with the other."""
    return is_elsewhere(old, new) or any(_value(old, name) != _value(new, name) for name in _LOCK)


def worst(seen: Seen) -> Repository | None:
    """The worst answer over all stanzas, else one that exists."""
    return min(seen.values(), key=lambda found: (found.readable, not found.has_stanza), default=None)


def labels(seen: Seen) -> frozenset[tuple[str, str]]:
    """The backups of a repository, each by its stanza and its label."""
    return frozenset((stanza, backup.label) for stanza, found in seen.items() for backup in found.backups)


def is_kept(former: Former, declared: Declared) -> bool:
    """Whether a declared repository, as it was just seen, holds all that this one did: the same, moved, copied or renumbered.

    One into which nobody can look any more is taken for moved when its own number holds backups now.
    """
    if former.unread:
        return bool(labels(declared.get(former.number, {})))
    return bool(former.labels) and any(former.labels <= labels(seen) for seen in declared.values())


def judge_change(former: Former, new: Options, declared: Declared, replaces: str) -> Problem | None:
    """Refuse to forget a repository that holds backups, unless `replaces` names its place."""
    if not (former.backups or former.unread) or replaces == former.place or is_kept(former, declared):
        return None
    holds = f"into which nobody can look now ({former.unread})"
    if former.backups:
        oldest = min(backup.stopped for backup in former.backups)
        holds = f"with {counted(len(former.backups), 'backup')} back to {moment(oldest)}"
    other = f"declared at {where(new)}" if where(new) != former.place else "declared with another account or passphrase"
    return Problem(
        f"repository {former.number} {other}; on this host it lies at {former.place}, {holds}",
        "the same place and passphrase: the old one would be forgotten, and a new, empty repository made",
        "give the new place a number of its own in pgbackrest_repositories; or, to leave the old one as it is and keep its passphrase in a "
        f"file of root's, say there replaces: {former.place}",
    )


def judge_overlaps(repositories: Mapping[int, Options], real: Mapping[int, str], data: Mapping[str, str]) -> list[Problem]:
    """Refuse repositories in one place, in the data of a server, or around it.

    `real` are the real paths of those on this host, `data` those of what servers write, by what a person calls it.
    """
    problems: list[Problem] = []
    known: dict[tuple[str, ...], int] = {}
    for number, options in repositories.items():
        key = (real.get(number, ""), *(() if number in real else (_value(options, name) for name in _PLACE)))
        if key in known:
            found = f"repository {known[key]} and repository {number} in the same place, {where(options)}"
            problems.append(Problem(found, "a place of its own for each", f"correct the path of repository {number}"))
        known.setdefault(key, number)
    for number, path in real.items():
        for what, directory in data.items():
            shown = what if what.endswith(f" {directory}") else f"{what} ({directory})"
            if _is_within(path, directory):
                found, expected = (
                    f"repository {number} at {path}, inside {shown}",
                    "it outside: a restore empties that directory, and a backup would be of backups",
                )
            elif _is_within(path=directory, directory=path):
                found, expected = f"{shown} inside repository {number} at {path}", "them apart: a backup would be of backups"
            else:
                continue
            problems.append(Problem(found, expected, f"choose another path for repository {number}"))
    return problems


def _is_within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")
