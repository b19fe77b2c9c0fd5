# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must not become a snapshot: each is told in one sentence and leaves nothing half-made; and several snapshots at once."""

from __future__ import annotations

import json

import pytest
from converged import Converged
from naming import KNOWN, WORDS, Marks, Played, play

pytestmark = pytest.mark.tier("torture")

TAKEN = "expected a name that does not exist yet. Next: choose another name, such as {}-2"
ARCHIVED = "each WAL segment to reach each repository"


@pytest.fixture(scope="module")
def played(converged: Converged) -> Played:
    """The story, told once."""
    return play(converged)


def new_entries(marks: tuple[Marks, Marks]) -> dict[int, set[str]]:
    """The names that a step added to each catalogue."""
    return {number: marks[1].entries[number].keys() - marks[0].entries[number].keys() for number in (1, 2)}


def test_the_result_is_the_target_as_text_and_in_json(played: Played) -> None:
    shown = played.known.stdout.partition("TASK [Show it]")[2].partition("=> ")[2]
    result = json.JSONDecoder().raw_decode(shown)[0]["taken"]
    assert result["target"] == f"name:{KNOWN}"
    assert [(entry["name"], entry["repository"], entry["reason"]) for entry in result["snapshots"]] == [
        (KNOWN, 1, "it is = 'known'"),
        (KNOWN, 2, "it is = 'known'"),
    ]
    assert played.troubles["never-arrives with-backup"][1] == "axiomdb: done: name:never-arrives"


@pytest.mark.parametrize("name", WORDS)
def test_words_are_refused_in_one_sentence(played: Played, name: str) -> None:
    message = played.said(played.words, name)
    expected = WORDS[name][1]
    assert message.startswith(f"REFUSED, this step wrote nothing. {expected}")
    assert message.count("; expected ") == message.count("Next: ") == 1
    assert len(message) < 300


def test_a_name_that_is_known_is_refused_in_whichever_repository(played: Played) -> None:
    assert TAKEN.format(KNOWN) in played.said(played.words, "known")


def test_refused_words_leave_everything_as_it_was(played: Played) -> None:
    assert played.words.changed == 0
    assert played.words.rc != 0
    before, after = played.marks["words"]
    assert before == after


def test_check_mode_judges_and_makes_nothing(played: Played) -> None:
    assert played.checked.recap[f"{played.host.name}-fresh"].changed == 1
    assert TAKEN.format(KNOWN) in played.said(played.checked, "known")
    before, after = played.marks["checked"]
    assert before == after


def test_of_two_with_one_name_exactly_one_wins(played: Played) -> None:
    said = [played.said(played.together, name) for name in ("one", "other")]
    assert said.count("") == 1
    assert TAKEN.format("twice") in "".join(said)
    assert played.marks["together"][1].points.count("twice") == 1


def test_different_names_at_once_are_all_taken(played: Played) -> None:
    assert [played.said(played.together, name) for name in ("left", "right")] == ["", ""]
    assert new_entries(played.marks["together"]) == {1: {"twice", "left", "right"}, 2: {"twice", "left", "right"}}
    assert set(played.together.recap) == {f"{played.host.name}-{name}" for name in ("one", "other", "left", "right")}


def test_a_running_backup_is_waited_for(played: Played) -> None:
    before, after = played.marks["together"]
    (by_hand,) = [label for repository, label in after.backups.keys() - before.backups.keys() if repository == 1 and label.endswith("F")]
    ended = after.backups[1, by_hand]
    assert ended >= played.waited_until
    assert {name: played.finished[name] >= ended for name in ("twice", "left", "right")} == {"twice": True, "left": True, "right": True}


def test_a_restore_point_alone_belongs_to_the_newest_set(played: Played) -> None:
    before, after = played.marks["together"]
    taken = [len({label for number, label in {*after.backups} - {*before.backups} if number == repository}) for repository in (1, 2)]
    assert taken == [2, 1]  # the one by hand, and that of the snapshot with a backup
    labels = {label for _repository, label in after.backups}
    assert {entry["label"] for entry in after.entries[1].values()} <= labels


def test_a_copy_of_a_restore_point_alone_has_the_rows_of_that_moment(played: Played) -> None:
    assert played.copied == [played.rows, "id", "note"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unreadable", ("Found repository 2 ", "expected ", "Next: ")),
        ("not-pushed", ("Found archive_command is 'false' on ", "expected a server that archives each WAL segment with pgBackRest. ")),
        ("push-fails", ("Found that archiving fails; expected ", ARCHIVED, "Next: tail /var/log/")),
        ("never-arrives alone", ("Found a restore point never-arrives since ", "Next: choose another name, such as never-arrives-2")),
        ("no-set", ("Found no usable backup in repository 2; expected ", "with snapshot_backup=true")),
        ("standby", ("is a standby; expected a primary. Next: take the backup of axiomdb on the primary",)),
    ],
)  # fmt: skip
def test_a_moment_that_cannot_be_named_is_refused(played: Played, name: str, words: tuple[str, ...]) -> None:
    rc, text = played.troubles[name]
    assert rc == 1
    assert text.startswith("axiomdb: failed: Found ")
    for expected in words:
        assert expected in text
    before, after = played.marks[name]
    assert (before.points, before.entries, before.backups) == (after.points, after.entries, after.backups)


def test_a_segment_that_does_not_arrive_gives_no_entry(played: Played) -> None:
    rc, text = played.troubles["never-arrives"]
    assert rc != 0
    assert text.startswith("FAILED. Found the WAL segment 0000000")
    assert "not in repository 2 after 15 s; expected it there; a restore point exists in the WAL alone, no catalogue has an entry" in text
    before, after = played.marks["never-arrives"]
    assert after.points == [*before.points, "never-arrives"]
    assert (before.entries, before.backups) == (after.entries, after.backups)
    # A backup that begins later has the name once.
    assert played.troubles["never-arrives with-backup"] == (0, "axiomdb: done: name:never-arrives")
    assert new_entries(played.marks["never-arrives with-backup"]) == {1: {"never-arrives"}, 2: {"never-arrives"}}


def test_an_entry_is_in_every_repository_or_in_none(played: Played) -> None:
    rc, text = played.troubles["half"]
    assert rc == 1
    assert "--repo=2" in text
    before, after = played.marks["half"]
    assert (before.entries, before.backups) == (after.entries, after.backups)
