# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each job has its line, the tool answers, cron and the watch run."""

from __future__ import annotations

import json
from typing import Any

TOOL = "/opt/axiomdb/axiomdb-recovery"


def test_each_job_has_one_line(host: Any) -> None:
    lines = [line for line in host.file("/etc/cron.d/pgbackrest").content_string.splitlines() if TOOL in line]
    assert [line.partition(" postgres ")[0] for line in lines] == ["15 3 * * 0", "0 * * * *", "0 4 * * *", "* * * * *"]
    assert all("--stanza=orders " in line for line in lines)
    assert "--type=diff --job=hourly" in lines[1]


def test_cron_and_the_watch_run_also_after_a_boot(host: Any) -> None:
    for unit in ("cron.service", "axiomdb-recovery-watch.timer"):
        assert host.service(unit).is_running
        assert host.service(unit).is_enabled


def test_the_tool_answers(host: Any) -> None:
    status = host.run(f"{TOOL} status --json")
    assert status.rc == 0, status.stdout + status.stderr
    answer = json.loads(status.stdout)["orders"]
    assert answer["protected"] is True
    assert [backup["kind"] for backup in answer["repositories"][0]["backups"]] == ["full"]


def test_the_runbooks_script_verifies(host: Any) -> None:
    done = host.run("/opt/axiomdb/scripts/verify-backups.sh")
    assert done.rc == 0
    assert "orders: done: read everything in 1 repository: " in done.stdout
    assert "nothing is broken or missing" in done.stdout


def test_others_may_not_use_it(host: Any) -> None:
    done = host.run(f"runuser -u nobody -- {TOOL} status")
    assert done.rc == 2
    assert "Found the user nobody; expected root or postgres. Next: sudo " in done.stderr


def test_the_webhooks_address_is_private(host: Any) -> None:
    file = host.file("/etc/axiomdb/webhook-url")
    assert (file.user, file.group, file.mode) == ("root", "postgres", 0o640)


def test_the_exporter_shows_our_backup_to_this_host_alone(host: Any) -> None:
    unit = host.service("prometheus-pgbackrest-exporter")
    assert unit.is_running
    assert unit.is_enabled
    assert host.process.get(comm="prometheus-pgba").user == "postgres"
    listening = [line.split()[3] for line in host.check_output("ss -Hltn").splitlines()]
    assert [address for address in listening if address.endswith(":9854")] == ["127.0.0.1:9854"]
    ask = "python3 -c \"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9854/metrics').read().decode())\""
    shown = [line for line in host.check_output(ask).splitlines() if line.startswith("pgbackrest_backup_info{")]
    assert shown
    assert all('stanza="orders"' in line and 'repo_key="1"' in line for line in shown)


def test_a_weekly_backup_is_not_overdue_after_a_day(host: Any) -> None:
    limits = json.loads(host.file("/etc/axiomdb/recovery.json").content_string)["overdue_seconds"]
    assert limits["full"] > 7 * 86400
    assert limits["verify"] == 86400 + 7200
