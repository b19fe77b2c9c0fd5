# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One turn: what reachable repositories lack is pushed in order, past those that are away, and nothing else is."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _recovery import passing, push_past, repository, state
from _recovery.catalog import Repository, unreadable
from _recovery.push_past import Sender
from _recovery.run import Completed
from pictures import repository as holding

SEGMENTS = [f"00000001000000000000000{number}" for number in range(7, 10)]
SUM = "9b6e8e9d5375e20613b3d0c371ff6122954b6e77"
REFUSED = "ERROR: [104]: archive-push command encountered error(s):\n       repo{}: [FileWriteError] unable to write: [28]"


class Host:
    """A host of which the files are real; pgBackRest is the test's own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.status = directory / "data/pg_wal/archive_status"
        self.spool = directory / "spool/archive/axiomdb/out"
        for path in (self.status, self.spool, directory / "log", directory / "state", directory / "conf.d"):
            path.mkdir(parents=True)
        places = {"spool-path": "spool", "lock-path": "locks", "log-path": "log"}
        text = "[global]\n" + "".join(f"{name}={directory / place}\n" for name, place in places.items())
        (directory / "pgbackrest.conf").write_text(f"{text}repo1-path=/one\nrepo2-path=/two\nrepo3-path=/three\n")
        (directory / "conf.d/90-secrets.conf").write_text("[global]\nrepo1-cipher-pass=first\nrepo2-cipher-pass=second\n")
        self.held: dict[int, set[str]] = {1: set(), 2: set(), 3: set()}
        self.failing: dict[str, Completed] = {}
        self.pushed: list[str] = []
        self.configurations: list[str] = []
        self.wait(*SEGMENTS)

    def wait(self, *names: str) -> None:
        for name in names:
            (self.status / f"{name}.ready").touch()

    def fails(self, *numbers: int) -> None:
        """The archiver's last attempt named these repositories."""
        (self.spool / f"{SEGMENTS[0]}.error").write_text("".join(REFUSED.format(number) + "\n" for number in numbers))

    def push(self, argv: Sequence[str], **options: Any) -> Completed:
        descriptor, *locks = options["descriptors"]
        assert (options["user"], len(locks), "--no-archive-async" in argv) == ("postgres", 3, True)
        assert argv[1] == f"--config=/proc/self/fd/{descriptor}"
        name = argv[-1].rpartition("/")[2]
        self.pushed.append(name)
        self.configurations.append(Path(f"/proc/self/fd/{descriptor}").read_text())
        return self.failing.get(name, Completed("pgbackrest", 0, "", ""))

    def list(self, _stanza: str, command: Sequence[str], options: Sequence[str]) -> Completed:
        number = int(options[0].removeprefix("--repo="))
        if number not in self.held:
            return Completed("pgbackrest repo-ls", 49, "", "ERROR: [049]: no answer")
        return Completed("pgbackrest repo-ls", 0, json.dumps({f"{name}-{SUM}.zst": {} for name in self.held[number]}), "")

    def turn(self, *away: int) -> str:
        seen: list[Repository] = [unreadable(number, "gone") if number in away else holding(number, 60.0) for number in (1, 2, 3)]
        return push_past.push_past(Sender("axiomdb", str(self.directory / "data"), tuple(seen)), lambda _seconds: True)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    monkeypatch.setattr(repository, "MAIN_FILE", tmp_path / "pgbackrest.conf")
    monkeypatch.setattr(repository, "INCLUDES", tmp_path / "conf.d")
    monkeypatch.setattr(state, "DIRECTORY", tmp_path / "state")
    monkeypatch.setattr(state, "MEMORY", tmp_path / "memory")
    monkeypatch.setattr(state, "PAUSE", tmp_path / "state/pause.json")
    monkeypatch.setattr(state, "ids", lambda *_names: (os.getuid(), os.getgid()))
    monkeypatch.setattr(push_past, "run", made.push)
    monkeypatch.setattr(push_past, "pgbackrest", made.list)
    monkeypatch.setattr(push_past.host, "pgbackrest_version", lambda: "2.60.0")
    return made


def test_everything_that_waits_reaches_the_others_in_order(host: Host) -> None:
    host.wait("00000002.history")
    assert host.turn(2) == "4 WAL files pushed past repository 2"
    assert host.pushed == ["00000002.history", *SEGMENTS]


def test_while_none_is_away_nothing_is_pushed(host: Host) -> None:
    assert (host.turn(), host.pushed) == ("", [])


def test_while_all_are_away_nothing_is_pushed(host: Host) -> None:
    assert (host.turn(1, 2, 3), host.pushed) == ("", [])


