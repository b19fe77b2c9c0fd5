# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The copy that a drill leaves running for a person: on 127.0.0.1:15432, with the passwords of the source's roles; and its end."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from . import scratch, scratch_copy, scratch_registry, scratch_removal
from .drill import PORT
from .problem import Problem, playbook
from .scratch import Layout
from .scratch_copy import Copy, Failed, Server
from .scratch_registry import Entry

REASON = "drill of "  # how the reason of each copy of a drill begins
ADDRESS = "127.0.0.1"
PATIENCE = 120.0  # seconds for the start
ABSENT = f"{playbook('drill', '-e drill_state=absent')}; or on the host: sudo /opt/axiomdb/axiomdb-recovery drill --absent"


def judge_port(stanza: str) -> list[Problem]:
    """Why the port cannot be had."""
    others = ", ".join(entry.name for entry in kept(stanza))
    if others:
        return [Problem(f"the copy {others} of an earlier drill", f"none that has {ADDRESS}:{PORT}", ABSENT)]
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((ADDRESS, PORT))
        except OSError:
            return [Problem(f"the port {PORT} in use", "nobody on it", f"ss -tlnp sport = :{PORT}")]
    return []


def kept(stanza: str) -> list[Entry]:
    """The copies that drills of this stanza have left running."""
    return [one for one in scratch_registry.entries() if one.kept and one.stanza == stanza and one.reason.startswith(REASON)]


def serve(copy: Copy, *, stopped: bool) -> str:
    """Start the copy where a person finds it; what to type. Raises Failed."""
    if not stopped:
        scratch_copy.stop(copy)
    open_door(copy.layout)
    return until_answers(copy.layout, scratch_copy.launch(copy.entry, copy.memory, lasting=True))


def open_door(layout: Layout) -> None:
    """Let a server that does not run be found there, when it is started."""
    with open(layout.file("postgresql.conf"), "a", encoding="utf-8") as stream:
        stream.write(f"listen_addresses = '{ADDRESS}'\nport = {PORT}\n")
    with open(layout.file("pg_hba.conf"), "a", encoding="utf-8") as stream:
        stream.write(f"host all all {ADDRESS}/32 scram-sha-256\n")
    # A server has one port; what asks a copy knows that of every copy.
    os.symlink(f".s.PGSQL.{PORT}", f"{layout.socket}/.s.PGSQL.{scratch.PORT}")


def until_answers(layout: Layout, server: Server, absent: str = ABSENT) -> str:
    """Wait for it there; what to type, and how it is removed. Raises Failed."""
    deadline = time.monotonic() + PATIENCE
    while scratch_copy.query_at(layout.socket, PORT, "postgres", "select", 10.0).code != 0:
        how = scratch_copy.ended(server)
        if how or time.monotonic() > deadline:
            last = Path(layout.log).read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
            raise Failed(Problem(f"no server on {ADDRESS}:{PORT} ({how or 'no answer'}): {' '.join(last)}", "the copy to keep", "ss -tlnp"))
        time.sleep(scratch_copy.LOOK)
    return f"with a role of the source and its password: psql -h {ADDRESS} -p {PORT}; until: {absent}"


def remove(stanza: str) -> list[Entry]:
    """Remove every copy that a drill of this stanza has left. Raises Refusal."""
    found = kept(stanza)
    for entry in found:
        with suppress(FileNotFoundError):
            scratch_removal.remove_by_name(entry.name)
    return found
