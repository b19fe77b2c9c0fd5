# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries out the phases of a recovery in place up to its proof, but those that move data. Each can be begun again after a kill."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from . import (
    files,
    held,
    held_server,
    horizon,
    measuring,
    postgres,
    progress,
    recovering,
    repository,
    restore_places,
    scratch,
    scratch_goal,
    scratch_look,
    state,
    target,
)
from .control import Control
from .files import File
from .held import Place
from .postgres import Cluster, NotAnswering
from .problem import Problem
from .recovering import Replayed, Seen
from .recovery_watch import Watched
from .restore_data import TOLD_EACH, Tell
from .restore_journal import place as place_of
from .restoring import RECOVER, Home, Journal
from .run import CommandFailed, run
from .scratch_copy import Failed
from .stepping_down import as_owner_of
from .wal import Lsn, Segment

SAVED_WITHIN = 60.0  # seconds that the last segment may take; what is not archived by then is carried over
LOOK = 0.2  # seconds between two looks
# Something is written first: an empty segment is not closed.
SWITCH = """
select to_json(pg_walfile_name(pg_switch_wal())) from (select pg_logical_emit_message(true, 'axiomdb.recovery', 'switch')) as written
"""
CONSISTENT = "the server is consistent, and replays on"
DISABLED = "disabled\n"
PUT_ASIDE = "# Put aside until the recovery is accepted.\n"


def cluster_of(journal: Journal) -> Cluster:
    home = journal.home
    return Cluster(home.version, home.cluster, home.port)


def save(journal: Journal, tell: Tell) -> Journal:
    """Close the segment that the server writes, and see it in the repository. A server that does not answer keeps its WAL beside."""
    home, number = journal.home, journal.goal.repository
    try:
        segment = str(postgres.ask(home.port, SWITCH))
    except NotAnswering:
        tell("the server does not answer: WAL that only this host has is carried over")
        return journal
    deadline = time.monotonic() + SAVED_WITHIN
    while time.monotonic() < deadline:
        if _newest(journal, number, int(segment[:8], 16)) >= segment:
            tell(f"the WAL segment {segment} is in repository {number}")
            return journal
        time.sleep(0.5)
    tell(f"the WAL segment {segment} is not in repository {number} yet: it is carried over")
    return journal


def _newest(journal: Journal, number: int, timeline: int) -> str:
    """The newest segment of a timeline in a repository; empty for none, or when it cannot be read."""
    with suppress(CommandFailed):
        seen = repository.look(journal.home.stanza, [number], [f"--repo={number}"])[0]
        if seen.has_stanza:
            return repository.list_archive(journal.home.stanza, seen, timeline).newest_segment(timeline) or ""
    return ""


def quiet(journal: Journal, tell: Tell) -> Journal:
    """Pause the jobs, stop the server and keep it from starting; then look once more, at what it left behind."""
    home = journal.home
    if not home.paused:
        state.save(state.PAUSE, {"since": time.time(), "reason": f"recovery {journal.name} to {journal.order.target}"})
    files.write(File(start_file(journal), DISABLED, "postgres", "postgres"))
    reload_units()
    tell(f"stops the server of {home.version}/{home.cluster}")
    run(["systemctl", "stop", home.unit])
    held_server.stop(place_of(home.stanza))
    restore_places.refuse_running(home)
    is_there = Path(home.directory, "global/pg_control").exists()
    return _seen_again(journal) if is_there and not journal.undoes else journal


def _seen_again(journal: Journal) -> Journal:
    """What the plan is now that nobody writes any more: the end of `latest`, and the WAL that only this host has."""
    sight = horizon.look(journal.home.stanza, cluster_of(journal))
    found = horizon.foresee(target.parse(journal.order.target), sight)
    if isinstance(found, Problem):
        raise Failed(found)
    if (found.repository, found.backup, found.timeline) != (journal.goal.repository, journal.goal.label, journal.goal.timeline):
        changed = f"repository {found.repository}, set {found.backup}, timeline {found.timeline} after the server was stopped"
        raise Failed(Problem(changed, f"the plan as it was printed, with set {journal.goal.label}", "print the plan again"))
    goal = scratch_goal.of_plan(found, journal.home.stanza)
    return replace(journal, goal=goal, plan={**journal.plan, "only_here": found.only_here, "lsn": found.lsn})


def home_now(home: Home) -> Home:
    """The cluster of an earlier recovery, with what may have changed since."""
    text = files.read(f"{Cluster(home.version, home.cluster, home.port).configuration}/start.conf") or "auto"
    words = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return replace(home, start=words[0] if words else "auto", paused=bool(state.load(state.PAUSE)))


def recover(journal: Journal, tell: Tell) -> Journal:
    """Start the held server and wait until it stands at the target. Raises Failed."""
    tell("recovers: no client, no job and no archive is reached")
    signal(journal)
    watched = start(journal, archives=False)
    began, told, consistent = time.monotonic(), time.monotonic(), False
    while True:
        seen = watched.look()
        if seen.log.ready and not consistent:
            consistent = True
            tell(CONSISTENT)
        verdict = recovering.judge(journal.goal, seen, journal.order.patience)
        if isinstance(verdict, Problem):
            raise Failed(verdict)
        if verdict == recovering.PAUSE:
            held_server.query(place_of(journal.home.stanza), "postgres", "select pg_wal_replay_pause()")
        if verdict == recovering.REACHED:
            if journal.phase == RECOVER:
                what = f"the recovery {journal.name}"
                measuring.remember(journal.home.stanza, measuring.REPLAY, int(journal.plan["wal_bytes"]), time.monotonic() - began, what)
            return journal
        if time.monotonic() - told > TOLD_EACH:
            told = time.monotonic()
            tell(f"  {_where(journal, seen, told - began)}")
        time.sleep(LOOK)


