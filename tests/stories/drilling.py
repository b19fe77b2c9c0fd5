# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drills of one host: one that passes and keeps its copy, one with everything broken that a drill can find, and what stops at once."""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converged import DATA, Converged, archive_now
from faulting import FLIP
from fleet import DATABASE, STANZA
from lab import Host, Result, Run
from pressure import Pressure
from refusing import quiet
from scheduling import TOOL
from scratching import HOME, changed, footprint, wait_for
from watch import Watch, files_with, forms, watch

REPORTS = f"/var/lib/axiomdb/{STANZA}"
REPOSITORY = "/var/lib/pgbackrest"
DELAY, WAIT, SPANS = 20, "/tmp/wait", "/tmp/spans"
QUARTER, UNSEEN = 92 * 86400, 400  # seconds until the second drill, and how old its newest heartbeat is then
LATER = "/usr/local/bin/later"
ROWS = 2000
NO_SET = "20200101-000000F"
# A name that means something else to whoever takes it for a pattern or for a connection; and nobody may enter.
ODD = "Host=localhost.Port=5432"
_TABLES = f"""
create table orders (number int primary key, note text);
insert into orders select n, md5(n::text) from generate_series(1, {ROWS}) as n;
grant select on orders to axiomdb;
"""
# What a copy must not do, as it would reach the live host: make the extension of pg_amcheck, and whoever watches for that does this.
_REACHING = """
create function reach() returns event_trigger language plpgsql as $$ begin copy (select 1) to program 'touch /srv/reached'; end $$;
create event trigger reaching on ddl_command_end execute function reach();
alter event trigger reaching enable always;
"""
# An index that lacks rows: its pages are right, and whoever asks by it does not find them.
_LACKING = [
    "create table lacking as select n, 'there' as note from generate_series(1, 100) as n; create index lacks on lacking (n)",
    "update pg_index set indisready = false where indexrelid = 'lacks'::regclass",
    "insert into lacking values (1000, 'lost')",
    "update pg_index set indisready = true where indexrelid = 'lacks'::regclass; checkpoint",
]
# Nobody but us writes to it: the page in the file is the one that is backed up.
_PAGE = (
    "create table page with (autovacuum_enabled = off) as select n, repeat('y', 500) as note from generate_series(1, 100) as n; checkpoint"
)
_FLIP_PAGE = f"""
import glob, sys
with open(glob.glob("{DATA}")[0] + "/" + sys.argv[1], "r+b") as file:
    file.seek(8192 + 3000)
    byte = file.read(1)
    file.seek(8192 + 3000)
    file.write(bytes([byte[0] ^ 255]))
"""
# A store that is as slow as a file says: whoever restores waits, and nobody else. When the wait and the restore began and ended is noted.
_SLOW = f"""#!/bin/sh
case " $* " in *" restore "*) ;; *) exec /usr/bin/pgbackrest "$@" ;; esac
date +%s.%N > {SPANS}
sleep $(cat {WAIT})
date +%s.%N >> {SPANS}
/usr/bin/pgbackrest "$@"
code=$?
date +%s.%N >> {SPANS}
exit $code
"""
# The tool with its clock moved, so many seconds ahead as the environment says.
_LATER = f"""#!/usr/bin/python3
import os, sys, time
now = time.time
time.time = lambda: now() + float(os.environ["SECONDS_AHEAD"])
sys.path.insert(0, "{TOOL}")
from axiomdb_recovery.cli import main
raise SystemExit(main())
"""
CHECKS = [{"name": "orders are there", "database": DATABASE, "sql": "select count(*) from orders", "expected": str(ROWS)}]

LIBRARY = "pg_stat_statements"
LOADED = f"--check=postgres:show shared_preload_libraries={LIBRARY}"
ASKED = f"--check={DATABASE}:{CHECKS[0]['sql']}={CHECKS[0]['expected']}"


@dataclass(frozen=True)
class Measured:
    """A drill that was measured: its report, and when its wait began and ended and its restore ended, in Unix seconds.

    `spans` say when each phase began and ended, `stalled` how long the machine let somebody wait meanwhile. Of the restore what
    pgBackRest itself did is in neither `seconds` nor `stalled`.
    """

    report: dict[str, Any]
    began: float
    waited: float
    restored: float
    spans: dict[str, tuple[float, float]]
    stalled: dict[str, float]

    @property
    def seconds(self) -> dict[str, float]:
        """How long each phase took."""
        took = {phase["name"]: phase["seconds"] for phase in self.report["phases"]}
        return {**took, "restore": took["restore"] - (self.restored - self.waited)}


