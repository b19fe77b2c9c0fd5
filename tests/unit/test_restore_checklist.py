# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each line of the runbook's checklists has its result, and what was not asked for says by which variable it would be."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from _recovery import restore_checklist, restoring
from _recovery.restore_checklist import DONE, FAILED, OPEN, UNASKED, Hook, Line, Seen
from _recovery.restoring import Check, Clients, Journal
from test_restoring import HOME, JOURNAL, ORDER, planned

PLAN = asdict(planned())
ENDED = dict.fromkeys(restoring.PHASES, 1.0)
MIGRATIONS = Check("recent", "select * from _prisma_migrations", "x")
OVER = replace(
    JOURNAL,
    phase="",
    outcome=restoring.ACCEPTED,
    timeline=4,
    ended=ENDED,
    clients=Clients(("shop.service",), ("app",)),
    order=replace(ORDER, checks=(*ORDER.checks, MIGRATIONS)),
)
WATCHED = Seen(30, {"shop": ""})


def result(lines: list[Line], what: str) -> tuple[str, str]:
    return next((line.result, line.detail) for line in lines if what in line.what)


def before(**changes: object) -> list[Line]:
    return restore_checklist.before(replace(ORDER, **changes), HOME, PLAN, [], confirmed=True)


def after(journal: Journal = OVER, hooks: tuple[Hook, ...] = (Hook("status page", ""),), seen: Seen = WATCHED) -> list[Line]:
    return restore_checklist.after(journal, hooks, seen)


def test_the_lists_are_those_of_the_runbook() -> None:
    assert (len(before()), len(after())) == (7, 8)
    assert {line.result for line in after()} == {DONE}


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("restore point", (DONE, "name:before: repository 2, set 20261122-105951F, timeline 3")),
        ("target", (DONE, "in place, vps1/axiomdb; no branch is made")),
        ("availability", (DONE, "repository 2, set 20261122-105951F")),
        ("space", (DONE, "3 B needed at most, 4 B free")),
        ("stakeholders", (UNASKED, "restore_hooks_before")),
        ("reason", (DONE, "orders lost their keys")),
        ("beside production", (UNASKED, "restore_rehearse=true")),
    ],
)
def test_before(what: str, expected: tuple[str, str]) -> None:
    assert result(before(), what) == expected


def test_what_a_plan_leaves_open_or_has_against_it() -> None:
    lines = restore_checklist.before(replace(ORDER, reason=" "), HOME, {**PLAN, "free_bytes": 1}, [Hook("phone")], confirmed=False)
    assert result(lines, "target") == (OPEN, "restore_confirm=vps1/axiomdb")
    assert result(lines, "space") == (FAILED, "3 B needed at most, 1 B free")
    assert result(lines, "stakeholders") == (OPEN, "phone")
    assert result(lines, "reason") == (FAILED, "restore_reason")


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_recovery_that_moves_on_needs_no_room(confirmed: bool) -> None:
    moved = restore_checklist.before(ORDER, HOME, {**PLAN, "free_bytes": None}, [], confirmed=confirmed)
    assert result(moved, "space") == (DONE, "no room is needed: a recovery that was paused moves on, and nothing is restored")


@pytest.mark.parametrize(
    ("hooks", "expected"),
    [
        ((), (UNASKED, "restore_hooks_after")),
        ((Hook("page", ""), Hook("phone", "")), (DONE, "page, phone")),
        ((Hook("page", "exit code 3"), Hook("phone", "")), (FAILED, "page: exit code 3")),
        ((Hook("page"), Hook("phone")), (OPEN, "page, phone")),
    ],
)
def test_hooks(hooks: tuple[Hook, ...], expected: tuple[str, str]) -> None:
    assert result(after(hooks=hooks), "status page") == expected


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("connectivity", (DONE, "the server answers, on timeline 4")),
        ("table counts", (DONE, "orders")),
        ("health", (DONE, "shop.service, app in PgBouncer")),
        ("migrations", (DONE, "recent")),
        ("endpoints", (DONE, "shop")),
        ("error rates", (DONE, "30 minutes, nothing found")),
        ("outcome", (DONE, "/var/log/axiomdb/operations.jsonl")),
    ],
)
def test_after(what: str, expected: tuple[str, str]) -> None:
    assert result(after(), what) == expected


@pytest.mark.parametrize(
    ("what", "variable"),
    [
        ("table counts", "restore_checks"),
        ("health", "restore_services"),
        ("migrations", "restore_checks, with one that is named migrations"),
        ("endpoints", "restore_http_checks"),
        ("error rates", "restore_watch_minutes=30"),
    ],
)
def test_what_was_not_asked_for_says_how_it_would_be(what: str, variable: str) -> None:
    bare = replace(OVER, clients=None, order=replace(ORDER, checks=()))
    assert result(after(bare, seen=Seen()), what) == (UNASKED, variable)


def test_what_was_found() -> None:
    bad = Seen(30, {"shop": "Found 503"}, ("Found 503", "Found 2 deadlocks"))
    assert result(after(seen=bad), "endpoints") == (FAILED, "Found 503")
    assert result(after(seen=bad), "error rates") == (FAILED, "Found 2 deadlocks")
    assert result(after(seen=replace(bad, findings=("Found 503",))), "error rates") == (DONE, "30 minutes, nothing found")
    lost = replace(OVER, clients=Clients(("shop.service",), trouble=("Found shop.service dead",)))
    assert result(after(lost), "health") == (FAILED, "Found shop.service dead")


def test_a_recovery_that_went_back_has_not_been_one() -> None:
    trouble = "Found '9' for the check orders; expected '1'. Next: choose another target"
    ended = {restoring.SAVE: 1.0}
    lines = after(replace(OVER, outcome=restoring.RETURNED, ended=ended, trouble=trouble))
    assert result(lines, "connectivity") == (FAILED, f"not recovered, the old data serves again: {trouble}")
    assert result(lines, "table counts") == (FAILED, "orders")
    assert result(lines, "migrations") == (OPEN, "recent")
    assert result(lines, "outcome")[0] == DONE


def test_one_that_is_open_says_what_is_next() -> None:
    journal = replace(JOURNAL, phase=restoring.QUIET, clients=Clients(("shop.service",)))
    lines = after(journal, seen=Seen())
    assert result(lines, "connectivity") == (OPEN, "next: pauses the jobs, stops the server, and keeps it from starting at boot")
    assert result(lines, "health") == (OPEN, "not let in yet: shop.service")
    assert result(lines, "outcome") == (OPEN, restoring.go_on(journal))


def test_a_person_and_a_program_read_the_same() -> None:
    lines = [Line("Verify connectivity", DONE, "timeline 4"), Line("x", UNASKED)]
    assert restore_checklist.table("AFTER", lines) == [
        "  AFTER",
        "  done         Verify connectivity  timeline 4",
        "  not asked    x",
    ]
    assert restore_checklist.document("after", lines)[0] == {
        "list": "after",
        "what": "Verify connectivity",
        "result": "done",
        "detail": "timeline 4",
    }
