# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pg_amcheck prints of corruption. Pure. Source: PostgreSQL 15 to 18, src/bin/pg_amcheck/pg_amcheck.c, in the C locale."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

CORRUPT = 2  # its exit code
_HEAD = re.compile(r"(heap table|btree index) \"?([^\":]+)\"?((?:, (?:block|offset|attribute) \d+)*):$")
_ERROR = re.compile(r"^\s+(?:ERROR: +)?(\S.*)")


@dataclass(frozen=True)
class Corrupt:
    """A corrupt relation: what it is with its name, what was found first, and how many messages there are of it."""

    what: str
    text: str = ""
    count: int = 0


def parse(text: str) -> list[Corrupt]:
    """The corrupt relations, each once."""
    found: dict[str, Corrupt] = {}
    current, waits = "", False
    for line in text.splitlines():
        head = _HEAD.search(line)
        if head and not line.startswith((" ", "\t")):
            current, waits = f"{head[1]} {head[2]}", True
            known = found.get(current, Corrupt(current))
            found[current] = replace(known, count=known.count + 1)
        elif waits and (said := _ERROR.match(line)):
            known = found[current]
            found[current] = replace(known, text=known.text or said[1].strip())
            waits = False
    return list(found.values())