def measured(host: Host, report: dict[str, Any], pressure: Pressure, ahead: int = 0) -> Measured:
    """What was measured of the drill that has just ended."""
    began, waited, restored = map(float, host.read(SPANS).split())
    at, spans = report["began"] - ahead, {}
    for phase in report["phases"]:
        spans[phase["name"]] = (at, at + phase["seconds"])
        at += phase["seconds"]
    stalled = {name: pressure.stalled(*span) for name, span in spans.items()}
    stalled["restore"] = pressure.stalled(spans["restore"][0], began) + pressure.stalled(restored, spans["restore"][1])
    return Measured(report, began, waited, restored, spans, stalled)


NEVER = Measured({}, 0.0, 0.0, 0.0, {}, {})


@dataclass
class Drills:
    """What was drilled on one host, and what that left. `reports` are the files on the controller, `touched` what differs afterwards."""

    host: Host
    secrets: list[str]
    foretold: Result | None = None
    passed: Result | None = None
    reports: dict[str, str] = field(default_factory=dict)
    asked: str = ""
    refused: Run | None = None
    scope: str = ""
    status: str = ""
    annotations: list[str] = field(default_factory=list)
    gone: Result | None = None
    mistyped: list[str] = field(default_factory=list)
    kept: bool = True
    workers: str = ""
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    touched: dict[str, dict[str, Any]] = field(default_factory=dict)
    quiet: Measured = NEVER
    delayed: Measured = NEVER
    page: str = ""
    due: dict[str, str] = field(default_factory=dict)
    missing: str = ""
    watched: Watch = field(default_factory=Watch)
    files: list[str] = field(default_factory=list)

    def report(self, suffix: str) -> str:
        """The report on the controller with this ending."""
        return next(text for name, text in self.reports.items() if name.endswith(suffix))

    def failed(self, drill: str) -> dict[str, str]:
        """The rungs of a drill that failed, with all that was said of them."""
        return {one["name"]: " | ".join(one["problems"]) for one in self.found[drill]["rungs"] if one["outcome"] == "failed"}


def prepare(converged: Converged, name: str) -> Host:
    """A host on which nothing happens by itself, with rows, a heartbeat and all of it archived."""
    host = quiet(converged.twin(name))
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    host.run(f"install -d -o postgres -g postgres -m 700 {HOME}; install -d -o postgres -g postgres -m 750 {REPORTS}")
    host.put(LATER, _LATER)
    host.put("/usr/local/bin/pgbackrest", _SLOW)
    host.run(f"chmod 755 {LATER} /usr/local/bin/pgbackrest; echo 0 > {WAIT}; chmod 666 {WAIT}; install -m 666 /dev/null {SPANS}")
    host.sql(_TABLES, db=DATABASE)
    host.sql(_REACHING, db=DATABASE)
    host.run([TOOL, "backup", "--type=incr"])
    beat(host)
    return host


def beat(host: Host, ahead: int = 0) -> None:
    """A heartbeat that is archived; what it says of its time is so many seconds ahead of the server's."""
    host.run([TOOL, "heartbeat"])
    if ahead:
        time = f"(extract(epoch from clock_timestamp()) + {ahead})::text"
        host.sql(f"select pg_logical_emit_message(true, 'axiomdb.heartbeat', {time})")
    archive_now(host)


def later(host: Host, *words: str, ahead: int) -> Run:
    """Ask the tool so many seconds ahead."""
    return host.run(f"SECONDS_AHEAD={ahead} {LATER} {shlex.join(words)}", check=False)


def play(converged: Converged, directory: Path) -> Drills:
    """The drills of one host in their quarter, the live server never stopped."""
    secrets = [converged.secret("role-password"), converged.secret("cipher-pass")]
    drills = Drills(prepare(converged, "drilled"), secrets)
    _pass(converged, drills, directory)
    _delay(drills)
    _break_everything(drills)
    return drills


def damage(drills: Drills) -> Drills:
    """Drills of the same host that stop at once: its repository is damaged one way after the other, and put back."""
    hidden = [form for secret in drills.secrets for form in forms(secret)]
    with watch(hidden, drills.host, pause=0.01) as drills.watched:
        _damage_repository(drills)
    drills.files = files_with(hidden, drills.host)
    return drills


def drill(host: Host, *words: str, ahead: int = QUARTER) -> dict[str, Any]:
    """Drill by the tool, a quarter later; the report."""
    run = later(host, "drill", "--json", *words, ahead=ahead)
    assert run.stdout, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    assert run.rc == (0 if found["passed"] else 1)
    return found


@contextmanager
def _unchanged(drills: Drills, name: str) -> Iterator[None]:
    """Note what a drill has touched but for its own report and the annotation of the set."""
    before = footprint(drills.host)
    yield
    drills.touched[name] = touched(before, footprint(drills.host))


