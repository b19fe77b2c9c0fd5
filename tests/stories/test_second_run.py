# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A provisioned host: another run changes and restarts nothing, also under load, and a check finds nothing."""

from __future__ import annotations

import pytest
from commits import PROMISED, notes
from fleet import DATABASE, Fleet, Repeated

# In the test process of test_first_run.py, whose hosts these are.
pytestmark = [pytest.mark.core, pytest.mark.xdist_group("fleet")]

# All money that pgbench moves is in its history.
BALANCES = """
select (select sum(abalance) from pgbench_accounts) = sum(delta) and (select sum(bbalance) from pgbench_branches) = sum(delta)
and count(*) > 100 from pgbench_history
"""


@pytest.fixture(params=["idle", "under load"])
def repeated(request: pytest.FixtureRequest) -> Repeated:
    """A run on provisioned hosts: first on idle servers, then on busy ones."""
    repeated: Repeated = request.getfixturevalue("second_run" if request.param == "idle" else "run_under_load")
    return repeated


def test_another_run_changes_nothing(system: str, fleet: Fleet, repeated: Repeated) -> None:
    result, recap = repeated.result, repeated.result.recap[fleet[system].name]
    assert result.rc == 0, result.output
    assert (recap.changed, recap.failed, recap.unreachable) == (0, 0, 0), result.stdout
    assert result.last_line.startswith("PROTECTED")
    assert repeated.before[system].files == repeated.after[system].files
    assert repeated.before[system].backups == repeated.after[system].backups


def test_another_run_restarts_nothing(system: str, repeated: Repeated) -> None:
    assert repeated.before[system].started == repeated.after[system].started


def test_the_load_ran_through_the_whole_run(system: str, load_ran: dict[str, bool]) -> None:
    assert load_ran[system]


def test_a_commit_on_a_busy_server_is_archived_in_time(system: str, busy_archived: dict[str, float | None]) -> None:
    seconds = busy_archived[system]
    assert seconds is not None, f"not in the archive {PROMISED} s after the commit"
    assert 0 < seconds <= PROMISED


def test_a_check_finds_nothing(system: str, fleet: Fleet, last_check: Repeated) -> None:
    result, host = last_check.result, fleet[system].name
    assert result.rc == 0, result.output
    assert result.findings == []
    assert result.drift["complete"]
    assert "\nNo drift on " in result.stdout
    assert (result.recap[host].changed, result.recap[host].failed) == (0, 0)
    assert last_check.before[system] == last_check.after[system]


def test_all_rows_are_there(system: str, fleet: Fleet, last_check: Repeated) -> None:
    assert notes(fleet[system]) == {"idle", "busy"}
    assert fleet[system].sql(BALANCES, db=DATABASE) == "t"