def _where(journal: Journal, seen: Seen, seconds: float) -> str:
    """How far a recovery is: by LSN where its end is known by one, else by the segment that it reads."""
    first, end = journal.plan["first_segment"], journal.plan["lsn"]
    at = f"at {seen.replayed.lsn}" if seen.replayed else f"restored {seen.log.restored or 'no segment'}"
    if not (end and seen.replayed and seen.replayed.lsn):
        return f"{at} after {seconds:.0f} s; the end is {end or journal.plan['time'] or journal.order.target}"
    size = int(journal.plan["wal_bytes"]) // max(1, int(journal.plan["segments"]))
    begin = Segment.parse(first, size).start.position
    return f"{at} of {end}: {progress.line(seen.replayed.lsn.position - begin, Lsn.parse(end).position - begin, seconds)}"


def signal(journal: Journal) -> None:
    """Leave the file by which the server recovers as this goal wants it; a target that was moved may want the other one."""
    directory, wanted = journal.home.directory, scratch.signal_file(journal.goal)
    with as_owner_of(f"{directory}/{wanted}"):
        for name in ("standby.signal", "recovery.signal"):
            if name == wanted:
                Path(directory, name).touch(mode=0o600)
            else:
                Path(directory, name).unlink(missing_ok=True)


def start(journal: Journal, *, archives: bool) -> Watched:
    """Configure and start the held server, unless it runs already."""
    home, place = journal.home, place_of(journal.home.stanza)
    with as_owner_of(f"{home.directory}/PG_VERSION"):
        controls = _controls(journal)
    configure(journal, place, controls, archives=archives)
    return held_server.start(place, cluster_of(journal).binaries, home.directory)


def configure(journal: Journal, place: Place, controls: list[Control], *, archives: bool) -> None:
    """Write the held server's files, and put aside what ALTER SYSTEM had said in the restored data."""
    home = journal.home
    source = f"{cluster_of(journal).configuration}/postgresql.conf"
    recovery = held.to_the_end(home.stanza, home.directory) if journal.undoes else scratch.recovery_settings(journal.goal, home.directory)
    written = held.values(recovery, place, home.directory, int(home.version), controls, archives=archives)
    held_server.prepare(place, held.files(place, source, written))
    auto = f"{home.directory}/postgresql.auto.conf"
    if not os.path.exists(place.own_settings):
        files.write(File(place.own_settings, held.own_settings(files.read(auto) or ""), "postgres", "postgres", 0o600))
    files.write(File(auto, PUT_ASIDE, "postgres", "postgres", 0o600))


def settings_back(journal: Journal) -> None:
    """Give the data what ALTER SYSTEM had said in it, unless that was done: clients may have said something else since."""
    place, auto = place_of(journal.home.stanza), f"{journal.home.directory}/postgresql.auto.conf"
    own = files.read(place.own_settings)
    if own is not None and files.read(auto) == PUT_ASIDE:
        files.write(File(auto, own, "postgres", "postgres", 0o600))


def _controls(journal: Journal) -> list[Control]:
    """Control files of the restored data and of the old one: the WAL may come from a server whose settings were higher."""
    home = journal.home
    found = [scratch_look.control_of(home.version, home.directory)]
    old = journal.moves.get(home.directory, "")
    if old and os.path.isdir(old):
        with suppress(CommandFailed, ValueError):
            found.append(scratch_look.control_of(home.version, old))
    return found


def prove(journal: Journal, tell: Tell) -> Journal:
    """Compare position, timeline and system identifier with the plan, and ask the checks. Raises Failed with all that differs."""
    place, seen = place_of(journal.home.stanza), standing(journal)
    problems = recovering.judge_proof(journal.goal, journal.home.system_id, seen)
    for check in journal.order.checks:
        done = held_server.query(place, check.database, check.sql)
        answer = done.stdout.strip() if done.code == 0 else done.detail
        if done.code != 0 or answer != check.expected.strip():
            problems.append(Problem(f"'{answer}' for the check {check.name}", f"'{check.expected.strip()}'", "choose another target"))
        else:
            tell(f"check {check.name}: {answer}")
    if problems:
        raise Failed(*problems)
    tell(f"stands at {seen.lsn} on timeline {seen.timeline or journal.goal.timeline}, as planned")
    return replace(journal, last_commit=seen.time or 0.0)


def standing(journal: Journal) -> Replayed:
    """Where the held server stands; it is started when it does not run, and stops at the same place. Raises Failed."""
    recover_again = recover(journal, lambda _line: None)
    seen = start(recover_again, archives=False).look().replayed
    if seen is None:
        raise Failed(Problem("no answer of the held server", "its position", f"tail {place_of(journal.home.stanza).log}"))
    return seen


def start_file(journal: Journal) -> str:
    """Debian's file that says whether a cluster may be started."""
    return f"{cluster_of(journal).configuration}/start.conf"


def reload_units() -> None:
    """Let systemd read which clusters postgresql.service starts.

    Debian's generator reads start.conf when systemd reads its units and never else: until then `systemctl restart postgresql`
    would do nothing for a cluster that may be started now (source: postgresql-common's postgresql-generator). A systemd that does
    not answer shows itself in the start that follows.
    """
    run(["systemctl", "daemon-reload"])
