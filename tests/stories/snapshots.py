# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook's snapshot: rows, a named moment, a migration, later backups; and a copy restored by hand to that moment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fleet import DATABASE, STANZA, Fleet, info
from lab import Host, Result
from scheduling import REPOSITORIES, TOOL

SNAPSHOT = "playbooks/snapshot.yml"
NAME = "pre-migration-v2.3"
REASON = 'orders get a new key; it\'s "big"'
ROWS = "create table orders (id int primary key, note text); insert into orders select i, 'before' from generate_series(1, 500) i"
MIGRATION = """
delete from orders where id % 7 = 0; update orders set note = 'migrated' where id % 2 = 0;
alter table orders add column key text; insert into orders select i, 'after', 'k' from generate_series(501, 600) i
"""
SUM = "select count(*), sum(id), md5(string_agg(id || note, ',' order by id)) from orders"
# A copy by hand: beside the server, without its configuration, its port or its archive. It stops at the target and waits.
_COPY = """
set -e
copy=/var/tmp/copy{repository} && rm -rf $copy && mkdir -m 700 $copy
pgbackrest --stanza={stanza} --repo={repository} --pg1-path=$copy --set={label} --type=lsn --target={lsn} --target-exclusive \
  --target-action=pause --archive-mode=off --log-level-console=off --log-level-stderr=warn restore
touch $copy/pg_hba.conf && echo 'local all all trust' > $copy/pg_hba.conf
cat > $copy/postgresql.conf <<< "listen_addresses = ''
unix_socket_directories = '$copy'
archive_mode = off
shared_buffers = 32MB"
/usr/lib/postgresql/*/bin/pg_ctl -D $copy -l $copy/log -s -w start
for _ in $(seq 600); do
  paused=$(psql -h $copy -d {database} -qAt -c 'select pg_is_wal_replay_paused()' 2>&1) && [ "$paused" = t ] && break
  sleep 0.1
done
if [ "$paused" != t ]; then cat $copy/log >&2; exit 1; fi
psql -h $copy -d {database} -qAt -c "{query}" -c "select column_name from information_schema.columns where table_name = 'orders' order by 1"
/usr/lib/postgresql/*/bin/pg_ctl -D $copy -s -m immediate stop
rm -rf $copy
"""


@dataclass(frozen=True)
class Story:
    """What was seen at each step. `entries` is the catalogue's entry by repository, with the label of its set.

    `listed` are the backups of each repository: those that its catalogue lists, and those whose directories are there.
    """

    result: Result
    rows: str
    later: list[str]
    entries: dict[int, dict[str, Any]]
    annotations: list[dict[str, str]]
    copies: dict[int, list[str]]
    now: str
    listed: dict[int, tuple[set[str], set[str]]]


def tell(fleet: Fleet) -> dict[str, Story]:
    """Play the story on all hosts at once."""
    fleet.each(lambda host: host.sql(ROWS, db=DATABASE))
    rows = fleet.each(lambda host: host.sql(SUM, db=DATABASE))
    variables = {"snapshot_name": NAME, "snapshot_reason": REASON, "snapshot_annotations": {"branch": "main"}}
    result = fleet.play(SNAPSHOT, pgbackrest_repositories=REPOSITORIES, **variables)
    assert result.rc == 0, result.output
    return fleet.each(lambda host: _after(host, result, rows[host.system]))


def _after(host: Host, result: Result, rows: str) -> Story:
    host.sql(MIGRATION, db=DATABASE)
    later = [host.run([TOOL, "backup", "--type=incr"]).stdout for _backup in range(3)]
    sets = [backup for stanza in info(host) for backup in stanza["backup"]]
    key = f"axiomdb-snapshot-{NAME}"
    found = [backup for backup in sets if key in backup.get("annotation", {})]
    entries = {backup["database"]["repo-key"]: {"label": backup["label"], **json.loads(backup["annotation"][key])} for backup in found}
    copies = {number: copy(host, number, entry) for number, entry in entries.items()}
    annotations = [backup["annotation"] for backup in found]
    return Story(result, rows, later, entries, annotations, copies, host.sql(SUM, db=DATABASE), listed(host))


def listed(host: Host) -> dict[int, tuple[set[str], set[str]]]:
    """Labels of the catalogue and names of the directories, by repository."""
    labels = {(backup["database"]["repo-key"], backup["label"]) for stanza in info(host) for backup in stanza["backup"]}
    found = {}
    for number, path in ((1, "/var/lib/pgbackrest"), (2, "/var/lib/pgbackrest2")):
        directories = host.run(f"cd {path}/backup/{STANZA} && ls -d 2*").stdout.split()
        found[number] = {label for repository, label in labels if repository == number}, set(directories)
    return found


def copy(host: Host, repository: int, entry: dict[str, Any]) -> list[str]:
    """Restore the snapshot by hand from one repository; the rows, and the columns of their table."""
    script = _COPY.format(stanza=STANZA, repository=repository, label=entry["label"], lsn=entry["lsn"], database=DATABASE, query=SUM)
    return host.run(script, user="postgres").stdout.splitlines()
