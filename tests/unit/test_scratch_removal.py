# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Scratch copies are taken away with everything that is theirs, and nothing else: also those whose maker was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import host, scratch_registry, scratch_removal
from _recovery.problem import Refusal
from _recovery.scratch import Layout
from _recovery.scratch_registry import Entry

ROOT = Path(__file__).resolve().parents[2]
# Enters a copy as its maker does, and is killed while it holds the lock.
_MAKER = """
import sys
from pathlib import Path
from _recovery import scratch_registry
scratch_registry.HOME = Path(sys.argv[1])
with scratch_registry.held(scratch_registry.parse(sys.stdin.readline())):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "home"
    monkeypatch.setattr(scratch_registry, "HOME", directory)
    return directory


def entry(directory: Path, name: str = "one", *, made: bool = True, mount: str = "") -> Entry:
    """An entry; the registry's directory is made."""
    scratch_registry.new_name("20261125-031534")
    return Entry(name, str(directory), "axiomdb", "17", "a test", 1_795_500_000.0, 4711, made, mount)


def fill(one: Entry, marker: str | None = None) -> None:
    """What a maker leaves: a marker, data, and a link to somebody's files."""
    layout = one.layout
    Path(layout.data, "base").mkdir(parents=True)
    Path(layout.data, "base", "1").write_text("rows", encoding="utf-8")
    Path(layout.marker).write_text(one.text if marker is None else marker, encoding="utf-8")


def leave(one: Entry) -> None:
    """Enter it, and hold nothing any more."""
    with scratch_registry.held(one):
        pass


