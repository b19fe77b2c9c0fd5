# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is pushed past a repository that is away: into the others all that waits, in order, with a configuration without that one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from _recovery import passing
from _recovery.option_types import parse_version
from _recovery.provision import Archiver
from _recovery.summary import Picture
from pictures import picture, repository

MAIN = """# repo2 lies on the mount point /mnt/backup
[global]
archive-async=y
archive-push-queue-max=1GiB
repo1-path=/var/lib/pgbackrest
repo10-path=/tenth
  repo2-path = /mnt/backup
repo2-bundle=y

[global:archive-push]
io-timeout=5
process-max=2
repo2-storage-upload-chunk-size=8MiB

[axiomdb]
pg1-path=/var/lib/postgresql/18/main
pg2-path=/other
"""
SECRETS = "[global]\nrepo1-cipher-pass=first\nrepo2-cipher-pass=second\nrepo10-cipher-pass=tenth"
# As the log of 2.60 has them, without the blanks before each line.
FULL = """[104] raised from local-1 protocol: archive-push command encountered error(s):
repo2: [FileWriteError] unable to write '/mnt/backup/axiomdb/archive/axiomdb/18-1/0000000100000000/000000010000000000000007-9b.zst': [28]
[CommandError] on retry at 397ms: archive-push command encountered error(s):
repo2: [FileWriteError] unable to write '/mnt/backup/axiomdb/archive/axiomdb/18-1/0000000100000000/000000010000000000000007-9b.zst': [28]"""
TWO = (
    "ERROR: [104]: archive-push command encountered error(s):\n       repo2: [HostConnectError] timeout\n       repo10: [FileOpenError] no"
)
DUPLICATE = (
    "[45] raised from local-1 protocol: WAL file '00000001000015920000005B' already exists in the repo1 archive with a different checksum"
)
MISMATCH = "repo1: [ArchiveMismatchError] PostgreSQL version 18, system-id 1 do not match repo1 stanza version 18, system-id 2"
SEGMENTS = tuple(f"00000001000000000000000{number}" for number in range(7, 10))
SUM = "9b6e8e9d5375e20613b3d0c371ff6122954b6e77"


def _options(*away: int) -> list[str]:
    """The lines about repositories that are left."""
    return [line.strip() for line in passing.configuration((MAIN, SECRETS), away).splitlines() if line.strip().startswith("repo")]


@pytest.mark.parametrize(
    ("away", "gone", "left"),
    [
        (1, ["repo1-path", "repo1-cipher-pass"], ["repo10-path", "repo10-cipher-pass", "repo2-path"]),
        (2, ["repo2-path", "repo2-bundle", "repo2-storage", "repo2-cipher-pass"], ["repo1-path", "repo1-cipher-pass", "repo10-path"]),
        (10, ["repo10-path", "repo10-cipher-pass"], ["repo1-path", "repo1-cipher-pass", "repo2-path"]),
    ],
)
def test_no_option_of_the_repository_is_left_and_every_one_of_the_others(away: int, gone: list[str], left: list[str]) -> None:
    lines = _options(away)
    assert [line for line in lines for name in gone if line.startswith(name)] == []
    assert [name for name in left if not any(line.startswith(name) for line in lines)] == []


def test_several_can_be_away() -> None:
    assert _options(1, 2) == ["repo10-path=/tenth", "repo10-cipher-pass=tenth"]


def test_an_option_without_a_number_is_one_of_the_first_repository() -> None:
    assert passing.configuration(["[global]\nrepo-path=/old\nrepo2-path=/new\n"], [1]) == "[global]\nrepo2-path=/new\n"


def test_sections_and_the_options_of_the_cluster_are_kept() -> None:
    text = passing.configuration((MAIN, SECRETS), [2])
    kept = ["[global:archive-push]\nio-timeout=5\nprocess-max=2\n", "[axiomdb]\npg1-path=/var/lib/postgresql/18/main\npg2-path=/other\n"]
    assert [part for part in kept if part not in text] == []


def test_a_file_that_ends_without_a_line_break_does_not_run_into_the_next() -> None:
    assert passing.configuration(["[global]\nrepo1-path=/one", "[axiomdb]\n"], []) == "[global]\nrepo1-path=/one\n[axiomdb]\n"


def test_no_limit_makes_a_push_end_without_a_push() -> None:
    assert "queue-max" not in passing.configuration((MAIN, SECRETS), [2])


