# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A repository that holds backups is never forgotten without a word: not its place, not its account, not its passphrase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _recovery import backrest_files, backrest_replaced, files, places, repository
from _recovery.backrest import RepositorySpec, StanzaSpec
from _recovery.catalog import Backup, Database, Repository, unreadable
from _recovery.option_file import parse
from _recovery.places import Former, is_changed, is_elsewhere, judge_change, judge_overlaps, where
from _recovery.problem import Refusal

OLD, NEW = {"path": "/srv/old", "cipher-pass": "old"}, {"path": "/srv/new", "cipher-pass": "new"}
OLDEST = 1763796000  # 2025-11-22T07:20:00Z
EMPTY = Repository(1, 1, "missing stanza path")
S3 = {"type": "s3", "path": "/axiomdb", "s3-endpoint": "s3.example.com", "s3-bucket": "backups"}


def holding(*labels: str, number: int = 1) -> Repository:
    backups = tuple(
        Backup(label, "full", 1, OLDEST + place, OLDEST + place, None, None, None, False, 0, 0) for place, label in enumerate(labels)
    )
    return Repository(number, 0, "ok", databases=(Database(1, 7, "17"),), backups=backups)


HELD = Former(1, OLD, {"axiomdb": holding("20251122-072000F", "20251122-072001F")})


# --- the judgement ---------------------------------------------------------------------------------------------------


def test_another_place_for_a_repository_with_backups_is_refused() -> None:
    problem = judge_change(HELD, NEW, {1: {"axiomdb": EMPTY}}, "")
    assert problem is not None
    assert problem.found == (
        "repository 1 declared at /srv/new; on this host it lies at /srv/old, with 2 backups back to 2025-11-22T07:20:00Z"
    )
    assert problem.expected.startswith("the same place and passphrase")
    assert problem.next_step.endswith("say there replaces: /srv/old")


def test_only_the_right_place_confirms() -> None:
    assert judge_change(HELD, NEW, {}, "/srv/old") is None
    for wrong in ("/srv/new", "/srv/old/", "true", "yes"):
        assert judge_change(HELD, NEW, {}, wrong) is not None


def test_another_account_is_named_without_being_shown() -> None:
    azure = {"type": "azure", "path": "/a", "azure-container": "c", "azure-account": "secret-one"}
    problem = judge_change(replace(HELD, options=azure), {**azure, "azure-account": "secret-two"}, {}, "")
    assert problem is not None
    assert "declared with another account or passphrase; on this host it lies at azure://c/a, with 2" in problem.found
    assert "secret" not in problem.sentence()


def test_a_place_without_backups_may_be_left() -> None:
    assert judge_change(Former(1, OLD, {"axiomdb": EMPTY}), NEW, {1: {"axiomdb": EMPTY}}, "") is None


def test_backups_that_lie_in_a_declared_repository_are_not_lost() -> None:
    copied = {1: {"axiomdb": holding("20251122-072000F", "20251122-072001F", "20251123-072000F")}}
    renumbered = {1: {"axiomdb": EMPTY}, 2: {"axiomdb": holding("20251122-072000F", "20251122-072001F", number=2)}}
    half = {1: {"axiomdb": holding("20251122-072001F")}}
    of_another_stanza = {1: {"other": holding("20251122-072000F", "20251122-072001F")}}
    assert judge_change(HELD, NEW, copied, "") is None
    assert judge_change(HELD, NEW, renumbered, "") is None
    assert judge_change(HELD, NEW, half, "") is not None
    assert judge_change(HELD, NEW, of_another_stanza, "") is not None


def test_a_place_into_which_nobody_can_look_is_not_taken_for_an_empty_one() -> None:
    former = Former(2, OLD, {"axiomdb": unreadable(2, "the store does not answer")})
    other = {1: {"axiomdb": holding("20251122-072000F")}, 2: {"axiomdb": EMPTY}}
    problem = judge_change(former, NEW, other, "")
    assert problem is not None
    assert "into which nobody can look now (the store does not answer)" in problem.found
    assert judge_change(former, NEW, {2: {"axiomdb": holding("20251122-072000F", number=2)}}, "") is None, "the same store by a new name"


