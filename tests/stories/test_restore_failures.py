# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery that fails goes back by itself and says so; what it keeps is nobody's but the operator's."""

from __future__ import annotations

import pytest
from converged import Converged, small_disk
from failing import TROUBLES, Failures, tell
from killing import OLD, TARGET, prepare
from lab import Lab
from scheduling import TOOL

pytestmark = pytest.mark.xdist_group("failures")
BACK = "It went back by itself: the old data is in /var/lib/postgresql/"
# What each failure says at least.
SAID = {
    "gone before the restore": ["in which the set is restored", "Next: "],
    "gone before the replay": ["in which the server recovers to the target", "Next: "],
    "no room for the restore": ["in which the set is restored", "unable to write"],
    "no room for the replay": ["No space left on device"],
    "stands still": ["a recovery that stands still", "its log or its position to move"],
    "check": ["for the check select count(*) from kept; expected '99'"],
    "damaged": ["in which the set is restored", "Another set leads there too: "],
}


@pytest.fixture(scope="module")
def failures(sandbox: Lab, converged: Converged) -> Failures:
    """A host whose data has a small filesystem, with two full backups before the moment that is wanted."""
    host = converged.twin("failing")
    small_disk(host, "900m")
    host.run([TOOL, "backup", "--type=full"])
    return tell(prepare(host), sandbox)


@pytest.mark.parametrize("name", [*TROUBLES, "check", "damaged"])
def test_what_fails_goes_back_by_itself_and_copies_nothing(name: str, failures: Failures) -> None:
    found = failures.failed[name]
    assert found.code == 1, found.said
    assert (found.rows, found.same, found.open) == (OLD, True, False), found.said
    assert BACK in found.said
    for part in SAID[name]:
        assert part in found.said, found.said


def test_where_not_even_the_old_server_starts_it_says_so(failures: Failures) -> None:
    assert failures.no_room is not None
    found, rows = failures.no_room
    assert (found.code, found.rows, found.same, found.open) == (1, "", True, False), found.said
    assert "the old data back in /var/lib/postgresql/" in found.said
    assert "then: sudo systemctl start postgresql@" in found.said
    assert rows == OLD


def test_another_set_is_offered_and_leads_there(failures: Failures) -> None:
    assert failures.another.startswith("name:kept,backup:")
    said, rows = failures.by_another
    assert rows == TARGET, said


def test_what_is_kept_is_listed_and_warned_of(failures: Failures) -> None:
    assert ".kept-" in failures.listed
    assert "Not needed any more?" in failures.status


def test_it_is_removed_by_whoever_confirms_it(failures: Failures) -> None:
    assert failures.unsure is not None
    assert failures.unsure.rc == 1
    assert "Found the confirmation ''; expected '" in failures.unsure.output
    assert failures.released == (True, False)


def test_overwriting_ends_with_the_rows_and_without_a_way_back(failures: Failures) -> None:
    said, found, back = failures.overwritten
    assert found.startswith(f"{TARGET} | "), said
    assert ".kept-" not in found
    assert back is not None
    assert back.rc == 1
    assert "Found no kept data of an accepted recovery" in back.output


@pytest.mark.parametrize("how", ["itself", "playbook"])
def test_a_bare_restore_after_a_way_back_has_exactly_the_live_rows(how: str, failures: Failures) -> None:
    served, given = failures.by_hand[how]
    assert served.endswith(f"back-by-{how}")
    assert given == {"from the set before the fork": served, "from a new full backup": served}
