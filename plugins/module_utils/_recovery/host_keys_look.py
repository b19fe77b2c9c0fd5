# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks an SFTP server for its host keys, where pgBackRest has refused the one that it shows. Nothing that it answers is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from . import files, host_keys
from .catalog import Repository
from .run import run

PATIENCE = 5  # seconds for each connection
WITHIN = 20.0  # seconds for all of them


def explained(found: Repository, options: Mapping[str, str]) -> Repository:
    """The same repository; one that could not be read for its server's host key says which key, and what shows them all."""
    if found.readable or not host_keys.concerns(found.message):
        return found
    known = options.get("sftp-known-host", "")
    shown = host_keys.keys_of(_scan(options.get("sftp-host", ""), options.get("sftp-host-port", "22")), options)
    pinned = host_keys.keys_of((files.read(known) if known else None) or "", options)
    return replace(found, message=host_keys.told(found.message, shown, pinned), remedy=host_keys.command(options))


@lru_cache(maxsize=16)
def _scan(name: str, port: str) -> str:
    """The keys of a server as ssh-keyscan prints them, asked once; nothing where it does not answer or there is no such command."""
    argv = ["ssh-keyscan", "-T", str(PATIENCE), "-p", port, "-t", host_keys.TYPES, "--", name]
    return run(argv, user="postgres", timeout=WITHIN).stdout
