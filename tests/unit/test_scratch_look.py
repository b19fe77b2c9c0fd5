# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is looked at before a copy is made: the place with its links resolved, and whose directories are whose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from _recovery import repository, scratch_look
from _recovery.run import Completed

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture(autouse=True)
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with a linked tablespace, behind a link; a repository here, one in a store, one on another host."""
    directory = tmp_path / "really" / "main"
    (directory / "pg_tblspc").mkdir(parents=True)
    (tmp_path / "space").mkdir()
    (directory / "pg_tblspc" / "16400").symlink_to(tmp_path / "space")
    (tmp_path / "main").symlink_to(directory)
    options = {1: {"path": str(tmp_path / "backups")}, 2: {"type": "s3", "path": "/"}, 3: {"host": "elsewhere", "path": "/srv"}}
    monkeypatch.setattr(repository, "configured", lambda: options)
    monkeypatch.setattr(repository, "MAIN_FILE", tmp_path / "none")
    monkeypatch.setattr(scratch_look, "data_directories", lambda: [str(tmp_path / "main")])
    return tmp_path


def test_what_is_somebodys_is_known_by_its_real_place(live: Path) -> None:
    ground = scratch_look.ground_of(str(live / "copy"))
    assert set(ground.taken) == {str(live / name) for name in ("main", "really/main", "space", "backups")}


def test_only_the_last_part_of_a_path_is_made(live: Path) -> None:
    assert scratch_look.ground_of(str(live / "copy")).writable
    assert not scratch_look.ground_of(str(live / "none" / "copy")).writable


def test_a_link_or_a_file_in_the_place_is_no_empty_directory(live: Path) -> None:
    (live / "file").touch()
    (live / "nowhere").symlink_to(live / "gone")
    for name in ("file", "nowhere", "main"):
        assert scratch_look.ground_of(str(live / name)).entries != (), name
    (live / "empty").mkdir()
    ground = scratch_look.ground_of(str(live / "empty"))
    assert (ground.exists, ground.entries, ground.writable) == (True, (), True)


def test_links_of_a_restored_directory_are_followed_to_their_end(live: Path) -> None:
    data = live / "really" / "main"
    (data / "pg_wal").symlink_to(live / "backups")
    found = scratch_look.links(str(data))
    assert found == {str(data / "pg_tblspc" / "16400"): str(live / "space"), str(data / "pg_wal"): str(live / "backups")}


@pytest.mark.parametrize("version", ["2.45", "2.55.1", "2.60.0"])
def test_the_databases_of_a_set_are_those_that_pgbackrest_says(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = json.loads((RECORDED / version / "info-set.json").read_text(encoding="utf-8"))["stdout"]
    monkeypatch.setattr(scratch_look, "pgbackrest", lambda *_words: Completed("", 0, stdout, ""))
    assert scratch_look.databases("demo", 1, "20261122-105951F") == ("postgres",)
    monkeypatch.setattr(scratch_look, "pgbackrest", lambda *_words: Completed("", 0, "[]", ""))
    assert scratch_look.databases("demo", 1, "20261122-105951F") is None


@pytest.mark.parametrize("version", ["2.45", "2.55.1", "2.60.0"])
def test_the_tablespaces_of_a_set_are_those_that_pgbackrest_says(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.loads(json.loads((RECORDED / version / "info-set.json").read_text(encoding="utf-8"))["stdout"])
    monkeypatch.setattr(scratch_look, "pgbackrest", lambda *_words: Completed("", 0, json.dumps(document), ""))
    assert scratch_look.tablespaces("demo", 1, "20261122-105951F") == ()
    document[0]["backup"][0]["tablespace"] = [{"destination": "/srv/ts1", "name": "ts1", "oid": 25189}]
    assert scratch_look.tablespaces("demo", 1, "20261122-105951F") == ("/srv/ts1",)
