# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was changed by hand is listed, all of it and nothing else, and the next run mends exactly that."""

from __future__ import annotations

from converged import Converged
from drifting import Story, findings, five_findings
from lab import Lab, Result


def test_the_list_has_exactly_the_five_changes(drift_story: Story) -> None:
    assert findings(drift_story.check) == five_findings(drift_story.host)
    assert drift_story.check.drift["complete"] is True
    assert drift_story.check.drift["hosts"][drift_story.host.name]["status"] == "audited"


def test_the_same_list_is_printed_for_a_person(drift_story: Story) -> None:
    text = drift_story.check.stdout.partition("DRIFT *")[2]
    for number, finding in enumerate(drift_story.check.findings, 1):
        block = f"   {number}. {finding['what']}\n      expected  {finding['expected']}\n      found     {finding['found']}\n"
        assert block in text
    assert "\n5 findings on 1 host.\n" in text


def test_the_check_changes_nothing(drift_story: Story) -> None:
    assert drift_story.after_check == drift_story.before_check


def test_a_run_mends_exactly_these(drift_story: Story) -> None:
    assert drift_story.mended_tasks == [
        "configure | Write settings and access rules",
        "initialize | Create the roles",
        "configure | Write the configuration and the secrets",
    ]
    assert drift_story.after_run == drift_story.pristine


def test_the_server_was_reloaded_and_not_restarted(drift_story: Story) -> None:
    assert drift_story.after_run["started"] == drift_story.pristine["started"]
    # The running server has the settings and the rules again, not just the files.
    assert drift_story.running_after_check == {"work_mem": "16MB", "without a password": "entered"}
    assert drift_story.running_after_run == {"work_mem": "8MB", "without a password": "refused"}


def test_the_next_check_finds_nothing(drift_story: Story) -> None:
    assert drift_story.again.findings == []
    assert drift_story.again.changed == 0
    assert "\nNo drift on 1 host.\n" in drift_story.again.stdout


def test_a_setting_hidden_by_alter_system_is_found_and_mended(sandbox: Lab, drift_story: Story, converged: Converged) -> None:
    host = drift_story.host
    host.sql("alter system set work_mem = '48MB'")
    host.sql("alter system set archive_timeout = '1h'")
    host.sql("select pg_reload_conf()")
    check: Result = sandbox.ansible(host, "playbooks/site.yml", check=True)
    found = [(finding["what"], finding["expected"], finding["found"]) for finding in findings(check)]
    assert found == [
        ("setting work_mem in postgresql.auto.conf", "(absent)", "48MB"),
        ("setting archive_timeout in postgresql.auto.conf", "(absent)", "1h"),
    ]
    assert host.sql("show work_mem") == "48MB"
    run: Result = sandbox.ansible(host, "playbooks/site.yml")
    assert run.changed == 2
    assert host.sql("show work_mem; show archive_timeout") == "8MB\n1min"
    assert "work_mem" not in host.run(f"cat /var/lib/postgresql/{converged.version}/main/postgresql.auto.conf").stdout
