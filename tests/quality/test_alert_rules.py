# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The alert rules for Prometheus, judged by promtool: each one fires on a sick host, none on a healthy one, and all know our metrics."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from _recovery import metrics
from _recovery.alerts import Trouble
from _recovery.jobs import DONE, Record
from _recovery.metrics import Deadlines
from _recovery.verdict import Fault, Judgement, Reading
from pictures import NOW, picture, repository

RULES = Path("roles/backup_jobs/files/axiomdb_recovery.rules.yml")
JOBS = ("full", "hourly", "verify", "heartbeat")
LATER, EARLIER = "86400x60", "600x60"  # deadlines, as seen half an hour after the beginning of time

# What a host writes in an hour, one value a minute, in promtool's notation.
HEALTHY = {
    "last_look_time_seconds": "0+60x60",
    "protected": "1x60",
    "standby": "0x60",
    "archive_waiting_segments": "0x60",
    'repository_readable{repository="1"}': "1x60",
    'backup_deadline_time_seconds{repository="1"}': LATER,
    **{f'job_failed{{recovery_job="{job}"}}': "0x60" for job in JOBS},
    **{f'job_deadline_time_seconds{{recovery_job="{job}"}}': LATER for job in JOBS},
}
NOTHING = "_x60"
PAUSED = {name: NOTHING for name in HEALTHY if "deadline" in name}
# What differs from it, and the alerts that fire after half an hour.
SCENES: dict[str, tuple[Mapping[str, str], set[str]]] = {
    "healthy": ({}, set()),
    "stale": ({"last_look_time_seconds": "0+60x10 600x50"}, {"WatchStale"}),
    "a few minutes stale": ({"last_look_time_seconds": "0+60x20 1200x40"}, set()),
    "vanished": (dict.fromkeys(HEALTHY, "1 1 1 _x57") | {"last_look_time_seconds": "0 60 120 _x57"}, {"WatchVanished"}),
    "the host is down": (dict.fromkeys(HEALTHY, "1 1 1 _x57") | {"last_look_time_seconds": "0 60 120 _x57", "up": "1 1 1 0x57"}, set()),
    "not protected": ({"protected": "0x60"}, {"NotProtected"}),
    "not protected for a moment": ({"protected": "1x27 0x2 1x30"}, set()),
    "a standby": ({"protected": "0x60", "standby": "1x60", 'backup_deadline_time_seconds{repository="1"}': NOTHING}, set()),
    "unreadable": ({'repository_readable{repository="1"}': "0x60"}, {"RepositoryUnreadable"}),
    "old": ({'backup_deadline_time_seconds{repository="1"}': EARLIER}, {"BackupTooOld"}),
    "the second repository is old": ({'backup_deadline_time_seconds{repository="2"}': EARLIER}, {"BackupTooOld"}),
    "a queue": ({"archive_waiting_segments": "65x60"}, {"ArchiveQueue"}),
    "a short queue": ({"archive_waiting_segments": "64x60"}, set()),
    "a failed job": ({'job_failed{recovery_job="hourly"}': "1x60"}, {"JobFailed"}),
    "an overdue job": ({'job_deadline_time_seconds{recovery_job="heartbeat"}': EARLIER}, {"JobOverdue"}),
    "a failed verification": ({'job_failed{recovery_job="verify"}': "1x60"}, {"VerificationFailed"}),
    "an old verification": ({'job_deadline_time_seconds{recovery_job="verify"}': EARLIER}, {"VerificationTooOld"}),
    "paused": ({**PAUSED, "pause_deadline_time_seconds": LATER}, set()),
    "paused for too long": ({**PAUSED, "pause_deadline_time_seconds": EARLIER}, {"PausedTooLong"}),
}


@pytest.fixture(scope="module")
def judge(promtool: str, root: Path) -> Callable[..., str]:
    """A function that runs promtool at the top, fails with its output, or returns it."""

    def run(*arguments: str, stdin: str = "") -> str:
        done = subprocess.run([promtool, *arguments], cwd=root, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"promtool {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}", pytrace=False)
        return done.stdout

    return run


