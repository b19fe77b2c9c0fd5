# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records again what pgBackRest really says:

    PYTHONPATH=plugins/module_utils python3 tests/unit/record.py CONTAINER...

Each container is a throw-away host with Debian's PostgreSQL and pgBackRest: its clusters, repositories and configuration are
destroyed. The commands run as the collection runs them. tests/unit/recorded/<version>/ gets one small file for each:

    {"command": "pgbackrest ...", "environment": {...}, "rc": 0, "stdout": "...", "stderr": "..."}

Bytes that are not UTF-8 stand there as lone surrogates: `text.encode("utf-8", "surrogateescape")` gives them back.
record_options.py, beside this file, adds what the binary does with each option.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from record_options import record_options, record_values

RECORDED = Path(__file__).parent / "recorded"
LEVELS = "--log-level-console=off --log-level-stderr=warn"


class Host:
    """A container; commands run as postgres unless `user` says otherwise."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = self.text("pgbackrest version").split()[1]
        self.directory = RECORDED / self.version
        self.directory.mkdir(parents=True, exist_ok=True)

    def run(self, script: str, user: str = "postgres", stdin: str = "", environment: dict[str, str] | None = None) -> Any:
        variables = [word for key, value in (environment or {}).items() for word in ("-e", f"{key}={value}")]
        argv = ["docker", "exec", "-i", "-w", "/", "-e", "LC_ALL=C.UTF-8", "-e", "TZ=UTC", *variables, self.name]
        argv += ["runuser", "-u", user, "--", "bash", "-c", script]
        return subprocess.run(argv, input=stdin.encode(), capture_output=True, check=False)

    def text(self, script: str, user: str = "postgres", stdin: str = "") -> str:
        done = self.run(script, user, stdin)
        if done.returncode:
            raise SystemExit(f"{self.name}: {script}\n{done.stdout.decode()}{done.stderr.decode()}")
        return str(done.stdout.decode())

    def write(self, name: str, data: Any) -> None:
        rows = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in data.items())
        (self.directory / f"{name}.json").write_text("{\n" + rows + "\n}\n", encoding="ascii")

    def record(
        self, name: str, command: str, environment: dict[str, str] | None = None, stanza: str = "--stanza=demo", rest: str = ""
    ) -> None:
        """Run one pgBackRest command; `rest` stands around it in the shell and is not written down."""
        line = " ".join(f"pgbackrest {stanza} {LEVELS} {command}".split())
        done = self.run(rest.replace("COMMAND", line) or line, environment=environment)
        stdout, stderr = (stream.decode("utf-8", "surrogateescape") for stream in (done.stdout, done.stderr))
        self.write(name, {"command": line, "environment": environment or {}, "rc": done.returncode, "stdout": stdout, "stderr": stderr})


def record_outputs(host: Host) -> None:
    """One cluster's life: no stanza, no archiving, backups, damage, a promotion, another cluster."""
    pg = host.text("ls /usr/lib/postgresql").strip()
    conf = f"/etc/postgresql/{pg}/main/conf.d/record.conf"

    def root(script: str, stdin: str = "") -> None:
        host.text(script, "root", stdin)

    def configure(command: str, mode: str = "on") -> None:
        text = f"archive_mode = {mode}\narchive_command = '{command}'\nrestore_command = 'pgbackrest --stanza=demo archive-get %f \"%p\"'\n"
        root(f"cat > {conf}; pg_ctlcluster {pg} main restart", text)

    def backrest(*more: str) -> None:
        lines = [
            "[global]",
            "repo1-path=/var/lib/pgbackrest",
            "repo1-cipher-type=aes-256-cbc",
            "repo1-cipher-pass=recorded-without-a-secret",
            "repo1-retention-full=2",
            "start-fast=y",
            "archive-timeout=20",
            *more,
            "[demo]",
            f"pg1-path=/var/lib/postgresql/{pg}/main",
        ]
        root("mkdir -p /etc/pgbackrest; cat > /etc/pgbackrest/pgbackrest.conf", "\n".join(lines) + "\n")

    def sql(statement: str) -> str:
        return host.text(f"psql -XAtqc {shlex.quote(statement)}").strip()

    def segment_archived() -> None:
        sql("select pg_logical_emit_message(true, 'record', 'a segment that is not empty')")
        name = sql("select pg_walfile_name(pg_switch_wal())")
        arrived = f"find /var/lib/pgbackrest/archive -name '{name}-*' ! -name '*.tmp' | grep -q ."
        host.text(f"for i in $(seq 300); do {arrived} && exit 0; sleep 0.1; done; exit 1")

    root(
        f"for c in $(pg_lsclusters -h | awk '{{print $2}}'); do pg_dropcluster --stop {pg} $c; done; rm -rf /etc/pgbackrest* "
        "/var/lib/pgbackrest/* /var/lib/pgbackrest2 /var/lib/damaged /tmp/pgbackrest; install -d -o postgres /var/lib/pgbackrest2; "
        f"pg_createcluster {pg} main -p 5432 -- --data-checksums > /dev/null"
    )
    backrest()
    archive = "pgbackrest --stanza=demo archive-push %p"
    configure(archive, "off")
    host.write("version", {"command": "pgbackrest version", "rc": 0, "stdout": host.text("pgbackrest version"), "stderr": ""})
    host.record("info-no-stanza", "info --output=json")
    host.record("info-nothing", "info --output=json", stanza="")
    host.record("info-repository-missing", "info --output=json", {"PGBACKREST_REPO1_PATH": "/var/lib/absent"})
    host.record("verify-no-stanza", "verify --output=text")
    host.record("backup-no-stanza", "backup")
    host.record("stanza-create", "stanza-create")
    host.record("stanza-create-again", "stanza-create")
    host.record("info-no-backup", "info --output=json")
    host.record("repo-ls-no-wal", "repo-ls --output=json archive/demo", stanza="")
    host.record("check-archiving-off", "check")
    host.record("backup-archiving-off", "backup")
    configure("/bin/true")
    host.record("check-other-archive-command", "check")
    configure("pgbackrest --stanza=demo --repo1-path=/var/lib/absent archive-push %p")
    host.record("check-wal-missing", "--archive-timeout=2 check")
    configure(archive)
    host.record("check-no-stanza", "check", {"PGBACKREST_REPO1_PATH": "/var/lib/absent"})
    host.record("check", "check")
    for suffix, error in (("wrong-passphrase", "FormatError"), ("wrong-passphrase-crypto", "CryptoError")):
        look = f"PGBACKREST_REPO1_CIPHER_PASS=wrong-$i pgbackrest info | grep -aq {error}"
        wrong = {"PGBACKREST_REPO1_CIPHER_PASS": host.text(f"for i in $(seq 999); do {look} && echo -n wrong-$i && exit; done")}
        for name, command in (
            ("info", "info --output=json"),
            ("verify", "verify --output=text"),
            ("stanza-create", "stanza-create"),
            ("check", "--archive-timeout=2 check"),
            ("backup", "backup"),
        ):
            host.record(f"{name}-{suffix}", command, wrong)
    host.record("info-wrong-cipher", "info --output=json", {"PGBACKREST_REPO1_CIPHER_TYPE": "none"})
    annotations = "--annotation=axiomdb-host=vps1 --annotation=axiomdb-machine-id=0123456789abcdef0123456789abcdef"
    host.record("backup-full", f"--type=full {annotations} backup")
    sql("create table rows as select generate_series(1, 1000) as row")
    host.record("backup-incr", "--type=incr --annotation=snapshot=pre-migration-v2.3 backup")
    host.record("info", "info --output=json")
    label = json.loads(host.text("pgbackrest info --output=json"))[0]["backup"][-1]["label"]
    host.record("info-set", f"--set={label} info --output=json")
    root("chmod 000 /var/lib/pgbackrest/backup/demo")
    host.record("info-unreadable", "info --output=json")
    root("chmod 750 /var/lib/pgbackrest/backup/demo")
    host.record("verify", "verify --output=text")
    host.record("verify-verbose", "--verbose verify --output=text")
    damaged = {"PGBACKREST_REPO1_PATH": "/var/lib/damaged"}
    segments = "set -- $(find /var/lib/damaged -name '00000001*-*.gz' | sort)"
    root(f"cp -a /var/lib/pgbackrest /var/lib/damaged; {segments}; printf '\\377' | dd of=$1 bs=1 seek=40 conv=notrunc status=none")
    host.record("verify-flipped-byte", "verify --output=text", damaged)
    root(
        f"{segments}; cp $2 $1; cd /var/lib/damaged/backup/demo/*F/pg_data; cp PG_VERSION.gz global/pg_filenode.map.gz; "
        "rm global/pg_control.gz"
    )
    host.record("verify-damaged", "verify --output=text", damaged)
    host.record("verify-damaged-verbose", "--verbose verify --output=text", damaged)
    host.record("info-damaged", "info --output=json", damaged)
    host.record("stop", "stop")
    host.record("check-stopped", "check")
    host.record("backup-stopped", "backup")
    host.record("start", "start")
    held = (
        "pgbackrest --stanza=demo --type=full backup > /dev/null 2>&1 & p=$!; for i in $(seq 500); do "
        "find /tmp/pgbackrest -name 'demo-backup*.lock' -size +0 | grep -q . && break; sleep 0.01; done; kill -STOP $p; "
        "COMMAND; rc=$?; kill -CONT $p; wait $p; exit $rc"
    )
    host.record("backup-lock-held", "--type=incr backup", rest=held)
    host.record("info-lock-held", "info --output=json", rest=held)
    host.record("stanza-create-lock-held", "stanza-create", rest=held)
    backrest("repo2-path=/var/lib/pgbackrest2")
    host.record("info-second-repository-new", "info --output=json")
    host.record("stanza-create-second-repository", "stanza-create")
    host.record("backup-second-repository", "--repo=2 --type=full backup")
    host.record("info-two-repositories", "info --output=json")
    root("chmod 000 /var/lib/pgbackrest2")
    host.record("info-second-repository-unreadable", "info --output=json")
    host.record("check-second-repository-unreadable", "--archive-timeout=2 check")
    root("chmod 750 /var/lib/pgbackrest2")
    backrest("repo2-path=/var/lib/pgbackrest2", "repo2-cipher-type=aes-256-cbc", "repo2-cipher-pass=another-one-without-a-secret")
    host.record("info-second-repository-wrong-passphrase", "info --output=json")
    backrest()
    segment_archived()
    root(
        f"pg_ctlcluster {pg} main stop; install -o postgres /dev/null /var/lib/postgresql/{pg}/main/standby.signal; "
        f"pg_ctlcluster {pg} main start"
    )
    host.record("check-standby-alone", "check")
    host.record("backup-standby-alone", "backup")
    host.text("psql -XAtqc 'select pg_promote(true, 60)'")
    sql("checkpoint")
    segment_archived()
    host.record("info-promoted", "info --output=json")
    for name, options, path in (
        ("archive", "", ""),
        ("archive-id", "", f"/{pg}-1"),
        ("archive-recurse", "--recurse", f"/{pg}-1"),
        ("archive-timeline", "", f"/{pg}-1/0000000200000000"),
        ("archive-absent", "", "/9.9-1"),
    ):
        host.record(f"repo-ls-{name}", f"repo-ls --output=json {options} archive/demo{path}", stanza="")
    host.record("repo-get-history", f"repo-get archive/demo/{pg}-1/00000002.history", stanza="")
    root(
        f"pg_createcluster {pg} other -p 5433 > /dev/null; cat > {conf.replace('main', 'other')}; pg_ctlcluster {pg} other start",
        f"archive_mode = on\narchive_command = '{archive}'\n",
    )
    other = {"PGBACKREST_PG1_PATH": f"/var/lib/postgresql/{pg}/other", "PGBACKREST_PG1_PORT": "5433"}
    wal = host.text("psql -p 5433 -XAtqc 'select pg_walfile_name(pg_current_wal_lsn())'").strip()
    for name, command in (
        ("stanza-create", "stanza-create"),
        ("check", "--archive-timeout=2 check"),
        ("backup", "backup"),
        ("archive-push", f"archive-push pg_wal/{wal}"),
    ):
        host.record(f"{name}-other-cluster", command, other, rest=f"cd {other['PGBACKREST_PG1_PATH']}; COMMAND")
    root(f"pg_ctlcluster {pg} main stop")
    for command in ("check", "backup", "stanza-create"):
        host.record(f"{command}-no-server", command)


def main() -> None:
    for name in sys.argv[1:]:
        host = Host(name)
        for step in (record_options, record_values, record_outputs):
            sys.stdout.write(f"{name} ({host.version}): {step.__name__}\n")
            sys.stdout.flush()
            step(host)


if __name__ == "__main__":
    main()
