# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One of several repositories is away for a while: the others go on, nothing is dropped, and somebody is told of both ends."""

from __future__ import annotations

import pytest
from converged import Converged
from outages import QUICK, Outages, play
from stores import Stores

TROUBLE, OVER = "\U0001f534", "\U0001f7e2"
NUMBERS = {"cut off": 2, "full": 3, "unmounted": 3}

pytestmark = [pytest.mark.tier("torture"), pytest.mark.xdist_group("stores")]


@pytest.fixture(scope="module")
def outages(converged: Converged, stores: Stores, request: pytest.FixtureRequest) -> Outages:
    """In tier ci half a minute without the store; in the other two minutes, with the patience that a host is given by default."""
    long = request.config.getoption("--tier") != "ci"
    return play(converged, stores, 120 if long else 25, {} if long else QUICK, request.config.getoption("--seed"))


def test_wal_waits_for_the_one_and_reaches_the_other(system: str, outages: Outages) -> None:
    assert outages.load_ran
    assert f"{outages.meanwhile}.ready" in outages.waiting, "the server knows that one repository lacks it"


def test_every_segment_is_in_every_repository_afterwards(system: str, outages: Outages) -> None:
    assert len(outages.written) > 5
    for number, archived in outages.archived.items():
        assert outages.written - archived == set(), f"repository {number}"


@pytest.mark.parametrize("trouble", NUMBERS)
def test_a_backup_reaches_the_others_and_says_what_it_lacks(system: str, trouble: str, outages: Outages) -> None:
    backup = outages.troubles[trouble].backup
    assert backup.rc == 1
    assert "taken: " in backup.stdout, backup.stdout
    assert "in repository 1" in backup.stdout.partition("taken: ")[2]
    assert f"in repository {NUMBERS[trouble]}" not in backup.stdout.partition("taken: ")[2]
    assert "Next: " in backup.stdout


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("cut off", "repository 2 is unreadable: [HostConnectError] timeout connecting to 'store.lab:8443"),
        ("full", "archiving fails: repository 3: [FileWriteError] unable to write '/mnt/backup/axiomdb/"),
        ("unmounted", "repository 3 is unreadable: nothing is mounted on /mnt/backup. Type: mount /mnt/backup"),
    ],
)
def test_the_trouble_and_its_end_are_told(system: str, trouble: str, words: str, outages: Outages) -> None:
    found = outages.troubles[trouble]
    assert [text for text in found.told if text.startswith(TROUBLE) and words in text], found.told
    assert [text for text in found.over if text.startswith(OVER) and words.partition(":")[0] in text], found.over
    assert [text for text in found.over if text.startswith(TROUBLE)] == []


def test_a_full_repository_is_named(system: str, outages: Outages) -> None:
    assert [text for text in outages.troubles["full"].told if "[28] No space left on device. Type: tail /var/log/pgbackrest/" in text]
    assert "repository 3: Attempted: pgbackrest " in outages.troubles["full"].backup.stdout


def test_a_run_without_the_mount_is_refused(system: str, outages: Outages) -> None:
    assert "Found nothing mounted on /mnt/backup, where repository 3 lies; expected its filesystem there. Next: mount /mnt/backup" in (
        outages.troubles["unmounted"].site
    )
