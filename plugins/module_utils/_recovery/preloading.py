# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Libraries that the server of a copy loads when it starts: extensions such as TimescaleDB answer nothing without them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from .problem import Problem

_NAME = re.compile(r"[A-Za-z0-9_$-]+")


def judge(names: Sequence[str]) -> list[Problem]:
    """A sentence for each that is no name of a library: a path, or what would end the list or the setting."""
    expected = "the name of a library, of letters, digits, '_', '$' and '-', such as timescaledb"
    return [
        Problem(f"the library '{name}' to preload", expected, "correct drill_preload_libraries, or --preload")
        for name in names
        if not _NAME.fullmatch(name)
    ]


def missing(names: Sequence[str], version: str) -> list[Problem]:
    """A sentence for each that this host does not have for a major version of PostgreSQL; a server would not start with it."""
    where = f"/usr/lib/postgresql/{version}/lib"
    return [
        Problem(
            f"no library {name} to preload in {where}",
            "the one that the source preloads",
            f"install its package for PostgreSQL {version} on this host, or correct drill_preload_libraries (--preload)",
        )
        for name in names
        if not os.path.isfile(f"{where}/{name}.so")
    ]
