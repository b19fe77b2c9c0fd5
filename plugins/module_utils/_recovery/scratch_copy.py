# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes a scratch copy, waits for its target, asks it, removes it. The postgres user alone comes here.

    with scratch(goal, Wish("a drill")) as copy:
        rows = copy.ask("app", "select to_json(count(*)) from orders")

Whatever happens to the maker, nothing stays: its children end with it, and `scratch_removal.sweep` takes what it left behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from . import confine, scratch_look, scratch_registry, scratch_removal, scratch_room
from . import recovering as judgement
from . import scratch as decisions
from .postgres import NotAnswering
from .problem import Problem, Refusal, Unfinished
from .quoted import connection
from .recovering import Replayed
from .recovery_watch import Watched
from .run import LOCK_HELD, PATH, Completed, require, run
from .scratch import Choice, Goal, Layout, Source, Wish
from .scratch_registry import Entry
from .sql import client

STILL = 300.0  # seconds without any movement after which a recovery stands still
LOOK = 0.2  # seconds between two looks
RESTORE, START, REPLAY = "restore", "start", "replay"  # steps of making a copy, for whoever measures them
CONNECTION_LOST = 2  # exit code of psql
REAPED_WITHIN = 5.0  # seconds
STOPPED_WITHIN = 60.0  # seconds from the end of its files to that of its process; a busy host lets it wait
Tell = Callable[[str], None]
# What ALTER DATABASE or ALTER ROLE said in the source reaches no session of ours; nothing of it hides damage, or forbids what proves.
_OPTIONS = " ".join(
    f"-c {setting}"
    for setting in (
        "session_preload_libraries=",
        "local_preload_libraries=",
        "client_min_messages=error",
        "statement_timeout={timeout}",
        "lock_timeout=0",
        "default_transaction_read_only=off",
        "default_transaction_isolation=read\\ committed",
        "role=none",
        "zero_damaged_pages=off",
        "ignore_checksum_failure=off",
    )
)


def _say_nothing(_line: str) -> None:
    return None


class Failed(Unfinished):
    """Raised when a copy does not get where it should; it is removed then."""


class Server(Protocol):
    """The process of a copy's server, whoever is its parent."""

    def poll(self) -> int | None:
        """Its exit code; None while it lives."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended. Raises TimeoutExpired after so many seconds."""


@dataclass(frozen=True)
class Copy:
    """A copy that stands at its target. `notes` are sentences for whoever asked for it; `size` bytes were restored in so many seconds."""

    entry: Entry
    replayed: Replayed
    server: Server
    notes: tuple[str, ...] = ()
    size: int = 0
    seconds: float = 0.0
    memory: int = decisions.MEMORY

    @property
    def layout(self) -> Layout:
        return self.entry.layout

    def ask(self, database: str, sql: str, timeout: float = 600.0) -> Any:
        """The JSON that a query returns. Raises NotAnswering with psql's reason, or Failed; `timeout` is in seconds."""
        return json.loads(self.text(database, sql, timeout))

    def text(self, database: str, sql: str, timeout: float = 600.0) -> str:
        """What psql prints for a query: rows without alignment. Raises NotAnswering with its reason, Failed when the server is dead."""
        done = query(self.layout, database, sql, timeout)
        if done.code != 0:
            if done.code == CONNECTION_LOST:
                with suppress(subprocess.TimeoutExpired):  # a server that has just died is not known to be dead at once
                    self.server.wait(REAPED_WITHIN)
            if how := ended(self.server):
                raise Failed(Problem(f"a copy whose server died ({how})", "its answer", "type the same again; journalctl -k shows kills"))
            raise NotAnswering(f"Found no answer ({done.detail}); expected one of database {database}. Next: correct the query")
        return done.stdout


def query(layout: Layout, database: str, sql: str, timeout: float = 600.0) -> Completed:
    """One query to a copy through its own socket; `timeout` is in seconds."""
    return query_at(layout.socket, decisions.PORT, database, sql, timeout)


def query_at(socket: str, port: int, database: str, sql: str, timeout: float) -> Completed:
    """One query as postgres through the socket of this directory; no setting of the source's users or databases holds."""
    where = ["-h", socket, "-p", str(port), "-d", connection(database)]
    words = ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", *where, "-c", sql]
    return run([client(), *words], user="postgres", env=environment(timeout))


