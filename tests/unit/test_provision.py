# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done about stanza, check and first backup, from every state that a host can be in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from _recovery.archive import Listing
from _recovery.catalog import Backup, Database, Repository, unreadable
from _recovery.provision import (
    CREATE,
    NONE,
    UPGRADE,
    Archiver,
    annotations_for,
    check_is_due,
    first_hole,
    repositories_behind,
    repositories_without_backup,
    stanza_action,
)
from _recovery.wal import Lsn
from _recovery.writer import Evidence, Server

OURS, OLD = 7512345678901234567, 7400000000000000000
SERVER = Server("vps1", "vps1.example", "0" * 32, "axiomdb", OURS, "17", 10, Lsn.parse("0/5000100"), 2**24)
NOTES = {"axiomdb-machine-id": "0" * 32}
BACKUP = Backup("20261122-120000F", "full", 1, 100, 200, "0/3000028", "0/3000138", "0000000A0000000000000003", False, 1, 1, NOTES)
FRESH = Repository(1, 1, "missing stanza path")
READY = Repository(1, 0, "ok", databases=(Database(1, OURS, "17"),), backups=(BACKUP,))
BEFORE = replace(READY, databases=(Database(1, OLD, "15"),))
COMMAND = "pgbackrest --stanza=axiomdb archive-push %p"
ARCHIVING = Archiver("on", COMMAND, last_segment="0000000A0000000000000004", last_time=1000.0)


def evidence(*names: str, number: int = 1) -> Evidence:
    return Evidence(replace(READY, number=number), Listing(dict.fromkeys(names, "a" * 40)))


# --- archiver ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "on"), [("on", True), ("always", True), ("off", False), ("", False), ("ON", False)])
def test_archiving_is_on_in_two_modes(mode: str, on: bool) -> None:
    archiver = Archiver(mode, COMMAND)
    assert (archiver.on, archiver.uses_pgbackrest, archiver.pushes_to("axiomdb")) == (on, on, on)


@pytest.mark.parametrize(
    ("command", "uses", "pushes"),
    [
        (COMMAND, True, True),
        ("/usr/bin/pgbackrest --stanza=axiomdb archive-push %p", True, True),
        ("pgbackrest --stanza axiomdb archive-push %p", True, True),
        ("pgbackrest '--stanza=axiomdb' archive-push \"%p\"", True, True),
        ("pgbackrest archive-push %p", True, True),
        ("timeout 60 pgbackrest --stanza=axiomdb archive-push %p", True, True),
        ("sh -c 'pgbackrest --stanza=axiomdb archive-push %p'", True, True),
        ("test -e /x && pgbackrest --stanza=axiomdb archive-push %p", True, True),
        ("/usr/local/bin/pgbackrest-push archive-push %p", True, True),
        ("pgbackrest --stanza=other archive-push %p", True, False),
        ("pgbackrest --stanza other archive-push %p", True, False),
        ("pgbackrest --stanza=axiomdb2 archive-push %p", True, False),
        ("pgbackrest --stanza= archive-push %p", True, False),
        ("pgbackrest --stanza=axiomdb archive-get %p", False, False),
        ("/bin/true", False, False),
        ("/bin/true # pgbackrest --stanza=axiomdb archive-push %p", False, False),
        ("# pgbackrest --stanza=axiomdb archive-push %p", False, False),
        ("pgbackrest --stanza='axiomdb archive-push %p", False, False),
        ("cp %p /archive/%f", False, False),
        ("(disabled)", False, False),
        ("", False, False),
    ],
)
def test_what_an_archive_command_does(command: str, uses: bool, pushes: bool) -> None:
    archiver = Archiver("on", command)
    assert (archiver.uses_pgbackrest, archiver.pushes_to("axiomdb")) == (uses, pushes)


def test_an_archive_library_takes_the_place_of_the_command() -> None:
    assert not Archiver("on", COMMAND, "basic_archive").uses_pgbackrest
    assert not Archiver("on", COMMAND, "basic_archive").pushes_to("axiomdb")


