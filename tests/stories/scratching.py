# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Scratch copies beside a live server that has everything a copy could do harm with: a tablespace, a subscription, an archive_command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from converged import Converged, archive_now, started
from fleet import DATABASE, STANZA
from lab import Host, Run, execute
from refusing import quiet
from scheduling import TOOL

HOME = "/var/lib/axiomdb/scratch"
SPACE = "/srv/space"
ROWS = "select string_agg(note, ' ' order by number) from kept"
# What a copy must do nothing with. The word of the archive_command leaves a trace of each segment that it is given.
_HARMFUL = [
    f"alter system set archive_command = 'pgbackrest --stanza={STANZA} archive-push %p && touch {SPACE}/../pushed/%f'",
    "alter system set listen_addresses = '*'",
    "alter system set session_preload_libraries = 'auto_explain'",
    "select pg_reload_conf()",
]
_TABLES = f"""
create tablespace space location '{SPACE}';
create table kept (number int primary key, note text) tablespace space;
insert into kept values (1, 'backed-up');
"""
_SUBSCRIPTION = """
create table theirs (number int);
create subscription theirs connection 'host=127.0.0.1 port=9 dbname=none' publication none with (connect = false, slot_name = 'theirs');
alter subscription theirs enable;
"""
# Each server has one segment with this number at its beginning, and leaves it when it is killed (source: PG_DYNSHMEM_CONTROL_MAGIC in
# dsm.c). What else of a server lies there comes and goes with its statistics, the live one's too.
_SHARED = """for file in /dev/shm/*; do
  case $(basename $file)$(head -c 4 $file | od -An -tx4) in PostgreSQL.*9a503d32) echo $file ;; PostgreSQL.*) ;; *) echo $file ;; esac
done"""
_SETTINGS = "select md5(string_agg(concat_ws('|', name, setting, source, sourcefile, pending_restart), ',' order by name)) from pg_settings"
# Every file of the host is compared by name, but for those that come and go on an idle one: logs, locks, what servers keep for themselves.
_RESTLESS = " ".join(
    f"-path '{path}' -prune -o"
    for path in ("/proc", "/sys", "/tmp", "/var/tmp", "/var/log", "/run/systemd/*", "/run/log", "/run/user", "/run/utmp")
    + ("/var/lib/postgresql/*/main/*/*", "/var/lib/postgresql/*/main/*.pid", "/var/cache/*", "/var/lib/apt/*", "*/__pycache__")
)
_QUIET_PLACES = ("/etc", "/opt", SPACE, "/srv/pushed", "/var/lib/pgbackrest", HOME)


@dataclass(frozen=True)
class Source:
    """The live server. A restore point and a time lie between the rows `kept` and `later`; `unarchived` came last."""

    host: Host
    label: str
    point: str
    time: str
    xid: str
    end: str


def prepare(converged: Converged) -> Source:
    """Rows before a backup, at the target, after it, and after the last archived segment."""
    host = quiet(converged.twin("scratched"))
    host.run(f"install -d -o postgres -g postgres -m 700 {SPACE} /srv/pushed {HOME}")
    for statement in _HARMFUL:
        host.sql(statement)
    host.sql(_TABLES, db=DATABASE)
    host.sql("create database other")
    host.sql(_SUBSCRIPTION, db="other")
    host.run([TOOL, "backup", "--type=incr"])
    label = json.loads(host.run("pgbackrest info --output=json", user="postgres").stdout)[0]["backup"][-1]["label"]
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    xid = host.sql("insert into kept values (2, 'kept') returning pg_current_xact_id()", db=DATABASE)
    time, point = host.sql("select clock_timestamp() at time zone 'UTC', pg_create_restore_point('here')", db=DATABASE).split("|")
    end = host.sql("insert into kept values (3, 'later'); select pg_current_wal_insert_lsn()", db=DATABASE)
    archive_now(host)
    # What comes last stays unarchived, however long the stories take.
    host.sql("alter system set archive_timeout = 0")
    host.sql("select pg_reload_conf()")
    host.sql("insert into kept values (4, 'unarchived'); vacuum (freeze) kept; checkpoint", db=DATABASE)
    return Source(host, label, point, f"{time}+00", xid, end)


