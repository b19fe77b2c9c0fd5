# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is looked at before a recovery in place: whose the tablespaces are, and where the data lies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import host, restore_look, restore_places, restore_wal, state
from _recovery.catalog import Database, Repository
from _recovery.postgres import Cluster
from _recovery.restoring import Home
from test_restoring import HOME, JOURNAL, planned

VERSION = "PG_17_202406281"


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three clusters on one host, each with a tablespace: two of version 17, and the one from which they were upgraded."""
    monkeypatch.setattr(host, "CLUSTERS", tmp_path / "etc")
    for version, name in (("17", "main"), ("17", "other"), ("16", "main")):
        data, space = tmp_path / version / name, tmp_path / f"space-{version}-{name}"
        (data / "pg_tblspc").mkdir(parents=True)
        (data / "PG_VERSION").write_text(f"{version}\n", encoding="utf-8")
        space.mkdir()
        (data / "pg_tblspc" / "16400").symlink_to(space)
        configuration = tmp_path / "etc" / version / name
        configuration.mkdir(parents=True)
        (configuration / "postgresql.conf").write_text(f"data_directory = '{data}'\n", encoding="utf-8")
    for space in ("space-17-main", "space-17-other"):
        (tmp_path / space / VERSION).mkdir()
    return tmp_path


def test_a_tablespace_of_another_cluster_of_the_same_version_is_its_own(top: Path) -> None:
    home = replace(HOME, directory=str(top / "17/main"), tablespaces=())
    assert restore_look.of_others(home) == {str(top / "space-17-other"): str(top / "17/other")}


def test_the_tablespaces_of_today_are_those_to_which_the_data_leads(top: Path) -> None:
    space = top / "space-17-main"
    (space / f"{VERSION}.kept-20261122-120000").mkdir()
    (space / "PG_16_202307071").mkdir()
    assert restore_look.tablespaces(str(top / "17/main")) == (str(space / VERSION),)
    assert restore_look.tablespaces(str(top / "gone")) == ()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({}, "which no verification has found good"),
        ({"outcome": "failed", "text": "", "began": 300, "ended": 400}, "which no verification has found good"),
        ({"outcome": "done", "text": "", "began": 100, "ended": 150}, "made 1970-01-01T00:03:20Z, and the newest verification of 1970"),
        ({"outcome": "done", "text": "", "began": 199, "ended": 500}, "which is older"),
        ({"outcome": "done", "text": "", "began": 201, "ended": 500}, ""),
    ],
)
def test_a_set_is_verified_by_what_began_when_it_was_whole(
    record: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    (tmp_path / "axiomdb").mkdir()
    (tmp_path / "axiomdb" / "job-verify.json").write_text(json.dumps({"format": 1, "record": record}), encoding="utf-8")
    found = restore_look._unverified(HOME, planned(), 200.0)
    assert (said in found) if said else not found


def test_what_lies_in_a_location_of_the_set_is_of_the_clusters_version_alone(top: Path) -> None:
    space = top / "space-17-main"
    (space / f"{VERSION}.kept-20261122-120000").mkdir()
    (space / "PG_16_202307071").mkdir()
    assert restore_places.of_version(HOME, str(space)) == [str(space / VERSION)]
    assert restore_places.of_version(HOME, str(top / "gone")) == []


def test_a_linked_pg_wal_leads_to_its_end(top: Path) -> None:
    data = top / "17/main"
    (data / "pg_wal").mkdir()
    assert restore_wal.leads_to(str(data)) == ""
    (data / "pg_wal").rmdir()
    (top / "wal").symlink_to(top / "volume")
    (data / "pg_wal").symlink_to(top / "wal")
    assert restore_wal.leads_to(str(data)) == str(top / "volume")


@pytest.fixture
def seen_home(top: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Home]:
    """The cluster 17/main of that host, on a disk of its own, as it is when a recovery is planned."""
    there = {"/", str(top), str(top / "space-17-main")}
    repository = Repository(2, 0, "ok", databases=(Database(1, 7, "17"),))
    monkeypatch.setattr(host, "mounts", lambda: frozenset(there))
    monkeypatch.setattr(restore_look.repository, "look", lambda *_words: (repository,))
    monkeypatch.setattr(restore_look.scratch_look, "tablespaces", lambda *_words: [str(top / "space-17-main")])
    monkeypatch.setattr(state, "PAUSE", top / "pause.json")
    return lambda: restore_look.home_of("axiomdb", Cluster("17", "main"), "vps1", planned())


def test_the_mounts_above_the_data_are_remembered_when_a_recovery_begins(seen_home: Callable[[], Home], top: Path) -> None:
    assert seen_home().above == (str(top), str(top / "space-17-main"))


def test_so_are_those_of_a_tablespace_that_is_made_meanwhile(
    seen_home: Callable[[], Home], top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = replace(JOURNAL, home=seen_home())
    (top / "new" / VERSION).mkdir(parents=True)
    (top / "17/main/pg_tblspc" / "16500").symlink_to(top / "new")
    monkeypatch.setattr(host, "mounts", lambda: frozenset({str(top / "new")}))
    assert restore_look.as_stopped(journal).home.above == (str(top), str(top / "new"), str(top / "space-17-main"))
