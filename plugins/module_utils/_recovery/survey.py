# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look at everything that a decision about a stanza needs: the server, its archiver, every repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import host, postgres, repository, restore_told
from .backrest import judge_stanza
from .catalog import Repository
from .postgres import Cluster, NotAnswering
from .problem import Problem, Refusal
from .provision import Archiver
from .writer import Evidence, Server, judge_writer


@dataclass(frozen=True)
class Survey:
    """What was seen. `answer` is the server's own account (see postgres.STATE)."""

    server: Server
    archiver: Archiver
    evidence: tuple[Evidence, ...]
    answer: Mapping[str, Any]

    @property
    def repositories(self) -> tuple[Repository, ...]:
        return tuple(item.repository for item in self.evidence)

    @property
    def standby(self) -> bool:
        return bool(self.answer["in_recovery"])


def survey(stanza: str, cluster: Cluster, inventory_host: str) -> Survey | None:
    """Look at the server and its repositories; None where the cluster, pgBackRest or its configuration does not exist yet.

    Raises NotAnswering when the cluster exists and its server does not answer, CommandFailed when an archive cannot be listed.
    """
    unsafe = judge_stanza(stanza) or restore_told.rehearsal_of(stanza)
    if unsafe:
        raise Refusal(unsafe)
    numbers = tuple(repository.configured())
    if not numbers or not host.cluster_exists(cluster.version, cluster.name) or not host.pgbackrest_version():
        return None
    answer = postgres.state(cluster.port)
    if answer["data_directory"] != cluster.data_directory:
        raise Refusal(postgres.other_server(cluster, str(answer["data_directory"]), cluster.port))
    server = postgres.server_of(answer, stanza, inventory_host, {})
    evidence = tuple(repository.evidence_of(stanza, found, server.timeline) for found in repository.look(stanza, numbers))
    archived: dict[str, str] = {}
    for item in evidence:
        archived |= postgres.shared_segments(str(answer["data_directory"]), item.listing)
    # The archive was listed after the first answer: the position is read once more, or a busy server would look behind its own archive.
    server = replace(server, archived=archived, lsn=postgres.position(cluster.port))
    return Survey(
        server,
        postgres.archiver_of(answer, stanza, *queue_places(), repository.option("log-path", "/var/log/pgbackrest")),
        evidence,
        answer,
    )


def queue_places() -> tuple[str, str]:
    """Where pgBackRest keeps its spool and its locks."""
    return repository.option("spool-path", "/var/spool/pgbackrest"), repository.option("lock-path", "/tmp/pgbackrest")


def refuse_unknown_stanza(stanza: str) -> None:
    """Raise Refusal when the configuration of this host has other stanzas, but not this one."""
    known = repository.stanzas()
    if known and stanza not in known:
        raise Refusal(
            Problem(f"the stanza {stanza}", f"one of {', '.join(known)}", f"type the same command with -e pgbackrest_stanza={known[0]}")
        )


def survey_if_running(stanza: str, cluster: Cluster, inventory_host: str) -> Survey | None:
    """The same, but None also for a server that does not run: before it is started there is nothing to compare."""
    try:
        return survey(stanza, cluster, inventory_host)
    except NotAnswering:
        if host.postmaster(cluster.data_directory) is None:
            return None
        raise


def refuse_other_writers(seen: Survey, takes_over_from: str = "", upgrade_confirmed: bool = False, *, unreadable: bool = True) -> None:
    """Raise Refusal when any repository shows that this server must not write to the stanza. A standby writes nothing anyway.

    `unreadable` repositories are refused too, except before a configuration is written that may have lost them on purpose.
    """
    if seen.standby:
        return
    problems = []
    for item in seen.evidence:
        if not item.repository.readable and not unreadable:
            continue
        foreign = item.repository.current is not None and item.repository.current.system_id != seen.server.system_id
        problem = None if upgrade_confirmed and foreign else judge_writer(seen.server, item, takes_over_from)
        problems += [problem] if problem else []
    if problems:
        raise Refusal(*problems)


def writable(seen: Survey, takes_over_from: str = "") -> tuple[list[int], list[str]]:
    """The repositories to which this server may write now, and why not to the others. Raises Refusal when another server writes."""
    able, problems, refusals = [], [], []
    for item in seen.evidence:
        problem = judge_writer(seen.server, item, takes_over_from)
        if problem is None:
            able.append(item.repository.number)
        elif item.repository.readable:
            refusals.append(problem)
        else:
            problems.append(problem.sentence())
    if refusals:
        raise Refusal(*refusals)
    return able, problems
