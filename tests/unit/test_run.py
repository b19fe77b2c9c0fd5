# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lock of pgBackRest is waited for while somebody holds it, and only then."""

from __future__ import annotations

import pytest
from _recovery import confine, run
from _recovery.run import LOCK_HELD, CommandFailed, Completed

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


BACKUP = "pgbackrest --stanza=axiomdb --log-level-console=off backup --type=full"
VERIFY = "ansible-playbook -i inventory playbooks/verify.yml"


@pytest.mark.parametrize(
    ("code", "said", "found", "step"),
    [
        (29, "[029]: zlib threw error: [-3] data error", "bytes that do not unpack; expected those that were written", VERIFY),
        (29, "[029]: zst error: [-20] Data corruption detected", "bytes that do not unpack; expected those that were written", VERIFY),
        (
            29,
            "[029]: unable to load info file '/x'",
            "an info file that says nothing; expected one that",
            "to see another cipher_pass: ansible-playbook -i inventory playbooks/site.yml --check --diff",
        ),
        (29, "[029]: automatic backup set selection cannot be performed with provided time '2026'", "a time that", "help restore target"),
        (29, "[029]: value 'x' is not valid", "something that is not in its format; expected what pgBackRest can read", VERIFY),
        (32, "[032]: '10' is out of range for 'compress-level' option", "a value that is not allowed", "help backup compress-level"),
        (31, "[031]: option 'repo1-block' is not valid without option 'beta'", "an option that is not", "help backup repo-block"),
        (37, "[037]: backup command requires option: stanza", "no value of a required option; expected one", "help backup"),
    ],
)
def test_a_message_names_what_was_found_and_expected_and_what_to_type(code: int, said: str, found: str, step: str) -> None:
    with pytest.raises(CommandFailed) as failed:
        run.require(Completed(BACKUP, code, "", f"ERROR: {said}"), "axiomdb")
    told = str(failed.value)
    assert told.startswith(f"Attempted: {BACKUP}. Found: {found}")
    assert f"(ERROR: {said}). Next: " in told
    assert "; expected " in told
    assert told.endswith(step)


@pytest.mark.parametrize("words", [("", 0), ("TERM", 0), ("QUIT", 1 << 20)])
def test_a_command_is_told_as_a_person_types_it(words: tuple[str, int]) -> None:
    assert run.typed([*confine.calm(*words), "pgbackrest", "restore"]) == "pgbackrest restore"
    assert run.run([*confine.calm(*words), "false"]).attempted == "false"
    assert run.typed(["nice", "pgbackrest"]) == "nice pgbackrest"
