# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A history with two restores in place, done by hand, and so with three timelines: each row is a transaction, and remembered.

An hour is shortened: backups are those of each hour, and the idle hour is half a minute without a commit, with what such an hour
leaves in the WAL: a checkpoint, a restore point, a backup, closed segments. The idle time at the end is as long as the story.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from converged import archive_now
from fleet import DATABASE, STANZA
from lab import Host
from scheduling import TOOL

IDLE = 30  # seconds
ROWS = "select string_agg(number::text, ' ' order by number), md5(string_agg(number || ':' || note, ',' order by number)) from truth"
# The times of commits are kept by the server too; without autovacuum and cron nobody commits but the story.
_SETTINGS = ("archive_timeout = 0", "autovacuum = off", "track_commit_timestamp = on")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROW = """
begin;
insert into truth values ({number}, '{note}');
select pg_current_xact_id() as xid, pg_current_wal_insert_lsn() as middle \\gset
commit;
select :'xid', (extract(epoch from pg_xact_commit_timestamp(:'xid'::xid)) * 1000000)::bigint,
  :'middle'::pg_lsn - '0/0', pg_current_wal_insert_lsn() - '0/0';
do 'begin perform pg_sleep({pause}); end';
"""
_UNTIL = 'timeout 180 bash -c \'until test "$(runuser -u postgres -- psql -XAtc "{query}" 2>/dev/null)" = {answer}; do sleep 0.2; done\''


@dataclass(frozen=True)
class Row:
    """A committed row. `time` is that of its commit, in microseconds of Unix time; the commit record lies between `middle` and `end`."""

    number: int
    note: str
    timeline: int
    xid: int
    time: int
    middle: int
    end: int


def iso(microseconds: int) -> str:
    """A time, as it is typed in a target."""
    return f"{_EPOCH + timedelta(microseconds=microseconds):%Y-%m-%dT%H:%M:%S.%f}Z"


def typed(microseconds: int) -> str:
    """A time as pgBackRest and PostgreSQL take it."""
    return iso(microseconds).replace("T", " ").replace("Z", "+00")


