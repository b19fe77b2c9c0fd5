# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recoveries in place: moments whose tables are known, each of them recovered, and the way back to what served before.

The moments are recovered from the newest to the oldest: each recovery begins a timeline below which the older ones still lie.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from commits import start_load, stop_load
from converged import archive_now
from fleet import DATABASE, STANZA
from lab import Host, Lab, Result, Run
from scheduling import TOOL

DATA = "/var/lib/postgresql/*/main"
# Each table with its number of rows and a checksum over them.
_SUMS = """
select string_agg(format('%s=%s', name, (xpath('/row/s/text()', query_to_xml(format(
    $q$select count(*) || ':' || coalesce(md5(string_agg(x::text, ',' order by x::text)), '') as s from %I x$q$, name),
    false, true, '')))[1]), ' ' order by name)
from (select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace) as tables
"""
_LOCKED = """
begin;
lock table pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history, canary in share row exclusive mode;
insert into canary (note) values ('{note}');
select pg_current_xact_id(), pg_current_wal_insert_lsn();
{sums};
commit;
"""
_STILL = """
begin;
lock table pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history, canary in share row exclusive mode;
select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), pg_current_wal_insert_lsn();
{sums};
select pg_sleep(0.05);
commit;
"""
# By hand, beside the server: what somebody gets who types pgBackRest's own restore, to the end of the archive or of one set.
_BARE = """
set -e
copy=/var/tmp/bare && rm -rf $copy && mkdir -m 700 $copy
pgbackrest --stanza={stanza} --pg1-path=$copy --archive-mode=off --log-level-console=off --log-level-stderr=warn {options} restore
touch $copy/pg_ident.conf && echo 'local all all trust' > $copy/pg_hba.conf
printf "listen_addresses = ''\\nunix_socket_directories = '$copy'\\narchive_mode = off\\nshared_buffers = 32MB\\n" > $copy/postgresql.conf
/usr/lib/postgresql/*/bin/pg_ctl -D $copy -l $copy/log -s -w start || (tail -n 20 $copy/log >&2; exit 1)
for _ in $(seq 600); do
  ended=$(psql -h $copy -d {database} -qAt -c 'select not pg_is_in_recovery()' 2>&1) && [ "$ended" = t ] && break
  sleep 0.1
done
psql -h $copy -d {database} -qAt -f - <<'SQL'
{sums}
SQL
/usr/lib/postgresql/*/bin/pg_ctl -D $copy -s -m immediate stop
rm -rf $copy
"""


@dataclass(frozen=True)
class Moment:
    """A target, and what every table held then."""

    target: str
    sums: str


@dataclass
class Story:
    """The moments of one host by name, what each recovery said and what the tables held after it."""

    host: Host
    moments: dict[str, Moment] = field(default_factory=dict)
    said: dict[str, Run] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)
    timelines: dict[str, str] = field(default_factory=dict)
    bare: dict[str, str] = field(default_factory=dict)
    refused: dict[str, Run] = field(default_factory=dict)
    printed: Result | None = None
    played: Result | None = None
    inodes: tuple[str, str] = ("", "")


def sums(host: Host) -> str:
    """What every table holds now."""
    return host.sql(_SUMS, db=DATABASE)


def tell(host: Host, lab: Lab, seed: int) -> Story:
    """Make the moments, lose the server, recover them from the newest to the oldest, and go back once."""
    story = Story(host)
    host.run("systemctl stop axiomdb-recovery-watch.timer")
    _make(host, story, seed)
    _lose(host, story)
    for name in ("latest", "idle", "xid", "lsn", "time"):
        recover(host, story, name)
    _by_playbook(host, lab, story)
    _go_back(host, story)
    return story


def _make(host: Host, story: Story, seed: int) -> None:
    host.run(f"pgbench -i -q -s 1 {DATABASE}", user="postgres")
    host.sql("create table canary (number serial primary key, note text)", db=DATABASE)
    host.run([TOOL, "backup", "--type=incr"])
    host.sql("insert into canary (note) values ('before the snapshot')", db=DATABASE)
    story.moments["name"] = Moment("name:pre-migration-v2.3", sums(host))
    host.run([TOOL, "snapshot", "pre-migration-v2.3", "--reason", "orders get a key"])
    start_load(host, seed)
    for name in ("time", "lsn", "xid"):
        story.moments[name] = _mark(host, name)
        host.run([TOOL, "backup", "--type=incr"])
    stop_load(host)
    story.moments["idle"] = _mark(host, "idle")
    host.run("sleep 3")
    archive_now(host)


