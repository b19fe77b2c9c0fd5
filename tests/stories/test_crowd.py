# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs in a crowd: ten of them here, a hundred in a long run. Not one false alarm, not one 050, not one secret in the open."""

from __future__ import annotations

import random
import re
import subprocess
from collections import Counter

import pytest
from converged import Converged
from crowding import JOBS, Crowd, crowd, labels
from scheduling import LOCK_HELD

pytestmark = pytest.mark.tier("torture")

FEW = {"full": 1, "hourly": 3, "verify": 2, "heartbeat": 2, "watch": 2}
MANY = {"full": 10, "hourly": 40, "verify": 15, "heartbeat": 15, "watch": 20}


@pytest.fixture(
    scope="module",
    params=["ten", "a hundred"],
)
def crowded(request: pytest.FixtureRequest, converged: Converged) -> Crowd:
    seed = request.config.getoption("--seed")
    rng = random.Random(f"{seed} {request.param}")
    jobs, snapshots, seconds = (FEW, 1, 20) if request.param == "ten" else (MANY, 5, 600)
    return crowd(converged, request.param.replace(" ", "-"), rng, jobs, snapshots, seconds, seed)


def test_each_run_ends_well_and_writes_one_line(system: str, crowded: Crowd) -> None:
    assert [entry for entry in crowded.entries if entry["outcome"] not in ("done", "skipped")] == []
    assert set(crowded.codes) == {0}
    assert Counter(entry["operation"] for entry in crowded.entries) == {
        job: count for job, count in crowded.started.items() if job in (*JOBS, "snapshot")
    }
    assert [entry for entry in crowded.entries if entry["outcome"] == "skipped" and "runs or waits already" not in entry["text"]] == []
    assert {entry["operation"] for entry in crowded.entries if entry["outcome"] == "done"} == {*JOBS, "snapshot"}
    assert crowded.busy


def test_every_backup_is_in_both_repositories(system: str, crowded: Crowd) -> None:
    done = [entry for entry in crowded.entries if entry["operation"] in ("full", "hourly") and entry["outcome"] == "done"]
    assert [sorted(backup["repository"] for backup in entry["backups"]) for entry in done] == [[1, 2]] * len(done)
    assert labels(done) <= crowded.new
    assert Counter(number for number, _label in crowded.new) == dict.fromkeys((1, 2), len(done) + crowded.started["snapshot"])


def test_no_job_met_a_held_lock(system: str, crowded: Crowd) -> None:
    assert {path: found for path, text in crowded.logs.items() if (found := LOCK_HELD.findall(text))} == {}
    assert any("waits for the " in text for text in crowded.logs.values()), "they did meet"


def test_nobody_was_told_anything(system: str, crowded: Crowd) -> None:
    assert (crowded.alerts, crowded.messages) == ("", [])


def test_the_logs_were_rotated_under_them(system: str, crowded: Crowd) -> None:
    new, old = "/var/log/axiomdb/backup.log", "/var/log/axiomdb/backup.log.1"
    assert crowded.host.run(["stat", "-c", "%a %U:%G", new]).stdout == "640 postgres:adm\n"
    assert crowded.logs[old], "the old one is kept"
    ends = re.findall(r" axiomdb (?:full|hourly): (?:done|skipped): ", crowded.logs[old] + crowded.logs[new])
    assert len(ends) == crowded.started["full"] + crowded.started["hourly"], "each run is in one of them"
    assert re.search(r" axiomdb (?:full|hourly): (?:done|skipped): ", crowded.logs[new]), "and they went on writing"


def test_no_command_line_had_a_secret(system: str, crowded: Crowd) -> None:
    assert crowded.seen.leaks == []
    for words in (("pgbackrest", "backup", "--repo=2"), ("pgbackrest", "verify"), ("psql",), ("axiomdb-recovery", "watch")):
        assert crowded.seen.saw(*words), f"{words} were not seen at work"
    assert crowded.seconds >= (20 if sum(crowded.started.values()) < 20 else 600)


def test_no_file_and_no_journal_had_a_secret(system: str, crowded: Crowd) -> None:
    assert crowded.found_in == ["/etc/axiomdb/webhook-url", "/etc/pgbackrest/conf.d/90-secrets.conf"]
    assert [form for form in crowded.secrets if form in crowded.journal] == []


def test_promtool_takes_what_the_host_writes(system: str, crowded: Crowd, promtool: str) -> None:
    judged = subprocess.run([promtool, "check", "metrics"], input=crowded.metrics, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert 'axiomdb_recovery_protected{stanza="axiomdb"} 1' in crowded.metrics
    assert 'axiomdb_recovery_backup_deadline_time_seconds{stanza="axiomdb",repository="2"} ' in crowded.metrics