def environment(timeout: float) -> dict[str, str]:
    """What a client of a copy is told; `timeout` is that of a statement, in seconds, 0 for none."""
    return {"PGCONNECT_TIMEOUT": "10", "PGOPTIONS": _OPTIONS.format(timeout=f"{timeout:g}s")}


def program(copy: Copy, name: str, *words: str) -> Completed:
    """Run one of PostgreSQL's own programs against the copy; it ends with us, and waits for others."""
    env = {**environment(0), "PGHOST": copy.layout.socket, "PGPORT": str(decisions.PORT), "PGUSER": "postgres", "LC_ALL": "C"}
    binary = f"/usr/lib/postgresql/{copy.entry.version}/bin/{name}"
    return run([*confine.calm("TERM"), binary, *words], user="postgres", env=env)


def stop(copy: Copy) -> None:
    """Stop the copy's server cleanly, so that its files are whole. Raises Failed."""
    done = program(copy, "pg_ctl", "stop", "--mode=fast", "--wait", "--timeout=600", f"--pgdata={copy.layout.data}")
    if done.code != 0:
        raise Failed(Problem(f"a copy that does not stop: {done.detail}", "a clean stop", f"tail {copy.layout.log}"))
    try:
        copy.server.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired as error:
        raise Failed(Problem("a copy that has stopped and does not end", "its end", f"tail {copy.layout.log}")) from error


@contextmanager
def scratch(
    goal: Goal,
    wish: Wish,
    *,
    port: int = 0,
    keep: bool = False,
    tell: Tell = _say_nothing,
    still: float = STILL,
    step: Tell = _say_nothing,
) -> Iterator[Copy]:
    """Make a copy that stands at its goal, and remove it at the end; with `keep` it stays, running, until it is removed by name.

    `port` is the live server's, if there is one; `tell` gets a sentence for each step that takes time; `still` is in seconds. `step`
    gets the name of each step when it begins: RESTORE, START, and REPLAY when the copy is consistent.
    Raises Refusal before anything is made, CommandFailed, and Failed when the copy does not get there.
    """
    for line in scratch_removal.sweep():
        tell(line)
    source = _source(goal, port)
    choice = decisions.choose(source, wish.databases)
    entry = _plan(goal, wish, source, choice)
    with scratch_registry.held(entry), _bounded(entry):
        handed_over = False
        try:
            _make_directories(entry)
            for note in choice.notes:
                tell(note)
            began = time.monotonic()
            step(RESTORE)
            _restore(goal, choice, entry.layout, tell)
            seconds = time.monotonic() - began
            step(START)
            _configure(goal, wish, source, entry)
            server = launch(entry, wish.memory, lasting=keep)
            replayed = _wait(goal, source, entry.layout, server, still, step)
            yield Copy(entry, replayed, server, choice.notes, source.size, seconds, wish.memory)
            if keep:
                scratch_registry.keep(entry)
                handed_over = True
        finally:
            if not handed_over:
                scratch_removal.remove(entry)


@contextmanager
def _bounded(entry: Entry) -> Iterator[None]:
    """End the copy before it fills the disk. Raises Failed with that reason, whatever the end of the copy looked like to others."""
    with scratch_room.watched(entry.directory, lambda: scratch_removal.end(entry.layout)) as room:
        try:
            yield
        except Exception as error:
            if room.short is None:
                raise
            raise Failed(room.short) from error
        if room.short is not None:
            raise Failed(room.short)


def _source(goal: Goal, port: int) -> Source:
    problems = decisions.judge_goal(goal)
    if problems:
        raise Refusal(*problems)
    return scratch_look.source_of(goal.stanza, goal.repository, goal.label, port)


def _plan(goal: Goal, wish: Wish, source: Source, choice: Choice) -> Entry:
    """The entry of the copy to come. Raises Refusal with everything that speaks against it."""
    now = time.time()
    name = scratch_registry.new_name(time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)))
    directory = wish.directory or str(scratch_registry.HOME / name)
    ground = scratch_look.ground_of(directory)
    problems = decisions.judge(source, wish, choice, Layout(name, directory), ground)
    if problems:
        raise Refusal(*problems)
    mount = scratch_look.mount_point(directory)
    return Entry(name, directory, goal.stanza, source.version, wish.reason, now, os.getpid(), not ground.exists, mount)


