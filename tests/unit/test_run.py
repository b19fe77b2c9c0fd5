# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lock of pgBackRest is waited for while somebody holds it, and only then."""

from __future__ import annotations

import pytest
from _recovery import run
from _recovery.run import LOCK_HELD, Completed

HELD = "ERROR: [050]: unable to acquire lock on file '/tmp/pgbackrest/axiomdb-backup-1.lock': Resource temporarily unavailable"
CLOSED = "ERROR: [050]: unable to acquire lock on file '/tmp/pgbackrest/axiomdb-backup-1.lock': Permission denied"


@pytest.mark.parametrize(("said", "tries"), [(HELD, 3), (CLOSED, 1)])
def test_a_lock_that_nobody_holds_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, said: str, tries: int) -> None:
    answers = [Completed("pgbackrest backup", LOCK_HELD, "", said)] * 2 + [Completed("pgbackrest backup", 0, "", "")]
    tried = []
    monkeypatch.setattr(run, "pgbackrest", lambda *_words: tried.append(1) or answers[len(tried) - 1])
    monkeypatch.setattr(run.time, "sleep", lambda _seconds: None)
    done = run.pgbackrest_when_free("axiomdb", ["backup"])
    assert (len(tried), done.code) == (tries, 0 if tries == 3 else LOCK_HELD)


@pytest.mark.parametrize(("options", "levels"), [([], ["warn"]), (["--log-level-stderr=info"], ["info"])])
def test_messages_have_one_level(monkeypatch: pytest.MonkeyPatch, options: list[str], levels: list[str]) -> None:
    """pgBackRest refuses an option that is given twice."""
    seen: list[str] = []

    def take(words: list[str], user: str, **_others: object) -> Completed:
        seen.extend(words)
        return Completed("pgbackrest", 0, "", user)

    monkeypatch.setattr(run, "run", take)
    run.pgbackrest("axiomdb", ["verify"], options)
    assert [word.partition("=")[2] for word in seen if word.startswith("--log-level-stderr")] == levels


def test_a_command_that_was_killed_has_no_exit_code() -> None:
    found, step = run.meaning(Completed("pgbackrest restore", -9, "", ""))
    assert found == "it was ended by signal 9"
    assert step.startswith("journalctl -k -n 20")
