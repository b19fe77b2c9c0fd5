# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Findings: one for each single thing that differs, none where nothing does, and no secret in any."""

from __future__ import annotations

import pytest
from _recovery.finding import ABSENT, HIDDEN, Finding, compare_lines, compare_mappings
from hypothesis import given
from hypothesis import strategies as st

SECRET = "canary-2b7e-passphrase"


def test_a_finding_as_a_mapping() -> None:
    assert Finding("port", "5432", "5433").as_dict() == {"what": "port", "expected": "5432", "found": "5433"}


# --- mappings ----------------------------------------------------------------------------------------------------


def test_each_key_that_differs_is_one_finding() -> None:
    expected = {"same": "1", "changed": "new", "missing": "x", "empty": ""}
    found = {"extra": "y", "changed": "old", "same": "1"}
    assert compare_mappings("option", expected, found) == [
        Finding("option: changed", "new", "old"),
        Finding("option: missing", "x", ABSENT),
        Finding("option: empty", "", ABSENT),
        Finding("option: extra", ABSENT, "y"),
    ]


@pytest.mark.parametrize(
    ("expected", "found", "shown"),
    [
        ({"pass": SECRET}, {"pass": "other"}, [Finding("f: pass", HIDDEN, HIDDEN)]),
        ({"pass": SECRET}, {}, [Finding("f: pass", HIDDEN, ABSENT)]),
        ({}, {"pass": SECRET}, [Finding("f: pass", ABSENT, HIDDEN)]),
        ({"pass": SECRET}, {"pass": SECRET}, []),
        ({"pass": SECRET, "port": "1"}, {"pass": "other", "port": "2"}, [Finding("f: pass", HIDDEN, HIDDEN), Finding("f: port", "1", "2")]),
    ],
)
def test_a_hidden_value_is_not_shown_on_either_side(expected: dict[str, str], found: dict[str, str], shown: list[Finding]) -> None:
    result = compare_mappings("f", expected, found, frozenset({"pass"}))
    assert result == shown
    assert SECRET not in repr(result)


mappings = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["", "1", "2"]))


@given(mappings, mappings, st.frozensets(st.sampled_from("abcdef")))
def test_there_are_as_many_findings_as_keys_that_differ(expected: dict[str, str], found: dict[str, str], hidden: frozenset[str]) -> None:
    findings = compare_mappings("f", expected, found, hidden)
    differing = {key for key in {*expected, *found} if expected.get(key) != found.get(key)}
    assert sorted(finding.what for finding in findings) == sorted(f"f: {key}" for key in differing)


# --- lines -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "found", "pairs"),
    [
        ([], [], []),
        (["a", "b"], ["a", "b"], []),
        (["a", "B", "c"], ["a", "b", "c"], [("B", "b")]),
        (["a", "b", "c"], ["a", "c"], [("b", ABSENT)]),
        (["a", "c"], ["a", "b", "c"], [(ABSENT, "b")]),
        (["a"], [], [("a", ABSENT)]),
        ([], ["a"], [(ABSENT, "a")]),
        (["a", "X", "Y", "d"], ["a", "x", "d"], [("X", "x"), ("Y", ABSENT)]),
        (["a", "X", "d"], ["a", "x", "y", "d"], [("X", "x"), (ABSENT, "y")]),
        (["b", "a"], ["a", "b"], [("b", ABSENT), (ABSENT, "b")]),
        (["a", "a"], ["a"], [("a", ABSENT)]),
        (["X", "b", "c", "Y"], ["x", "b", "c", "y"], [("X", "x"), ("Y", "y")]),
    ],
)
def test_each_line_that_differs_is_one_finding(expected: list[str], found: list[str], pairs: list[tuple[str, str]]) -> None:
    findings = compare_lines("rule", expected, found)
    assert sorted((finding.expected, finding.found) for finding in findings) == sorted(pairs)
    assert all(finding.what == "rule" for finding in findings)


lines = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)


@given(lines, lines)
def test_findings_account_for_every_line(expected: list[str], found: list[str]) -> None:
    findings = compare_lines("rule", expected, found)
    assert (findings == []) == (expected == found)
    assert all(finding.expected != finding.found for finding in findings)
    after = list(found)
    for finding in findings:
        if finding.found != ABSENT:
            after.remove(finding.found)
    after += [finding.expected for finding in findings if finding.expected != ABSENT]
    assert sorted(after) == sorted(expected)


@given(lines, st.integers(0, 7))
def test_one_line_changed_by_hand_is_one_finding(written: list[str], place: int) -> None:
    if place < len(written):
        changed = [*written[:place], "by hand", *written[place + 1 :]]
        assert compare_lines("rule", written, changed) == [Finding("rule", written[place], "by hand")]
    added = [*written[:place], "by hand", *written[place:]]
    assert compare_lines("rule", written, added) == [Finding("rule", ABSENT, "by hand")]
