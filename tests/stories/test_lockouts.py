# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A store that does not let the host in any more: the backup fails with what to type, somebody is told, nothing is lost."""

from __future__ import annotations

import pytest
from converged import Converged
from lockouts import LockedOut, play
from stores import Stores

pytestmark = [pytest.mark.tier("torture"), pytest.mark.xdist_group("stores")]

SAID = {
    "wrong port": "unable to connect to 'store.lab:8444",
    "wrong key": "the store answers 403 (Forbidden): SignatureDoesNotMatch",
    "expired certificate": "the store's certificate is not trusted: unable to verify certificate presented by 'store.lab:",
    "foreign authority": "the store's certificate is not trusted: unable to verify certificate presented by 'store.lab:8443",
}


@pytest.fixture(scope="module")
def locked_out(converged: Converged, stores: Stores) -> LockedOut:
    return play(converged, stores)


@pytest.mark.parametrize("trouble", SAID)
def test_the_backup_fails_and_says_what_to_type(system: str, trouble: str, locked_out: LockedOut) -> None:
    backup = locked_out.backups[trouble]
    assert backup.rc == 1
    assert "Found repository 2 unreadable (status 99: " in backup.stdout, backup.stdout
    assert SAID[trouble] in backup.stdout, backup.stdout
    assert "Next: " in backup.stdout
    assert "in repository 1" in backup.stdout.partition("taken: ")[2]


@pytest.mark.parametrize("trouble", SAID)
def test_somebody_is_told(system: str, trouble: str, locked_out: LockedOut) -> None:
    told = [text for text in locked_out.told[trouble] if "repository 2 is unreadable: " in text and SAID[trouble] in text]
    assert len(told) == 1, locked_out.told[trouble]
    assert "Type: " in told[0]


def test_a_playbook_takes_what_can_be_taken_and_fails(system: str, locked_out: LockedOut) -> None:
    said = locked_out.playbook
    assert said.startswith("FAILED. Found repository 2 unreadable (status 99: "), said
    assert "in repository 1." in said.partition("Taken: ")[2]


def test_its_end_is_told_and_nothing_is_lost(system: str, locked_out: LockedOut) -> None:
    assert [text for text in locked_out.over if "repository 2 is unreadable" in text and "over" in text], locked_out.over
    for number, archived in locked_out.archived.items():
        assert locked_out.written - archived == set(), f"repository {number}"
