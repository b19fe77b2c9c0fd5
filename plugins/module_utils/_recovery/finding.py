# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A finding: one single thing that differs between what is declared and what a host has."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

ABSENT = "(absent)"
HIDDEN = "(hidden)"
UNKNOWN = "(not known: the server does not run)"


@dataclass(frozen=True)
class Finding:
    """What differs, what is expected and what was found; all three are text for a person."""

    what: str
    expected: str
    found: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def compare_mappings(
    where: str, expected: Mapping[str, str], found: Mapping[str, str], hidden: frozenset[str] = frozenset()
) -> list[Finding]:
    """One finding for each key whose value differs; values of `hidden` keys are not shown."""
    findings = []
    for key in [*expected, *(key for key in found if key not in expected)]:
        if expected.get(key) != found.get(key):
            shown = [HIDDEN if key in hidden and key in side else side.get(key, ABSENT) for side in (expected, found)]
            findings.append(Finding(f"{where}: {key}", shown[0], shown[1]))
    return findings


def compare_lines(where: str, expected: list[str], found: list[str]) -> list[Finding]:
    """One finding for each line that was changed, added or taken away."""
    findings = []
    same = _equal_at_the_end(expected, found)
    expected, found = expected[: len(expected) - same], found[: len(found) - same]
    matcher = difflib.SequenceMatcher(a=found, b=expected, autojunk=False)
    for tag, found_from, found_to, expected_from, expected_to in matcher.get_opcodes():
        if tag == "equal":
            continue
        theirs, ours = found[found_from:found_to], expected[expected_from:expected_to]
        for index in range(max(len(theirs), len(ours))):
            ours_line = ours[index] if index < len(ours) else ABSENT
            theirs_line = theirs[index] if index < len(theirs) else ABSENT
            findings.append(Finding(where, ours_line, theirs_line))
    return findings


def _equal_at_the_end(left: list[str], right: list[str]) -> int:
    """How many lines are equal behind the last that is not. The matcher alone pairs repeated lines with the wrong ones."""
    pairs = enumerate(zip(reversed(left), reversed(right), strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(left), len(right)))
