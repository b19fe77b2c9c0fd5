# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries out the last phases of a recovery in place: the new timeline, its archive, the clients, the jobs."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from . import backup, files, held_server, postgres, recovering, repository, restoring, scratch_look, state
from .files import File
from .postgres import NotAnswering
from .problem import Problem, Refusal
from .recovery_watch import Watched
from .restore_data import TOLD_EACH, Tell
from .restore_journal import place as place_of
from .restore_phases import LOOK, SWITCH, cluster_of, reload_units, settings_back, signal, start, start_file
from .restoring import Journal
from .run import CommandFailed, run
from .scratch import LATEST
from .scratch_copy import Failed
from .starting import Patience
from .survey import survey, writable

PROMOTED_WITHIN = 3600.0  # seconds; the checkpoint of a large memory takes its time
RELEASED_WITHIN = 600.0  # seconds that the first segment may take to each repository
SERVES_WITHIN = 600.0  # seconds without any movement
_TIMELINE = "select to_json(('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int)"


class NoBackup(Failed):
    """Raised when a rebuild has let its clients in, and has no first backup of this host in each repository."""


def promote(journal: Journal, tell: Tell) -> Journal:
    """End the recovery: the server begins its own timeline, and nothing of it leaves this host. Raises Failed."""
    place = place_of(journal.home.stanza)
    _recover_again(journal)
    _end_recovery(journal, start(journal, archives=False))
    held_server.query(place, "postgres", "checkpoint", PROMOTED_WITHIN)
    timeline = int(held_server.ask(place, _TIMELINE))
    control = scratch_look.control_of(journal.home.version, journal.home.directory)
    if timeline <= journal.goal.timeline or control.timeline != timeline or control.system_id != journal.home.system_id:
        found = f"timeline {timeline}, in its control file {control.timeline}, of the system {control.system_id}"
        raise Failed(Problem(found, f"one above {journal.goal.timeline} of the system {journal.home.system_id}", f"tail {place.log}"))
    tell(f"began timeline {timeline}; its archive is held")
    return replace(journal, timeline=timeline)


def _recover_again(journal: Journal) -> None:
    """Let a server recover anew that died at the end of its recovery: it had removed its order, and had not begun its timeline yet.

    Without the order it would replay what lies behind the target. A standby writes down its timeline before it makes its checkpoint.
    """
    if journal.undoes or journal.goal.kind == LATEST or not held_server.state(place_of(journal.home.stanza)):
        return
    if scratch_look.control_of(journal.home.version, journal.home.directory).timeline <= journal.goal.timeline:
        signal(journal)


def _end_recovery(journal: Journal, watched: Watched) -> None:
    """Let the server end its recovery once it stands at the target: one that was started anew gets there first. Raises Failed."""
    place = place_of(journal.home.stanza)
    # From a pause, resuming makes the checkpoint first; a standby is promoted, and its checkpoint asked for.
    end = "select pg_promote(false)" if journal.goal.kind == LATEST else "select pg_wal_replay_resume()"
    deadline, asked = time.monotonic() + PROMOTED_WITHIN, bool(journal.undoes)
    while time.monotonic() < deadline:
        seen = watched.look()
        if seen.ended:
            died = f"a server that died while it was promoted: {seen.log.fatal or seen.ended}"
            raise Failed(Problem(died, "its life", f"tail {place.log}"))
        if seen.replayed is not None and not seen.replayed.in_recovery:
            return
        verdict = recovering.WAITING if asked else recovering.judge(journal.goal, seen, journal.order.patience)
        if isinstance(verdict, Problem):
            raise Failed(verdict)
        if verdict == recovering.PAUSE:
            held_server.query(place, "postgres", "select pg_wal_replay_pause()")
        if verdict == recovering.REACHED:
            held_server.query(place, "postgres", end)
            asked = True
        time.sleep(LOOK)
    raise Failed(Problem(f"a server that did not end its recovery within {PROMOTED_WITHIN:.0f} s", "its new timeline", f"tail {place.log}"))


def release(journal: Journal, tell: Tell) -> Journal:
    """Let the server archive, and see its history and a segment in each repository. Raises Failed; nothing is taken back then."""
    place, stanza = place_of(journal.home.stanza), journal.home.stanza
    _until_answers(journal, start(journal, archives=True))
    held_server.query(place, "postgres", "select pg_reload_conf()")
    if held_server.ask(place, "select to_json(current_setting('archive_mode') = 'off')"):
        tell("archive_mode is off: no repository is told of the new timeline")
        return journal
    segment = str(held_server.ask(place, SWITCH))
    deadline, told = time.monotonic() + RELEASED_WITHIN, time.monotonic()
    while missing := _without(stanza, journal.timeline, segment):
        if time.monotonic() > deadline:
            what = f"the WAL segment {segment} not in repository {' and '.join(map(str, missing))} after {RELEASED_WITHIN:.0f} s"
            log = f"tail /var/log/pgbackrest/{stanza}-archive-push-async.log"
            raise Failed(Problem(what, "the new timeline in each repository; no client was let in", f"{log}; then type the same again"))
        if time.monotonic() - told > TOLD_EACH:
            told = time.monotonic()
            tell(f"  waits for {segment} in repository {' and '.join(map(str, missing))}")
        time.sleep(0.5)
    tell(f"timeline {journal.timeline} is in each repository, up to {segment}")
    return journal


