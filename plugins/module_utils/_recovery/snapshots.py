# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Named snapshots: what a name may be, and how a snapshot stands in the annotations of the backup set below it.

The catalogue lives in the repositories alone: one annotation for each snapshot, `axiomdb-snapshot-<name>`, whose value is JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from .catalog import Backup, Repository
from .problem import Problem

OURS = "axiomdb-"
PREFIX = f"{OURS}snapshot-"
LONGEST_NAME = 63  # bytes; PostgreSQL's MAXFNAMELEN - 1
LONGEST_TEXT = 1000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
EXAMPLE = "pre-migration-v2.3"


@dataclass(frozen=True)
class Request:
    """What a person asks for. Without a backup the restore point belongs to the newest usable set.

    `patience` is how many seconds its WAL segment may take to reach each repository; `stray` are words of the command line that
    belong to nothing: what a name or a reason has lost.
    """

    name: str
    reason: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    kind: str = "incr"
    with_backup: bool = True
    patience: float = 120.0
    takes_over_from: str = ""
    stray: str = ""

    @property
    def target(self) -> str:
        """The recovery target to type later."""
        return f"name:{self.name}"


@dataclass(frozen=True)
class Snapshot:
    """A named moment. `label` is the backup set from which it is restored; `time` is in UTC, as it can be typed in a target."""

    name: str
    repository: int
    label: str
    lsn: str
    timeline: int
    time: str
    reason: str = ""

    @property
    def target(self) -> str:
        """The recovery target to type later."""
        return f"name:{self.name}"


def judge(request: Request) -> list[Problem]:
    """Every problem with what a person typed, by the words alone: nothing has been looked at yet."""
    problems = [_judge_stray(request.stray), _judge_name(request.name), _judge_reason(request.reason)]
    problems += [_judge_annotation(key, value) for key, value in request.annotations.items()]
    return [problem for problem in problems if problem]


def _judge_stray(words: str) -> Problem | None:
    if not words:
        return None
    shown = words if len(words) <= LONGEST_NAME else f"{words[:LONGEST_NAME]}..."
    expected = "a value with blanks in quotes of its own"
    return Problem(f"'{shown}' after a value that ended before it", expected, "type such as -e \"snapshot_reason='orders get a new key'\"")


def _judge_name(name: str) -> Problem | None:
    size = len(name.encode("utf-8", "surrogateescape"))
    if size > LONGEST_NAME:
        expected = f"at most {LONGEST_NAME}, which is what PostgreSQL takes for a restore point"
        return Problem(f"a snapshot name of {size} bytes", expected, f"choose a shorter name such as {EXAMPLE}")
    if NAME.fullmatch(name):
        return None
    expected = "letters, digits, '.', '_' and '-', the first one a letter or digit"
    found = f"the snapshot name {name!r}" if name else "no snapshot name"
    return Problem(found, expected, f"choose a name such as {EXAMPLE}" if name else f"type such as -e snapshot_name={EXAMPLE}")


def _judge_reason(reason: str) -> Problem | None:
    if _is_line(reason):
        return None
    found = f"a snapshot reason of {len(reason)} characters" if len(reason) > LONGEST_TEXT else "a snapshot reason with line breaks"
    return Problem(found, f"one line of at most {LONGEST_TEXT} characters", "shorten the reason")


def _judge_annotation(key: str, value: str) -> Problem | None:
    shown = repr(key) if len(key) <= LONGEST_NAME else f"of {len(key)} characters"
    if not _KEY.fullmatch(key) or key.startswith(OURS):
        expected = f"at most {LONGEST_NAME} letters, digits, '.', '_' and '-', not beginning with {OURS}"
        return Problem(f"the annotation {shown}", expected, "correct snapshot_annotations, such as {branch: main}")
    if not value or not _is_line(value):
        expected = f"one line of 1 to {LONGEST_TEXT} characters"
        return Problem(
            f"{len(value)} characters in the annotation {shown}", expected, "correct snapshot_annotations, such as {branch: main}"
        )
    return None


def _is_line(text: str) -> bool:
    return len(text) <= LONGEST_TEXT and text.isprintable()


def judge_unique(name: str, repositories: Iterable[Repository]) -> Problem | None:
    """Refuse a name that any repository knows, of before an upgrade too: a restore would stop at the first of the two."""
    for known in _found((item.number, item.backups) for item in repositories):
        if known.name == name:
            found = f"a snapshot {name} of {known.time} in repository {known.repository} (set {known.label})"
            return Problem(found, "a name that does not exist yet", f"choose another name, such as {_second(name)}")
    return None


def judge_point(name: str, made: Mapping[str, float], sets: Iterable[Backup]) -> Problem | None:
    """Refuse a restore point that the WAL has already since one of these sets began: a restore would stop at the first of the two.

    `made` says when this host last made one of each name, whether it became a snapshot or not.
    """
    last = made.get(name)
    if last is None or all(last < found.started for found in sets):
        return None
    found = f"a restore point {name} since the newest backup, of a snapshot that was not finished"
    return Problem(found, "a name that is new there", f"choose another name, such as {_second(name)}, or take it with a backup")


def _second(name: str) -> str:
    return f"{name[: LONGEST_NAME - 2]}-2"


def found_in(repositories: Iterable[Repository]) -> list[Snapshot]:
    """Every snapshot of these repositories, the oldest first. An annotation that is not one of ours is left out."""
    return _found((item.number, item.current_backups) for item in repositories)


def _found(sets: Iterable[tuple[int, Iterable[Backup]]]) -> list[Snapshot]:
    found = []
    for number, backups in sets:
        for backup in backups:
            for key, value in backup.annotations.items():
                if key.startswith(PREFIX):
                    found += _parse(key.removeprefix(PREFIX), number, backup.label, value)
    return sorted(found, key=lambda snapshot: (snapshot.time, snapshot.name, snapshot.repository))


def _parse(name: str, number: int, label: str, value: str) -> list[Snapshot]:
    try:
        document = json.loads(value)
        return [
            Snapshot(
                name, number, label, str(document["lsn"]), int(document["timeline"]), str(document["time"]), str(document.get("reason", ""))
            )
        ]
    except (ValueError, KeyError, TypeError):
        return []


def annotation(snapshot: Snapshot) -> dict[str, str]:
    """The annotation that is the snapshot's entry in the catalogue."""
    entry = asdict(snapshot)
    value = {key: entry[key] for key in ("lsn", "timeline", "time", "reason") if entry[key] != ""}
    return {f"{PREFIX}{snapshot.name}": json.dumps(value, sort_keys=True, separators=(",", ":"))}