def test_a_place_as_a_person_reads_it() -> None:
    assert where({}) == "/var/lib/pgbackrest"
    assert where({"type": "cifs", "path": "/mnt/nas"}) == "/mnt/nas"
    assert where({"host": "backup1", "path": "/srv"}) == "posix://backup1/srv"
    assert where(S3) == "s3://s3.example.com/backups/axiomdb"
    assert where({"type": "sftp", "sftp-host": "away", "path": "/b"}) == "sftp://away/b"


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/other"},
        {"s3-bucket": "other"},
        {"s3-endpoint": "s3.example.org"},
        {"type": "gcs"},
        {"storage-host": "10.0.0.1"},
        {"host": "backup1"},
    ],
)
def test_what_makes_another_place(change: dict[str, object]) -> None:
    assert is_elsewhere(S3, {**S3, **change})


def test_what_opens_it_counts_as_well_and_the_rest_does_not() -> None:
    assert is_changed(OLD, {**OLD, "cipher-pass": "other"})
    assert is_changed(OLD, {**OLD, "cipher-type": "aes-256-cbc"})
    assert not is_elsewhere(OLD, {**OLD, "cipher-pass": "other"})
    assert not is_changed(OLD, {**OLD, "retention-full": 9, "s3-key": "renewed", "type": "posix"})


# --- places that overlap ---------------------------------------------------------------------------------------------

DATA = {"the data directory /pg/main": "/pg/main", "pg_wal of /pg/main": "/wal/main", "the tablespace 16400 of /pg/main": "/ts/PG"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/pg/main/backups", "repository 1 at /pg/main/backups, inside the data directory /pg/main"),
        ("/wal/main/repo", "repository 1 at /wal/main/repo, inside pg_wal of /pg/main (/wal/main)"),
        ("/ts/PG/repo", "repository 1 at /ts/PG/repo, inside the tablespace 16400 of /pg/main (/ts/PG)"),
        ("/pg/main", "repository 1 at /pg/main, inside the data directory /pg/main"),
        ("/pg", "the data directory /pg/main inside repository 1 at /pg"),
        ("/wal", "pg_wal of /pg/main (/wal/main) inside repository 1 at /wal"),
    ],
)
def test_a_repository_and_the_data_lie_apart(path: str, found: str) -> None:
    (problem,) = judge_overlaps({1: {"path": path}}, {1: path}, DATA)
    assert problem.found == found
    assert problem.next_step == "choose another path for repository 1"


@pytest.mark.parametrize("path", ["/pg/main2", "/pg/mai", "/backup", "/tsx", "/pg/backups"])
def test_neighbours_are_none_of_it(path: str) -> None:
    assert judge_overlaps({1: {"path": path}}, {1: path}, DATA) == []


def test_the_root_directory_is_around_everything() -> None:
    assert len(judge_overlaps({1: {"path": "/"}}, {1: "/"}, DATA)) == len(DATA)


def test_each_repository_has_a_place_of_its_own() -> None:
    (problem,) = judge_overlaps({1: {"path": "/a"}, 2: {"path": "/b"}}, {1: "/real", 2: "/real"}, {})
    assert problem.found == "repository 1 and repository 2 in the same place, /b"
    (problem,) = judge_overlaps({1: S3, 3: {**S3, "retention-full": 9}}, {}, {})
    assert problem.found == "repository 1 and repository 3 in the same place, s3://s3.example.com/backups/axiomdb"
    assert judge_overlaps({1: S3, 2: {**S3, "s3-bucket": "other"}, 3: {"path": "/axiomdb"}}, {3: "/axiomdb"}, {}) == []


def test_links_are_followed(host: Path) -> None:
    data, tablespace, elsewhere = host / "data", host / "tablespace", host / "elsewhere"
    for directory in (data / "pg_tblspc", tablespace, elsewhere):
        directory.mkdir(parents=True)
    (data / "pg_tblspc" / "16400").symlink_to(tablespace)
    (data / "pg_wal").symlink_to(elsewhere)
    for name, inside in (("one", data), ("two", tablespace), ("three", elsewhere)):
        (host / name).symlink_to(inside)
        with pytest.raises(Refusal, match="inside"):
            plan(directory=str(data), path=f"{host / name}/repo", replaces="/srv/old")
    plan(directory=str(data), path=f"{host}/repo", replaces="/srv/old")