def _mark(host: Host, name: str) -> Moment:
    """A moment in which nobody else commits anything that these tables would show."""
    if name == "xid":
        head, found = _answer(host, _LOCKED.format(note=name, sums=_SUMS))
        return Moment(f"xid:{head[0]}", found)
    host.sql(f"insert into canary (note) values ('before {name}')", db=DATABASE)
    head, found = _answer(host, _STILL.format(sums=_SUMS))
    host.sql(f"insert into canary (note) values ('after {name}')", db=DATABASE)
    return Moment(f"lsn:{head[1]}" if name == "lsn" else f"time:{head[0]}", found)


def _answer(host: Host, script: str) -> tuple[list[str], str]:
    lines = [line for line in host.sql(script, db=DATABASE).splitlines() if line]
    return lines[0].split("|"), lines[1]


def _lose(host: Host, story: Story) -> None:
    """Archiving is broken for a while, rows are written, the server is killed, and a table's file is gone."""
    host.run(f"pgbackrest --stanza={STANZA} stop", user="postgres")
    host.sql("insert into canary (note) select 'never archived' from generate_series(1, 1000); select pg_switch_wal()", db=DATABASE)
    host.sql("insert into canary (note) select 'nor this' from generate_series(1, 1000)", db=DATABASE)
    story.moments["latest"] = Moment("latest", sums(host))
    file = host.sql("select pg_relation_filepath('pgbench_accounts')", db=DATABASE)
    host.run(f"kill -9 $(head -n 1 {DATA}/postmaster.pid); rm {DATA}/{file}")
    host.run(f"pgbackrest --stanza={STANZA} start", user="postgres")


def consent(host: Host, target: str, *words: str) -> list[str]:
    """The command that a plan's last line says to type, without sudo."""
    planned = host.run([TOOL, "restore", target, "--reason", "a story", "--json", *words], check=False).checked()
    digest = json.loads(planned.stdout)["plan"]
    cluster = f"{host.name}/{STANZA}" + ("/no-way-back" if "--keep=none" in words else "")
    return [TOOL, "restore", target, "--reason", "a story", *words, f"--confirm={cluster}", f"--plan={digest}"]


def recover(host: Host, story: Story, name: str) -> None:
    """Print the plan, type it, and look."""
    story.said[name] = host.run(consent(host, story.moments[name].target), check=False)
    _look(host, story, name)


def _look(host: Host, story: Story, name: str) -> None:
    story.sums[name] = sums(host)
    story.timelines[name] = host.sql("select ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int")


def _by_playbook(host: Host, lab: Lab, story: Story) -> None:
    """The same by playbook: the plan first, and then the command that it prints."""
    target = {"restore_target": story.moments["name"].target, "restore_reason": "orders lost their keys"}
    story.printed = lab.ansible(host, "playbooks/restore.yml", extra_vars=target)
    found = re.search(r"-e restore_confirm=(\S+) -e restore_plan=(\S+)", story.printed.stdout)
    assert found is not None, story.printed.output
    _lookahead = {"restore_confirm": found[1], "restore_plan": found[2]}
    story.inodes = (host.run(f"stat -c %i {DATA}").stdout, "")
    story.played = lab.ansible(host, "playbooks/restore.yml", extra_vars={**target, **_lookahead})
    _look(host, story, "name")


def _go_back(host: Host, story: Story) -> None:
    """Rows are written after the acceptance; then the way back, and what a restore by hand gives afterwards."""
    host.sql("insert into canary (note) values ('after the acceptance')", db=DATABASE)
    story.said["back"] = host.run([TOOL, "rollback", "--reason", "the wrong moment", f"--confirm={host.name}/{STANZA}"], check=False)
    _look(host, story, "back")
    story.inodes = (story.inodes[0], host.run(f"stat -c %i {DATA}").stdout)
    story.bare = by_hand(host, _SUMS)


def by_hand(host: Host, query: str) -> dict[str, str]:
    """What a query finds in what pgBackRest's own restore gives, typed by hand after a way back."""
    archive_now(host)
    before = json.loads(host.run(f"pgbackrest --stanza={STANZA} --output=json info", user="postgres").stdout)[0]["backup"]
    first = next(backup["label"] for backup in before if backup["database"]["repo-key"] == 1)
    from_old = _bare(host, f"--set={first}", query)
    host.run([TOOL, "backup", "--type=full"])
    archive_now(host)
    return {"from the set before the fork": from_old, "from a new full backup": _bare(host, "", query)}


def _bare(host: Host, options: str, query: str) -> str:
    return host.run(_BARE.format(stanza=STANZA, options=options, database=DATABASE, sums=query), user="postgres").stdout.strip()