def lsn(position: int) -> str:
    """An LSN, as PostgreSQL writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def told(rows: Sequence[Row]) -> str:
    """What the query `ROWS` answers where exactly these rows are."""
    text = ",".join(f"{row.number}:{row.note}" for row in rows)
    return f"{' '.join(str(row.number) for row in rows)}|{hashlib.md5(text.encode()).hexdigest()}"


@dataclass
class Life:
    """A server's life. `paths` are the rows by timeline, those of its ancestors included; `points` the rows before each snapshot."""

    host: Host
    rng: random.Random
    version: str
    timeline: int = 1
    paths: dict[int, list[Row]] = field(default_factory=lambda: {1: []})
    points: dict[str, tuple[Row, ...]] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    segments: dict[str, str] = field(default_factory=dict)
    marks: dict[str, Row] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        """Those that the server has now."""
        return self.paths[self.timeline]

    def commit(self, count: int) -> None:
        """Commit so many rows, each in a transaction of its own."""
        first = 1 + max((row.number for path in self.paths.values() for row in path), default=0)
        notes = [self.rng.randbytes(self.rng.randrange(5, 700)).hex() for _row in range(count)]
        pauses = [round(self.rng.uniform(0.01, 0.4), 3) for _row in range(count)]
        script = "".join(_ROW.format(number=first + place, note=note, pause=pauses[place]) for place, note in enumerate(notes))
        lines = self.host.sql(script, db=DATABASE).splitlines()
        for place, (note, line) in enumerate(zip(notes, lines, strict=True)):
            self.rows.append(Row(first + place, note, self.timeline, *map(int, line.split("|"))))

    def mark(self, name: str) -> None:
        """Remember the newest row by a name."""
        self.marks[name] = self.rows[-1]

    def close(self, name: str = "") -> None:
        """Close the WAL segment, see it archived, and remember it by a name."""
        self.segments[name] = archive_now(self.host)

    def backup(self) -> None:
        """The backup of an hour."""
        answer = json.loads(self.host.run([TOOL, "backup", "--type=incr", "--json"]).stdout)
        self.labels.append(answer[STANZA]["backups"][0]["label"])

    def snapshot(self, name: str) -> None:
        """Name this moment."""
        self.host.run([TOOL, "snapshot", name, "--without-backup"])
        self.points[name] = tuple(self.rows)

    def idle(self) -> None:
        """An hour without a commit."""
        self.mark("before the idle hour")
        self.host.sql("checkpoint")
        self.snapshot("idle")
        self.backup()
        self.close()
        self.host.sql(f"do 'begin perform pg_sleep({IDLE}); end'")

    def restore(self, label: str, kind: str, target: str, kept: Row) -> None:
        """Restore in place by hand and promote. Only the rows up to `kept` may be there afterwards."""
        unit = f"postgresql@{self.version}-main"
        options = [f"--set={label}", f"--type={kind}", f"--target={target}", f"--target-timeline={self.timeline}", "--target-action=pause"]
        self.host.run(["systemctl", "stop", unit])
        self.host.run(["pgbackrest", f"--stanza={STANZA}", "--repo=1", "--delta", *options, "restore"], user="postgres")
        self.host.run(["systemctl", "start", unit])
        self.host.run(_UNTIL.format(query="select pg_get_wal_replay_pause_state()", answer="paused"))
        self.host.sql("select pg_wal_replay_resume()")
        self.host.run(_UNTIL.format(query="select pg_is_in_recovery()", answer="f"))
        there = self.rows[: self.rows.index(kept) + 1]
        self.timeline += 1
        self.paths[self.timeline] = there
        assert self.host.sql(ROWS, db=DATABASE) == told(there)
        assert self.host.sql("select left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)") == f"{self.timeline:08X}"

    def info(self) -> list[dict[str, Any]]:
        """The backups of the repository, the oldest first."""
        found: list[dict[str, Any]] = json.loads(self.host.run("pgbackrest info --output=json", user="postgres").stdout)[0]["backup"]
        return found

    def now(self) -> int:
        """What the host's clock says, in microseconds."""
        return int(self.host.run("date +%s%6N").stdout)


def live(host: Host, rng: random.Random) -> Life:
    """Three timelines. On the last one there are two segments, each behind a backup, whose loss will leave a hole."""
    life = Life(host, rng, host.run(["ls", "/etc/postgresql"]).stdout.strip())
    _prepare(life)
    life.commit(5)
    life.backup()
    life.commit(3)
    life.snapshot("first")
    life.commit(4)
    kept = life.rows[-1]
    life.commit(3)
    life.backup()
    life.commit(2)
    life.snapshot("abandoned")
    host.run([TOOL, "heartbeat"])
    life.commit(3)
    life.close()
    left = life.rows[life.rows.index(kept) + 1]
    life.restore(life.labels[0], "time", typed((kept.time + left.time) // 2), kept)
    _second_timeline(life)
    _third_timeline(life)
    return life


def _prepare(life: Life) -> None:
    host = life.host
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    for setting in _SETTINGS:
        host.sql(f"alter system set {setting}")
    host.run(["systemctl", "restart", f"postgresql@{life.version}-main"])
    host.sql("create table truth (number int primary key, note text)", db=DATABASE)


def _second_timeline(life: Life) -> None:
    life.commit(4)
    life.backup()
    life.host.run([TOOL, "heartbeat"])
    life.commit(4)
    life.snapshot("second")
    kept = life.rows[-1]
    life.commit(4)
    life.restore(life.labels[-1], "name", "second", kept)


def _third_timeline(life: Life) -> None:
    life.commit(3)
    life.backup()
    life.commit(3)
    life.idle()
    life.commit(3)
    life.close()
    for hole in ("a hole", "the last hole"):
        if hole != "a hole":
            life.backup()
        life.commit(2)
        life.mark(f"before {hole}")
        life.close()
        life.commit(2)
        life.mark(f"in {hole}")
        life.close(hole)
        life.commit(2)
        life.mark(f"beyond {hole}")
        life.close()
    life.host.sql("checkpoint")
    life.close("newest")
