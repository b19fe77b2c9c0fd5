# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The archiver's locks: nobody pushes beside it, and what was started to push holds them until it has ended."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from _recovery import archive_lock

NAMES = ("axiomdb-archive-1.lock", "axiomdb-archive-2.lock")


def _never(_seconds: float) -> bool:
    return False


@contextmanager
def _another(file: Path) -> Iterator[int]:
    """Somebody else holds one of them."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, b"4711\n")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_free(file: Path) -> bool:
    descriptor = os.open(file, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def test_all_of_them_are_held_and_given_back(tmp_path: Path) -> None:
    directory = tmp_path / "pgbackrest"
    with archive_lock.held(str(directory), NAMES, _never) as taken:
        assert len(taken) == 2
        assert [_is_free(directory / name) for name in NAMES] == [False, False]
    assert [_is_free(directory / name) for name in NAMES] == [True, True]


@pytest.mark.parametrize("held", NAMES)
def test_none_is_held_where_one_is_not_free(tmp_path: Path, held: str) -> None:
    (free,) = set(NAMES) - {held}
    (tmp_path / free).touch()
    with _another(tmp_path / held), archive_lock.held(str(tmp_path), NAMES, _never) as taken:
        assert taken == ()
        assert _is_free(tmp_path / free)
    assert (tmp_path / held).read_text() == "4711\n"


def test_it_is_waited_for_as_long_as_there_is_time(tmp_path: Path) -> None:
    asked = []
    with _another(tmp_path / NAMES[0]) as other:

        def goes_on(seconds: float) -> bool:
            asked.append(seconds)
            if len(asked) == 3:
                fcntl.flock(other, fcntl.LOCK_UN)
            return True

        with archive_lock.held(str(tmp_path), NAMES, goes_on) as taken:
            assert (len(taken), asked) == (2, [archive_lock.LOOK] * 3)


def test_a_file_that_its_holder_has_removed_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pgBackRest removes the file, then gives the lock back. The next one makes another file of that name."""
    really = fcntl.flock

    def replaced(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", really)
        (tmp_path / NAMES[0]).unlink()
        (tmp_path / NAMES[0]).touch()
        really(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", replaced)
    with archive_lock.held(str(tmp_path), NAMES[:1], _never) as taken:
        assert taken == ()


def test_what_a_dead_holder_wrote_is_not_ours(tmp_path: Path) -> None:
    """`pgbackrest stop --force` ends the process whose number stands in a lock that is held."""
    (tmp_path / NAMES[0]).write_text("4711\n")
    with archive_lock.held(str(tmp_path), NAMES[:1], _never):
        assert (tmp_path / NAMES[0]).read_text() == ""


def test_a_child_holds_them_until_it_has_ended(tmp_path: Path) -> None:
    with archive_lock.held(str(tmp_path), NAMES, _never) as taken:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=taken)
    assert [_is_free(tmp_path / name) for name in NAMES] == [False, False]
    child.communicate(b"\n")
    assert [_is_free(tmp_path / name) for name in NAMES] == [True, True]


def test_a_directory_of_somebody_else_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with archive_lock.held(str(tmp_path / "file"), NAMES, _never) as taken:
        assert taken == ()
