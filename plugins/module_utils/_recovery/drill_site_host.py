# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The spare host of a drill of a lost site: what it was before, what keeps it from writing into a repository, and its emptiness afterwards.

What is noted lies in a directory of root's, and is gone with the last trace of the drill. Packages stay, and what is measured.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from . import aside, aside_within, files, held_server, host, restore_journal, restore_places, restoring, state, survey
from .durable import sync
from .files import File
from .postgres import Cluster
from .problem import Problem, Refusal
from .restore_processes import end_restores
from .restoring import Journal
from .run import pgbackrest, require, run
from .stepping_down import as_owner_of

NOTES = Path("/var/lib/axiomdb-drill")
LAST_WORD = "99-rehearsal.conf"  # read behind every other file of conf.d
OFF = "# Written by axiomdb.recovery for the drill of a lost site: nothing is archived, whoever starts it.\narchive_mode = off\n"
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Notes:
    """When a drill began, in Unix seconds and by the clock of this boot, and what there was: `there` of the places that it may make.

    `kept` says that it stays until somebody removes it.
    """

    stanza: str
    version: str
    cluster: str
    port: int
    directory: str
    began: float
    ticks: float
    boot: str
    there: tuple[str, ...] = ()
    kept: bool = False


def boot() -> str:
    """What this boot of the host is called."""
    return BOOT.read_text(encoding="utf-8").strip()


def load(stanza: str) -> Notes | None:
    """What was noted when the drill of this stanza began; None when there is none."""
    document = state.load(_file(stanza))
    with suppress(KeyError, TypeError):
        given = {key: value for key, value in document.items() if key != "format"}
        return Notes(**{**given, "there": tuple(given["there"])})
    return None


def note(stanza: str, cluster: Cluster, directory: str) -> Notes:
    """Note what there is, and keep a copy of each configuration that provisioning may change."""
    place = directory or host.data_directory(cluster.version, cluster.name) or cluster.data_directory
    found = Notes(stanza, cluster.version, cluster.name, cluster.port, place, time.time(), time.monotonic(), boot())
    home = _home(stanza)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o700, parents=True)
    os.chmod(NOTES, 0o700)
    for number, path in enumerate(_configurations(found)):
        if os.path.lexists(path):
            require(run(["cp", "-a", "--", path, f"{home}/{number}"]))
    there = tuple(path for path in (*_configurations(found), *_parents(found), place) if os.path.lexists(path))
    found = replace(found, there=there)
    return _save(found)


def keep(found: Notes) -> Notes:
    """Let the drill stay until somebody removes it."""
    return _save(replace(found, kept=True))


def _save(found: Notes) -> Notes:
    state.save(_file(found.stanza), asdict(found))
    return found


def _home(stanza: str) -> Path:
    return NOTES / stanza


def _file(stanza: str) -> Path:
    return _home(stanza) / "notes.json"


def _configurations(found: Notes) -> Sequence[str]:
    """What is put back as it was; the order is part of the notes."""
    return f"/etc/postgresql/{found.version}/{found.cluster}", "/etc/pgbackrest", "/etc/pgbackrest.conf"


def _parents(found: Notes) -> Sequence[str]:
    """Directories that are made for what lies in them; they are removed when they are empty again."""
    return f"/etc/postgresql/{found.version}", os.path.dirname(found.directory)


def seal(found: Notes) -> None:
    """From now on nothing of this stanza leaves this host: neither by a server, nor by whoever types pgBackRest's commands here.

    Raises Refusal when that cannot be seen.
    """
    path = f"/etc/postgresql/{found.version}/{found.cluster}/conf.d/{LAST_WORD}"
    files.write(File(path, OFF, "postgres", "postgres", 0o644))
    require(pgbackrest(found.stanza, ["stop"]), found.stanza)
    if not is_sealed(found.stanza):
        missing = Problem(f"no {stop_file(found.stanza)} after pgbackrest stop", "it: without it this host could write", "type it again")
        raise Refusal(missing)


