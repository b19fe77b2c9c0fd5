# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scratch copy: a set restored beside the live server and recovered to a target, without ending recovery. Decided here.

A copy has nothing of the live server but its data: its own directory, configuration, socket and port; no archiving, no preloaded
library unless it is asked for, no worker of logical replication, no setting of ALTER SYSTEM. Source: PostgreSQL 15 to 18.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from . import settings
from .control import Control
from .problem import Problem
from .settings import SettingValue
from .spoken import counted, human
from .wal import Lsn

LATEST, IMMEDIATE = "latest", "immediate"
KINDS = (LATEST, IMMEDIATE, "lsn", "name", "time", "xid")
EXCLUSIVE_KINDS = ("lsn", "time", "xid")
PORT = 65432  # names the socket alone; nothing listens on it
MIB, GIB = 1 << 20, 1 << 30
MEMORY, LEAST_MEMORY = 512 * MIB, 128 * MIB
MARGIN = 256 * MIB  # beside the data: WAL between two restart points, and what the WAL adds
SOCKET_BYTES = 107  # of a Unix socket's path; source: unix(7)
ALWAYS_THERE = ("postgres", "template0", "template1")
_DIRECTORY = re.compile(r"/[A-Za-z0-9._/-]+")
RESET = ("db-include", "db-exclude", "link-map", "recovery-option", "tablespace-map")


@dataclass(frozen=True)
class Goal:
    """What is restored and how far it is recovered; what a plan becomes.

    `label` is a backup set of `repository`, `kind` one of KINDS, `target` as pgBackRest and PostgreSQL read it, `timeline` the one
    whose history is followed. `lsn`: where replay has to stand; for `latest`, or unless `exact`, the position that it has to reach
    at least. `expected_timeline` is the one of the last segment replayed, `until` (Unix seconds) later than the last commit or equal.
    They are the proof; None is not proved.
    """

    stanza: str
    repository: int
    label: str
    timeline: int
    kind: str
    target: str = ""
    exclusive: bool = False
    lsn: Lsn | None = None
    expected_timeline: int | None = None
    exact: bool = True
    until: float | None = None


@dataclass(frozen=True)
class Wish:
    """How the copy is to be. No database means all of them; `memory` is in bytes; `directory` is empty for the usual place."""

    reason: str
    databases: tuple[str, ...] = ()
    directory: str = ""
    memory: int = MEMORY
    preload: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Where everything of a copy lies: all of it below one directory of its own."""

    name: str
    directory: str

    @property
    def data(self) -> str:
        return f"{self.directory}/data"

    @property
    def socket(self) -> str:
        return f"{self.directory}/socket"

    @property
    def tablespaces(self) -> str:
        return f"{self.directory}/tablespaces"

    @property
    def log(self) -> str:
        return f"{self.directory}/server.log"

    @property
    def marker(self) -> str:
        return f"{self.directory}/axiomdb-scratch.json"

    @property
    def new_marker(self) -> str:
        """The marker while it is written."""
        return f"{self.marker}.new"

    @property
    def title(self) -> str:
        """What the titles of the server's processes carry."""
        return f"axiomdb-scratch-{self.name}"

    def file(self, name: str) -> str:
        return f"{self.directory}/{name}"


@dataclass(frozen=True)
class Source:
    """The set in the repository, and the live server that it is from, as far as there is one.

    `databases` are None when the repository does not say them. `sizes` are those of the live databases, in bytes, by name.
    """

    version: str
    system_id: int
    size: int
    databases: tuple[str, ...] | None = None
    live: Control | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ground:
    """The place of the copy: what lies there, who may write, the directories that are somebody's, bytes that are free and of how many."""

    exists: bool
    entries: tuple[str, ...]
    writable: bool
    free: int
    taken: tuple[str, ...]
    total: int = 0


@dataclass(frozen=True)
class Choice:
    """The databases that are restored with their content; none means all. `notes` are sentences for whoever asked."""

    include: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def choose(source: Source, wanted: Sequence[str]) -> Choice:
    """Whether only the wanted databases can be restored; all are when that could end in a PANIC, and it is said."""
    own = tuple(dict.fromkeys(name for name in wanted if name not in ALWAYS_THERE))
    if not own:
        return Choice()
    live = source.live
    if live is None or live.system_id != source.system_id or not live.hints_logged:
        why = "its data checksums are off" if live and live.system_id == source.system_id else "whether it has data checksums is not known"
        return Choice(
            notes=(
                f"All databases are restored, not {', '.join(own)} alone: {why}, and then a vacuum of a database that is left "
                "out ends recovery in a PANIC",
            )
        )
    return Choice(own)


def needed(source: Source, choice: Choice) -> int:
    """Bytes that the copy needs at most, as far as they are known: databases that are left out take none."""
    left_out = sum(size for name, size in source.sizes.items() if name not in (*choice.include, *ALWAYS_THERE)) if choice.include else 0
    data = max(0, source.size - left_out)
    return data + data // 10 + MARGIN


