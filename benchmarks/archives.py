# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of an archive: window and plan over one that is huge, and over a real one beside `pgbackrest info`."""

from __future__ import annotations

import json
import re
import sys

from bench import ROOT, Bench, Row, say

SECONDS, MIB = 3.0, 300.0
TOOL = "/opt/axiomdb/axiomdb-recovery"
# A segment of 1 MiB that has one record compresses to nothing, so 5,000 of them are made in minutes.
SIZE = "mkdir -p /etc/postgresql-common/createcluster.d && echo \"initdb_options = '--wal-segsize=1'\" >$_/20-bench.conf"
SWITCH = "select pg_logical_emit_message(false, 'bench', 'x'); select pg_switch_wal();"
FILL = """
yes "{switch}" | head -n {count} | psql -qXAt -o /dev/null postgres
while find /var/lib/postgresql/*/main/pg_wal/archive_status -name "*.ready" | grep -q .; do sleep 1; done
pgbackrest --stanza=axiomdb repo-ls archive/axiomdb --recurse | grep -cE '/[0-9A-F]{{24}}-'
"""


def huge(bench: Bench, count: int) -> list[Row]:
    """Window and plan over 1,000,000 segments and 10,000 backups, each time in a process of its own."""
    seconds, memory = Row("window and plan, 1,000,000 segments", SECONDS), Row("the same, memory", MIB, unit="MiB")
    script, directory = str(ROOT / "benchmarks" / "million.py"), str(bench.directory)
    say("an archive of 1,000,000 segments and 10,000 backups")
    bench.run(sys.executable, script, "write", directory)
    for _run in range(count):
        found = json.loads(bench.run(sys.executable, script, "measure", directory)[0])
        seconds.ours.append(found["seconds"])
        memory.ours.append(found["mib"])
    return [seconds, memory]


def real(bench: Bench, segments: int, count: int) -> list[Row]:
    """The same questions to a real repository on a host that serves, in alternating order with pgbackrest's own summary."""
    host = bench.up("archive")
    say(f"a real archive of {segments:,} segments on a {bench.system} host")
    bench.run("docker", "exec", host, "bash", "-c", SIZE)
    bench.site(host, changed=True)
    bench.run("docker", "exec", host, "systemctl", "stop", "cron")
    fill = FILL.format(switch=SWITCH, count=segments)
    held = int(bench.run("docker", "exec", "-u", "postgres", host, "bash", "-euc", fill)[0])
    if held < segments:
        raise SystemExit(f"Found {held} segments in the archive, expected {segments} and a few more.")
    rows = [Row(f"{what}, {segments:,} real segments", None) for what in ("plan latest", "plan lsn:", "status")]
    lsn = f"0/{(segments // 2) << 20:X}"
    ours = [f"{TOOL} plan latest", f"{TOOL} plan lsn:{lsn}", f"{TOOL} status"]
    bare = "runuser -u postgres -- pgbackrest --stanza=axiomdb info"
    for number in range(count):
        for row, command in zip(rows, ours, strict=True):
            for side in (row.ours, row.bare) if number % 2 == 0 else (row.bare, row.ours):
                side.append(timed(bench, host, command if side is row.ours else bare))
    return rows


def timed(bench: Bench, host: str, command: str) -> float:
    """Return the seconds of a command on a host, as the shell there measures them. A summary's exit code 1 is an answer too."""
    script = f"TIMEFORMAT='seconds %R'; time {{ {command}; echo exit $?; }}"
    output = bench.run("docker", "exec", host, "bash", "-c", f"{{ {script}; }} 2>&1")[0]
    if not re.search(r"^(PLAN|PROTECTED|stanza): ?", output, re.MULTILINE) and "PROTECTED" not in output:
        raise SystemExit(f"{command} on {host} said:\n{output}")
    return float(output.rpartition("seconds ")[2])
