# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where recoveries stand written: one file for the one that is open or was the last, one for each of the others. They survive a boot."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from . import restore_record, restoring, state, tool_settings
from .held import Place
from .jobs import Stanza
from .problem import Problem, Refusal
from .restoring import Journal

LOG = "restore.log"
ROOM = 1 << 18  # bytes: a journal is some thousand long, and is written beside itself


def place(stanza: str) -> Place:
    """Where the held server of a stanza has its files."""
    return Place(stanza, str(state.DIRECTORY / stanza / "restore"))


def load(stanza: str) -> Journal | None:
    """The newest recovery of a stanza, open or not; None when there was none. Raises Refusal when it cannot be read."""
    file = _file(stanza)
    found = state.load(file)
    if not found and not file.exists():
        return None
    try:
        return _of(stanza, restore_record.parse(found))
    except (KeyError, TypeError, ValueError) as error:
        problem = Problem(
            f"{file}, which cannot be read ({error})", "the journal of a recovery", f"ls -l {file.parent} {file.parent}/restore"
        )
        raise Refusal(problem) from error


def _of(stanza: str, journal: Journal) -> Journal:
    """The same journal. Raises ValueError for one of another stanza, or open for another cluster than the tool's settings name."""
    home, declared = journal.home, _declared(stanza)
    if home.stanza != stanza:
        raise ValueError(f"Found the stanza {home.stanza}; expected {stanza}.")
    if journal.is_open and declared is not None and (home.version, home.cluster) != (declared.version, declared.cluster):
        raise ValueError(f"Found the cluster {home.version}/{home.cluster}; expected {declared.version}/{declared.cluster}.")
    return journal


def _declared(stanza: str) -> Stanza | None:
    """The cluster of a stanza, as root's settings of the tool name it; None where they do not."""
    settings = tool_settings.known()
    return next((one for one in settings.stanzas if one.name == stanza), None) if settings else None


def refuse_another(stanza: str, seen: Journal | None) -> None:
    """Raise Refusal when the newest recovery is not where a command had seen it, before it waited for its turn."""
    found = load(stanza)
    if _standing(found) != _standing(seen):
        what = f"the recovery {found.name}, with which another command has gone on meanwhile" if found else "no recovery any more"
        was = f"the recovery {seen.name} as it was" if seen else "no recovery"
        raise Refusal(Problem(what, was, f"type what is still to be done, by what this says: {restoring.TOOL} status"))


def refuse_ended(stanza: str, name: str) -> None:
    """Raise Refusal when the recovery of this name is not open any more: whoever goes on with it begins none."""
    found = load(stanza)
    if found is None or not found.is_open or found.name != name:
        raise Refusal(Problem(f"the recovery {name} not open any more", "it, to go on with", f"{restoring.TOOL} status"))


def _standing(journal: Journal | None) -> tuple[object, ...]:
    return (journal.name, journal.phase, journal.outcome, journal.goes_back) if journal else ()


def peek(stanza: str) -> tuple[Journal | None, str]:
    """The same for whoever only tells of it, and why it could not be read."""
    try:
        return load(stanza), ""
    except Refusal as refusal:
        return None, str(refusal)


def open_of(*, stanza: str = "", directory: str = "") -> Journal | None:
    """The open recovery in place of this stanza, or of the cluster with this data directory; of any where neither is named."""
    found = (_parsed(file.parent.name, file) for file in sorted(state.DIRECTORY.glob("*/restore.json")))
    # A rebuild's own roles come here too; a rehearsal has none behind its beginning.
    wanted = (one for one in found if one is not None and one.is_open and (one.order.rehearsal or not one.order.rebuild))
    return next((one for one in wanted if stanza in ("", one.home.stanza) and directory in ("", one.home.directory)), None)


