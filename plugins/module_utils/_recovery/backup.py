# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes backups: into one repository at a time, annotated, and believed only when the repository shows them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from . import aside_within, postgres, repository
from .beside import pushing_past
from .catalog import Backup
from .problem import Problem, Refusal, Unfinished, playbook
from .provision import annotations_for, repositories_without_backup
from .push_past import Sender
from .run import CommandFailed, pgbackrest_when_free, require
from .spoken import age, human
from .survey import Survey
from .writer import took_over

NEXT_XID = "select to_json(pg_snapshot_xmax(pg_current_snapshot())::text)"


def impossible(seen: Survey) -> Problem | None:
    """Why no backup can be taken now: on a standby, and where the server does not archive; such a backup would be worthless."""
    host, stanza = seen.server.inventory_host, seen.server.stanza
    if seen.standby:
        return Problem(f"{host} is a standby", "a primary", f"take the backup of {stanza} on the primary")
    if seen.archiver.uses_pgbackrest:
        return None
    return Problem(
        f"archive_mode is off on {host}" if not seen.archiver.on else f"archive_command is '{seen.archiver.command}' on {host}",
        "a server that archives each WAL segment with pgBackRest",
        playbook("site", f"-l {host} -e postgresql_restart_allowed=true"),
    )


def due(seen: Survey, only_if_missing: bool) -> tuple[int, ...]:
    """Numbers of the repositories into which a backup is to be taken."""
    if only_if_missing:
        lacking = repositories_without_backup(seen.server, seen.repositories)
        return tuple(item.number for item in seen.repositories if item.number in lacking or took_over(seen.server, item))
    return tuple(item.number for item in seen.repositories)


def take(seen: Survey, number: int, kind: str) -> dict[str, Any]:
    """Take one backup into one repository. Raises CommandFailed, or Unfinished when the repository does not show it afterwards."""
    stanza, port = seen.server.stanza, int(seen.answer["settings"]["port"])
    known = {backup.label for item in seen.repositories if item.number == number for backup in item.backups}
    notes = annotations_for(seen.server, postgres.ask(port, NEXT_XID))
    options = [f"--repo={number}", f"--type={kind}", *(f"--annotation={key}={value}" for key, value in notes.items())]
    options += [f"--exclude={entry}" for entry in aside_within.ours(str(seen.answer["data_directory"]))]
    with pushing_past(Sender(stanza, str(seen.answer["data_directory"]), seen.repositories)):
        done = pgbackrest_when_free(stanza, ["backup"], options)
    require(done, stanza)
    made = _newest(stanza, number)
    if made is None or made.label in known or made.error:
        found = "none" if made is None or made.label in known else f"{made.label} with page errors"
        raise Unfinished(
            Problem(
                f"{found} in repository {number} after pgbackrest backup said that it succeeded",
                "a new backup without page errors",
                f"sudo -u postgres pgbackrest --stanza={stanza} --repo={number} info",
            )
        )
    repository.annotate(stanza, number, made.label, {"axiomdb-xid-stop": postgres.ask(port, NEXT_XID)})
    return {"label": made.label, "type": made.kind, "size": made.size}


def take_each(seen: Survey, numbers: Sequence[int], kind: str, tell: Callable[[str], None]) -> tuple[list[dict[str, Any]], list[str]]:
    """One backup into each of these repositories; why it failed in one does not keep the others from theirs."""
    made, problems = [], []
    for number in numbers:
        began = time.monotonic()
        try:
            taken = take(seen, number, kind)
        except (CommandFailed, Refusal) as error:
            problems.append(f"repository {number}: {error}")
            continue
        made.append({"repository": number, **taken})
        tell(f"repository {number}: {taken['type']} backup {taken['label']} of {human(taken['size'])} in {age(time.monotonic() - began)}")
    return made, problems


def _newest(stanza: str, number: int) -> Backup | None:
    return repository.look(stanza, [number], [f"--repo={number}"])[0].newest_backup
