# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Named snapshots: what a name may be, and how a snapshot stands in the annotations of the backup set below it.

The catalogue lives in the repositories alone: one annotation for each snapshot, `axiomdb-snapshot-<name>`, whose value is JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from .catalog import Repository
from .problem import Problem

PREFIX = "axiomdb-snapshot-"
LONGEST_NAME = 63  # bytes; PostgreSQL's MAXFNAMELEN - 1
LONGEST_TEXT = 1000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
EXAMPLE = "pre-migration-v2.3"


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


def judge(name: str, reason: str, annotations: Mapping[str, object]) -> list[Problem]:
    """Every problem with what a user typed, before anything is made."""
    problems = []
    size = len(name.encode("utf-8", "surrogateescape"))
    if not NAME.fullmatch(name):
        shown = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
        expected = "letters, digits, '.', '_' and '-', the first one a letter or digit"
        problems.append(Problem(f"the snapshot name {shown!r}", expected, f"choose a name such as {EXAMPLE}"))
    if size > LONGEST_NAME:
        expected = f"at most {LONGEST_NAME}, which is what PostgreSQL takes for a restore point"
        problems.append(Problem(f"a snapshot name of {size} bytes", expected, f"choose a shorter name such as {EXAMPLE}"))
    if not _is_line(reason):
        expected = f"one line of at most {LONGEST_TEXT} characters"
        problems.append(Problem(f"a snapshot_reason of {len(reason)} characters", expected, "shorten snapshot_reason"))
    for key, value in annotations.items():
        if not _KEY.fullmatch(str(key)) or str(key).startswith("axiomdb-"):
            expected = "letters, digits, '.', '_' and '-', not beginning with axiomdb-"
            problems.append(
                Problem(f"the annotation {str(key)[:LONGEST_NAME]!r}", expected, "correct snapshot_annotations, such as {branch: main}")
            )
        elif not _is_line(str(value)) or not str(value):
            expected = f"one line of 1 to {LONGEST_TEXT} characters"
            problems.append(Problem(f"the value of the annotation {key}", expected, "correct snapshot_annotations, such as {branch: main}"))
    return problems


def _is_line(text: str) -> bool:
    return len(text) <= LONGEST_TEXT and text.isprintable()


def judge_unique(name: str, repositories: Iterable[Repository]) -> Problem | None:
    """Refuse a name that any repository knows: a restore would stop at the first of the two."""
    for known in found_in(repositories):
        if known.name == name:
            found = f"a snapshot {name} of {known.time} in repository {known.repository} (set {known.label})"
            return Problem(found, "a name that does not exist yet", f"choose another name, such as {name[: LONGEST_NAME - 2]}-2")
    return None


def found_in(repositories: Iterable[Repository]) -> list[Snapshot]:
    """Every snapshot of these repositories, the oldest first. An annotation that is not one of ours is left out."""
    found = []
    for repository in repositories:
        for backup in repository.current_backups:
            for key, value in backup.annotations.items():
                if key.startswith(PREFIX):
                    found += _parse(key.removeprefix(PREFIX), repository.number, backup.label, value)
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


def annotation(snapshot: Snapshot) -> str:
    """The annotation that is the snapshot's entry in the catalogue, as pgBackRest takes it."""
    entry = asdict(snapshot)
    value = {key: entry[key] for key in ("lsn", "timeline", "time", "reason") if entry[key] != ""}
    return f"{PREFIX}{snapshot.name}={json.dumps(value, sort_keys=True, separators=(',', ':'))}"