def test_one_that_takes_no_more_is_away_although_it_can_be_read(host: Host) -> None:
    host.fails(3)
    assert host.turn() == "3 WAL files pushed past repository 3"
    assert all("repo3" not in text and "repo2-cipher-pass=second" in text for text in host.configurations)


def test_a_configuration_has_no_secret_of_the_one_that_is_away(host: Host) -> None:
    host.turn(2)
    assert {"repo2" in text or "second" in text for text in host.configurations} == {False}
    assert {"repo1-cipher-pass=first" in text and "repo3-path=/three" in text for text in host.configurations} == {True}


def test_what_all_the_others_hold_is_not_pushed_again(host: Host) -> None:
    host.held = {1: set(SEGMENTS[:2]), 3: set(SEGMENTS[:1]), 2: set()}
    host.turn(2)
    assert host.pushed == SEGMENTS[1:]


def test_one_that_cannot_be_listed_now_is_looked_at_later(host: Host) -> None:
    host.held = {1: set(SEGMENTS)}
    assert (host.turn(2), host.pushed) == ("", [])


def test_one_that_turns_out_to_be_away_is_left_out_of_what_follows(host: Host) -> None:
    host.failing[SEGMENTS[0]] = Completed("pgbackrest", 104, "", REFUSED.format(3))
    assert host.turn(2) == "3 WAL files pushed past repository 2 and repository 3"
    assert ["repo3" in text for text in host.configurations] == [True, False, False]


@pytest.mark.parametrize(
    "stop",
    [
        Completed("pgbackrest", 62, "", "ERROR: [062]: stop file exists for all stanzas"),
        Completed("pgbackrest", 124, "", "no answer within 60 s"),
        Completed("pgbackrest", 45, "", "ERROR: [045]: WAL file exists in the repo1 archive with a different checksum"),
        Completed("pgbackrest", 104, "", "ERROR: [104]: error(s):\n  repo3: [ArchiveMismatchError] PostgreSQL version"),
    ],
)
def test_it_ends_with_the_first_that_fails_for_another_reason(host: Host, stop: Completed) -> None:
    host.failing[SEGMENTS[1]] = stop
    assert host.turn(2) == "1 WAL file pushed past repository 2"
    assert host.pushed == SEGMENTS[:2]


def test_nothing_is_pushed_past_another_server(host: Host) -> None:
    (host.spool / f"{SEGMENTS[0]}.error").write_text("45\nWAL file already exists in the repo1 archive with a different checksum")
    assert (host.turn(2), host.pushed) == ("", [])


def test_what_was_archived_meanwhile_is_left_alone(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def archived(argv: Sequence[str], **options: Any) -> Completed:
        (host.status / f"{SEGMENTS[1]}.ready").unlink(missing_ok=True)
        return host.push(argv, **options)

    monkeypatch.setattr(push_past, "run", archived)
    host.turn(2)
    assert host.pushed == [SEGMENTS[0], SEGMENTS[2]]


def test_nothing_is_pushed_while_jobs_are_paused(host: Host) -> None:
    """A recovery in place holds archiving: nothing of a new timeline may reach a repository."""
    state.save(state.PAUSE, {"since": 1.0, "reason": "a recovery"})
    assert (host.turn(2), host.pushed) == ("", [])


def test_the_archiver_is_never_beside_it(host: Host) -> None:
    """Two pushes of one file write into one temporary file."""
    locks = passing.locks("axiomdb", [1, 2, 3], push_past.parse_version("2.60.0"))
    with push_past.archive_lock.held(str(host.directory / "locks"), locks, lambda _seconds: False) as taken:
        asked: list[float] = []
        sender = Sender("axiomdb", str(host.directory / "data"), (unreadable(2, "gone"), holding(1, 60.0), holding(3, 60.0)))
        assert push_past.push_past(sender, lambda seconds: bool(asked.append(seconds)) or len(asked) < 5) == ""
        assert (len(taken), len(asked), host.pushed) == (3, 5, [])


def test_two_that_push_do_not_meet(host: Host) -> None:
    with state.only_one("axiomdb", "push-past"):
        assert (host.turn(2), host.pushed) == ("", [])


def test_a_turn_is_over_in_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_past, "TURN", -1.0)
    assert (host.turn(2), host.pushed) == ("", [])


def test_a_repository_without_the_stanza_is_not_listed(host: Host) -> None:
    host.held = {1: set(SEGMENTS)}
    seen = (holding(1, 60.0), unreadable(2, "gone"), replace(holding(3), databases=()))
    assert push_past.push_past(Sender("axiomdb", str(host.directory / "data"), seen), lambda _seconds: True) == ""
