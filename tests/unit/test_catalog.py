# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What `pgbackrest info` says, as real outputs have it, and every document that it does not print."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from _recovery.catalog import NOT_OPENED, NOT_TRUSTED, Backup, Database, Repository, mark_lost, parse_info, reason, unreadable
from _recovery.wal import Lsn, Segment
from hypothesis import given
from hypothesis import strategies as st

RECORDED = Path(__file__).parent / "recorded"
SYSTEM_ID = 7512345678901234567  # above 2^53, as real ones are


def backup(label: str, *, repo: int = 1, database: int = 1, stop: int = 1700000100, **more: Any) -> dict[str, Any]:
    return {
        "annotation": {"axiomdb-host": "vps1", "axiomdb-machine-id": "0123"},
        "archive": {"start": "000000010000000000000002", "stop": "000000010000000000000003"},
        "backrest": {"format": 5, "version": "2.55.1"},
        "database": {"id": database, "repo-key": repo},
        "error": False,
        "info": {"delta": 100, "repository": {"delta": 40, "size": 50}, "size": 200},
        "label": label,
        "lsn": {"start": "0/2000028", "stop": "0/3000050"},
        "prior": None,
        "reference": None,
        "timestamp": {"start": stop - 10, "stop": stop},
        "type": "full",
        **more,
    }


def status(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "lock": {"backup": {"held": False}}, "message": message}


def document() -> list[dict[str, Any]]:
    """Two repositories; the second was upgraded from 15 to 17 and holds a backup of each."""
    return [
        {
            "archive": [
                {"database": {"id": 1, "repo-key": 1}, "id": "17-1", "max": "0000000A00000000000000FF", "min": "000000010000000000000001"},
                {"database": {"id": 2, "repo-key": 2}, "id": "17-2", "max": None, "min": None},
            ],
            "backup": [
                backup("20231114-000000F", stop=1700000100),
                backup("20231114-000100F", repo=2, database=1, stop=1700000160),
                backup("20231114-000200F", repo=2, database=2, stop=1700000220, error=True),
                backup(
                    "20231114-000000F_20231114-000300I", stop=1700000280, type="incr", annotation=None, lsn=None, archive=None, info=None
                ),
            ],
            "cipher": "mixed",
            "db": [
                {"id": 1, "repo-key": 1, "system-id": SYSTEM_ID, "version": "17"},
                {"id": 1, "repo-key": 2, "system-id": 42, "version": "9.6"},
                {"id": 2, "repo-key": 2, "system-id": SYSTEM_ID, "version": "17"},
            ],
            "name": "axiomdb",
            "repo": [
                {"cipher": "aes-256-cbc", "key": 1, "status": {"code": 0, "message": "ok"}},
                {"cipher": "none", "key": 2, "status": {"code": 0, "message": "ok"}},
            ],
            "status": status(0, "ok"),
        }
    ]


def parse(value: Any, *numbers: int) -> tuple[Repository, ...]:
    return parse_info(json.dumps(value), "axiomdb", numbers or (1,))


def test_each_repository_has_what_is_its_own() -> None:
    first, second = parse(document(), 1, 2)
    assert (first.number, first.code, first.message, first.cipher) == (1, 0, "ok", "aes-256-cbc")
    assert first.databases == (Database(1, SYSTEM_ID, "17"),)
    assert [item.label for item in first.backups] == ["20231114-000000F", "20231114-000000F_20231114-000300I"]
    assert [(item.archive_id, item.first, item.last) for item in first.archives] == [
        ("17-1", "000000010000000000000001", "0000000A00000000000000FF")
    ]
    assert (second.cipher, second.current) == ("none", Database(2, SYSTEM_ID, "17"))
    assert [item.label for item in second.backups] == ["20231114-000100F", "20231114-000200F"]
    assert (second.archives[0].first, second.archives[0].last) == (None, None)


def test_every_field_of_a_backup() -> None:
    assert parse(document())[0].backups[0] == Backup(
        "20231114-000000F",
        "full",
        1,
        1700000090,
        1700000100,
        "0/2000028",
        "0/3000050",
        "000000010000000000000003",
        False,
        200,
        40,
        {"axiomdb-host": "vps1", "axiomdb-machine-id": "0123"},
    )


def test_what_a_backup_may_lack() -> None:
    bare = parse(document())[0].backups[1]
    assert (bare.lsn_start, bare.lsn_stop, bare.wal_stop, bare.size, bare.repository_size, bare.annotations) == (None, None, None, 0, 0, {})