@pytest.mark.parametrize(("error", "numbers"), [(FULL, {2}), (TWO, {2, 10}), (DUPLICATE, set()), ("", set())])
def test_the_repositories_that_a_message_names(error: str, numbers: set[int]) -> None:
    assert passing.named([error]) == numbers


@pytest.mark.parametrize(
    ("error", "another"), [(FULL, False), (TWO, False), (DUPLICATE, True), (MISMATCH, True), ("ERROR: [044]: no", True)]
)
def test_nothing_is_pushed_past_what_another_server_wrote(error: str, another: bool) -> None:
    assert passing.tells_of_another_writer(["", error]) is another


def test_what_waits_is_pushed_in_the_order_of_the_archiver() -> None:
    status = [f"{name}.ready" for name in reversed(SEGMENTS)]
    status += ["00000002.history.ready", f"{SEGMENTS[0]}.00000028.backup.ready", f"{SEGMENTS[2]}.partial.ready", f"{SEGMENTS[0]}.done"]
    assert passing.waiting([*status, "000000010000000000000006.done"], [f"{SEGMENTS[1]}.ok", f"{SEGMENTS[2]}.error"]) == (
        "00000002.history",
        SEGMENTS[0],
        f"{SEGMENTS[0]}.00000028.backup",
        SEGMENTS[2],
        f"{SEGMENTS[2]}.partial",
    )


@pytest.mark.parametrize(
    ("name", "directory"),
    [
        ("00000002.history", ""),
        (SEGMENTS[0], "0000000100000000"),
        (f"{SEGMENTS[0]}.partial", "0000000100000000"),
        (f"{SEGMENTS[0]}.00000028.backup", "0000000100000000"),
    ],
)
def test_where_a_file_lies_within_an_archive(name: str, directory: str) -> None:
    assert passing.directory_of(name) == directory


def test_what_one_reachable_repository_lacks_is_lacking() -> None:
    names = ("00000002.history", *SEGMENTS)
    all_of_them = {"00000002.history", *(f"{name}-{SUM}.zst" for name in SEGMENTS)}
    assert passing.lacking(names, {1: all_of_them, 3: all_of_them}) == ()
    assert passing.lacking(names, {1: all_of_them, 3: all_of_them - {f"{SEGMENTS[1]}-{SUM}.zst", "00000002.history"}}) == (
        "00000002.history",
        SEGMENTS[1],
    )
    assert passing.lacking(names, {}) == ()


def test_a_segment_is_not_taken_for_its_unfinished_copy() -> None:
    partial = f"{SEGMENTS[0]}.partial"
    assert passing.lacking([SEGMENTS[0]], {1: {f"{partial}-{SUM}.zst"}}) == (SEGMENTS[0],)
    assert passing.lacking([partial], {1: {f"{SEGMENTS[0]}-{SUM}.zst"}}) == (partial,)


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("2.45", ("axiomdb-archive.lock",)),
        ("2.55.1", ("axiomdb-archive-1.lock", "axiomdb-archive-2.lock", "axiomdb-archive-10.lock")),
        ("2.60.0", ("axiomdb-archive-1.lock", "axiomdb-archive-2.lock", "axiomdb-archive-10.lock")),
    ],
)
def test_the_locks_of_the_archiver(version: str, names: tuple[str, ...]) -> None:
    assert passing.locks("axiomdb", [10, 1, 2], parse_version(version)) == names


ARCHIVING = replace(
    picture(repository(1, 60.0), repository(2, 60.0)), archiver=Archiver("on", "pgbackrest --stanza=axiomdb archive-push %p")
)


@pytest.mark.parametrize(
    ("found", "allowed"),
    [
        (ARCHIVING, True),
        (replace(ARCHIVING, server=None), False),
        (replace(ARCHIVING, standby=True), False),
        (replace(ARCHIVING, repositories=ARCHIVING.repositories[:1]), False),
        (replace(ARCHIVING, archiver=replace(ARCHIVING.archiver, command="false")), False),
        (replace(ARCHIVING, archiver=replace(ARCHIVING.archiver, stopped=True)), False),
        (replace(ARCHIVING, writers={2: "another server"}), False),
        (replace(ARCHIVING, late={2: (SEGMENTS[0], ARCHIVING.now - 60)}), False),
    ],
)
def test_who_may_push(found: Picture, allowed: bool) -> None:
    """Neither a standby, nor a server whose archiving is held or that is not alone."""
    assert passing.is_allowed(found) is allowed
