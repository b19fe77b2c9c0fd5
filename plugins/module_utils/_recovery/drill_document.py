# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which reports of drills can be believed: whole ones, in which nothing contradicts the verdict. Pure.

They lie in files, for years: a disk, an editor or another host may have had its hands on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .drill import PASSED, SKIPPED

_LATEST = 4e9  # Unix seconds; no drill is of a later time
_TEXTS = ("name", "host", "stanza", "asked", "target", "set")
_LISTS = ("problems", "worse", "remarks", "notes")
_MAYBE = ("rto_seconds", "rpo_seconds")


def is_sound(one: Mapping[str, Any]) -> bool:
    """Whether a report has everything that is read of it, and says the same in its verdict and in its proofs."""
    try:
        return _has_all(one) and (not one["passed"] or _is_proof(one))
    except (KeyError, TypeError, AttributeError):
        return False


def _has_all(one: Mapping[str, Any]) -> bool:
    texts = [one[key] for key in _TEXTS] + [text for key in _LISTS for text in one[key]]
    numbers = [one[key] for key in ("began", "seconds", "repository", "restored_bytes", "wal_bytes")] + [
        one[key] for key in _MAYBE if one[key] is not None
    ]
    for part in (*one["rungs"], *one["phases"]):
        texts.append(part["name"])
        numbers.append(part["seconds"])
    for rung in one["rungs"]:
        texts += [rung["outcome"], rung["text"], *rung["problems"]]
    numbers += one["rates"].values()
    lists = [one[key] for key in (*_LISTS, "rungs", "phases", "databases")]
    return (
        isinstance(one["passed"], bool)
        and isinstance(one["objective"], Mapping)
        and all(isinstance(found, list) for found in lists)
        and all(isinstance(text, str) for text in texts)
        and all(_is_number(number) for number in numbers)
        and 0 <= one["began"] < _LATEST
    )


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)


def _is_proof(one: Mapping[str, Any]) -> bool:
    outcomes = {rung["outcome"] for rung in one["rungs"]}
    return PASSED in outcomes and outcomes <= {PASSED, SKIPPED} and not one["problems"] and one["rto_seconds"] is not None


def is_whole(one: Mapping[str, Any]) -> bool:
    """Whether it was a drill of everything, and not of some databases alone."""
    return not one["databases"]
