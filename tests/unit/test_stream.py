# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The output of a command in pieces: whole, in order, and never believed when the command failed."""

from __future__ import annotations

import sys

import pytest
from _recovery.run import PIECE, CommandFailed, run, stream


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_pieces_are_the_whole_output() -> None:
    pieces = list(stream(python("import sys; sys.stdout.write('0123456789\\n' * 300_000)")))
    assert b"".join(pieces) == b"0123456789\n" * 300_000
    assert max(map(len, pieces)) == PIECE


def test_a_command_that_fails_after_its_output_is_a_failure_with_its_words() -> None:
    pieces = []
    with pytest.raises(CommandFailed) as error:
        for piece in stream(python("import sys; print('half'); sys.stderr.write('ERROR: [055]: gone'); sys.exit(55)"), stanza="demo"):
            pieces.append(piece)
    assert pieces == [b"half\n"]
    assert "Found: a file is missing in the repository (ERROR: [055]: gone). Next: pgbackrest --stanza=demo info" in str(error.value)


def test_much_on_stderr_stops_nothing() -> None:
    pieces = list(stream(python("import sys; sys.stderr.write('x' * 1_000_000); print('done')")))
    assert pieces == [b"done\n"]


def test_a_command_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(CommandFailed) as error:
        list(stream(["axiomdb-no-such-command", "x"]))
    assert "axiomdb-no-such-command is not installed" in str(error.value)


def test_who_stops_reading_leaves_no_process() -> None:
    pieces = stream(python("import sys\nwhile True: sys.stdout.write('x' * 1_000_000)"))
    assert len(next(pieces)) == PIECE
    pieces.close()


def test_a_whole_answer_is_still_one_string() -> None:
    assert run(python("print('ä')")).stdout == "ä\n"
    assert run(["axiomdb-no-such-command"]).code == 127
    assert run(python("import time; time.sleep(60)"), timeout=0.2).code == 124
