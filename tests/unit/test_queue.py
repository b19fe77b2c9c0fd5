# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What waits for the archive, as it lies on the disk: it is counted whether a server answers or not, and while it changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from _recovery import picture, postgres
from _recovery.postgres import Cluster, NotAnswering, history_files, queue_of
from _recovery.provision import Archiver


@pytest.fixture
def places(tmp_path: Path) -> tuple[str, str, str]:
    """A data directory with two segments that wait, a spool with an error, and no lock."""
    status, out = tmp_path / "data" / "pg_wal" / "archive_status", tmp_path / "spool" / "archive" / "axiomdb" / "out"
    for directory in (status, out, tmp_path / "locks"):
        directory.mkdir(parents=True)
    for number, time in ((3, 1000), (4, 2000)):
        (status / f"00000001000000000000000{number}.ready").touch()
        os.utime(status / f"00000001000000000000000{number}.ready", (time, time))
    (status / "000000010000000000000002.done").touch()
    (out / "000000010000000000000003.error").write_text("82\nfull\n", encoding="utf-8")
    return str(tmp_path / "data"), str(tmp_path / "spool"), str(tmp_path / "locks")


def look(places: tuple[str, str, str]) -> Archiver:
    return queue_of(places[0], "axiomdb", *places[1:])


def test_what_waits_is_counted_with_the_age_of_the_oldest(places: tuple[str, str, str]) -> None:
    assert look(places) == Archiver(waiting=2, oldest_waiting=1000.0, spool_errors=("82\nfull",))


def test_the_histories_in_pg_wal_are_found_whether_a_server_answers_or_not(places: tuple[str, str, str]) -> None:
    assert history_files(places[0]) == history_files(f"{places[0]}/absent") == {}
    pg_wal = Path(places[0], "pg_wal")
    for name in ("00000002.history", "0000000A.history", "00000003.history.tmp", "xlogtemp.history", "000000010000000000000002"):
        (pg_wal / name).touch()
    assert history_files(places[0]) == {2: str(pg_wal / "00000002.history"), 10: str(pg_wal / "0000000A.history")}


def test_a_stop_is_seen(places: tuple[str, str, str]) -> None:
    Path(places[2], "axiomdb.stop").touch()
    assert look(places).stopped


def test_what_is_archived_under_the_eyes_of_the_look_waits_no_more(places: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: Path, *_arguments: object, **_options: object) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", gone)
    assert look(places).spool_errors == ()
    monkeypatch.undo()
    real = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **options: gone(path) if path.suffix == ".ready" else real(path, **options))
    assert look(places).waiting == 0


RETRIED = """\
2026-11-25 12:30:01.500 P01   INFO: pushed WAL file '000000010000000000000002' to the archive asynchronously
2026-11-25 12:30:02.500 P01   WARN: could not push WAL file '000000010000000000000003' to the archive (will be retried): \
[104] raised from local-1 shim protocol: archive-push command encountered error(s):
                                    repo3: [FileWriteError] unable to write '/mnt/backup/axiomdb/3': [28] No space left on device
2026-11-25 12:30:02.600 P00   INFO: archive-push:async command end: completed successfully (1000ms)
"""
LATER = "2026-11-25 12:31:02.600 P01   INFO: pushed WAL file '000000010000000000000003' to the archive asynchronously\n"
ANSWER = {
    "settings": {"archive_mode": "on", "archive_command": "pgbackrest --stanza=axiomdb archive-push %p", "archive_library": ""},
    "archiver": {"last_segment": "000000010000000000000002", "last_time": 1000.0, "last_failed_time": 2000.0},
}


@pytest.mark.parametrize(
    ("log", "failed", "fault"),
    [
        (RETRIED, 2000.0, "repository 3: [FileWriteError] unable to write '/mnt/backup/axiomdb/3': [28] No space left on device"),
        (RETRIED + LATER, 2000.0, ""),
        (RETRIED, 500.0, ""),
        ("", 2000.0, ""),
    ],
)
def test_while_it_is_tried_again_the_log_says_why(
    places: tuple[str, str, str], tmp_path: Path, log: str, failed: float, fault: str
) -> None:
    next(Path(places[1]).rglob("*.error")).unlink()
    (tmp_path / "axiomdb-archive-push-async.log").write_text(log, encoding="utf-8")
    answer = {**ANSWER, "data_directory": places[0], "archiver": {**ANSWER["archiver"], "last_failed_time": failed}}
    assert postgres.archiver_of(answer, "axiomdb", *places[1:], str(tmp_path)).fault == fault


def test_a_picture_without_a_server_has_what_waits(places: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_arguments: object) -> None:
        raise NotAnswering("no socket")

    monkeypatch.setattr(picture, "survey", silent)
    monkeypatch.setattr(picture, "queue_places", lambda: places[1:])
    monkeypatch.setattr(postgres.Cluster, "data_directory", places[0])
    seen = picture.take_picture("axiomdb", Cluster("17", "main"), "vps1", "ansible-playbook", 3000.0)
    assert (seen.server, seen.archiver.waiting, seen.archiver.oldest_waiting) == (None, 2, 1000.0)
    history = Path(places[0], "pg_wal", "00000002.history")
    history.touch()
    assert picture.take_picture("axiomdb", Cluster("17", "main"), "vps1", "ansible-playbook", 3000.0).histories == {2: str(history)}
