# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pgBackRest's options take: versions, sizes, times and allowed values, read from the vocabulary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from . import vocabulary

_SIZE = re.compile(r"([0-9]+)(?:([kmgtp])i?b?|b)?", re.IGNORECASE)
_TIME = re.compile(r"([0-9]+)(ms|s|m|h|d|w)?", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?[0-9]+")
_INDEXED = re.compile(r"(repo|pg)([1-9][0-9]*)-(.+)")
_POWERS = "kmgtp"
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
LAST_INDEX: Final = 256


class Version(NamedTuple):
    """A pgBackRest release; compares as a number."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}" + (f".{self.patch}" if self.patch else "")


def parse_version(text: str) -> Version:
    """Read `pgBackRest 2.55.1`, `2.55.1-1` or `2.45`. Raises ValueError for anything else."""
    match = re.match(r"(?:pgBackRest )?([0-9]+)\.([0-9]+)(?:\.([0-9]+))?(?![0-9.])", text.strip())
    if match is None:
        raise ValueError(f"Found {text.strip()!r}; expected a version such as 'pgBackRest 2.55.1'. Next: pgbackrest version")
    return Version(int(match[1]), int(match[2]), int(match[3] or 0))


OLDEST: Final = Version(2, 45)
UNITS_OF_TIME: Final = Version(2, 53)
BLOCK_INCREMENTAL_STABLE: Final = Version(2, 46)


@dataclass(frozen=True)
class Kind:
    """What an option takes from release `since` on. `low` and `high` are as written in the vocabulary, blank without a range."""

    type: str
    since: Version = OLDEST
    low: str = ""
    high: str = ""
    values: tuple[tuple[str, Version], ...] = ()

    def allowed(self, version: Version) -> tuple[str, ...]:
        return tuple(value for value, since in self.values if since <= version)


@dataclass(frozen=True)
class Option:
    """One option. `commands` are those that read it in the newest release of the vocabulary."""

    name: str
    commands: frozenset[str]
    kinds: tuple[Kind, ...]
    stanza_only: bool = False
    secret: bool = False
    beta: bool = False

    @property
    def since(self) -> Version:
        return self.kinds[0].since

    def kind(self, version: Version) -> Kind:
        """What it takes in `version`; the first kind for a release that does not know the option yet."""
        return [kind for kind in self.kinds if kind.since <= max(version, self.since)][-1]

    def read_by(self, version: Version) -> frozenset[str]:
        """The commands that read it in `version`."""
        commands = set(self.commands)
        for last, names, changes in vocabulary.EARLIER_COMMANDS:
            if version[:2] <= parse_version(last)[:2] and self.name in names.split():
                for change in changes.split():
                    (commands.add if change.startswith("+") else commands.discard)(change[1:])
        return frozenset(commands)


def _since(word: str) -> tuple[str, Version]:
    value, at, since = word.partition("@")
    return value, parse_version(since) if since else OLDEST


def _kind(text: str) -> Kind:
    words = text.split()
    since = _since(words.pop())[1] if words[-1].startswith("@") else OLDEST
    if "one-of" in words:
        return Kind(words[0], since, values=tuple(_since(word) for word in words[words.index("one-of") + 1 :]))
    low, dots, high = words[1].partition("..") if len(words) > 1 else ("", "", "")
    return Kind(words[0], since, low, high)


def _commands(words: str) -> frozenset[str]:
    """The commands of a group's head: names, named sets, and `-name` for one that is taken out."""
    named = {name for word in words.split() for name in vocabulary.SETS.get(word, word).split()}
    return frozenset(name for name in named if not name.startswith("-") and f"-{name}" not in named)


def _read(table: str) -> Iterator[tuple[str, Option]]:
    commands: frozenset[str] = frozenset()
    for line in filter(None, table.splitlines()):
        if line.startswith("["):
            commands = _commands(line.strip("[]"))
            continue
        name, *words = line.split()
        marks = {word for word in words if word in ("stanza", "secret", "beta")}
        kinds = tuple(_kind(part) for part in " ".join(word for word in words if word not in marks).split("|"))
        yield name, Option(name, commands, kinds, "stanza" in marks, "secret" in marks, "beta" in marks)


OPTIONS: Final[Mapping[str, Option]] = dict(_read(vocabulary.TABLE))


def split_index(name: str) -> tuple[str, int]:
    """`repo3-path` → (`repo1-path`, 3): the name in the vocabulary and the index, 0 where there is none."""
    match = _INDEXED.fullmatch(name)
    return (f"{match[1]}1-{match[3]}", int(match[2])) if match else (name, 0)


def with_index(name: str, index: int) -> str:
    """`repo1-path`, 3 → `repo3-path`; a name without an index stays as it is."""
    match = _INDEXED.fullmatch(name)
    return f"{match[1]}{index or 1}-{match[3]}" if match else name


def size_in_bytes(text: str) -> int:
    """`20MiB`, `20mb`, `20m` or plain bytes. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    power: int = _POWERS.index(match[2].lower()) + 1 if match[2] else 0
    return int(match[1]) << 10 * power


def milliseconds(text: str, version: Version = UNITS_OF_TIME) -> float:
    """A time; without a unit it is in seconds. Before 2.53 there are no units, but fractions. Raises ValueError."""
    if version < UNITS_OF_TIME:
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            raise ValueError(text)
        return float(text) * 1000
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return int(match[1]) * _MILLISECONDS[(match[2] or "s").lower()]


def expected_text(kind: Kind, text: str, version: Version) -> str:
    """Judge one value as it would stand in the file: what was expected instead, or a blank when it is fine."""
    if kind.type == "boolean":
        return "" if text in ("y", "n") else "y or n"
    if kind.type in ("one-of", "size") and kind.values:
        return "" if _is_listed(kind, text, version) else "one of " + ", ".join(kind.allowed(version))
    if kind.type in ("integer", "size", "time"):
        return "" if _in_range(kind, text, version) else _range(kind, version)
    if kind.type == "path":
        return "" if text.startswith("/") and "//" not in text else "a path that begins with / and has no //"
    if kind.type == "pairs":
        return "" if "=" in text[1:] else "key=value"
    return ""


def _is_listed(kind: Kind, text: str, version: Version) -> bool:
    if kind.type == "one-of":
        return text in kind.allowed(version)
    try:
        return size_in_bytes(text) in map(size_in_bytes, kind.allowed(version))
    except ValueError:
        return False


def _in_range(kind: Kind, text: str, version: Version) -> bool:
    try:
        if kind.type == "integer":
            return _INTEGER.fullmatch(text) is not None and int(kind.low) <= int(text) <= int(kind.high)
        if kind.type == "size":
            return size_in_bytes(kind.low) <= size_in_bytes(text) <= size_in_bytes(kind.high)
        return milliseconds(kind.low) <= milliseconds(text, version) <= milliseconds(kind.high)
    except ValueError:
        return False


def _range(kind: Kind, version: Version) -> str:
    if kind.type == "time" and version < UNITS_OF_TIME:
        low, high = (f"{milliseconds(end) / 1000:g}" for end in (kind.low, kind.high))
        return f"seconds from {low} to {high} as a plain number (pgBackRest {version} drops a unit: it reads 1m as one second)"
    names = {"integer": "a whole number", "size": "a size such as 20MiB", "time": "a time such as 90s or 2m"}
    return f"{names[kind.type]}, from {kind.low} to {kind.high}"
