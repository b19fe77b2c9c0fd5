# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the journal of a recovery may say. It lies in a directory of postgres's, and root acts on it: each field is full-matched."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from .restoring import Home, Journal

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # of a cluster or a stanza
_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?")
_STAMP = re.compile(r"[0-9]{8}-[0-9]{6}")
_START = re.compile(r"auto|manual|disabled")
_UNIT = re.compile(r"[A-Za-z0-9_:.\\@][A-Za-z0-9_:.\\@-]*")
_PORTS = range(1, 65536)


def judge(journal: Journal) -> None:
    """Raise ValueError for what no recovery ever writes down."""
    home = journal.home
    _match("version", _VERSION, home.version)
    _match("start", _START, home.start)
    _match("name", _STAMP, journal.name)
    for what, name in (("cluster", home.cluster), ("stanza", home.stanza)):
        _match(what, _NAME, name)
        if ".." in name:
            raise ValueError(f"Found the {what} '{name}'; expected no '..' in it.")
    if journal.undoes:
        _match("name", _STAMP, journal.undoes)
    if not isinstance(home.port, int) or home.port not in _PORTS:
        raise ValueError(f"Found the port '{home.port}'; expected a number.")
    for unit in (*journal.order.services, *(journal.clients.services if journal.clients else ())):
        _match("service", _UNIT, unit)
    _judge_paths(home, (*journal.had, *journal.returns, *journal.inodes))


def _judge_paths(home: Home, places: Iterable[str]) -> None:
    wal = (home.wal,) if home.wal else ()
    for path in (home.directory, *home.tablespaces, *home.mounts, *home.locations, *home.above, *wal, *places):
        if not isinstance(path, str) or not path.startswith("/") or path.startswith("//") or os.path.normpath(path) != path or path == "/":
            raise ValueError(f"Found the directory '{path}'; expected an absolute path without '.', '..' and '//'.")


def _match(what: str, pattern: re.Pattern[str], value: object) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"Found the {what} {value!r}; expected one that matches {pattern.pattern}.")
