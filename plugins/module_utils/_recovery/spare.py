# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges repositories from a spare host, which has no cluster: what the vault holds opens each of them, or a rebuild would fail.

Changes nothing, in no repository.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from . import bundle_store, judging, repository
from .catalog import Repository
from .places import is_here
from .problem import Problem, Refusal, playbook
from .spoken import counted
from .verdict import Fault, Judgement, Reading


def verify(stanza: str) -> Judgement:
    """Open each repository, and read all of it. Raises Refusal where none is configured."""
    configured = repository.configured()
    seen = repository.look(stanza, list(configured)) if configured else ()
    # What lies on the disk of its own host is not here.
    elsewhere = [found for found in seen if not (is_here(configured[found.number]) and found.readable and not found.has_stanza)]
    if not elsewhere:
        raise Refusal(Problem("no repository that lies elsewhere", "one, which is left when its host is lost", playbook("verify")))
    faults: list[Fault] = []
    readings: list[Reading] = []
    for found in elsewhere:
        closed = list(_closed(stanza, found))
        faults += closed
        if not closed:
            reading = judging.read(stanza, found.number)
            readings.append(reading)
            info = f"sudo -u postgres pgbackrest --stanza={stanza} --repo={found.number} info"
            faults += [
                Fault(f"verify {found.number} {what}", found.number, f"repository {found.number}: {what}", info) for what in reading.broken
            ]
    return Judgement(time.time(), tuple(readings), tuple(faults))


def _closed(stanza: str, found: Repository) -> Iterator[Fault]:
    """Why nothing could be brought back from a repository; what the passphrase does not open, first of all."""
    number = found.number
    info = f"sudo -u postgres pgbackrest --stanza={stanza} --repo={number} info"
    if not found.readable:
        yield Fault(f"opens {number}", number, f"repository {number} unreadable: {found.message}", found.remedy or info)
    elif not found.current_backups:
        yield Fault(f"holds {number}", number, f"repository {number} holds no backup of {stanza}", info)
    else:
        _bundle, unopened = bundle_store.judge(stanza, number)
        if unopened is not None:
            yield Fault(f"bundle {number}", number, unopened.found, unopened.next_step)


def said(found: Judgement) -> str:
    """A verdict without faults, as one sentence."""
    numbers = " and ".join(str(reading.repository) for reading in found.readings)
    backups, segments = (sum(getattr(reading, name) for reading in found.readings) for name in ("backups", "segments"))
    read = f"{counted(backups, 'backup')} and {counted(segments, 'WAL segment')} read"
    return f"the vault opens repository {numbers}: {read}, nothing is broken"
