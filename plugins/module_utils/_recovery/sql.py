# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a server through its socket, as postgres."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from .run import Completed, run

SOCKET_DIRECTORY = "/var/run/postgresql"
# Whoever owns a database may make a function there that fits better than PostgreSQL's own one: as postgres nobody may call it.
SAFE_PATH = "set search_path to pg_catalog;"
_OPTIONS = "-c statement_timeout=60s -c client_min_messages=error -c search_path=pg_catalog"


class NotAnswering(Exception):
    """The server does not answer on its socket."""


@cache
def client() -> str:
    """The newest psql itself. The one in PATH is Debian's wrapper: it starts Perl to find the cluster that is always named here."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin/psql") if path.parts[-3].isdigit()]
    return str(max(found, key=lambda path: int(path.parts[-3]))) if found else "psql"


def psql(port: int, *statements: str, database: str = "postgres") -> Completed:
    """Statements through the socket, each in a transaction of its own; rows without alignment."""
    commands = [word for sql in statements for word in ("-c", sql)]
    argv = [client(), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", SOCKET_DIRECTORY, "-p", str(port), "-d", database, *commands]
    return run(argv, user="postgres", env={"PGCONNECT_TIMEOUT": "10", "PGOPTIONS": _OPTIONS})


def ask(port: int, sql: str, before: str = "", database: str = "postgres") -> Any:
    """The JSON that a query returns; a statement `before` it is committed first. Raises NotAnswering with psql's reason."""
    done = psql(port, *([before] if before else []), sql, database=database)
    if done.code != 0:
        raise NotAnswering(done.detail)
    return json.loads(done.stdout.strip().splitlines()[-1] if before else done.stdout)