def _until_answers(journal: Journal, watched: Watched) -> None:
    """Wait until the held server, started anew perhaps, takes queries that write; for as long as it moves. Raises Failed."""
    place, recovery = place_of(journal.home.stanza), Patience(journal.home.directory)
    while min(watched.look().still, recovery.still) < SERVES_WITHIN:
        with suppress(NotAnswering):
            if not held_server.ask(place, "select to_json(pg_is_in_recovery())"):
                return
        if ended := held_server.state(place):
            raise Failed(Problem(f"the held server dead ({ended})", "it to go on", f"tail {place.log}"))
        recovery.look()
        time.sleep(LOOK)
    raise Failed(Problem("no answer of the held server", "it to go on", f"tail {place.log}"))


def _without(stanza: str, timeline: int, segment: str) -> list[int]:
    """The repositories that lack the history or the segment. One that cannot be read lacks both."""
    missing = []
    for number in repository.configured():
        try:
            seen = repository.look(stanza, [number], [f"--repo={number}"])[0]
            listing = repository.list_archive(stanza, seen, timeline) if seen.has_stanza else None
        except CommandFailed:
            listing = None
        if listing is None or timeline not in listing.histories or (listing.newest_segment(timeline) or "") < segment:
            missing.append(number)
    return missing


def serve(journal: Journal, tell: Tell) -> Journal:
    """Stop the held server, give the data its own settings back, start the cluster's unit, and see that it is the same server."""
    home, place = journal.home, place_of(journal.home.stanza)
    held_server.stop(place)
    _give_back(journal)
    tell(f"starts {home.version}/{home.cluster} for its clients")
    answer = start_cluster(journal, tell)
    if answer["in_recovery"] or int(answer["timeline"]) != journal.timeline or int(answer["system_id"]) != home.system_id:
        found = f"a server on timeline {answer['timeline']} of the system {answer['system_id']}"
        raise Failed(Problem(found, f"timeline {journal.timeline} of the system {home.system_id}", f"pg_lsclusters; tail {place.log}"))
    return journal


def _give_back(journal: Journal) -> None:
    """What ALTER SYSTEM had said, and whether the cluster starts at boot."""
    settings_back(journal)
    files.write(File(start_file(journal), f"{journal.home.start}\n", "postgres", "postgres"))
    reload_units()


def start_cluster(journal: Journal, tell: Tell = lambda _line: None) -> dict[str, Any]:
    """Start the cluster's own unit without waiting for it; what its server answers. Raises Failed when it does not.

    One that a killed run was stopping may answer still; systemd starts it anew when it has ended. One that recovers from a crash is
    waited for as long as it moves.
    """
    home = journal.home
    run(["systemctl", "reset-failed", home.unit])
    run(["systemctl", "start", "--no-block", home.unit])
    reason, recovery, told = "", Patience(home.directory), time.monotonic()
    while recovery.still < SERVES_WITHIN:
        answer: dict[str, Any] | None = None
        try:
            answer = postgres.state(home.port)
        except NotAnswering as error:
            reason = str(error)
        shown = run(["systemctl", "show", "--property=ActiveState", "--value", home.unit]).stdout.strip()
        if answer is not None and shown != "deactivating":
            return answer
        if shown == "failed":
            break
        seen = recovery.look()
        if seen.recovers and time.monotonic() - told > TOLD_EACH:
            told = time.monotonic()
            tell(f"  {home.version}/{home.cluster} recovers from a crash ({seen.recovers}); nothing is to be done but to wait")
        time.sleep(LOOK)
    log = f"tail /var/log/postgresql/postgresql-{home.version}-{home.cluster}.log"
    raise Failed(Problem(f"no answer of {home.version}/{home.cluster} ({reason})", "its server", f"{log}; then type the same again"))


def settle(journal: Journal, tell: Tell) -> Journal:
    """Let the jobs begin again, and take a backup of the new timeline; a backup that fails is the jobs' trouble, and is told.

    A server that died since it was let go is started again: a recovery does not end without one. A rebuild has no backup of its own
    machine yet, and its jobs would be refused: it raises NoBackup, and is gone on with.
    """
    home = journal.home
    start_cluster(journal, tell)
    resume_jobs(journal)
    failed = _back_up(journal, tell)
    for line in failed:
        tell(f"NO BACKUP of the new timeline: {line}")
    start_cluster(journal, tell)
    if failed and journal.order.rebuild:
        raise NoBackup(Problem(f"no backup of this host in each repository ({' | '.join(failed)})", "one", restoring.go_on(journal)))
    held_server.clear(place_of(home.stanza))
    return journal


def _back_up(journal: Journal, tell: Tell) -> list[str]:
    """A backup into each repository; why not, in a sentence each. A repository that cannot be listed is one, and so is a dead server."""
    try:
        return _backed_up(journal, tell)
    except (Refusal, CommandFailed, NotAnswering) as error:
        return [str(error)]


def _backed_up(journal: Journal, tell: Tell) -> list[str]:
    home = journal.home
    seen = survey(home.stanza, cluster_of(journal), home.host)
    if seen is None:
        return []
    problem = backup.impossible(seen)
    if problem is not None:
        return [problem.sentence()]
    able, problems = writable(seen, journal.order.lost)
    # A rebuild that goes on takes only those that it still lacks. Its machine may be the one that took those of before.
    mine = {item.number: [one.timeline for one in item.usable_backups(home.system_id)] for item in seen.repositories}
    lacking = [number for number in able if not journal.order.rebuild or journal.timeline not in mine[number]]
    _made, failed = backup.take_each(seen, lacking, "incr", tell)
    return [*problems, *failed]


def resume_jobs(journal: Journal) -> None:
    """Take the pause back, unless somebody had paused the jobs before."""
    if not journal.home.paused:
        state.end_pause()