def test_repositories_come_in_the_order_asked_for() -> None:
    assert [item.number for item in parse(document(), 2, 1)] == [2, 1]
    assert parse_info(json.dumps(document()), "axiomdb", []) == ()


def test_other_stanzas_are_not_ours() -> None:
    other = {**document()[0], "name": "other"}
    assert parse([other, *document()], 1)[0].has_stanza
    assert not parse([other], 1)[0].readable


def test_the_backups_of_the_current_entry_alone_tell_of_the_current_cluster() -> None:
    second = parse(document(), 2)[0]
    assert [item.label for item in second.current_backups] == ["20231114-000200F"]
    assert second.newest_backup is not None
    assert second.newest_backup.label == "20231114-000200F"


def test_a_usable_backup_is_of_this_cluster_and_without_errors() -> None:
    first, second = parse(document(), 1, 2)
    assert [item.label for item in first.usable_backups(SYSTEM_ID)] == ["20231114-000000F", "20231114-000000F_20231114-000300I"]
    assert first.usable_backups(SYSTEM_ID + 1) == ()
    assert second.usable_backups(SYSTEM_ID) == (), "its backup of the current entry has page errors, the other one is of the old cluster"
    assert second.usable_backups(42) == (), "42 is the cluster from before the upgrade"


@pytest.mark.parametrize(
    ("code", "message", "readable"),
    [
        (0, "ok", True),
        (1, "missing stanza path", True),
        (2, "no valid backups", True),
        (3, "missing stanza data", False),
        (4, "different across repos", False),
        (5, "database mismatch across repos", False),
        (6, "requested backup not found", False),
        (99, "[CryptoError] unable to load info file '/r/backup.info':\n  HINT: is or was the repo encrypted?", False),
    ],
)
def test_only_three_codes_mean_that_somebody_looked_inside(code: int, message: str, readable: bool) -> None:
    value = document()
    value[0]["repo"][0]["status"] = {"code": code, "message": message}
    found = parse(value)[0]
    assert found.readable == readable
    assert found.has_stanza == readable
    assert "\n" not in found.message


def test_a_fresh_repository_is_readable_and_has_no_stanza() -> None:
    value = [
        {
            **{"archive": [], "backup": [], "cipher": "none", "db": [], "name": "axiomdb"},
            "repo": [{"cipher": "none", "key": 1, "status": {"code": 1, "message": "missing stanza path"}}],
            "status": status(1, "missing stanza path"),
        }
    ]
    found = parse(value)[0]
    assert (found.readable, found.has_stanza, found.current, found.newest_backup) == (True, False, None, None)
    assert (found.current_backups, found.usable_backups(SYSTEM_ID)) == ((), ())


@pytest.mark.parametrize(
    "value", [[], [{"name": "axiomdb"}], [{"name": "axiomdb", "repo": [], "status": status(1, "missing stanza path")}]]
)
def test_silence_about_a_repository_is_never_taken_for_an_empty_one(value: Any) -> None:
    found = parse(value)[0]
    assert not found.readable
    assert found.message == "the answer of pgbackrest info does not mention this repository"


def test_a_repository_that_is_not_mentioned_is_unreadable_whatever_the_others_say() -> None:
    first, third = parse(document(), 1, 3)
    assert first.readable
    assert not third.readable


def test_a_status_without_a_code_is_unreadable() -> None:
    value = document()
    value[0]["repo"][0]["status"] = {}
    assert not parse(value)[0].readable


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        '[{"name":"axiomdb","repo":[{"message":"\x00\x01"}]}]',
        "[" * 40,
        "null",
        "1",
        '"axiomdb"',
        "{}x",
        "[1]",
        "[null]",
        '[{"name":"axiomdb","repo":[1]}]',
        '[{"name":"axiomdb","repo":[{}]}]',
        '[{"name":"axiomdb","repo":[{"key":"one"}]}]',
        '[{"name":"axiomdb","repo":[{"key":1,"status":{"code":0}}],"db":[{}]}]',
        '[{"name":"axiomdb","repo":[{"key":1,"status":{"code":0}}],"backup":[{"database":{"id":1}}]}]',
    ],
)
def test_another_document_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_info(text, "axiomdb", [1])


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of each value in a document."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in below for found in paths_of(item, (*path, key)))]


PATHS = [path for path in paths_of(document()) if path]


