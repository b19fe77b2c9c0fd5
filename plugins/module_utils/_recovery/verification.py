# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What `pgbackrest verify` found: its text, because its exit code is 0 for corruption, lost files and a wrong passphrase too.

Source: `verify --output=text --verbose` of pgBackRest 2.45, 2.55 and 2.60. The text counts what is broken; only the log, at level
info, names the files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .spoken import counted

_COUNTS = re.compile(r"(missing|checksum invalid|size invalid|other): (\d+)")
_SET = re.compile(r"backup: (\S+), status: ([a-z -]+?)(?:, total files checked: (\d+), total valid files: (\d+))?\s*$")
_ARCHIVE = re.compile(r"archiveId: (\S+?),? total WAL checked: (\d+), total valid WAL: (\d+)")
_FILE = re.compile(r"INFO: (?:invalid|file|missing)[a-z ]* '?([^/':\s]+)/([^':\s]+)", re.MULTILINE)
_SEGMENT = re.compile(r"(?:.*/)?([0-9A-F]{24})-[0-9a-f]{40}(?:\.[a-z0-9]+)?")
NAMED = 3
HARMLESS = ("valid", "in-progress")


@dataclass(frozen=True)
class Verification:
    """The result for one repository: what was looked at, and one clause for each thing that is broken. `files` are those of the sets."""

    sets: int
    segments: int
    broken: tuple[str, ...]
    files: int = 0


def parse(text: str, log: str = "") -> Verification:
    """Read the output, and the names of broken files in the log. One that shows nothing that was looked at proves nothing."""
    sets = segments = valid = checked = 0
    broken: list[str] = []
    subject = "the stanza"
    for line in (line.strip() for line in text.splitlines()):
        if match := _ARCHIVE.search(line):
            subject = f"the archive {match[1]}"
            segments += int(match[2])
            if match[2] != match[3]:
                bad = int(match[2]) - int(match[3])
                broken.append(f"{bad} of {counted(int(match[2]), 'WAL segment')} in {subject} {'is' if bad == 1 else 'are'} not valid")
        elif match := _SET.search(line):
            subject = f"the backup {match[1]}"
            sets += 1
            checked += int(match[3] or 0)
            valid += match[2] == "valid"
            if match[2] not in HARMLESS:
                broken.append(f"{subject} is {match[2]}")
            elif match[2] == "valid" and match[3] != match[4]:
                broken.append(f"{subject} is called valid, with {match[4]} of {counted(int(match[3]), 'file')} valid")
        elif (counts := [f"{name}: {count}" for name, count in _COUNTS.findall(line) if count != "0"]) and broken:
            broken[-1] += f" ({', '.join(counts)})"
        elif line.startswith("status: error") and "," not in line:
            subject = "the stanza"
        elif "No usable" in line:
            broken.append(line.split("WARN: ")[-1].strip())
    failed = re.search(r"^\s*status: error", text, re.MULTILINE)
    if failed and not broken:
        broken.append("pgbackrest verify says status: error and names nothing")
    if not broken and not valid:
        broken.append("pgbackrest verify showed no backup that it looked at and found valid")
    if not broken and not segments:
        broken.append("pgbackrest verify showed no WAL segment that it looked at")
    files = _files(log)
    return Verification(sets, segments, tuple(_named(clause, files) for clause in broken), checked)


def _files(log: str) -> dict[str, list[str]]:
    """The broken files by the backup or the archive that they are in: a segment by its name, another by its path in there."""
    found: dict[str, dict[str, None]] = {}
    for place, path in _FILE.findall(log):
        segment = _SEGMENT.fullmatch(path)
        found.setdefault(place, {})[segment[1] if segment else path] = None
    return {place: sorted(names) for place, names in found.items()}


def _named(clause: str, files: Mapping[str, list[str]]) -> str:
    words = clause.split()
    names = next((names for place, names in files.items() if place in words), [])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{clause}: {', '.join(names[:NAMED])}{more}" if names else clause
