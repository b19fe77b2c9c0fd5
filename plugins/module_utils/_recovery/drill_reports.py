# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reports of drills on a host: one document for a program, one page for a person, JUnit for a pipeline. All of them stay."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import drill_history, drill_report, state
from .drill_history import Last

FORMAT = 1


def directory(stanza: str) -> Path:
    """Where the reports of a stanza lie."""
    return state.DIRECTORY / stanza / "drills"


def known(stanza: str) -> list[dict[str, Any]]:
    """Every report that can be read, the oldest first."""
    place = directory(stanza)
    found = [state.load(file) for file in sorted(place.glob("*.json"))] if place.is_dir() else []
    return [dict(one) for one in drill_history.in_order(found)]


def last(stanza: str, now: float) -> Last:
    """The newest ones."""
    return drill_history.last(known(stanza), now)


def files(one: Mapping[str, Any], documents: Sequence[Mapping[str, Any]], now: float) -> dict[str, str]:
    """A report and its page and JUnit XML, by the names of their files."""
    text = json.dumps({"format": FORMAT, **one}, indent=1, sort_keys=True) + "\n"
    return {
        f"{one['name']}.json": text,
        f"{one['name']}.md": drill_report.page(one, documents, now),
        f"{one['name']}.xml": drill_report.junit(one),
    }


def keep(stanza: str, one: Mapping[str, Any], documents: Sequence[Mapping[str, Any]], now: float) -> str:
    """Write a report; why it could not be kept, or an empty string. What is measured is told all the same."""
    try:
        place = directory(stanza)
        state.path(stanza, place.name)
        place.mkdir(mode=0o750, exist_ok=True)
        for name, text in files(one, documents, now).items():
            temporary = place / f".{name}.{os.getpid()}"
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, place / name)
    except OSError as error:
        return f"the report could not be kept in {directory(stanza)}: {error.strerror}"
    return ""