# --- on a host -------------------------------------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose configuration has repository 1 in /srv/old. pgBackRest sees backups there, and nothing elsewhere."""
    main, includes, trial = tmp_path / "pgbackrest.conf", tmp_path / "conf.d", tmp_path / "trial"
    includes.mkdir()
    main.write_text("[global]\nrepo1-path=/srv/old\nrepo1-cipher-type=aes-256-cbc\n\n[axiomdb]\npg1-path=/data\n", encoding="utf-8")
    (includes / "90-secrets.conf").write_text(f"[global]\nrepo1-cipher-pass={'Tq8vXw2Lr0ZpYk5NcB7s' * 2}\n", encoding="utf-8")
    monkeypatch.setattr(repository, "MAIN_FILE", main)
    monkeypatch.setattr(repository, "INCLUDES", includes)
    monkeypatch.setattr(backrest_files.host, "pgbackrest_version", lambda: "2.55.1")
    monkeypatch.setattr(files, "trial_directory", lambda: trial.mkdir() or str(trial))
    monkeypatch.setattr(files, "write", lambda _file: None)

    def look(_stanza: str, numbers: Sequence[int], options: Sequence[str] = (), *_env: Any) -> tuple[Repository, ...]:
        tried = any(option.startswith("--config=") for option in options)
        return tuple(replace(EMPTY if tried else holding("20251122-072000F"), number=number) for number in numbers)

    monkeypatch.setattr(repository, "look_inside", look)
    return tmp_path


def plan(directory: str = "/data", **changes: Any) -> backrest_files.Plan:
    spec = replace(RepositorySpec(1, path="/srv/new", passphrase="N5cB7sHd4MTq8vXw2Lr0ZpYk"), **changes)
    return backrest_files.plan([spec], [StanzaSpec("axiomdb", directory)], {}, "2.55.1")


def test_a_host_does_not_forget_its_repository(host: Path) -> None:
    with pytest.raises(Refusal) as refused:
        plan()
    (problem,) = refused.value.problems
    assert "at /srv/old, with 1 backup back to 2025-11-22T07:20:00Z" in problem.found


def test_what_opens_a_repository_that_is_left_is_kept_for_root_and_postgres(host: Path) -> None:
    found = plan(replaces="/srv/old")
    kept = found.files[0]
    assert parse(kept.content)["global"] == {
        "repo1-cipher-pass": "Tq8vXw2Lr0ZpYk5NcB7s" * 2,
        "repo1-cipher-type": "aes-256-cbc",
        "repo1-path": "/srv/old",
    }
    assert (kept.owner, kept.group, kept.mode, kept.secret) == ("root", "postgres", 0o640, True)
    assert kept.path.startswith("/etc/pgbackrest/replaced/repo1-")
    (sentence,) = found.left
    assert sentence.startswith("KEPT: repository 1 at /srv/old is left as it is; ")
    assert sentence.endswith(kept.path)
    assert not any("Tq8vXw2Lr0ZpYk5NcB7s" in entry["after"] + entry["before"] for entry in found.diff)


def test_a_repository_that_is_declared_no_more_is_kept_too(host: Path) -> None:
    found = plan(number=2)
    assert [sentence.partition(" is left")[0] for sentence in found.left] == ["KEPT: repository 1 at /srv/old"]


def test_what_stays_where_it_was_is_looked_at_by_nobody(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "look", None)
    declared = {**places.options_of(1, {"repo1-path": "/srv/old", "repo1-cipher-type": "aes-256-cbc", "repo1-retention-full": 9})}
    declared["cipher-pass"] = "Tq8vXw2Lr0ZpYk5NcB7s" * 2
    assert backrest_replaced.formers({1: declared}, "/etc/pgbackrest.conf", ["axiomdb"]) == []
