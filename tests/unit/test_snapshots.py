# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Snapshots: what a name may be, what stands in the catalogue, and that no annotation forgets its repository."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from _recovery import repository, snapshots, survey
from _recovery.catalog import Backup, Database, Repository
from _recovery.problem import Refusal
from _recovery.run import Completed
from _recovery.snapshots import Request, Snapshot
from hypothesis import given
from hypothesis import strategies as st

STARTED = 1_795_500_000


def backup(label: str, annotations: dict[str, str] | None = None, *, database: int = 1, started: int = STARTED) -> Backup:
    return Backup(label, "full", database, started, started + 5, None, None, None, False, 1, 1, annotations or {})


def holding(number: int, *backups: Backup, databases: int = 1) -> Repository:
    known = tuple(Database(one, 7000 + one, "17") for one in range(1, databases + 1))
    return Repository(number, 0, "ok", databases=known, backups=backups)


SNAPSHOT = Snapshot("before", 1, "20261124-020001F", "0/5000098", 1, "2026-11-24T02:05:00Z", 'a "reason" = é')


@given(st.text(max_size=80))
def test_a_name_is_taken_by_postgresql_the_shell_and_pgbackrest_or_refused_in_one_sentence(name: str) -> None:
    problems = snapshots.judge(Request(name))
    if problems:
        assert len(problems) == 1
        assert problems[0].sentence().isprintable()
    else:
        assert name.isascii() and 0 < len(name) <= 63
        assert not set(name) & set(" '\"\\/;$`=&|<>(){}[]*?!#~%\n")


@pytest.mark.parametrize("name", ["pre-migration-v2.3", "pre-deploy-8f3c2a1", "pre-bulk-update-2026-11-24", "x", "x" * 63])
def test_the_names_of_the_manual_are_taken(name: str) -> None:
    assert snapshots.judge(Request(name, "why", {"branch": "main = 1"})) == []


def test_words_that_a_name_has_lost_are_refused() -> None:
    (problem,) = snapshots.judge(Request("pre", stray="migration"))
    assert problem.found == "'migration' after a value that ended before it"


def test_each_word_is_judged_for_itself() -> None:
    request = Request("", "one\ntwo", {"a=b": "x", "axiomdb-host": "x", "k" * 64: "x", "empty": "", "lines": "1\n2", "long": "x" * 1001})
    problems = snapshots.judge(request)
    assert len(problems) == 8
    assert max(len(problem.sentence()) for problem in problems) < 300


def test_an_entry_is_read_as_it_was_written() -> None:
    assert snapshots.found_in([holding(1, backup("20261124-020001F", snapshots.annotation(SNAPSHOT)))]) == [SNAPSHOT]


def test_a_name_is_known_in_every_repository_and_from_before_an_upgrade() -> None:
    entry = snapshots.annotation(SNAPSHOT)
    for known in (
        [holding(1), holding(2, backup("20261124-020001F", entry))],
        [holding(1, backup("20261124-020001F", entry), databases=2)],
    ):
        problem = snapshots.judge_unique("before", known)
        assert problem is not None
        assert problem.next_step == "choose another name, such as before-2"
        assert snapshots.judge_unique("after", known) is None


def test_a_longest_name_has_a_successor_that_is_not_too_long() -> None:
    long = "x" * 63
    entry = snapshots.annotation(Snapshot(long, 1, "20261124-020001F", "0/5000098", 1, "2026-11-24T02:05:00Z"))
    problem = snapshots.judge_unique(long, [holding(1, backup("20261124-020001F", entry))])
    assert problem is not None
    assert snapshots.judge(Request(problem.next_step.rpartition(" ")[2])) == []


@pytest.mark.parametrize(("made", "refused"), [({}, False), ({"x": STARTED - 1}, False), ({"x": STARTED}, True), ({"y": STARTED}, False)])
def test_a_restore_point_alone_has_a_name_that_the_wal_has_once_since_its_backup(made: dict[str, float], refused: bool) -> None:
    assert (snapshots.judge_point("x", made, [backup("20261124-020001F")]) is not None) == refused


def test_every_annotation_names_its_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Sequence[str]] = []

    def succeed(argv: Sequence[str], **_: Any) -> Completed:
        calls.append(argv)
        return Completed("", 0, "", "")

    monkeypatch.setattr("_recovery.run.run", succeed)
    repository.annotate("axiomdb", 2, "20261124-020001F", {"key": "value", "gone": ""})
    (argv,) = calls
    assert argv[-1] == "annotate"
    assert {"--repo=2", "--set=20261124-020001F", "--annotation=key=value", "--annotation=gone="} <= set(argv)


CONFIGURATION = """
[global]
repo1-path=/var/lib/pgbackrest
log-path=/var/log/[odd]

[shop]
pg1-path=/var/lib/postgresql/17/main

[shop:backup]
start-fast=y

[wiki]
pg1-port=5433
pg1-path=/var/lib/postgresql/17/wiki
"""


def test_a_stanza_that_the_host_does_not_have_is_refused_with_those_that_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pgbackrest.conf"
    monkeypatch.setattr(repository, "MAIN_FILE", file)
    survey.refuse_unknown_stanza("axiomdb")  # nothing is configured yet
    file.write_text(CONFIGURATION, encoding="utf-8")
    assert repository.stanzas() == ["shop", "wiki"]
    survey.refuse_unknown_stanza("wiki")
    expected = "^Found the stanza axiomdb; expected one of shop, wiki. Next: type the same command with -e pgbackrest_stanza=shop$"
    with pytest.raises(Refusal, match=expected):
        survey.refuse_unknown_stanza("axiomdb")
