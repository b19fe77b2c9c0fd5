# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recoveries that are killed in each of their phases, and what serves then, what runs, and what one more command makes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from fleet import DATABASE, STANZA
from lab import Host, Run, execute
from restores import consent
from scheduling import TOOL, cron_commands

ROWS = "select string_agg(note, ' ' order by number) from kept"
OLD, TARGET = "before after", "before"
NAME = "name:kept"
# What ALTER SYSTEM had said in the data that holds these rows; and whether the server starts at boot, jobs are paused, a server is held.
SAID = {TARGET: "5MB", OLD: "6MB"}
_AROUND = """
runuser -u postgres -- psql -X -qAt -c 'show work_mem'
grep -hv '^#' /etc/postgresql/*/main/start.conf | grep .
ls /var/lib/axiomdb/pause.json 2>/dev/null
pgrep -af '[c]onfig_file=/var/lib/axiomdb'
"""
# The phases, and whether one more run goes on (else `rollback` goes back). Of the last three a repository knows.
PHASES = {
    "save": False,
    "quiet": False,
    "keep": False,
    "restore": True,
    "recover": False,
    "prove": True,
    "promote": False,
    "release": True,
    "serve": True,
    "settle": True,
}
# Starts the recovery, looks at its journal without a pause, and kills as soon as the phase is the next one to be carried out.
_KILL = """
import json, os, subprocess, sys
order = json.load(sys.stdin)
tool = subprocess.Popen(order['command'], stdout=open('/var/tmp/said', 'w'), stderr=subprocess.STDOUT, start_new_session=True)
names = list(order['phases'])
def phase():
    try:
        with open(order['journal'], encoding='utf-8') as stream:
            found = json.load(stream)
        return found['phase'] if found['began'] > order['since'] else ''
    except (OSError, ValueError):
        return ''
while tool.poll() is None:
    seen = phase()
    if seen and names.index(seen) >= names.index(order['phase']):
        if order['act']:
            os.killpg(tool.pid, 19)  # it goes on when that is done
            subprocess.run(['bash', '-c', order['act']])
            os.killpg(tool.pid, 18)
            break
        if not order['victims']:
            os.killpg(tool.pid, 9)
            break
        if any(subprocess.run(['pkill', '-9', '-f', word]).returncode == 0 for word in order['victims']):
            break
code = tool.wait()
print(json.dumps([phase(), code, open('/var/tmp/said', encoding='utf-8').read()]))
"""
_PROMOTE = """
{query} 'select pg_wal_replay_resume()'
until [ "$({query} 'select pg_is_in_recovery()')" = f ]; do sleep 0.1; done
pkill -9 -f 'axiomdb-recovery [r]estore'
"""
_SERVES = 'psql -X -qAt -d {database} -c "{rows}" 2>/dev/null'


@dataclass(frozen=True)
class Killed:
    """What was found after a kill: the phase in the journal, the rows that clients get (empty when nobody lets them in), the jobs'
    answers; then the command that followed, the rows after it, and after the way back where there was one. `amiss` is what is around
    the rows then and does not belong there."""

    phase: str
    served: str
    jobs: tuple[str, ...]
    after: Run
    rows: str
    back: str
    amiss: str = ""


def prepare(host: Host) -> Host:
    """A row, a named moment, another row; and a setting in the data of each."""
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    host.sql(f"alter system set work_mem = '{SAID[TARGET]}'")
    host.sql("create table kept (number serial primary key, note text); insert into kept (note) values ('before')", db=DATABASE)
    host.run([TOOL, "snapshot", "kept", "--reason", "a story"])
    host.sql(f"alter system set work_mem = '{SAID[OLD]}'")
    host.sql("select pg_reload_conf()")
    host.sql("insert into kept (note) values ('after')", db=DATABASE)
    return host


def kill(host: Host, phase: str, victims: list[str] | None = None, words: tuple[str, ...] = ()) -> str:
    """Begin the recovery and kill it, or these processes of it, when the phase is next; the phase that the journal then has.

    `words` are more words of the command.
    """
    return watched(host, consent(host, NAME, *words), phase, victims=victims)[0]


def interfere(host: Host, command: list[str], phase: str, act: str) -> tuple[int, str]:
    """Type a command, and do something as root as soon as a phase is next; the command's exit code, and what it said."""
    _phase, code, said = watched(host, command, phase, act=act)
    return code, said


def watched(host: Host, command: list[str], phase: str, *, victims: list[str] | None = None, act: str = "") -> tuple[str, int, str]:
    since = float(host.run(["date", "+%s.%N"]).stdout)
    journal = f"/var/lib/axiomdb/{STANZA}/restore.json"
    order = {"command": command, "phase": phase, "phases": PHASES, "journal": journal, "since": since, "victims": victims, "act": act}
    seen, code, said = json.loads(host.run(["python3", "-c", _KILL], stdin=json.dumps(order)).stdout)
    return seen, code, said


def beside(host: Host, phase: str) -> tuple[int, str]:
    """Type `rollback` while another command restores, when the phase is next; its exit code and what it said. Both have ended then."""
    second = f"{TOOL} rollback --reason 'a story' --confirm={host.name}/{STANZA} > /var/tmp/second 2>&1; echo $? > /var/tmp/second.code"
    # The first one goes on when the second one waits for its turn.
    act = f"({second}) & until grep -q 'waits for' /var/tmp/second; do sleep 0.1; done"
    host.run("rm -f /var/tmp/second /var/tmp/second.code")
    interfere(host, consent(host, NAME), phase, act)
    host.run("until [ -s /var/tmp/second.code ]; do sleep 0.1; done")
    return int(host.read("/var/tmp/second.code")), host.read("/var/tmp/second")


def promote_and_kill(host: Host) -> str:
    """Let the server end its recovery, and kill the tool before it has written that down; the phase that the journal then has."""
    socket = f"/var/lib/axiomdb/{STANZA}/restore/socket"
    act = _PROMOTE.format(query=f"runuser -u postgres -- psql -X -qAt -h {socket} -p 65432 -c")
    return watched(host, consent(host, NAME), "promote", act=act)[0]


def reboot(host: Host) -> None:
    """As a power cut would: nothing is shut down."""
    execute(["docker", "kill", host.name]).checked()
    host.start()


def served(host: Host) -> str:
    """The rows that a client gets through the cluster's own socket; empty when nobody lets him in."""
    return host.run(_SERVES.format(database=DATABASE, rows=ROWS), user="postgres", check=False).stdout.strip()


def amiss(host: Host) -> str:
    """What is around the rows that are served, and is not as it was before any recovery; empty when all of it is."""
    found, rows = host.run(_AROUND, check=False).stdout.split(), served(host)
    wanted = [SAID.get(rows, "no rows"), "auto"]
    return "" if found == wanted else f"{found} around {rows!r}, expected {wanted}"


def follow(host: Host, phase: str, on: bool) -> Killed:
    """Look at what a kill has left, and type one more command: the same again, or rollback."""
    found, rows = phase, served(host)
    commands = [] if phase in ("", "save", "quiet") else [command for command in cron_commands(host) if "heartbeat" not in command]
    jobs = tuple(host.run(command, user="postgres", check=False).stdout for command in commands)
    sure = f"--confirm={host.name}/{STANZA}"
    run = host.run([TOOL, "restore", NAME, sure] if on else [TOOL, "rollback", sure], check=False)
    after, back, wrong = served(host), "", amiss(host)
    if on:
        host.run([TOOL, "rollback", "--reason", "the story goes on", sure])
        back = served(host)
        wrong = wrong or amiss(host)
    return Killed(found, rows, jobs, run, after, back, wrong)
