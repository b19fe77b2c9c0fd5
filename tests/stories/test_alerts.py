# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alerts: each trouble once, its end once, nothing lost when the webhook is away, and never the address itself."""

from __future__ import annotations

import pytest
from alerting import Alerts, play
from converged import Converged

TROUBLE, OVER = "\U0001f534", "\U0001f7e2"


@pytest.fixture(scope="module")
def alerts(converged: Converged) -> Alerts:
    return play(converged)


def test_a_healthy_host_is_silent(system: str, alerts: Alerts) -> None:
    assert alerts.steps["healthy"] == []


def test_an_unreadable_repository_and_the_job_that_failed_of_it_are_told_once(system: str, alerts: Alerts) -> None:
    assert all(text.startswith(TROUBLE) for text in alerts.steps["unreadable"])
    repository, job = sorted(alerts.steps["unreadable"], key=lambda text: "job" in text)
    assert "/axiomdb: repository 1 is unreadable" in repository
    assert "the hourly job failed: Found repository 1 unreadable" in job
    assert alerts.steps["still unreadable"] == []


def test_the_job_itself_ends_with_what_to_do(system: str, alerts: Alerts) -> None:
    assert alerts.backup.rc == 1
    assert "failed: Found repository 1 unreadable" in alerts.backup.stdout
    assert (
        "; expected to see what it holds of the stanza axiomdb before anything is written to it. Next: sudo -u postgres "
        in alerts.backup.stdout
    )


def test_the_end_arrives_although_the_webhook_refused_twice(system: str, alerts: Alerts) -> None:
    assert [text[0] for text in alerts.steps["over, and refused twice"]] == [OVER]
    assert ": repository 1 is unreadable" in alerts.steps["over, and refused twice"][0]


def test_what_a_dead_webhook_missed_arrives_later(system: str, alerts: Alerts) -> None:
    assert [text[0] for text in alerts.steps["it was down"]] == [OVER]
    assert "the hourly job failed" in alerts.steps["it was down"][0]


def test_a_job_that_does_not_run_is_noticed(system: str, alerts: Alerts) -> None:
    (told,) = alerts.steps["cron does not run"]
    assert told.startswith(TROUBLE)
    assert "the heartbeat job has not run without failure for " in told


def test_the_address_is_in_its_own_file_alone(system: str, alerts: Alerts) -> None:
    assert alerts.found_in == ["/etc/axiomdb/webhook-url"]


def test_the_metrics_follow(system: str, alerts: Alerts) -> None:
    assert 'axiomdb_recovery_protected{stanza="axiomdb"} 0' in alerts.metrics["unreadable"]
    assert 'axiomdb_recovery_repository_readable{stanza="axiomdb",repository="1"} 0' in alerts.metrics["unreadable"]
    assert 'axiomdb_recovery_protected{stanza="axiomdb"} 1' in alerts.metrics["healthy"]
    assert 'axiomdb_recovery_troubles{stanza="axiomdb"} 1' in alerts.metrics["healthy"]


def test_a_full_or_read_only_disk_stops_no_backup_and_loses_no_alert(system: str, alerts: Alerts) -> None:
    assert alerts.on_a_full_disk.rc == 0, alerts.on_a_full_disk.output
    (full,) = alerts.steps["full disk"]
    assert "/var/lib/axiomdb does not keep what the jobs remember: No space left on device. Type: df -h /var/lib/axiomdb" in full
    repository, job = sorted(alerts.steps["read-only disk and unreadable"], key=lambda text: "job" in text)
    assert "repository 1 is unreadable" in repository
    assert "the hourly job failed" in job
    assert alerts.steps["read-only disk and still unreadable"] == []
    assert [text[0] for text in alerts.steps["over, and the state is on the disk again"]] == [OVER] * 3
