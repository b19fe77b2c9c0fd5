# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gathers what the summary is made of: the survey, where each repository lies, what waits for a restart."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from . import host, passphrase, repository, restore_told, state, systems
from .jobs import FAILED, VERIFY, parse_records
from .postgres import Cluster, NotAnswering, history_files, queue_of
from .provision import Archiver, first_hole, repositories_behind
from .summary import BARE, NETWORK_FILESYSTEMS, Picture, Place
from .survey import Survey, queue_places, survey
from .writer import judge_writer, latecomer


def take_picture(stanza: str, cluster: Cluster, inventory_host: str, command: str, now: float) -> Picture:
    """Look at the host; a server that does not answer is a picture too."""
    system = systems.find_system(host.os_release())
    name, title = inventory_host or socket.gethostname(), system.title if system else ""
    reason, recovery = BARE, restore_told.seen(stanza)
    try:
        seen = survey(stanza, cluster, inventory_host)
    except NotAnswering as error:
        seen, reason = None, f"the server of {cluster.version}/{cluster.name} does not answer ({error})"
    if seen is None:
        archiver, histories = waiting(stanza, cluster), history_files(cluster.data_directory)
        return Picture(name, stanza, now, command, title, reason=reason, archiver=archiver, histories=histories, recovery=recovery)
    return Picture(
        name,
        stanza,
        now,
        command,
        title,
        seen.server,
        f"{seen.answer['full_version']} ({cluster.version}/{cluster.name}, port {cluster.port})",
        seen.answer["checksums"] == "on",
        seen.standby,
        seen.archiver,
        seen.repositories,
        {number: place_of(options) for number, options in repository.configured().items()},
        seen.answer["pending"],
        behind=repositories_behind(seen.server, seen.archiver, seen.evidence),
        unsafe=[name for name in ("fsync", "full_page_writes") if seen.answer["settings"][name] == "off"],
        several=len(repository.stanzas()) > 1,
        archive_timeout=int(seen.answer["settings"]["archive_timeout"]),
        verification=failed_verification(stanza),
        writers=other_writers(seen),
        late={item.repository.number: late for item in seen.evidence if (late := latecomer(seen.server, item))},
        holes={item.repository.number: hole for item in seen.evidence if (hole := first_hole(seen.server, seen.archiver, item))},
        histories=history_files(cluster.data_directory),
        recovery=recovery,
    )


def waiting(stanza: str, cluster: Cluster) -> Archiver:
    """What waits in the queue of a server that does not answer."""
    return queue_of(cluster.data_directory, stanza, *queue_places())


def other_writers(seen: Survey) -> dict[int, str]:
    """What shows that another server writes to the stanza, by repository. Nobody minds on a standby."""
    found = {}
    for item in seen.evidence if not seen.standby else ():
        problem = judge_writer(seen.server, item) if item.repository.readable else None
        if problem:
            found[item.repository.number] = f"{problem.found}; expected {problem.expected}"
    return found


def failed_verification(stanza: str) -> str:
    """Why the newest verification failed, the first reason; empty when it did not fail, or when there was none."""
    document = state.load(state.DIRECTORY / stanza / f"job-{VERIFY}.json")
    record = parse_records({VERIFY: document.get("record")}).get(VERIFY)
    if record is None or record.outcome != FAILED:
        return ""
    first, more = record.text.partition(". Type: ")[0].partition(". Next: ")[0], record.text.count(". Type: ") - 1
    return f"{first}, and {more} more" if more > 0 else first


def any_picture(stanza: str, cluster: Cluster, inventory_host: str, command: str, now: float) -> Picture:
    """The same; one at which nobody could look is a picture too, with the reason."""
    try:
        return take_picture(stanza, cluster, inventory_host, command, now)
    except Exception as error:
        return Picture(inventory_host, stanza, now, command, reason=f"the host cannot be looked at: {error or type(error).__name__}")


def place_of(options: Mapping[str, str]) -> Place:
    """Where a configured repository lies, and whether its passphrase is one that everybody can read."""
    kind, path = options.get("type", "posix"), options.get("path", "/var/lib/pgbackrest")
    return Place(
        kind,
        path,
        options.get("cipher-type", "none"),
        kind not in ("posix", "cifs") or "host" in options or filesystem(path) in NETWORK_FILESYSTEMS,
        passphrase.is_published(options.get("cipher-pass", "")),
    )


def filesystem(path: str) -> str:
    """The type of the filesystem on which `path` lies, from /proc/mounts."""
    real = os.path.realpath(path)
    rows = (line.split(" ") for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines())
    mounts = {row[1]: row[2] for row in rows if real == row[1] or real.startswith(row[1].rstrip("/") + "/")}
    return mounts[max(mounts, key=len)] if mounts else ""
