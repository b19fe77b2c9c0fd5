# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bare host: the check names what the run makes, and after the run each commit is archived and a restore by accident is refused."""

from __future__ import annotations

import pytest
from byhand import Typed
from commits import PROMISED
from fleet import Checked, Fleet, named
from lab import Result

# One test process has the hosts of all systems, so that they wait for the same minute.
pytestmark = [pytest.mark.core, pytest.mark.xdist_group("fleet")]

KINDS = ("package", "file", "directory", "cluster", "unit", "role", "database", "stanza", "full")
UNDONE = {"(absent)", "stopped"}


def test_the_first_check_ends_green(system: str, fleet: Fleet, first_check: Checked) -> None:
    result, host = first_check.result, fleet[system].name
    assert result.rc == 0, result.output
    assert (result.recap[host].failed, result.recap[host].unreachable) == (0, 0)
    assert result.drift["complete"]
    assert result.drift["hosts"][host]["status"] == "audited"


def test_the_first_check_changes_nothing(system: str, first_check: Checked) -> None:
    assert first_check.before[system].changes(first_check.after[system]) == {}


def test_the_first_check_finds_only_what_is_not_there(system: str, fleet: Fleet, first_check: Checked) -> None:
    findings = [finding for finding in first_check.result.findings if finding["host"] == fleet[system].name]
    assert {finding["found"] for finding in findings} <= UNDONE
    assert set(named(first_check.result, fleet[system])) == set(KINDS), "a kind of finding that no test compares"
    assert len({finding["what"] for finding in findings}) == len(findings)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_check_names_what_the_run_makes(
    system: str, kind: str, fleet: Fleet, first_check: Checked, first_made: dict[str, dict[str, set[str]]]
) -> None:
    assert named(first_check.result, fleet[system])[kind] == first_made[system][kind]


def test_the_diff_names_what_the_list_names(system: str, fleet: Fleet, first_check: Checked) -> None:
    diff = first_check.result.stdout.partition("\nDRIFT ")[0].splitlines()
    findings = [finding["what"] for finding in first_check.result.findings if finding["host"] == fleet[system].name]
    assert [what for what in findings if f"+++ after: {what.removeprefix('file ')}" not in diff] == []


def test_the_first_run_ends_protected(system: str, fleet: Fleet, first_run: Result) -> None:
    host = fleet[system].name
    assert first_run.rc == 0, first_run.output
    assert (first_run.recap[host].failed, first_run.recap[host].unreachable) == (0, 0)
    assert first_run.last_line.startswith("PROTECTED")
    verdicts = [line for line in first_run.stdout.splitlines() if line.startswith(("PROTECTED", "NOT ")) and f" {host}: " in line]
    assert [line.partition(" ")[0].rstrip(",:") for line in verdicts] == ["PROTECTED"]


def test_a_commit_on_an_idle_server_is_archived_in_time(system: str, idle_archived: dict[str, float | None]) -> None:
    seconds = idle_archived[system]
    assert seconds is not None, f"not in the archive {PROMISED} s after the commit"
    assert 0 < seconds <= PROMISED


def test_pgbackrest_check_agrees(system: str, typed: dict[str, Typed]) -> None:
    checked = typed[system].check
    assert checked.rc == 0, checked.output
    assert "successfully archived to" in checked.stdout
    assert "on repo1" in checked.stdout


def test_check_pgbackrest_agrees(system: str, typed: dict[str, Typed]) -> None:
    assert typed[system].retention.stdout.startswith("BACKUPS_RETENTION OK - ")
    assert typed[system].archives.stdout.startswith("WAL_ARCHIVES OK - ")


def test_a_restore_typed_by_hand_is_refused(system: str, typed: dict[str, Typed]) -> None:
    seen = typed[system]
    assert seen.restore.rc == 40
    assert f"ERROR: [040]: unable to restore to path '{seen.directory}' because it contains files" in seen.restore.output
    assert seen.before == seen.after
    assert seen.recovering == "f"