def labelled(name: str) -> str:
    """The series as Prometheus keeps it: with the labels of whom it read it from."""
    metric, brace, labels = name.rstrip("}").partition("{")
    return f'axiomdb_recovery_{metric}{{instance="vps1:9100",job="node",stanza="axiomdb"{"," if labels else ""}{labels}}}'


def scene(changes: Mapping[str, str], alerts: set[str]) -> dict[str, Any]:
    """One test of promtool: the alerts that fire are these and no others."""
    series = {**HEALTHY, **changes}
    up = series.pop("up", "1x60")
    return {
        "interval": "1m",
        "input_series": [
            {"series": 'up{instance="vps1:9100",job="node"}', "values": up},
            *({"series": labelled(name), "values": values} for name, values in series.items()),
        ],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "30m",
                "exp_samples": [{"labels": f'{{alertname="AxiomdbRecovery{alert}"}}', "value": 1} for alert in sorted(alerts)],
            }
        ],
    }


def test_promtool_takes_the_rules(judge: Callable[..., str]) -> None:
    assert "SUCCESS" in judge("check", "rules", str(RULES))


@pytest.mark.parametrize("name", SCENES)
def test_these_alerts_fire_and_no_others(judge: Callable[..., str], root: Path, tmp_path: Path, name: str) -> None:
    document = {"rule_files": [str(root / RULES)], "evaluation_interval": "1m", "tests": [scene(*SCENES[name])]}
    (tmp_path / "scene.yml").write_text(json.dumps(document), encoding="utf-8")
    assert "SUCCESS" in judge("test", "rules", str(tmp_path / "scene.yml"))


def test_each_rule_has_a_scene_in_which_it_fires(rules: list[dict[str, Any]]) -> None:
    assert {f"AxiomdbRecovery{alert}" for _changes, alerts in SCENES.values() for alert in alerts} == {rule["alert"] for rule in rules}


def test_each_rule_says_what_to_type(rules: list[dict[str, Any]]) -> None:
    assert [rule["alert"] for rule in rules if "On the host: " not in rule["annotations"]["description"]] == []
    assert {rule["labels"]["severity"] for rule in rules} == {"critical", "warning"}


def test_the_rules_and_the_scenes_use_metrics_that_hosts_write(rules: list[dict[str, Any]], written: str) -> None:
    names = set(re.findall(r"^# TYPE (\S+) gauge$", written, re.MULTILINE))
    assert set(re.findall(r"axiomdb_recovery_\w+", " ".join(rule["expr"] for rule in rules))) - names == set()
    scenes = {name for changes, _alerts in SCENES.values() for name in {**HEALTHY, **changes} if name != "up"}
    assert {labelled(name).partition("{")[0] for name in scenes} - names == set()


def test_promtool_takes_the_metrics(judge: Callable[..., str], written: str) -> None:
    judge("check", "metrics", stdin=written)
    assert 'axiomdb_recovery_protected{stanza="axiomdb"} 1' in written


def test_no_metric_has_a_label_of_prometheus_itself(written: str) -> None:
    assert set(re.findall(r'(\w+)="', written)) == {"stanza", "repository", "recovery_job"}


@pytest.fixture(scope="module")
def rules(root: Path, read_yaml: Callable[[Path], Any]) -> list[dict[str, Any]]:
    """The rules."""
    return [rule for group in read_yaml(RULES)["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def written() -> str:
    """Every metric that a host can write."""
    records = {job: Record(DONE, "did it", NOW - 60, NOW - 50, NOW - 50) for job in JOBS}
    deadlines = Deadlines(dict.fromkeys(JOBS, NOW + 300), {1: NOW + 90000}, NOW + 86400)
    judged = Judgement(NOW - 60, (Reading(1, 0, 2, 7),), (Fault("age 1", 1, "the newest backup is old", "type this"),))
    return metrics.render("axiomdb", picture(repository(1, 60.0)), records, {"archiving": Trouble("x", NOW)}, deadlines, judged)