def is_sealed(stanza: str) -> bool:
    """Whether pgBackRest refuses to write for this stanza here: it looks for a file of its own before it pushes, backs up or expires."""
    return os.path.exists(stop_file(stanza))


def stop_file(stanza: str) -> str:
    """What `pgbackrest stop` leaves; source: its lock directory's documentation."""
    return f"{survey.queue_places()[1]}/{stanza}.stop"


def leave(found: Notes) -> list[str]:
    """Leave the host as it was: server stopped, data removed, configuration put back; what was removed. Killed, it is gone on with."""
    journal = restore_journal.load(found.stanza)
    gone: list[str] = []
    if journal is not None and journal.order.rehearsal:
        end_restores(journal)
        held_server.kill(restore_journal.place(found.stanza))
        held_server.clear(restore_journal.place(found.stanza))
        gone += [place for place in restore_places.restored(journal) if os.path.lexists(place)]
        restore_places.remove_restored(journal)
        if journal.wal:
            aside.remove(journal.wal, restore_places.owner()[0])
        _forget(journal)
    elif _is_somebodys(found):
        _unseal(found)
        _forget_notes(found)
        return []
    _empty_again(found)
    stopped = stop_file(found.stanza)
    for number, path in enumerate(_configurations(found)):
        _put_back(path, _home(found.stanza) / str(number))
    with as_owner_of(stopped), suppress(FileNotFoundError):
        os.unlink(stopped)
    for path in _parents(found):
        if path not in found.there:
            _remove_empty(path)
    run(["systemctl", "daemon-reload"])
    run(["systemctl", "reset-failed", f"postgresql@{found.version}-{found.cluster}.service"])  # somebody may have tried to start it
    _forget_notes(found)
    return gone


def _forget_notes(found: Notes) -> None:
    """The notes go before the copies: with them, and without a copy, the next one would take a configuration for one of the drill."""
    _file(found.stanza).unlink()
    sync(str(_home(found.stanza)))
    shutil.rmtree(_home(found.stanza))
    _remove_empty(str(NOTES))


def _is_somebodys(found: Notes) -> bool:
    """Whether the host has data that no rehearsal has brought there: since a drill was killed it has become another one's."""
    return host.postmaster(found.directory) is not None or (os.path.isdir(found.directory) and bool(aside_within.content(found.directory)))


def _unseal(found: Notes) -> None:
    """Take away what keeps a host from writing, and nothing else."""
    for path in (stop_file(found.stanza), f"/etc/postgresql/{found.version}/{found.cluster}/conf.d/{LAST_WORD}"):
        with as_owner_of(path), suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)


def _forget(journal: Journal) -> None:
    """The journal goes last: until then whoever is killed knows what is left."""
    top = state.DIRECTORY / journal.home.stanza
    with as_owner_of(f"{top}/restore"):
        if not journal.home.paused:
            state.PAUSE.unlink(missing_ok=True)
        shutil.rmtree(top / "restore", ignore_errors=True)
        (top / "restore.room").unlink(missing_ok=True)
        (top / "restore.json").unlink(missing_ok=True)


def _empty_again(found: Notes) -> None:
    """The data directory: there, and empty, or not there."""
    is_there = os.path.isdir(found.directory)
    if found.directory in found.there and not is_there:
        aside.make(found.directory, *restore_places.owner())
    elif found.directory not in found.there and is_there:
        _remove_empty(found.directory)


def _put_back(path: str, copy: Path) -> None:
    """A configuration as it was noted; it is removed where there was none."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
    if os.path.lexists(copy):
        require(run(["cp", "-a", "--", str(copy), path]))


def _remove_empty(path: str) -> None:
    with suppress(OSError):  # not empty, or not there
        os.rmdir(path)


def refuse_kept(stanza: str, inventory_host: str) -> None:
    """Raise Refusal beside a drill that was to stay."""
    found = load(stanza)
    if found is not None and found.kept:
        left = f"the site that an earlier drill has left on {inventory_host}"
        raise Refusal(Problem(left, "none", restoring.remove_rehearsal(inventory_host)))
