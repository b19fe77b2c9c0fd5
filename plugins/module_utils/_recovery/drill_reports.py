# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reports of drills on a host: one document for a program, one page for a person, JUnit for a pipeline. All of them stay."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import drill_history, drill_report, state, tool_settings
from .drill_document import is_sound
from .drill_history import Last

FORMAT = 1


def own_name() -> str:
    """The name of this host by which the status looks for its drills: that of its jobs, where it has some."""
    settings = tool_settings.known()
    return settings.host if settings else socket.gethostname()


def directory(stanza: str) -> Path:
    """Where the reports of a stanza lie."""
    return state.DIRECTORY / stanza / "drills"


def known(stanza: str) -> list[dict[str, Any]]:
    """Every report that can be believed, of whichever host, the oldest first."""
    return [dict(one) for one in drill_history.in_order(_read(stanza).values()) if one["stanza"] == stanza]


def _read(stanza: str) -> dict[str, dict[str, Any]]:
    place = directory(stanza)
    return {file.name: state.load(file) for file in sorted(place.glob("drill-*.json"))} if place.is_dir() else {}


def last(stanza: str, host: str, now: float) -> Last:
    """The newest ones of this host: what an image or a backup of another one has brought along proves nothing of this one."""
    found = _read(stanza)
    damaged = [name for name, one in found.items() if not is_sound(one)]
    others = {one["host"] for name, one in found.items() if name not in damaged} - {host}
    apart = [f"the report {name} in {directory(stanza)} cannot be believed: it is damaged" for name in damaged]
    apart += [f"reports of the host {other} lie in {directory(stanza)}: they prove nothing of this one" for other in sorted(others)]
    own = (one for name, one in found.items() if name not in damaged and (one["host"], one["stanza"]) == (host, stanza))
    return replace(drill_history.last(own, now), apart=tuple(apart))


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
        for left in place.glob(".drill-*"):  # by one that was killed while it wrote: a stanza has one drill at a time
            left.unlink()
        for name, text in files(one, documents, now).items():
            _write(place / name, text)
    except OSError as error:
        return f"the report could not be kept in {directory(stanza)}: {error.strerror}"
    return ""


def _write(file: Path, text: str) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), 0o640)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
