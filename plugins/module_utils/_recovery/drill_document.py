# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A drill as a document, and which of them can be believed: whole ones, in which nothing contradicts the verdict. Pure.

They lie in files, for years: a disk, an editor or another host may have had its hands on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .drill import PASSED, REPLAY, RESTORE, SITE, SKIPPED, START, Drill

_LATEST = 4e9  # Unix seconds; no drill is of a later time
_TEXTS = ("name", "host", "stanza", "asked", "target", "set")
_LISTS = ("problems", "worse", "remarks", "notes")
_LATER = ("where", "asked_set")
_MAYBE = ("rto_seconds", "rpo_seconds")


def document(drill: Drill, worse: Sequence[str] = ()) -> dict[str, Any]:
    """A drill as JSON has it. There is no secret in it; the answers of checks are."""
    seconds, order, best = drill.seconds, drill.order, drill.plan
    return {
        "name": drill.name,
        "host": drill.host,
        "stanza": drill.stanza,
        "kind": order.kind,
        "spare": drill.spare,
        "began": drill.began,
        "passed": drill.passed,
        "where": where(drill),
        "asked": order.target,
        "asked_set": order.label,
        "asked_repository": order.repository,
        "preload_libraries": list(order.preload),
        "target": drill.target,
        "seed": drill.seed,
        "databases": list(order.databases),
        "set": best.backup if best else "",
        "repository": best.repository if best else 0,
        "timeline": best.timeline if best else 0,
        "lsn": best.lsn if best else "",
        "version": drill.version,
        "rungs": [{**asdict(rung), "title": rung.title, "seconds": seconds.get(rung.name, 0.0)} for rung in drill.rungs],
        "phases": [{"name": phase.name, "seconds": phase.seconds} for phase in drill.phases],
        "seconds": drill.milliseconds / 1000,
        "rto_seconds": drill.rto_seconds,
        **asdict(drill.measured),
        "rates": rates(drill),
        "objective": asdict(order.objective),
        "problems": list(drill.problems),
        "worse": list(worse),
        "remarks": list(drill.remarks),
        "notes": list(order.notes),
        "kept": drill.kept,
    }


def rates(drill: Drill) -> dict[str, float]:
    """Bytes in a second, restored and replayed."""
    sizes = {RESTORE: drill.measured.restored_bytes, REPLAY: drill.measured.wal_bytes}
    took = {RESTORE: drill.seconds.get(RESTORE, 0.0), REPLAY: drill.seconds.get(START, 0.0) + drill.seconds.get(REPLAY, 0.0)}
    return {name: round(size / took[name]) for name, size in sizes.items() if size and took[name]}


def where(drill: Drill) -> str:
    """On which host it was drilled, and beside what; a plan that failed came nowhere."""
    if drill.order.kind == SITE:
        return f"on the spare host {drill.host}, in the place of the lost cluster"
    if drill.plan is None:
        return ""
    return f"on the spare host {drill.host}, without the cluster" if drill.spare else f"on the host {drill.host}, beside its cluster"


def is_sound(one: Mapping[str, Any]) -> bool:
    """Whether a report has everything that is read of it, and says the same in its verdict and in its proofs."""
    try:
        return _has_all(one) and (not one["passed"] or _is_proof(one))
    except (KeyError, TypeError, AttributeError):
        return False


def _has_all(one: Mapping[str, Any]) -> bool:
    texts = [one[key] for key in _TEXTS] + [text for key in _LISTS for text in one[key]]
    # Reports of earlier releases have none of these.
    texts += [*(one.get(key, "") for key in _LATER), *one.get("preload_libraries", ())]
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