def make(host: Host, *words: str, sql: Sequence[str] = (ROWS,), within: str = DATABASE) -> Run:
    """Make a copy, ask it, and let it be removed."""
    asked = [f"--query={query}" for query in sql]
    return host.run([TOOL, "scratch", "make", "--json", *words, *asked, f"--in={within}"], check=False)


def answer(run: Run) -> dict[str, Any]:
    """What was answered, as a document."""
    document: dict[str, Any] = json.loads(run.checked().stdout)
    return document


def footprint(host: Host, server: bool = True) -> dict[str, Any]:
    """What copies must leave as it was: files, the live server's settings, archiver and start, processes, shared memory, scopes."""
    shown = {
        "processes": "pgrep -af '[a]xiomdb-scratch|[s]cratch make' || true",
        "memory": f"awk '{{print $1, $2}}' /proc/sysvipc/shm; {_SHARED}",
        "scopes": "systemctl list-units --all --plain --no-legend 'axiomdb-*.scope'",
        "runtime": "find /run/postgresql -type s",
        "names": f"find / /run -xdev {_RESTLESS} -print | sort",
    }
    found: dict[str, Any] = {name: host.run(command).stdout for name, command in shown.items()}
    # Docker writes the address of a container into it whenever that starts.
    found["files"] = {path: entry for path, entry in host.tree(*_QUIET_PLACES).items() if path != "/etc/hosts"}
    if server:
        found["started"] = started(host)
        found["settings"] = host.sql(_SETTINGS)
        found["archiver"] = host.sql("select archived_count, last_archived_wal, failed_count from pg_stat_archiver")
    return found


def changed(before: Mapping[str, Any], after: Mapping[str, Any], but: Sequence[str] = ()) -> dict[str, tuple[Any, Any]]:
    """What differs, before and after; of the files each path by itself."""
    found = {key: (before[key], after[key]) for key in before if key not in ("files", *but) and before[key] != after[key]}
    old, new = before["files"], after["files"]
    return found | {path: (old.get(path), new.get(path)) for path in sorted({*old, *new}) if old.get(path) != new.get(path)}


@dataclass(frozen=True)
class Maker:
    """A maker at work: its process, and where its words go."""

    host: Host
    process: str

    def kill(self) -> None:
        """As the kernel would without memory."""
        self.host.run(f"kill -9 {self.process}", check=False)

    def wait(self) -> str:
        """What it said, when it has ended."""
        self.host.run(f"timeout 120 tail -f --pid={self.process} /dev/null")
        return self.host.read("/tmp/maker")

    def kill_server(self) -> None:
        """Kill the copy's postmaster."""
        self.host.run(f"kill -9 $(head -n 1 {HOME}/*/data/postmaster.pid)")


def begin(host: Host, *words: str, sleeping: bool = True, output: str = "/tmp/maker") -> Maker:
    """Start a maker whose copy is asked for ten minutes; with `sleeping` it is waited for until it is."""
    command = f"{TOOL} scratch make {' '.join(words)} --query='select pg_sleep(600)'"
    process = host.run(f"setsid {command} >{output} 2>&1 </dev/null & echo $!").stdout.strip()
    if sleeping:
        wait_for(host, "pgrep -f '[p]ostgres: axiomdb-scratch-.*SELECT'")
    return Maker(host, process)


def wait_for(host: Host, condition: str, seconds: int = 60) -> None:
    """Until a command succeeds; raises `Unexpected` after so many seconds."""
    loop = shlex.quote(f"until {condition} >/dev/null; do sleep 0.1; done")
    host.run(f"timeout {seconds} bash -c {loop} || {{ cat /tmp/maker; exit 1; }}")


def crash(host: Host) -> None:
    """Take the host's power away and give it back."""
    execute(["docker", "kill", host.name]).checked()
    host.start()