@pytest.mark.parametrize(
    ("last", "failed", "errors", "failing"),
    [
        (None, None, (), False),
        (1000.0, None, (), False),
        (None, 1000.0, (), True),
        (1000.0, 999.0, (), False),
        (1000.0, 1000.0, (), False),
        (999.0, 1000.0, (), True),
        (999.0, 999.000001, (), True),
        (1000.0, 0.0, (), False),
        (1000.0, None, ("[082] not archived",), True),
        (None, None, ("",), True),
    ],
)
def test_failing_means_that_the_newest_attempt_failed(
    last: float | None, failed: float | None, errors: tuple[str, ...], failing: bool
) -> None:
    assert Archiver("on", COMMAND, last_time=last, last_failed_time=failed, spool_errors=errors).failing == failing


# --- stanza ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repositories", "action"),
    [
        ([], NONE),
        ([FRESH], CREATE),
        ([READY], NONE),
        ([replace(READY, backups=(), code=2)], NONE),
        ([READY, replace(FRESH, number=2)], CREATE),
        ([READY, replace(READY, number=2)], NONE),
        ([BEFORE], UPGRADE),
        ([READY, replace(BEFORE, number=2)], UPGRADE),
        ([BEFORE, replace(FRESH, number=2)], UPGRADE),
    ],
)
def test_what_the_stanza_needs(repositories: list[Repository], action: str) -> None:
    assert stanza_action(SERVER, repositories) == action
    assert stanza_action(SERVER, iter(repositories)) == action


# --- check -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "due"),
    [
        (["0000000A0000000000000004"], False),
        (["0000000A0000000000000005"], False),
        (["0000000A0000000000000003"], True),
        (["000000090000000000000004"], True),
        (["0000000B0000000000000004"], True),
        ([], True),
    ],
)
def test_a_check_is_due_unless_the_last_segment_lies_in_the_archive(names: list[str], due: bool) -> None:
    assert check_is_due(SERVER, ARCHIVING, [evidence(*names)]) == due


def test_a_check_is_due_when_one_of_the_repositories_lacks_the_segment() -> None:
    there, lacking = evidence("0000000A0000000000000004"), evidence("0000000A0000000000000003", number=2)
    assert check_is_due(SERVER, ARCHIVING, [there, lacking])
    assert check_is_due(SERVER, ARCHIVING, [lacking, there])
    assert not check_is_due(SERVER, ARCHIVING, [there, replace(there, repository=replace(READY, number=2))])


@pytest.mark.parametrize(
    "archiver",
    [
        replace(ARCHIVING, last_segment=None),
        replace(ARCHIVING, last_failed_time=2000.0),
        replace(ARCHIVING, spool_errors=("refused",)),
        Archiver(),
    ],
)
def test_a_check_is_due_whenever_the_server_itself_doubts(archiver: Archiver) -> None:
    assert check_is_due(SERVER, archiver, [evidence("0000000A0000000000000009")])


@pytest.mark.parametrize("last", ["0000000A0000000000000004.00000028.backup", "0000000A.history", "000000090000000000000005.partial"])
def test_what_is_archived_beside_segments_is_no_reason_for_a_check(last: str) -> None:
    assert not check_is_due(SERVER, replace(ARCHIVING, last_segment=last), [evidence("0000000A0000000000000004")])


# --- backup ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repository", "missing"),
    [
        (READY, False),
        (FRESH, True),
        (unreadable(1, "x"), True),
        (replace(READY, backups=()), True),
        (replace(READY, backups=(replace(BACKUP, error=True),)), True),
        (replace(READY, backups=(replace(BACKUP, error=True), BACKUP)), False),
        (BEFORE, True),
        (replace(READY, databases=(Database(1, OLD, "15"), Database(2, OURS, "17"))), True),
        (replace(READY, databases=(Database(1, OLD, "15"), Database(2, OURS, "17")), backups=(replace(BACKUP, database=2),)), False),
    ],
)
def test_a_backup_is_missing_unless_a_usable_one_is_there(repository: Repository, missing: bool) -> None:
    assert repositories_without_backup(SERVER, [repository]) == ((1,) if missing else ())


def test_each_repository_needs_a_backup_of_its_own() -> None:
    repositories = [READY, replace(FRESH, number=2), replace(READY, number=3), replace(READY, number=4, backups=())]
    assert repositories_without_backup(SERVER, repositories) == (2, 4)


def test_a_backup_of_ours_says_where_it_comes_from() -> None:
    assert annotations_for(SERVER, "1234") == {"axiomdb-host": "vps1", "axiomdb-machine-id": "0" * 32, "axiomdb-xid-start": "1234"}