def save(journal: Journal) -> Journal:
    """Write it down before the next step. One that was accepted before goes into a file of its own. Raises OSError."""
    stanza = journal.home.stanza
    file = state.path(stanza, _file(stanza).name)
    known = load(stanza)
    if known is not None and known.name != journal.name:
        state.save(_named(known), restore_record.document(known))
    state.save_on_disk(file, restore_record.document(journal))
    if journal.is_open:
        with suppress(OSError):
            state.reserve(_room(stanza), ROOM)
    else:
        state.free(_room(stanza))
    return journal


def reserve(stanza: str) -> None:
    """Take the room that a way back needs, before anything is touched. Raises Refusal."""
    try:
        state.reserve(state.path(stanza, _room(stanza).name), ROOM)
    except OSError as error:
        found = f"no room for the journal of a recovery in {state.DIRECTORY}/{stanza} ({error.strerror})"
        raise Refusal(Problem(found, "256 KiB", f"df -h {state.DIRECTORY}; make room, and type the same again")) from error


def save_at_need(journal: Journal, tell: Callable[[str], None]) -> Journal:
    """The same for whoever goes back, which no full disk stops: into the room that was reserved, or in memory, or nowhere."""
    try:
        return save(journal)
    except OSError:
        state.free(_room(journal.home.stanza))
    try:
        return save(journal)
    except OSError as error:
        where = _kept_in_memory(journal)
        tell(f"NOT WRITTEN DOWN: the disk does not take the journal in {state.DIRECTORY} ({error.strerror or error}); {where}")
    return journal


def _kept_in_memory(journal: Journal) -> str:
    """Keep it until the next boot if that can be; what happens then, for a person."""
    after = "it may be called open again: rollback ends it then, and moves nothing that is back already"
    try:
        state.keep(_file(journal.home.stanza), restore_record.document(journal))
    except OSError:
        return f"make room, df -h {state.DIRECTORY}; {after}"
    return f"it is kept until the next boot, make room before, df -h {state.DIRECTORY}; after that {after}"


def succeed(ended: Journal, following: Journal) -> Journal:
    """Write down that an open recovery was accepted, and the one that follows: whoever is killed between has the open one."""
    stanza = ended.home.stanza
    state.save(_named(ended), restore_record.document(ended))
    state.save_on_disk(state.path(stanza, _file(stanza).name), restore_record.document(following))
    return following


def release(journal: Journal) -> None:
    """Write down, where it stands written, that what it had kept is removed. A disk that does not take that keeps nobody from it."""
    stanza = journal.home.stanza
    for file in (_file(stanza), state.DIRECTORY / stanza / f"restore-{journal.name}.json"):
        known = _parsed(stanza, file)
        if known is not None and known.name == journal.name:
            with suppress(OSError):
                state.save_on_disk(file, restore_record.document(replace(known, released=True)))


def every(stanza: str) -> list[Journal]:
    """Every recovery of a stanza that is written down and can be read, the oldest first."""
    directory = state.DIRECTORY / stanza
    known = [_parsed(stanza, file) for file in (*sorted(directory.glob("restore-*.json")), _file(stanza))]
    return list({journal.name: journal for journal in known if journal is not None}.values())


def accepted(stanza: str) -> list[Journal]:
    """The accepted recoveries that stand written, the oldest first."""
    return [journal for journal in every(stanza) if journal.outcome == restoring.ACCEPTED]


def kept(stanza: str) -> list[Journal]:
    """The accepted recoveries whose old data is still there, the oldest first."""
    return [journal for journal in accepted(stanza) if any(Path(place).exists() for place in journal.moves.values())]


def _parsed(stanza: str, file: Path) -> Journal | None:
    """The recovery of a file; None where there is none that can be read."""
    document = state.load(file)
    with suppress(KeyError, TypeError, ValueError):
        return _of(stanza, restore_record.parse(document)) if document else None
    return None


def _file(stanza: str) -> Path:
    return state.DIRECTORY / stanza / "restore.json"


def _room(stanza: str) -> Path:
    return state.DIRECTORY / stanza / "restore.room"


def _named(journal: Journal) -> Path:
    return state.path(journal.home.stanza, f"restore-{journal.name}.json")
