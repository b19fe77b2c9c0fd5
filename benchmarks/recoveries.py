# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery in place of some gigabytes, beside pgBackRest's own restore by hand with the same proofs.

Ours is measured from the confirmed command until clients are let in; the backup after it is taken while they work. By hand there is
no new timeline to be seen in a repository and no way back but the one that is made by renaming.
"""

from __future__ import annotations

import json
import statistics
from typing import Any

from bench import Bench, Row, say

TOOL = "/opt/axiomdb/axiomdb-recovery"
PLUS, TIMES = 8.0, 1.10
ROWS_OF_ONE = 100_000  # rows of pgbench_accounts by its scale
MIB_OF_ONE = 15.0  # about what they and their index take
PROOF = "select count(*), sum(aid) from pgbench_accounts"
_FILL = """
pgbench -i -q -s {scale} axiomdb 2>/dev/null
{tool} backup --type=full >&2
{tool} snapshot measured --reason 'a measurement' >&2
psql -qXAt -d axiomdb -c 'delete from pgbench_accounts where aid < 1000'
psql -qXAt -d axiomdb -c 'select pg_switch_wal()' >/dev/null
psql -qXAt -d axiomdb -c "select pg_size_pretty(pg_database_size('axiomdb'))"
"""
# Everything that a person types, from the stop to the proof; then what served before is put back.
_BY_HAND = r"""
set -e
cd /var/lib/postgresql
data=$(ls -d */main); unit=postgresql@${{data%/main}}-main
psql() {{ runuser -u postgres -- psql -qXAt -d axiomdb -c "$1" 2>/dev/null; }}
now() {{ date +%s.%N; }}
begin=$(now)
systemctl stop $unit
mv $data $data.by-hand
stopped=$(now)
{prepare}
prepared=$(now)
runuser -u postgres -- pgbackrest --stanza=axiomdb --repo={repository} --set={set} --type=name --target=measured \
  --target-timeline={timeline} --target-action=pause --archive-mode=off {delta} --log-level-console=off restore
systemctl start $unit
until [ "$(psql 'select pg_get_wal_replay_pause_state()')" = paused ]; do sleep 0.1; done
[ "$(psql '{proof}')" = '{proven}' ]
psql 'select pg_wal_replay_resume()'
until [ "$(psql 'select pg_is_in_recovery()')" = f ]; do sleep 0.1; done
end=$(now)
systemctl stop $unit
rm -rf $data && mv $data.by-hand $data
systemctl start $unit
echo "$begin $stopped $prepared $end"
"""


def rows(bench: Bench, gib: float, count: int) -> list[Row]:
    """Data kept beside, and overwritten where it differs, in alternating order with the same by hand."""
    host = bench.up("recovery")
    scale = round(gib * 1024 / MIB_OF_ONE)
    say(f"a {bench.system} host with {gib:g} GiB")
    proven = f"{scale * ROWS_OF_ONE}|{scale * ROWS_OF_ONE * (scale * ROWS_OF_ONE + 1) // 2}"
    bench.site(host, changed=True)
    bench.run("docker", "exec", host, "systemctl", "stop", "cron", "axiomdb-recovery-watch.timer")
    size = _inside(bench, host, _FILL.format(scale=scale, tool=TOOL), "postgres").splitlines()[-1]
    kept, delta = (Row(f"recovery of {size}, {how}", None) for how in ("kept beside", "overwritten"))
    for number in range(count):
        for row in (kept, delta):
            say(f"{row.what}, {number + 1} of {count}")
            for side in ("bare", "ours") if number % 2 == 0 else ("ours", "bare"):
                if side == "bare":
                    row.bare.append(by_hand(bench, host, proven, overwritten=row is delta))
                else:
                    row.ours.append(by_tool(bench, host, proven, overwritten=row is delta))
    for row in (kept, delta):
        row.budget = TIMES + PLUS / statistics.median(row.bare)
    return [kept, delta]


def by_hand(bench: Bench, host: str, proven: str, *, overwritten: bool) -> float:
    """Seconds of the commands that a person types."""
    planned = _plan(bench, host, "")
    # What is overwritten is a copy here, and making it is not measured: the data itself serves the next measurement.
    prepare = "cp -a $data.by-hand $data" if overwritten else "install -d -o postgres -g postgres -m 700 $data"
    words = {"repository": planned["repository"], "set": planned["backup"], "timeline": planned["timeline"]}
    delta = "--delta" if overwritten else "--no-delta"
    script = _BY_HAND.format(prepare=prepare, delta=delta, proof=PROOF, proven=proven, **words)
    begin, stopped, prepared, end = map(float, _inside(bench, host, script).splitlines()[-1].split())
    return stopped - begin + end - prepared


def by_tool(bench: Bench, host: str, proven: str, *, overwritten: bool) -> float:
    """Seconds from the confirmed command until clients are let in, by the journal."""
    keep = "--keep=none" if overwritten else ""
    sure = f"--confirm={host}/axiomdb{'/no-way-back' if overwritten else ''} --plan={_plan(bench, host, keep)['plan']}"
    check = f"--check='axiomdb:{PROOF}={proven}'"
    said = _inside(bench, host, f"{TOOL} restore name:measured --reason measured {keep} {check} {sure} --json")
    journal = json.loads(said.splitlines()[-1])
    if not overwritten:
        _inside(bench, host, f"{TOOL} rollback --release={journal['name']} --confirm={host}/axiomdb")
    return float(journal["ended"]["serve"]) - float(journal["began"])


def _plan(bench: Bench, host: str, keep: str) -> dict[str, Any]:
    """The plan as it is now, with its digest."""
    planned: dict[str, Any] = json.loads(_inside(bench, host, f"{TOOL} restore name:measured --reason measured {keep} --json"))
    return planned


def _inside(bench: Bench, host: str, script: str, user: str = "root") -> str:
    return bench.run("docker", "exec", "-u", user, host, "bash", "-euc", script)[0]
