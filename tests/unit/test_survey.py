# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a look at the repositories shows of other writers, and what a host that took the place of another still needs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import backup, repository
from _recovery.catalog import unreadable
from _recovery.picture import other_writers
from _recovery.provision import Archiver
from _recovery.run import Completed
from _recovery.survey import Survey
from _recovery.writer import Evidence
from test_writer import ARCHIVE, BACKUP, OTHER_NOTES, REPOSITORY, SERVER, listing

RECORDED = Path(__file__).parent / "recorded"
BEHIND = listing("000000010000000000000009")


def seen(*evidence: Evidence, standby: bool = False) -> Survey:
    return Survey(SERVER, Archiver(), evidence, {"in_recovery": standby})


def test_another_writer_is_named_with_its_repository() -> None:
    second = Evidence(replace(REPOSITORY, number=2), BEHIND)
    (found,) = other_writers(seen(Evidence(REPOSITORY, ARCHIVE), second)).items()
    assert found[0] == 2
    assert found[1].startswith("another server writes to this stanza (axiomdb in repository 2): its archive has the WAL segment")
    assert "; expected none from 000000010000000000000005 on" in found[1]


def test_a_repository_that_cannot_be_read_shows_no_writer() -> None:
    assert other_writers(seen(Evidence(unreadable(1, "access was denied"), BEHIND))) == {}


def test_on_a_standby_another_one_writes() -> None:
    assert other_writers(seen(Evidence(REPOSITORY, BEHIND), standby=True)) == {}


def test_who_takes_the_place_of_another_gets_a_backup_of_its_own() -> None:
    theirs = replace(REPOSITORY, backups=(replace(BACKUP, annotations=OTHER_NOTES),))
    both = seen(Evidence(REPOSITORY, ARCHIVE), Evidence(replace(theirs, number=2), ARCHIVE))
    assert backup.due(both, only_if_missing=True) == (2,)
    assert backup.due(both, only_if_missing=False) == (1, 2)


@pytest.mark.parametrize("timeline", [1, 2])
def test_arrivals_are_read_only_where_a_timeline_was_left(timeline: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def pgbackrest(_stanza: str, command: list[str], _options: list[str]) -> Completed:
        asked.append(command[-1])
        if command[0] == "repo-get":
            return Completed("repo-get", 0, "1\t0/3000000\tno recovery target specified\n", "")
        case = "archive-id" if command[-1].endswith("17-1") else "archive-timeline"
        return Completed("repo-ls", 0, json.loads((RECORDED / "2.55.1" / f"repo-ls-{case}.json").read_text("utf-8"))["stdout"], "")

    monkeypatch.setattr(repository, "pgbackrest", pgbackrest)
    monkeypatch.setattr(repository, "without_lost_backups", lambda _stanza, found: found)
    found = repository.evidence_of("demo", REPOSITORY, timeline)
    inner = "archive/demo/17-1/0000000100000000"
    assert (found.history is not None, "00000002.history" in found.arrived) == (timeline == 2, timeline == 2)
    assert asked.count(inner) == 1, "that of the other timeline, or the server's own"