@contextmanager
def maker(one: Entry, home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the copy's lock."""
    argv = [sys.executable, "-c", _MAKER, str(home)]
    env = {"PYTHONPATH": str(ROOT / "plugins" / "module_utils")}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(one.text.replace("\n", " ") + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_copy_that_is_being_made_is_left_alone_and_a_killed_makers_is_not(home: Path, tmp_path: Path) -> None:
    one = entry(tmp_path / "copy")
    fill(one)
    with maker(one, home) as process:
        assert scratch_removal.sweep() == [] and scratch_registry.is_held(one)
        with pytest.raises(Refusal, match="in use by process 4711"):
            scratch_removal.remove_by_name("one")
        process.kill()
        process.wait()
        assert len(scratch_removal.sweep()) == 1
    assert not Path(one.directory).exists() and scratch_registry.entries() == []
    assert scratch_removal.sweep() == []


def test_wal_that_a_killed_plan_had_fetched_goes_after_a_day(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch_removal.tempfile, "gettempdir", lambda: str(tmp_path))
    names = (".axiomdb-fetched-old", ".axiomdb-fetched-young", "axiomdb-2026")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "000000010000000000000001").touch()
    (tmp_path / ".axiomdb-fetched-link").symlink_to(tmp_path / "axiomdb-2026")
    for name in (".axiomdb-fetched-old", "axiomdb-2026"):
        os.utime(tmp_path / name, (1_795_500_000.0 - 86401,) * 2)
    monkeypatch.setattr(scratch_removal.time, "time", lambda: 1_795_500_000.0)
    os.utime(tmp_path / ".axiomdb-fetched-young", (1_795_500_000.0,) * 2)
    assert scratch_removal.sweep() == [f"removed {tmp_path}/.axiomdb-fetched-old, which somebody who was killed has left behind"]
    assert sorted(path.name for path in tmp_path.glob("*axiomdb*")) == [".axiomdb-fetched-link", ".axiomdb-fetched-young", "axiomdb-2026"]


def test_an_entry_that_was_never_whole_goes_when_its_maker_is_dead(home: Path) -> None:
    home.mkdir(exist_ok=True)
    alive, dead = home / f".20261122-120000-{os.getpid()}.new", home / ".20261122-120000-99999999-2.new"
    for file in (alive, dead):
        file.write_text("half", encoding="utf-8")
    scratch_removal.sweep()
    assert list(home.iterdir()) == [alive]


def test_a_kept_copy_stays_until_it_is_removed_by_name(home: Path, tmp_path: Path) -> None:
    one = entry(tmp_path / "copy")
    fill(one)
    with scratch_registry.held(one):
        scratch_registry.keep(one)
    assert scratch_removal.sweep() == [] and [found.kept for found in scratch_registry.entries()] == [True]
    scratch_removal.remove_by_name("one")
    assert not Path(one.directory).exists() and list(home.iterdir()) == []
    with pytest.raises(Refusal, match="no scratch copy one"):
        scratch_removal.remove_by_name("one")


def test_files_behind_a_link_are_not_the_copys(home: Path, tmp_path: Path) -> None:
    one, live = entry(tmp_path / "copy"), tmp_path / "live"
    fill(one)
    live.mkdir()
    (live / "table").write_text("rows", encoding="utf-8")
    for path in (Path(one.directory, "link"), Path(one.layout.data, "pg_tblspc")):
        path.symlink_to(live)
    leave(one)
    scratch_removal.sweep()
    assert not Path(one.directory).exists() and (live / "table").read_text(encoding="utf-8") == "rows"


@pytest.mark.parametrize("marker", ["", "{}", '{"format": 2}', "of another copy"])
def test_a_directory_without_our_marker_is_somebodys(home: Path, tmp_path: Path, marker: str) -> None:
    one = entry(tmp_path / "copy")
    fill(one, marker.replace("of another copy", replace(one, name="two").text))
    leave(one)
    scratch_removal.sweep()
    assert Path(one.layout.data, "base", "1").exists() and scratch_registry.entries() == []


@pytest.mark.parametrize("left", ["nothing", "an empty directory", "half a marker"])
def test_a_maker_killed_at_its_first_steps_leaves_nothing(home: Path, tmp_path: Path, left: str) -> None:
    one = entry(tmp_path / "copy")
    if left != "nothing":
        Path(one.directory).mkdir()
    if left == "half a marker":
        Path(one.layout.new_marker).write_text("{", encoding="utf-8")
    leave(one)
    scratch_removal.sweep()
    assert not Path(one.directory).exists() and scratch_registry.entries() == []


def test_a_directory_that_was_there_stays_and_is_empty(home: Path, tmp_path: Path) -> None:
    one = entry(tmp_path / "copy", made=False)
    fill(one)
    leave(one)
    scratch_removal.sweep()
    assert list(Path(one.directory).iterdir()) == []


def test_a_removal_that_was_killed_is_carried_on(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = entry(tmp_path / "copy")
    fill(one)
    leave(one)

    def killed(path: Path) -> None:
        raise OSError(5, "killed", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        assert "is not removed" in scratch_removal.sweep()[0]
    assert len(scratch_removal.sweep()) == 1
    assert not Path(one.directory).exists()


def test_an_entry_that_cannot_be_read_stands_for_the_directory_of_its_name(home: Path) -> None:
    one = entry(home / "one")
    fill(one, marker="")
    (home / "one.json").write_text("", encoding="utf-8")
    scratch_removal.sweep()
    assert list(home.iterdir()) == []


def test_a_copy_on_a_filesystem_that_is_not_mounted_waits_for_it(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = entry(tmp_path / "copy", mount=str(tmp_path))
    fill(one)
    leave(one)
    assert scratch_removal.sweep() == [] and len(scratch_registry.entries()) == 1
    with pytest.raises(Refusal, match="nothing mounted on"):
        scratch_removal.remove_by_name("one")
    monkeypatch.setattr(host, "mounted", lambda point: point == str(tmp_path))
    assert len(scratch_removal.sweep()) == 1 and not Path(one.directory).exists()


def test_its_processes_end_first_and_nobody_elses(home: Path, tmp_path: Path) -> None:
    one = entry(tmp_path / "copy")
    fill(one)
    leave(one)
    stubborn = "import signal, sys; [signal.signal(n, signal.SIG_IGN) for n in (3, 15)]; print(1, flush=True); sys.stdin.read()"

    def start(*words: str) -> subprocess.Popen[bytes]:
        argv = ["postgres", "-c", stubborn, *words]
        return subprocess.Popen(argv, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    with start("-D", one.layout.data) as ours, start("-D", one.layout.data + "-2") as other:
        for process in (ours, other):
            assert process.stdout is not None and process.stdout.readline() == b"1\n"
        scratch_removal.sweep()
        assert ours.wait(30) == -9 and other.poll() is None
        other.kill()


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (["/usr/lib/postgresql/17/bin/postgres", "-D", "/x/data", "-c", "config_file=/x/postgresql.conf"], True),
        (["postgres: axiomdb-scratch-one: startup recovering 000000010000000000000007"], True),
        (["pgbackrest", "--stanza=s", "--pg1-path=/x/data", "restore"], True),
        (["/usr/bin/pgbackrest", "--pg1-path=/x/data", "archive-get", "000000010000000000000007", "pg_wal/RECOVERYXLOG"], True),
        (["/usr/lib/postgresql/17/bin/postgres", "-D", "/var/lib/postgresql/17/main"], False),
        (["postgres: axiomdb-scratch-one-2: startup recovering 000000010000000000000007"], False),
        (["postgres: 17/main: checkpointer "], False),
        (["ls", "/x/data"], False),
        (["pgbackrest", "--stanza=s", "restore"], False),
    ],
)
def test_a_command_line_says_whose_it_is(words: list[str], ours: bool) -> None:
    assert scratch_removal.is_ours(Layout("one", "/x"), words) is ours


def test_names_are_never_given_twice(home: Path) -> None:
    names = []
    for _copy in range(3):
        names.append(scratch_registry.new_name("20261125-031534"))
        (home / f"{names[-1]}.json").touch()
    assert len(set(names)) == 3 and (home.stat().st_mode & 0o777) == 0o700
