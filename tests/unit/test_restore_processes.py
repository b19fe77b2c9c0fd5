# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is ended before a restore is one that writes to the very data directory, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import repository, restore_processes
from test_restoring import JOURNAL

DATA = "/var/lib/postgresql/17/main"
ASLEEP = "print(1, flush=True); import sys; sys.stdin.read()"


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host's own configuration."""
    file = tmp_path / "pgbackrest.conf"
    file.write_text(f"[global]\nrepo1-path=/r\n\n[axiomdb]\npg1-path={DATA}\n\n[other]\npg1-path=/other\n", encoding="utf-8")
    monkeypatch.setattr(repository, "MAIN_FILE", file)
    (tmp_path / "own.conf").write_text("[axiomdb]\npg1-path=/elsewhere\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("words", "environment", "directory"),
    [
        ((f"--pg1-path={DATA}",), {}, DATA),
        (("--pg1-path=/copy",), {}, "/copy"),
        (("--pg1-path=/copy", f"--pg1-path={DATA}/"), {}, DATA),
        ((), {}, DATA),
        ((), {"PGBACKREST_PG1_PATH": "/copy"}, "/copy"),
        ((), {"PGBACKREST_CONFIG_PATH": "/etc/other"}, ""),
        (("--config-path=/etc/other",), {}, ""),
        (("--no-config",), {}, ""),
        (("--config={top}/own.conf",), {}, "/elsewhere"),
        ((), {"PGBACKREST_CONFIG": "{top}/own.conf"}, "/elsewhere"),
        (("--config={top}/none.conf",), {}, ""),
    ],
)
def test_where_a_restore_writes(words: tuple[str, ...], environment: dict[str, str], directory: str, configuration: Path) -> None:
    top = str(configuration.parent)
    line = ["pgbackrest", "--stanza=axiomdb", *(word.replace("{top}", top) for word in words), "restore"]
    known = {name: value.replace("{top}", top) for name, value in environment.items()}
    assert restore_processes.directory_of(line, known) == directory


@pytest.mark.parametrize(
    ("words", "is_one"),
    [
        (["/usr/bin/pgbackrest", "--stanza=axiomdb", "restore"], True),
        (["pgbackrest", "--stanza=axiomdb", "--process=1", "restore:local"], True),
        (["pgbackrest", "--stanza=axiomdb", "archive-get", "x", "y"], False),
        (["pgbackrest", "--stanza=other", "restore"], False),
        (["less", "--stanza=axiomdb", "restore"], False),
    ],
)
def test_what_a_restore_is(words: list[str], is_one: bool) -> None:
    assert restore_processes.is_restore(words, "axiomdb") == is_one


@contextmanager
def at_work(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is called as a restore."""
    argv = ["pgbackrest", "-c", ASLEEP, "--stanza=axiomdb", *words, "restore"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PGBACKREST_")}
    with subprocess.Popen(argv, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"1\n"
            yield process
        finally:
            process.kill()


def test_only_a_restore_into_the_data_directory_is_ended(tmp_path: Path, configuration: Path) -> None:
    data = tmp_path / "data"
    journal = replace(JOURNAL, home=replace(JOURNAL.home, directory=str(data)))
    with ExitStack() as stack:
        ours = stack.enter_context(at_work(f"--pg1-path={data}"))
        others = [stack.enter_context(at_work(*words)) for words in ((f"--pg1-path={data}-2",), (), ("--config=/none",))]
        restore_processes.end_restores(journal)
        assert ours.wait(30) == -15
        assert [process.poll() for process in others] == [None, None, None]