def touched(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What differs, but for what a drill writes by design: its report, the measured rates, and the catalogue with its proof."""
    known, own = ({line for line in one["names"].splitlines() if not line.startswith(f"{REPORTS}/")} for one in (before, after))
    found = changed({**before, "names": sorted(known - own)}, {**after, "names": sorted(own - known)})
    catalogue = f"{REPOSITORY}/backup/{STANZA}/backup.info"
    return {key: value for key, value in found.items() if not key.startswith(catalogue)}


def _pass(converged: Converged, drills: Drills, directory: Path) -> None:
    host, lab = drills.host, converged.lab
    given = {
        "drill_checks": CHECKS,
        "drill_notes": ["Ada and Grace took part"],
        "drill_keep": True,
        "recovery_reports_dir": str(directory),
    }
    with _unchanged(drills, "a check"):
        drills.foretold = lab.ansible(host, "playbooks/drill.yml", extra_vars=given, check=True)
    with _unchanged(drills, "a mistype"):
        drills.mistyped = [host.run([TOOL, "drill", *words], check=False).stderr for words in ([f"--set={NO_SET}"], ["tme:yesterday"])]
        wrong = {**given, "drill_repository": 7}
        drills.mistyped.append(lab.ansible(host, "playbooks/drill.yml", extra_vars=wrong, expect="failure").stdout)
    drills.kept = bool(host.run(f"ls {REPORTS}/drills", check=False).stdout) or (directory / host.name).exists()
    with _unchanged(drills, "a success"):
        with Pressure() as pressure:
            drills.passed = lab.ansible(host, "playbooks/drill.yml", extra_vars=given)
        drills.reports = {file.name: file.read_text(encoding="utf-8") for file in (directory / host.name).iterdir()}
        sql = "SELECT count(*) FROM information_schema.tables; SELECT count(*) FROM orders"
        psql = f"read PGPASSWORD; export PGPASSWORD; psql -h 127.0.0.1 -p 15432 -U axiomdb -qAt -d {DATABASE} -c '{sql}'"
        drills.asked = host.run(psql, stdin=f"{drills.secrets[0]}\n").stdout
        drills.quiet = measured(host, json.loads(drills.report(".json")), pressure)
        workers = "select distinct backend_type from pg_stat_activity where backend_type <> all ('{client backend,io worker}') order by 1"
        drills.workers = host.run(f'psql -qAt -h {HOME}/*/socket -p 65432 -c "{workers}"', user="postgres").stdout
        drills.scope = host.run("systemctl show -P MemoryMax 'axiomdb-drill-*.scope'").stdout.strip()
        drills.refused = host.run([TOOL, "drill", "--keep"], check=False)
        drills.gone = lab.ansible(host, "playbooks/drill.yml", extra_vars={"drill_state": "absent"})
    drills.status = host.run([TOOL, "status"], check=False).stdout
    backups = json.loads(host.run("pgbackrest info --output=json", user="postgres").stdout)[0]["backup"]
    drills.annotations = [one["annotation"]["axiomdb-drill"] for one in backups if "axiomdb-drill" in one.get("annotation", {})]


def _delay(drills: Drills) -> None:
    """A quarter later the store is slow and the newest heartbeat old: a drill of the same set, and what is said before and behind it."""
    host = drills.host
    hours = {"before": QUARTER - 3600, "due": QUARTER + 3600}
    drills.due = {name: later(host, "status", ahead=ahead).stdout for name, ahead in hours.items()}
    beat(host, QUARTER - UNSEEN)
    with _unchanged(drills, "an objective missed"):
        words = [ASKED, "--keep", f"--rto={DELAY - 1}", f"--rpo={UNSEEN - 100}"]
        host.put(WAIT, str(DELAY))
        with Pressure() as pressure:
            found = drill(host, *words)
        drills.delayed = measured(host, found, pressure, QUARTER)
        host.put(WAIT, "0")
        drills.page = later(host, "drill", "--last", ahead=QUARTER).stdout
        host.run([TOOL, "drill", "--absent"])


def _break_everything(drills: Drills) -> None:
    """An index that lacks a row, a page with a flipped byte, a check that is wrong: one drill tells all of it."""
    host = drills.host
    host.sql(f'create database "{ODD}"')
    for statement in _LACKING:
        host.sql(statement, db=f"dbname='{ODD}'")
    host.sql(f'alter database "{ODD}" allow_connections false; alter database {DATABASE} set zero_damaged_pages = on')
    host.sql(f"drop event trigger reaching; {_PAGE}", db=DATABASE)
    host.run(["python3", "-c", _FLIP_PAGE, host.sql("select pg_relation_filepath('page')", db=DATABASE)])
    # With checksums of pages it would notice, and call the set broken.
    host.run(f"pgbackrest --stanza={STANZA} --repo=1 --type=full --no-checksum-page backup", user="postgres")
    beat(host, QUARTER)
    with _unchanged(drills, "a failure"):
        drills.found["everything"] = drill(host, f"--check={DATABASE}:select count(*) from orders=1", f"--preload={LIBRARY}", LOADED)
    host.sql(f'drop database "{ODD}"; alter database {DATABASE} reset zero_damaged_pages')
    host.sql("drop table page", db=DATABASE)
    host.run("rm /usr/local/bin/pgbackrest")
    host.run([TOOL, "backup", "--type=full"])
    beat(host, QUARTER)


def _damage_repository(drills: Drills) -> None:
    """A flipped byte in the set, a segment that is missing, a passphrase that opens nothing."""
    host = drills.host
    backup, archive = f"{REPOSITORY}/backup/{STANZA}", f"{REPOSITORY}/archive/{STANZA}"
    lsn = host.sql("select pg_current_wal_insert_lsn()")
    drills.missing = archive_now(host)
    beat(host, QUARTER)
    label = json.loads(host.run("pgbackrest info --output=json", user="postgres").stdout)[0]["backup"][-1]["label"]
    damages = {
        "flipped": (REPOSITORY, f'python3 -c "{FLIP}" $(find {backup}/{label}/bundle -type f | sort | head -n 1)', []),
        "missing": (REPOSITORY, f"rm $(find {archive} -name '{drills.missing}-*')", [f"lsn:{lsn}"]),
        "passphrase": (
            "/etc/pgbackrest",
            "sed -i 's/^repo1-cipher-pass=.*/repo1-cipher-pass=another-passphrase-that-opens-nothing/' /etc/pgbackrest/conf.d/*.conf",
            [],
        ),
    }
    with _unchanged(drills, "failures at once"):
        for name, (path, damage, words) in damages.items():
            host.run(f"mkdir -p /root/kept && cp -a --parents {path} /root/kept")
            host.run(damage)
            drills.found[name] = drill(host, *words)
            host.run(f"rm -rf {path} && cp -a /root/kept{path} {path} && rm -rf /root/kept")


def drill_a_fresh_backup(host: Host) -> dict[str, Any]:
    """Drill a set behind which nothing was committed yet."""
    host.run([TOOL, "backup", "--type=incr"])
    return drill(host, "--amcheck=none", "--no-dump", ahead=0)


def leave_it_to_a_spare_host(host: Host) -> dict[str, Any]:
    """Drill where there is no cluster any more, and no word of one in pgBackRest's configuration."""
    beat(host, QUARTER)
    version = host.run(["ls", "/etc/postgresql"]).stdout.strip()
    moved = {
        f"/etc/postgresql/{version}/main": "/root/spare/configuration",
        f"/var/lib/postgresql/{version}/main": "/root/spare/data",
        f"{REPORTS}/heartbeats.jsonl": "/root/spare/heartbeats",
    }
    host.run(f"systemctl stop postgresql@{version}-main; mkdir /root/spare; cp -a /etc/pgbackrest/pgbackrest.conf /root/spare")
    host.run(" && ".join(f"mv {path} {aside}" for path, aside in moved.items()))
    host.run("sed -i '/^pg1-/d' /etc/pgbackrest/pgbackrest.conf")
    try:
        return drill(host)
    finally:
        # The host is what it was: other stories are told on it, in whatever order.
        host.run(" && ".join(f"mv {aside} {path}" for path, aside in moved.items()))
        host.run(f"mv /root/spare/pgbackrest.conf /etc/pgbackrest/ && rmdir /root/spare && systemctl start postgresql@{version}-main")


def kill_drills(host: Host, rng: random.Random, kills: int) -> list[dict[str, Any]]:
    """Begin a drill so often, kill it in one of its phases as the kernel would, let the watch sweep; what then differs."""
    phases = ["plan", "restore", "start", "replay", "checks", "open", "catalogue", "amcheck", "checksums", "remove"]
    found = []
    host.run([TOOL, "watch"])  # which writes files of its own when it first looks
    before = footprint(host)
    for _kill in range(kills):
        phase = rng.choice(phases)
        asks = f"--check='{DATABASE}:select pg_sleep(1)='"
        process = host.run(f"setsid {TOOL} drill {asks} > /tmp/maker 2>&1 < /dev/null & echo $!").stdout.strip()
        wait_for(host, f"grep ' {phase}: begins' /tmp/maker", 600)
        host.run(f"kill -9 {process}", check=False)
        host.run(f"timeout 120 tail -f --pid={process} /dev/null")
        wait_for(host, "! pgrep -f '[p]ostgres: axiomdb-scratch-|[a]xiomdb/scratch/.*/data'")
        host.run([TOOL, "watch"])
        found.append({"phase": phase, **touched(before, footprint(host))})
    return found