@pytest.mark.parametrize(
    ("last", "names", "behind"),
    [
        ("0000000A0000000000000004", ["0000000A0000000000000004"], False),
        ("0000000A0000000000000004", ["0000000A0000000000000005"], False),
        ("0000000A0000000000000004", ["0000000A0000000000000003"], True),
        ("0000000A0000000000000004", [], True),
        ("0000000A0000000000000004", ["000000090000000000000004"], True),
        ("000000090000000000000004", [], False),
        ("0000000A.history", [], False),
        ("000000090000000000000004.partial", [], False),
        ("0000000A0000000000000004.00000028.backup", ["0000000A0000000000000004"], False),
        ("0000000A0000000000000004.00000028.backup", ["0000000A0000000000000003"], True),
        (None, [], False),
    ],
)
def test_a_repository_is_behind_that_lacks_what_the_server_believes_archived(last: str | None, names: list[str], behind: bool) -> None:
    archiver = replace(ARCHIVING, last_segment=last)
    assert repositories_behind(SERVER, archiver, [evidence(*names, number=2)]) == ((2,) if behind else ())


def names(*numbers: int) -> list[str]:
    return [f"0000000A00000000{number:08X}" for number in numbers]


@pytest.mark.parametrize(
    ("archived", "last", "hole"),
    [
        (names(3, 4, 5), names(5)[0], None),
        (names(3, 5), names(5)[0], names(4)[0]),  # dropped in between
        (names(3, 4), names(5)[0], names(5)[0]),  # the last one is not there
        (names(4, 5), names(5)[0], names(3)[0]),  # the one that makes the backup consistent
        (names(1, 3, 4), names(4)[0], None),  # before the backup: harmless
        (names(3, 5), names(3)[0], None),  # a parallel push overtakes: not yet believed archived
        (names(3), names(3)[0] + ".00000028.backup", None),
        (names(3), None, None),
        (names(3), "0000000A.history", None),
        (names(3), "000000090000000000000009", None),
    ],
)
def test_a_hole_is_what_lacks_between_the_newest_backup_and_what_is_believed_archived(
    archived: list[str], last: str | None, hole: str | None
) -> None:
    seen = Evidence(READY, Listing(dict.fromkeys(archived, "a" * 40)))
    assert first_hole(SERVER, Archiver("on", COMMAND, last_segment=last), seen) == hole


def test_a_segment_within_the_newest_whole_backup_is_a_hole_too() -> None:
    long = replace(BACKUP, lsn_start="0/1000028")
    seen = Evidence(replace(READY, backups=(long,)), Listing(dict.fromkeys(names(1, 3), "a" * 40)))
    assert first_hole(SERVER, Archiver("on", COMMAND, last_segment=names(3)[0]), seen) == names(2)[0]


def test_a_hole_is_looked_for_from_the_newest_whole_backup_on() -> None:
    lost = replace(BACKUP, label="later", stopped=300, lsn_start="0/5000028", wal_stop=names(5)[0], error=True)
    seen = Evidence(replace(READY, backups=(BACKUP, lost)), Listing(dict.fromkeys(names(3, 5), "a" * 40)))
    assert first_hole(SERVER, Archiver("on", COMMAND, last_segment=names(5)[0]), seen) == names(4)[0]


def test_without_a_backup_there_is_nothing_to_have_a_hole() -> None:
    seen = Evidence(replace(READY, backups=()), Listing(dict.fromkeys(names(3, 5), "a" * 40)))
    assert first_hole(SERVER, Archiver("on", COMMAND, last_segment=names(5)[0]), seen) is None


def test_the_repository_that_takes_no_segment_is_named() -> None:
    full = (
        "104\nraised from local-1 protocol: archive-push command encountered error(s):\n"
        "repo3: [FileWriteError] unable to write '/b/archive': [28] No space left on device\n"
        "    [CommandError] on retry at 136ms: archive-push command encountered error(s):\nrepo3: [FileWriteError] unable to write"
    )
    assert Archiver(spool_errors=("104\nno repository", full)).fault == (
        "repository 3: [FileWriteError] unable to write '/b/archive': [28] No space left on device"
    )
    assert Archiver(spool_errors=("[082]",)).fault == ""
