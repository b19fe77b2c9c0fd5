# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is judged of a drill before anything is made: its form, and what there is to be meant."""

from __future__ import annotations

from dataclasses import replace

import pytest
from _recovery import drill_choice
from _recovery.catalog import Repository, unreadable
from _recovery.drill import NEWEST, OLDEST, RANDOM, SITE, Order
from _recovery.target import parse
from _recovery.wal import Lsn
from archives import HERE, NEW, OLD, Scene

ABSENT = "20200101-000000F"


# --- by its form alone -------------------------------------------------------------------------------------------------

FORMS = {
    "tme:2026-11-22T11:30:00Z": "Found the target 'tme:2026-11-22T11:30:00Z'; expected newest, oldest, random, one of latest, immediate, ",
    "newst": "Found the target 'newst'; expected newest, oldest, random, one of latest, ",
    "time:yesterday": "Found the time 'yesterday'; expected an ISO 8601 time with an offset or Z. Next: type one such as time:",
    "lsn:here": "Found the LSN 'here'; expected two hexadecimal numbers with a slash between them. Next: type one such as lsn:0/3000050",
    "backup:newest": "Found the backup 'newest'; expected the label of a backup set",
}


@pytest.mark.parametrize("text", FORMS)
@pytest.mark.parametrize("kind", ["copy", SITE])
def test_a_target_that_cannot_be_read_is_refused_before_anything_is_looked_at(text: str, kind: str) -> None:
    (problem,) = drill_choice.judge(Order(text, kind=kind))  # of a site: before its host is provisioned
    assert problem.sentence().startswith(FORMS[text])


def test_a_set_that_is_no_label_is_refused_too() -> None:
    (problem,) = drill_choice.judge(Order(label="newest", kind=SITE))  # before its host is provisioned
    assert problem.found == "the set 'newest'" and "20261122-020001F" in problem.expected
    assert drill_choice.judge(Order(label="newest")) == []  # it is looked for, and those that are there are named
    assert drill_choice.judge_label(Order(label="newest"), (Scene(backups=()).outlook(),)) == problem
    for text in (NEWEST, OLDEST, RANDOM, "latest", "name:pre-migration", f"xid:1234,backup:{OLD.label}"):
        assert drill_choice.judge(Order(text, OLD.label)) == []


# --- by what there is --------------------------------------------------------------------------------------------------


def test_a_repository_that_is_not_there_is_refused_with_those_that_are() -> None:
    problem = drill_choice.judge_repository(Order(repository=7), {1: {}, 2: {}})
    assert problem is not None and problem.sentence() == (
        "Found no repository 7 on this host; expected one of 1, 2. Next: correct drill_repository, or --repository"
    )
    assert drill_choice.judge_repository(Order(repository=2), {1: {}, 2: {}}) is None
    assert drill_choice.judge_repository(Order(), {1: {}}) is None


@pytest.mark.parametrize(
    ("order", "typed"),
    [
        (Order(label=ABSENT), f"drill_set={OLD.label}, or --set={OLD.label}"),
        (Order(label="nope"), f"drill_set={NEW.label}, or --set={NEW.label}"),
        (Order(f"backup:{ABSENT}"), f"backup:{OLD.label}"),
        (Order(f"xid:1200,backup:{ABSENT}"), f"backup:{OLD.label}"),
    ],
)
def test_a_set_that_is_not_there_is_refused_with_those_that_are(order: Order, typed: str) -> None:
    problem = drill_choice.judge_label(order, (Scene().outlook(),))
    wrong = "nope" if order.label == "nope" else ABSENT
    assert problem is not None and problem.sentence() == (
        f"Found no set {wrong} in repository 1; expected one of {OLD.label}, {NEW.label}. Next: type the same with {typed}"
    )


def test_a_set_that_is_lost_or_that_nobody_can_look_for_is_not_called_mistyped() -> None:
    lost = Scene(backups=(replace(OLD, error=True, lost=True), NEW)).outlook()
    blind = replace(Scene().outlook(2), repository=unreadable(2, "the passphrase does not open the repository"))
    nothing = Scene(backups=()).outlook()
    assert drill_choice.judge_label(Order(label=OLD.label), (lost,)) is None
    for outlooks in ((Scene().outlook(), blind), (nothing,)):
        assert drill_choice.judge_label(Order(label=ABSENT), outlooks) is None
        assert not drill_choice.is_mistyped(parse("time:2020-01-01T00:00:00Z"), outlooks, (), HERE)


@pytest.mark.parametrize(
    ("text", "mistyped"),
    [
        ("time:2026-11-22T09:59:59Z", True),  # before the first set
        ("time:2026-11-22T10:30:00Z", False),
        ("time:2026-11-22T13:00:00Z", True),  # in the future
        ("before-time:2026-11-22T13:00:00Z", True),
        ("lsn:0/3000000", True),
        ("lsn:0/5000000", False),
        ("name:pre-migration", False),
        ("name:pre-migratoin", True),
        ("latest,timeline:9", True),
        ("latest,timeline:1", False),
        ("xid:5", False),  # nobody says which there were
    ],
)
def test_what_was_there_and_is_lost_is_told_apart_from_what_never_was(text: str, mistyped: bool) -> None:
    scene = Scene()
    assert drill_choice.is_mistyped(parse(text), (scene.outlook(),), scene.snapshots, HERE) == mistyped


def test_an_lsn_behind_the_one_at_which_the_server_writes_never_was() -> None:
    writes = replace(HERE, lsn=Lsn.parse("0/A000000"))
    assert drill_choice.is_mistyped(parse("lsn:0/B000000"), (Scene().outlook(),), (), writes)
    assert not drill_choice.is_mistyped(parse("lsn:0/9800000"), (Scene().outlook(),), (), writes)


def test_a_set_that_no_repository_has_is_refused_with_those_of_the_one_that_was_named() -> None:
    newer = Scene(backups=(NEW,)).outlook(2)
    problem = drill_choice.judge_label(Order(label=ABSENT, repository=2), (Scene().outlook(), newer))
    assert problem is not None and problem.sentence() == (
        f"Found no set {ABSENT} in repository 1, 2; expected one of {NEW.label}. "
        f"Next: type the same with drill_set={NEW.label}, or --set={NEW.label}"
    )
    assert drill_choice.judge_label(Order(label=ABSENT, repository=2), (Scene().outlook(), Scene(backups=()).outlook(2))) is None


def test_the_catalogue_of_an_older_cluster_is_none_of_this_one() -> None:
    found = Scene().outlook()
    other: Repository = replace(found.repository, databases=(*found.repository.databases, replace(found.repository.databases[0], number=2)))
    assert drill_choice.judge_label(Order(label=ABSENT), (replace(found, repository=other),)) is None