def _make_directories(entry: Entry) -> None:
    layout = entry.layout
    if entry.made:
        os.mkdir(layout.directory, 0o700)
    os.chmod(layout.directory, 0o700)
    Path(layout.new_marker).write_text(entry.text, encoding="utf-8")
    os.replace(layout.new_marker, layout.marker)
    for directory in (layout.data, layout.socket, layout.tablespaces):
        os.mkdir(directory, 0o700)


def _restore(goal: Goal, choice: Choice, layout: Layout, tell: Tell) -> None:
    """Restore the set; wait while another restore of the same repository goes on. Raises CommandFailed or Failed."""
    levels = ["--log-level-console=off", "--log-level-file=off", "--log-level-stderr=warn"]
    command = ["pgbackrest", f"--stanza={goal.stanza}", *levels, *decisions.restore_options(goal, choice, layout), "restore"]
    told = ""
    while (done := run([*confine.calm("TERM"), *command], user="postgres")).code == LOCK_HELD:
        holder = _holder(goal.stanza, layout)
        if holder != told:
            tell(f"waits for {holder}: one restore of a repository at a time")
            told = holder
        time.sleep(1)
    require(done, goal.stanza)
    problems = decisions.judge_links(layout, scratch_look.links(layout.data))
    if problems:
        raise Failed(*problems)


def _holder(stanza: str, layout: Layout) -> str:
    """Who restores now, by its command line."""
    for pid, words in scratch_removal.commands():
        main = os.path.basename(words[0]) == "pgbackrest" and "restore" in words and f"--stanza={stanza}" in words
        if main and f"--pg1-path={layout.data}" not in words:
            target = next((word.partition("=")[2] for word in words if word.startswith("--pg1-path=")), "the cluster itself")
            return f"process {pid}, which restores into {target}"
    return "another restore"


def _configure(goal: Goal, wish: Wish, source: Source, entry: Entry) -> None:
    """Write the configuration of the copy's server."""
    layout = entry.layout
    restored = scratch_look.control_of(source.version, layout.data)
    if restored.system_id != source.system_id:
        raise Failed(Problem(f"the system identifier {restored.system_id}", f"{source.system_id}, which is the set's", "report this set"))
    controls = [restored, *([source.live] if source.live and source.live.system_id == source.system_id else [])]
    values = decisions.server_settings(goal, wish, layout, int(source.version), controls)
    for path, text in decisions.files(values, layout).items():
        Path(path).write_text(text, encoding="utf-8")
    Path(layout.data, decisions.signal_file(goal)).touch()


def launch(entry: Entry, memory: int, *, lasting: bool) -> subprocess.Popen[bytes]:
    """Start the server in the foreground, as a child that ends with this process unless it is to be a lasting one."""
    layout = entry.layout
    command = [
        *confine.calm("" if lasting else "QUIT", decisions.memory_of_a_process(memory)),
        *decisions.server_command(entry.version, layout),
    ]
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/var/lib/postgresql"}
    with Path(layout.log).open("ab") as log:
        return subprocess.Popen(
            command, env=environment, cwd=layout.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _wait(goal: Goal, source: Source, layout: Layout, server: subprocess.Popen[bytes], still: float, step: Tell) -> Replayed:
    """Wait until the copy stands at its target, and prove it. Raises Failed."""
    watched = Watched(layout.log, layout.data, lambda: ended(server), lambda sql: query(layout, "postgres", sql, 10.0))
    consistent = False
    while True:
        seen = watched.look()
        if seen.log.ready and not consistent:
            consistent = True
            step(REPLAY)
        verdict = judgement.judge(goal, seen, still)
        if isinstance(verdict, Problem):
            raise Failed(verdict)
        if verdict == judgement.PAUSE:
            query(layout, "postgres", "select pg_wal_replay_pause()")
        if verdict == judgement.REACHED and seen.replayed is not None:
            problems = judgement.judge_proof(goal, source.system_id, seen.replayed)
            if problems:
                raise Failed(*problems)
            return seen.replayed
        time.sleep(LOOK)


def ended(server: Server) -> str:
    """How the server's process ended; empty while it lives."""
    code = server.poll()
    return "" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"