def kept_free(total: int) -> int:
    """Bytes of a disk with so many that no copy takes: on most hosts the live server writes to the same one."""
    return min(GIB, total // 20)


def judge_goal(goal: Goal) -> list[Problem]:
    """What no restore could be asked for."""
    problems = []
    if goal.kind not in KINDS:
        problems.append(Problem(f"the kind of target '{goal.kind}'", f"one of {', '.join(KINDS)}", "correct the target"))
    elif (goal.kind in (LATEST, IMMEDIATE)) == bool(goal.target):
        with_target = "no further word" if goal.target else "a target"
        problems.append(Problem(f"{goal.kind} with '{goal.target}'", f"{goal.kind} with {with_target}", "correct the target"))
    elif goal.exclusive and goal.kind not in EXCLUSIVE_KINDS:
        problems.append(Problem(f"an exclusive {goal.kind}", f"one of {', '.join(EXCLUSIVE_KINDS)}", "correct the target"))
    if goal.kind == LATEST and goal.lsn is None:
        problems.append(Problem("latest without a position", "the LSN up to which the archive goes", "give the LSN"))
    if any(character in goal.target for character in "\n\r\0"):
        problems.append(Problem("a line break in the target", "one line", "correct the target"))
    return problems


def judge(source: Source, wish: Wish, choice: Choice, layout: Layout, ground: Ground) -> list[Problem]:
    """Everything that speaks against making the copy there."""
    problems = []
    known = source.databases
    for name in wish.databases:
        if known is not None and name not in known and name not in ALWAYS_THERE:
            problems.append(Problem(f"no database {name} in the set", f"one of {', '.join(sorted(known))}", "correct the name"))
    if wish.memory < LEAST_MEMORY:
        problems.append(Problem(f"a memory bound of {human(wish.memory)}", f"at least {human(LEAST_MEMORY)}", "give the copy more memory"))
    place = _judge_place(layout.directory, ground)
    if place:
        return [*problems, place]
    wanted = needed(source, choice) + kept_free(ground.total)
    if ground.free < wanted:
        problems.append(
            Problem(
                f"{human(ground.free)} free for {layout.directory}",
                f"at least {human(wanted)} for a set of {human(source.size)}, of which {human(kept_free(ground.total))} stay free",
                f"df -h {PurePosixPath(layout.directory).parent}; then choose another directory",
            )
        )
    return problems


def _judge_place(directory: str, ground: Ground) -> Problem | None:
    other = "choose another directory"
    if not _DIRECTORY.fullmatch(directory) or str(PurePosixPath(directory)) != directory or ".." in PurePosixPath(directory).parts:
        return Problem(f"the directory '{directory}'", "an absolute path of letters, digits, '.', '_' and '-'", other)
    longest = f"{directory}/socket/.s.PGSQL.{PORT}"
    if len(longest) > SOCKET_BYTES:
        return Problem(f"a directory of {len(directory)} bytes", f"at most {SOCKET_BYTES - len(longest) + len(directory)}", other)
    for taken in ground.taken:
        if _within(directory, taken) or _within(taken, directory):
            return Problem(f"the directory {directory}", f"one apart from {taken}, which is in use", other)
    if ground.entries:
        entries, names = counted(len(ground.entries), "entry", "entries"), ", ".join(sorted(ground.entries)[:3])
        return Problem(f"{directory} with {entries} ({names})", "a directory that is empty or does not exist", other)
    if not ground.writable:
        make = f"sudo install -d -o postgres -g postgres -m 700 {directory}"
        return Problem(f"{directory}, where postgres may not write", "a directory of postgres's", make)
    return None


def _within(path: str, top: str) -> bool:
    return PurePosixPath(path).is_relative_to(PurePosixPath(top))


def judge_links(layout: Layout, links: Mapping[str, str]) -> list[Problem]:
    """Links in the restored data, by path, that lead out of the copy: a server started on them would write to the live one's files."""
    return [
        Problem(f"{path}, which leads to {target}", f"every link of the copy within {layout.directory}", "the copy was not started")
        for path, target in links.items()
        if not _within(target, layout.directory)
    ]


def restore_options(goal: Goal, choice: Choice, layout: Layout) -> list[str]:
    """The options of `pgbackrest restore`. What the configuration says of links, maps and databases holds for the live server alone."""
    options = [f"--repo={goal.repository}", f"--set={goal.label}", f"--pg1-path={layout.data}", "--archive-mode=off"]
    options += ["--no-delta", "--no-link-all", *(f"--reset-{name}" for name in RESET if not _given(name, choice))]
    # A restore empties the spool of its stanza: what the live server's archiver has noted there stays.
    options += [f"--spool-path={layout.file('spool')}"]
    options += [f"--tablespace-map-all={layout.tablespaces}", *(f"--db-include={name}" for name in choice.include)]
    if goal.kind == LATEST:
        return [*options, "--type=standby", f"--target-timeline={goal.timeline}"]
    options += [f"--type={goal.kind}", "--target-action=pause"]
    if goal.kind == IMMEDIATE:
        return options  # follows the set's own timeline, and refuses to be told one
    options += [f"--target={goal.target}", f"--target-timeline={goal.timeline}"]
    return [*options, "--target-exclusive"] if goal.exclusive else options


def _given(name: str, choice: Choice) -> bool:
    return name == "db-include" and bool(choice.include)


def signal_file(goal: Goal) -> str:
    """The file without which the server would begin a timeline of its own instead of recovering."""
    return "standby.signal" if goal.kind == LATEST else "recovery.signal"


def recovery_settings(goal: Goal, directory: str) -> dict[str, SettingValue]:
    """How the server of this data directory recovers: from one repository alone, up to the target, and then it pauses."""
    command = f"pgbackrest --stanza={goal.stanza} --repo={goal.repository} --pg1-path={directory} --no-archive-async"
    found: dict[str, SettingValue] = {
        "restore_command": f'{command} --log-level-console=off --log-level-file=off --log-level-stderr=warn archive-get %f "%p"',
        "recovery_target_timeline": "current" if goal.kind == IMMEDIATE else str(goal.timeline),
    }
    if goal.kind == LATEST:
        return found
    found["recovery_target_action"] = "pause"
    if goal.kind == IMMEDIATE:
        return {**found, "recovery_target": "immediate"}
    return {**found, f"recovery_target_{goal.kind}": goal.target, "recovery_target_inclusive": not goal.exclusive}


def server_settings(goal: Goal, wish: Wish, layout: Layout, version: int, controls: Sequence[Control]) -> dict[str, SettingValue]:
    """The whole configuration of the copy's server; `controls` are of the restored data and of the live server."""
    segment = max(control.segment_size for control in controls)
    found: dict[str, SettingValue] = {
        "data_directory": layout.data,
        "hba_file": layout.file("pg_hba.conf"),
        "ident_file": layout.file("pg_ident.conf"),
        "cluster_name": layout.title[:63],
        "listen_addresses": "",
        "unix_socket_directories": layout.socket,
        "unix_socket_permissions": "0700",
        "port": PORT,
        "hot_standby": True,
        "archive_mode": False,
        "shared_preload_libraries": ",".join(wish.preload),
        "max_logical_replication_workers": 0,
        "max_sync_workers_per_subscription": 0,
        "max_replication_slots": 100,  # origins of the source's subscriptions are read at the start, even where nobody applies
        "autovacuum": False,
        "fsync": False,
        "full_page_writes": False,
        "jit": False,
        "max_parallel_workers_per_gather": 0,
        "max_parallel_maintenance_workers": 0,
        "shared_buffers": f"{min(128, max(16, wish.memory // MIB // 8))}MB",
        "huge_pages": False,
        "dynamic_shared_memory_type": "mmap",  # leaves nothing in /dev/shm when the server is killed
        "min_wal_size": f"{max(32 * MIB, 2 * segment) // MIB}MB",
        "max_wal_size": f"{max(128 * MIB, 4 * segment) // MIB}MB",
        "max_standby_archive_delay": -1,
        "logging_collector": False,
        "log_destination": "stderr",
        "log_line_prefix": "%m [%p] ",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "lc_messages": "C",
        **_by_version(version),
        **floors_of(controls),
        **recovery_settings(goal, layout.data),
    }
    return found


def memory_of_a_process(memory: int) -> int:
    """Bytes beside the shared ones: a query that wants more is refused, before the kernel ends the whole copy for it."""
    return memory * 3 // 4


def _by_version(version: int) -> dict[str, SettingValue]:
    found: dict[str, SettingValue] = {}
    if version >= 16:
        found["max_parallel_apply_workers_per_subscription"] = 0
    if version >= 17:
        found |= {"sync_replication_slots": False, "summarize_wal": False, "event_triggers": False}
    if version >= 18:
        found |= {"io_method": "sync", "max_active_replication_origins": 100}
    return found


def floors_of(controls: Sequence[Control]) -> dict[str, SettingValue]:
    """Each setting as high as in any of them: the live server may have raised one since the backup, and the WAL says so."""
    names = dict.fromkeys(name for control in controls for name in control.floors)
    found = {name: max(control.floors.get(name, 0) for control in controls) for name in names}
    return {**found, "max_connections": max(20, found.get("max_connections", 0))}


def files(values: Mapping[str, SettingValue], layout: Layout) -> dict[str, str]:
    """The files of the copy's configuration, by path. Nobody but postgres comes to its socket, and nobody else is let in."""
    header = f"Written by axiomdb.recovery for the scratch copy {layout.name}."
    return {
        layout.file("postgresql.conf"): settings.render(header, values),
        layout.file("pg_hba.conf"): f"# {header}\nlocal all postgres peer\n",
        layout.file("pg_ident.conf"): f"# {header}\n",
        # The source's own holds what ALTER SYSTEM said there, and would win over the file above.
        f"{layout.data}/postgresql.auto.conf": f"# {header}\n",
    }


def server_command(version: str, layout: Layout) -> list[str]:
    """The command line of the server, in the foreground."""
    return [f"/usr/lib/postgresql/{version}/bin/postgres", "-D", layout.data, "-c", f"config_file={layout.file('postgresql.conf')}"]