@given(st.sampled_from(PATHS), st.sampled_from([None, [], {}, "", "x", -1, 0.5, True, [None], "DELETE"]))
def test_a_damaged_document_is_read_or_refused_and_never_believed_of_another_repository(path: tuple[Any, ...], value: Any) -> None:
    damaged = copy.deepcopy(document())
    target: Any = damaged
    for key in path[:-1]:
        target = target[key]
    if value == "DELETE":
        del target[path[-1]]
    else:
        target[path[-1]] = value
    try:
        found = parse(damaged, 1, 2)
    except ValueError:
        return
    assert [item.number for item in found] == [1, 2]
    assert all(isinstance(item, Repository) for item in found)


def test_the_reason_of_an_unreadable_repository_is_one_line() -> None:
    assert unreadable(2, " a\n  b\t c ") == Repository(2, 99, "a b c")
    assert unreadable(2, "\n").message == "no reason given"
    assert not unreadable(2, "x").readable
    assert not unreadable(2, "x").has_stanza


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("[CryptoError] unable to load info file '/r/backup.info':\nCryptoError: cipher header invalid\nHINT: is or was", NOT_OPENED),
        (
            "[FormatError] unable to load info file '/r/backup.info':\nFormatError: key/value found outside of section: \x1b[2J\ufffd",
            f"{NOT_OPENED}, or its info file is damaged",
        ),
        (
            "[FileOpenError] unable to open '/ü':\n[13] Permission denied\nHINT: has a stanza-create been performed?",
            "[FileOpenError] unable to open '/ü': [13] Permission denied",
        ),
        (
            "[CryptoError] unable to verify certificate presented by 'store.lab:8443 (192.0.2.1)': [20] unable to get local issuer "
            "certificate\n    [CryptoError] on 12 retries from 114-60004ms: unable to verify certificate presented by 'store.lab:8443'",
            f"{NOT_TRUSTED}: unable to verify certificate presented by 'store.lab:8443 (192.0.2.1)': [20] unable to get local issuer "
            "certificate",
        ),
        (
            "[ProtocolError] HTTP request failed with 403 (Forbidden):\n*** Path/Query ***:\nGET /b/?prefix=a\n*** Request Headers ***:\n"
            'authorization: <redacted>\n*** Response Content ***:\n<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code></Error>',
            "the store answers 403 (Forbidden): SignatureDoesNotMatch",
        ),
        ("[ProtocolError] HTTP request failed with 404:\n*** Path/Query ***:\nGET /b", "the store answers 404"),
        (
            "[HostConnectError] timeout connecting to 'store.lab:8443'\n    [HostConnectError] on 2 retries from 1-2ms: timeout",
            "[HostConnectError] timeout connecting to 'store.lab:8443'",
        ),
        ("\x1b]0;title\x07 red \x1b[31m\ufffd\u2028x", "]0;title red [31m x"),
        ("x" * 1000, "x" * 300),
        ("", ""),
    ],
)
def test_what_pgbackrest_says_becomes_one_printable_line(message: str, line: str) -> None:
    assert reason(message) == line


# --- recorded outputs --------------------------------------------------------------------------------------------


def recordings(pattern: str) -> list[Any]:
    """The recorded outputs of that name, of every version."""
    return [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in sorted(RECORDED.glob(f"*/{pattern}.json"))]


def repositories_in(path: Path) -> tuple[Repository, ...]:
    return parse_info(standard_output(path), "demo", [1])


def standard_output(path: Path) -> str:
    """As the engine decodes it: bytes that are no UTF-8 are replaced."""
    stdout: str = json.loads(path.read_text(encoding="utf-8"))["stdout"]
    return stdout.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@pytest.mark.parametrize("path", recordings("info*"))
def test_each_recorded_answer_is_read_or_refused(path: Path) -> None:
    try:
        (found,) = repositories_in(path)
    except ValueError:
        return
    assert found.message
    assert "\n" not in found.message
    assert found.readable or not found.has_stanza
    for item in found.backups:
        assert item.started <= item.stopped
        assert item.wal_stop is None or len(item.wal_stop) == 24


@pytest.mark.parametrize("path", recordings("info-nothing"))
def test_a_recorded_answer_about_no_stanza_at_all_is_not_believed(path: Path) -> None:
    assert not repositories_in(path)[0].readable


@pytest.mark.parametrize("path", [*recordings("info-no-stanza"), *recordings("info-repository-missing")])
def test_a_recorded_missing_stanza_is_a_fresh_repository(path: Path) -> None:
    (found,) = repositories_in(path)
    assert (found.code, found.readable, found.has_stanza, found.backups) == (1, True, False, ())


@pytest.mark.parametrize("path", recordings("info-no-backup"))
def test_a_recorded_stanza_without_a_backup(path: Path) -> None:
    (found,) = repositories_in(path)
    assert (found.code, found.has_stanza, found.backups, found.cipher) == (2, True, (), "aes-256-cbc")
    assert found.current is not None
    assert found.current.system_id > 2**53
    assert found.usable_backups(found.current.system_id) == ()


@pytest.mark.parametrize("path", recordings("info-wrong-passphrase"))
def test_a_recorded_wrong_passphrase_is_told_as_such_or_printed_no_json(path: Path) -> None:
    text = standard_output(path)
    try:
        found = parse_info(text, "demo", [1])[0]
    except ValueError:
        found = unreadable(1, text[:300])
    assert not found.readable
    assert found.message.startswith(NOT_OPENED)
    assert found.message.isprintable()


@pytest.mark.parametrize("path", recordings("info-unreadable"))
def test_a_recorded_repository_that_may_not_be_entered(path: Path) -> None:
    (found,) = repositories_in(path)
    assert not found.readable
    assert found.message.startswith("[FileOpenError] unable to load info file '/var/lib/pgbackrest/backup/demo/backup.info'")
    assert found.message.isprintable()


@pytest.mark.parametrize("path", recordings("info"))
def test_a_recorded_full_and_a_recorded_incremental_backup(path: Path) -> None:
    (found,) = repositories_in(path)
    full, incremental = found.backups
    assert (found.code, full.kind, incremental.kind, found.newest_backup) == (0, "full", "incr", incremental)
    assert full.annotations == {"axiomdb-host": "vps1", "axiomdb-machine-id": "0123456789abcdef0123456789abcdef"}
    assert found.current is not None
    assert found.usable_backups(found.current.system_id) == found.current_backups == (full, incremental)
    for backup in found.backups:
        assert backup.lsn_stop is not None
        assert Segment.containing(Lsn.parse(backup.lsn_stop), 1).name == backup.wal_stop
        assert 0 < backup.repository_size < backup.size


@pytest.mark.parametrize("path", recordings("info-two-repositories"))
def test_two_recorded_repositories_are_told_apart(path: Path) -> None:
    first, second = parse_info(standard_output(path), "demo", [1, 2])
    assert first.has_stanza
    assert second.has_stanza
    assert not {backup.label for backup in first.backups} & {backup.label for backup in second.backups}


@pytest.mark.parametrize("path", [*recordings("info-second-repository-unreadable"), *recordings("info-second-repository-wrong-passphrase")])
def test_a_recorded_unreadable_second_repository_says_nothing_about_the_first(path: Path) -> None:
    first, second = parse_info(standard_output(path), "demo", [1, 2])
    assert first.has_stanza
    assert first.backups
    assert not second.readable


@pytest.mark.parametrize("path", recordings("info-second-repository-new"))
def test_a_recorded_new_second_repository_is_fresh(path: Path) -> None:
    first, second = parse_info(standard_output(path), "demo", [1, 2])
    assert first.has_stanza
    assert (second.readable, second.has_stanza, second.cipher) == (True, False, "none")


def test_a_backup_whose_directory_is_gone_is_broken_and_so_is_what_builds_on_it() -> None:
    full, incremental = "20261122-020001F", "20261122-020001F_20261122-030001I"
    backups = tuple(Backup(label, "full", 1, 1, 2, None, None, None, False, 1, 1) for label in (full, incremental))
    repository = Repository(1, 0, "ok", databases=(Database(1, 7, "17"),), backups=backups)
    assert [backup.error for backup in mark_lost(repository, frozenset({full, incremental})).backups] == [False, False]
    assert [backup.error for backup in mark_lost(repository, frozenset({full, "latest"})).backups] == [False, True]
    assert mark_lost(repository, frozenset({incremental})).usable_backups(7) == ()


def test_a_set_is_lost_with_any_set_that_it_refers_to() -> None:
    full, first, second = "20261122-110105F", "20261122-110105F_20261122-120000I", "20261122-110105F_20261122-130000I"
    last = Backup(second, "incr", 1, 1, 2, None, None, None, False, 1, 1, {}, (full, first))
    repository = Repository(1, 0, "ok", databases=(Database(1, 7, "17"),), backups=(last,))
    assert not mark_lost(repository, frozenset({full, first, second})).backups[0].lost
    for missing in (full, first, second):
        found = mark_lost(repository, frozenset({full, first, second} - {missing})).backups[0]
        assert (found.lost, found.error) == (True, True)
    assert mark_lost(repository, frozenset({full, first, second}), frozenset({second})).usable_backups(7) == ()
    assert not mark_lost(repository, frozenset({full, first, second}), frozenset({full, first})).backups[0].lost, "it has its own"
