# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drills compared and told: what got worse in a quarter, when the next one is due, and the report's three forms."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from _recovery import drill, drill_document, drill_history, drill_report, drill_reports, drill_run, state
from _recovery.drill import Drill, Measured, Order
from _recovery.drill_history import DAY, Last
from _recovery.drill_objective import Objective
from _recovery.jobs import Settings, Stanza, render_settings
from archives import NOW
from drilled import ended

QUARTER = 91 * DAY


def told(one: Drill, **more: Any) -> dict[str, Any]:
    """A report as it is read again from its file."""
    document: dict[str, Any] = json.loads(json.dumps({**drill_document.document(one), **more}))
    return document


FIRST = told(ended(NOW - QUARTER, took={"restore": 40000}, measured=Measured(10 << 30, 1 << 28, NOW, NOW, 30.0)))
SECOND = ended(
    NOW,
    took={"restore": 90000, "start": 3000},
    failed={"amcheck": "Found a corrupt btree index; expected none. Next: reindex"},
    measured=Measured(10 << 30, 1 << 28, NOW, NOW, 240.0),
    order=Order(notes=("the store was slow", "Ada took part")),
)


# --- what got worse ----------------------------------------------------------------------------------------------------


def test_phases_keep_their_order_in_a_file_whose_keys_are_sorted() -> None:
    again = json.loads(json.dumps(FIRST, sort_keys=True))
    assert list(drill_history.seconds_of(again)) == [*drill.LADDER, drill.REMOVE]


def test_two_drills_a_quarter_apart_show_what_got_worse() -> None:
    now = told(SECOND)
    earlier = drill_history.before([FIRST, now], now)
    assert earlier == FIRST
    assert drill_history.worse(earlier, now) == [
        "tables and indexes checked: it passed on 2026-08-23T12:00:30Z, and failed now",
        "the RTO took 98.0 s; it was 46.0 s on 2026-08-23T12:00:30Z, 113 % more",
        "the phase restore took 90.0 s; it was 40.0 s on 2026-08-23T12:00:30Z, 125 % more",
        "restore ran at 113.8 MiB/s; it was 256.0 MiB/s on 2026-08-23T12:00:30Z, 56 % less",
        "the RPO is 240 s; it was 30 s on 2026-08-23T12:00:30Z, 210 s more",
    ]


def test_what_is_longer_because_there_is_more_says_so() -> None:
    grown = told(ended(took={"restore": 90000}, measured=Measured(22 << 30, 1 << 28, NOW, NOW, 30.0)))
    assert drill_history.worse(FIRST, grown)[-1].endswith("125 % more; there was 22.0 GiB to do, and 10.0 GiB then")


def test_weather_is_not_worse() -> None:
    as_much = Measured(10 << 30, 1 << 28, NOW, NOW, 100.0)
    assert drill_history.worse(FIRST, told(ended(took={"restore": 45000, "start": 5000}, measured=as_much))) == []
    assert drill_history.worse(None, told(SECOND)) == []


def test_like_is_compared_with_like() -> None:
    other = told(ended(NOW - 5 * DAY, order=Order(target="oldest")))
    failed = told(ended(NOW - 4 * DAY, failed={"dump": "none"}))
    elsewhere = told(ended(NOW - 3 * DAY), repository=2)  # its store is slower, or faster
    assert drill_history.before([FIRST, other, failed, elsewhere, {"began": "nonsense"}], told(SECOND)) == FIRST


def test_a_proof_that_is_not_had_any_more_is_worse() -> None:
    now = told(ended())
    now["rungs"][6] |= {"outcome": "skipped", "text": "no heartbeat in the WAL that was replayed"}
    assert drill_history.worse(FIRST, now) == ["canary found: it passed on 2026-08-23T12:00:30Z, and was skipped now"]


# --- when the next one is due ------------------------------------------------------------------------------------------


def test_somebody_is_told_when_no_drill_has_passed_for_the_interval() -> None:
    known = drill_history.last([FIRST, told(ended(NOW - DAY, failed={"dump": "none"}))], NOW)
    assert known.passed == FIRST and known.newest is not None and not known.newest["passed"]
    assert drill_history.overdue(known, 0.0, 92, NOW + 0.9 * DAY) == {}
    assert drill_history.overdue(known, 0.0, 92, NOW + 1.1 * DAY) == {
        "overdue drill": "no drill has passed for 92 days; one each 92 days is asked for. Type: sudo /opt/axiomdb/axiomdb-recovery drill"
    }
    assert drill_history.overdue(known, 0.0, 0, NOW + 1000 * DAY) == {}


def test_a_new_host_has_a_quarter_for_its_first_drill() -> None:
    assert drill_history.overdue(Last(), NOW, 92, NOW + 91 * DAY) == {}
    (sentence,) = drill_history.overdue(Last(), NOW, 92, NOW + 93 * DAY).values()
    assert sentence.startswith("no drill has ever passed, in 93 days")


def test_a_drill_of_the_future_proves_nothing() -> None:
    assert drill_history.last([told(ended(NOW + DAY))], NOW) == Last()


def test_a_drill_of_some_databases_is_none_of_everything() -> None:
    some = told(ended(NOW - DAY, order=Order(databases=("app",))))
    known = drill_history.last([FIRST, some], NOW)
    assert some["passed"] and known.passed == FIRST and known.newest == some
    assert drill_history.overdue(known, 0.0, 92, NOW + 2 * DAY) != {}
    assert drill_history.lines(known, 92, NOW)[:2] == [
        "  drill        of app alone passed on 2026-11-21T12:00:30Z, 1 day ago: it proves nothing of the others",
        f"               passed on 2026-08-23T12:00:30Z, 91 days ago: latest from set {FIRST['set']} of repository 1, RTO 46 s, RPO 30 s",
    ]
    assert drill_history.lines(drill_history.last([some], NOW), 92, NOW)[1:] == ["               none of everything has ever passed"]


def test_a_repository_that_was_not_drilled_is_named() -> None:
    known = drill_history.last([told(ended(NOW - 200 * DAY), repository=2), told(ended(NOW - DAY))], NOW)
    assert known.repositories == {1: NOW - DAY, 2: NOW - 200 * DAY}
    assert drill_history.lines(known, 92, NOW, [1, 2, 3])[1:3] == [
        f"               repository 2 was last drilled on 2026-05-06T12:00:30Z. Type: {drill_history.DRILL} --repository=2",
        f"               repository 3 was never drilled. Type: {drill_history.DRILL} --repository=3",
    ]
    assert not any("repository 3" in line for line in drill_history.lines(known, 0, NOW, [1, 2, 3]))
    assert not any("was never" in line for line in drill_history.lines(known, 92, NOW, [3]))


def test_one_that_is_overdue_is_not_called_due() -> None:
    known = drill_history.last([FIRST], NOW)
    assert drill_history.lines(known, 92, NOW + 2 * DAY)[-1] == (
        "               the next one WAS DUE on 2026-11-23T12:00:30Z. Type: sudo /opt/axiomdb/axiomdb-recovery drill"
    )


# --- reports that lie in files for years -------------------------------------------------------------------------------


DAMAGE: dict[str, dict[str, Any]] = {
    "no time": {"began": "nonsense"},
    "a time that is none": {"began": float("nan")},
    "a time that nobody lives to see": {"began": 1e300},
    "a word for a verdict": {"passed": "false"},
    "a verdict of its own": {"problems": ["dump possible: none"]},
    "a number for a problem": {"problems": [1], "passed": False},
    "no proofs": {"rungs": []},
    "a proof that failed": {"rungs": [{**FIRST["rungs"][0], "outcome": "failed"}]},
    "a proof that was not reached": {"rungs": [FIRST["rungs"][0], {**FIRST["rungs"][1], "outcome": "not reached"}]},
    "proofs that are none": {"rungs": ["plan"]},
    "phases that are none": {"phases": {"plan": 1}},
    "no recovery": {"rto_seconds": None},
    "a rate that is none": {"rates": {"restore": "fast"}},
    "a truth for a number": {"rpo_seconds": True},
    "a word for databases": {"databases": "app"},
    "no text": {"target": None},
    "a number for a place": {"where": 7},
    "a number for libraries": {"preload_libraries": 7},
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_report_is_no_proof_and_stops_nobody(what: str) -> None:
    damaged = {**FIRST, "began": NOW - DAY, **DAMAGE[what]}
    assert drill_history.last([FIRST, damaged], NOW) == drill_history.last([FIRST], NOW)
    assert drill_history.last([damaged], NOW) == Last()
    assert drill_history.before([damaged], told(SECOND)) is None


def test_a_report_without_one_of_its_parts_is_no_proof() -> None:
    unread = {"kind", "seed", "spare", "timeline", "lsn", "version", "heartbeat", "last_commit", "rpo_by", "ahead", "kept"}
    unread |= {"where", "asked_set", "asked_repository", "preload_libraries"}
    for key in FIRST.keys() - unread:
        assert drill_history.in_order([{name: part for name, part in FIRST.items() if name != key}]) == [], key


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(state, "MEMORY", tmp_path / "memory")
    monkeypatch.setattr(state.os, "geteuid", lambda: 1000)
    return tmp_path / "axiomdb" / "drills"


def test_reports_of_another_host_or_stanza_prove_nothing_of_this_one_and_damaged_ones_are_named(directory: Path) -> None:
    assert drill_reports.last("axiomdb", "vps1", NOW) == Last()
    theirs, other, own = (told(ended(NOW - days * DAY)) for days in (1, 2, 3))
    theirs |= {"host": "vps7"}
    other |= {"stanza": "shop"}
    for one in (theirs, other, own):
        assert drill_reports.keep("axiomdb", one, [one], NOW) == ""
    (directory / "drill-axiomdb-20261122T000000Z.json").write_text('{"format": 1, "passed": tr', encoding="utf-8")
    known = drill_reports.last("axiomdb", "vps1", NOW)
    assert known.passed is not None and known.passed["began"] == NOW - 3 * DAY and known.newest == known.passed
    assert known.apart == (
        f"the report drill-axiomdb-20261122T000000Z.json in {directory} cannot be believed: it is damaged",
        f"reports of the host vps7 lie in {directory}: they prove nothing of this one",
    )
    assert [f"               {one}" for one in known.apart] == drill_history.lines(known, 92, NOW)[-2:]
    assert [one["host"] for one in drill_reports.known("axiomdb")] == ["vps1", "vps7"]


def test_what_a_killed_drill_has_begun_to_write_goes_and_what_does_not_fit_leaves_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = told(ended(NOW))
    assert drill_reports.keep("axiomdb", one, [one], NOW) == ""
    (directory / ".drill-axiomdb-20260101T000000Z.json.77").write_text("{", encoding="utf-8")
    assert drill_reports.keep("axiomdb", one, [one], NOW) == ""
    names = [f"{one['name']}.{suffix}" for suffix in ("json", "md", "xml")]
    assert sorted(path.name for path in directory.iterdir()) == names
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o640}

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drill_reports.os, "fsync", full)
    assert drill_reports.keep("axiomdb", {**one, "name": "drill-axiomdb-x"}, [one], NOW).endswith("No space left on device")
    assert sorted(path.name for path in directory.iterdir()) == names


def test_a_drill_is_called_as_the_status_looks_for_it(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "SETTINGS", directory.parent / "recovery.json")
    monkeypatch.setattr(drill_reports.socket, "gethostname", lambda: "v1234.example.com")
    assert drill_reports.own_name() == "v1234.example.com"
    directory.parent.mkdir()
    state.SETTINGS.write_text(render_settings(Settings("vps1", (Stanza("axiomdb", "17", "main", 5432),), {}), "a test"))
    assert drill_reports.own_name() == "vps1"


def test_a_drill_that_is_killed_while_its_annotation_waits_has_a_report_and_else_the_report_tells_of_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, file = ended(NOW), directory / f"{told(ended(NOW))['name']}.json"
    stanza, waiting = Stanza("axiomdb", "17", "main", 5432), []
    monkeypatch.setattr(drill_run.state, "operation", lambda _entry: None)

    def annotate(_ended: Drill, _stanza: Stanza) -> str:
        waiting.append(json.loads(file.read_text())["passed"])
        return "the set is annotated"

    monkeypatch.setattr(drill_run.drill_look, "annotate", annotate)
    found = drill_run.reported(over, stanza, NOW)
    assert waiting == [True] and found["remarks"] == ["the set is annotated"]
    assert json.loads(file.read_text())["remarks"] == found["remarks"]
    assert "- the set is annotated" in file.with_suffix(".md").read_text()


def test_the_status_tells_the_last_drill() -> None:
    assert drill_history.lines(Last(), 92, NOW) == [
        "  drill        no recovery was ever drilled on this host. Type: sudo /opt/axiomdb/axiomdb-recovery drill"
    ]
    failed = told(ended(NOW - DAY, failed={"dump": "none"}))
    text = drill_history.lines(drill_history.last([FIRST, failed], NOW), 92, NOW)
    assert text == [
        "  DRILL        FAILED on 2026-11-21T12:00:30Z, 1 day ago: dump possible: none",
        f"               passed on 2026-08-23T12:00:30Z, 91 days ago: latest from set {FIRST['set']} of repository 1, RTO 46 s, RPO 30 s",
        "               the next one is due by 2026-11-23T12:00:30Z",
    ]


# --- how it is told ----------------------------------------------------------------------------------------------------


def test_the_page_of_a_quarter_has_what_got_worse_the_notes_and_both_drills() -> None:
    now = told(SECOND)
    now |= {"worse": drill_history.worse(FIRST, now), "compared_with": FIRST["began"]}
    page = drill_report.page(now, [told(ended(NOW - 3 * QUARTER)), FIRST, now], NOW)
    for line in (
        "# Drill of vps1/axiomdb, 2026-11-22T12:00:30Z",
        "- the phase restore took 90.0 s; it was 40.0 s on 2026-08-23T12:00:30Z, 125 % more",
        "- the store was slow",
        "- Ada took part",
        "| restore | 90.000 | yes |",
        "| the whole | 105.000 |  |",
        "| point_in_time | RTO at most 1800 s, a default | 98.0 s |",
        "| 2026-08-23T12:00:30Z | passed | latest | 46.0 | 30.0 | 10.0 GiB |",
        "| 2026-11-22T12:00:30Z | FAILED | latest | 98.0 | 240.0 | 10.0 GiB |",
    ):
        assert line in page.splitlines(), page
    rows = [line for line in page.splitlines() if line.startswith("| 2026-")]
    assert rows[-1].startswith("| 2026-02-22T") and len(rows) == 3  # the quarter, and what it is compared with


@pytest.mark.parametrize(
    ("spare", "kind", "where"),
    [
        (False, "copy", "on the host vps1, beside its cluster"),
        (True, "copy", "on the spare host vps1, without the cluster"),
        (True, "site", "on the spare host vps1, in the place of the lost cluster"),
    ],
)
def test_the_page_and_the_document_say_what_was_drilled_where_and_against_what(spare: bool, kind: str, where: str) -> None:
    one = told(ended(order=Order("random", kind=kind, preload=("timescaledb",)), spare=spare, seed="q4"))
    assert (one["where"], one["target"], one["set"], one["repository"]) == (where, "latest", FIRST["set"], 1)
    limits = "RTO at most 7200 s" if kind == "site" else "RTO at most 1800 s"
    scenario = "site" if kind == "site" else "point_in_time"
    page = drill_report.page(one, [one], NOW).splitlines()
    begin = page.index("## What was drilled")
    assert page[begin + 4 : begin + 12] == [
        "| target | latest, chosen by the seed q4 |",
        f"| set | {FIRST['set']} |",
        "| repository | 1 |",
        "| databases | all |",
        f"| where | {where} |",
        "| PostgreSQL | 17 |",
        "| preloaded | timescaledb |",
        f"| thresholds | {scenario}: {limits}, RPO at most 300 s (the collection's defaults) |",
    ]
    assert f"| {scenario} | RPO at most 300 s, a default | 40.0 s by the newest heartbeat |" in page
    said = drill_report.lines(one)
    assert (
        f"  where        {where}" in said and f"  against      {scenario}: {limits}, RPO at most 300 s (the collection's defaults)" in said
    )


def test_who_declared_an_objective_is_not_told_of_defaults_and_one_of_an_earlier_release_neither() -> None:
    declared = told(ended(order=Order(objectives=(Objective("point_in_time", 1800.0, 300.0),))))
    earlier = {**FIRST, "objective": {key: value for key, value in FIRST["objective"].items() if key != "by_default"}}
    for one in (declared, earlier):
        assert "  against      point_in_time: RTO at most 1800 s, RPO at most 300 s" in drill_report.lines(one)
        assert "default" not in drill_report.page(one, [one], NOW)
    typed = Objective("point_in_time", 5.0, 300.0, by_default=("RPO",))
    one = told(ended(order=Order(objectives=(typed,))))
    assert "RPO at most 300 s (the RPO is the collection's default)" in drill_report.page(one, [one], NOW)
    assert "for point_in_time. Next: " in one["problems"][0]
    foretold = drill.foretold(Order(), "latest", "")
    assert "  objective    point_in_time: RTO 1800 s, RPO 300 s (the collection's defaults)" in foretold


def test_a_drill_without_a_plan_says_what_was_asked_for() -> None:
    refused = Drill("vps1", "axiomdb", NOW, Order("oldest", "20261122-020001F", 2), climbed_to_the_plan(), (drill.Phase("plan", 5),))
    one = told(refused)
    page = drill_report.page(one, [one], NOW).splitlines()
    rows = ("target | oldest, without a plan", "set | 20261122-020001F, without a plan", "repository | 2, without a plan")
    assert all(f"| {row} |" in page for row in rows) and "| where | vps1, without a plan |" in page


def test_a_report_of_an_earlier_release_can_be_told() -> None:
    one = {
        key: value for key, value in FIRST.items() if key not in ("where", "asked_set", "asked_repository", "preload_libraries", "rpo_by")
    }
    assert drill_history.in_order([one]) == [one]
    assert "| where | vps1, without a plan |" not in drill_report.page(one, [one], NOW)
    assert drill_report.lines(one)[-1].startswith("DRILL PASSED")


def test_no_answer_of_a_database_breaks_the_page_or_the_xml() -> None:
    nasty = "Found '<b>|</b>\x00\ufffe\uffff`rm`\n\"' for the check; expected '&'. Next: look"
    one = told(ended(failed={"checks": nasty}))
    page = drill_report.page(one, [one], NOW)
    (row,) = (line for line in page.splitlines() if line.startswith("| checks answered"))
    assert "<b>" not in page and len(re.split(r"(?<!\\)\|", row)) == 6
    (failure,) = ElementTree.fromstring(drill_report.junit(one)).iter("failure")
    assert failure.text is not None and "<b>|</b>" in failure.text


def test_what_fails_behind_the_proofs_fails_in_every_report() -> None:
    left = "remove: Found processes that do not end: 77; expected none. Next: ps -p 77"
    one = told(ended(troubles=(left,)))
    assert not one["passed"]
    suite = ElementTree.fromstring(drill_report.junit(one))
    failed = {case.get("name"): case[0].get("message") for case in suite if len(case)}
    assert suite.get("failures") == "1" and failed == {"copy removed, or kept as asked": left}
    assert f"  FAILED       {left}" in drill_report.lines(one) and f"- {left}" in drill_report.page(one, [one], NOW)


def test_junit_has_a_case_for_each_rung_one_for_the_copy_and_one_for_the_objective() -> None:
    slow = told(ended(took={"restore": 2000000}, failed={"dump": "none"}))
    suite = ElementTree.fromstring(drill_report.junit(slow))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("15", "2", "0")
    failed = {case.get("name"): case[0].get("message") for case in suite if len(case)}
    assert failed["dump possible"] == "none" and "the phase restore took 2000.0 s" in str(failed["objective met"])
    assert {case.get("name"): case.get("time") for case in suite}["restored"] == "2000.000"


def test_the_last_line_is_the_verdict() -> None:
    assert drill_report.lines(told(ended()))[-1].startswith("DRILL PASSED: vps1/axiomdb: a recovery takes 7.0 s; the report is ")
    assert drill_report.lines(told(ended()), "/reports/vps1")[-1].endswith(
        "; the report is /reports/vps1/drill-axiomdb-20261122T120030Z.md"
    )
    some = told(ended(order=Order(databases=("app",))))
    some["rungs"][10] |= {"outcome": "skipped"}
    assert "7.0 s; NOT PROVEN: databases but app, tables and indexes checked; the report" in drill_report.lines(some)[-1]
    lines = drill_report.lines(told(SECOND))
    assert lines[-1].startswith("DRILL FAILED: vps1/axiomdb: 1 found; the report is drill-axiomdb-20261122T120030Z")
    assert "               Found a corrupt btree index; expected none. Next: reindex" in lines


def test_each_reason_of_a_failure_stands_right_above_the_verdict() -> None:
    left = "remove: Found processes that do not end: 77; expected none. Next: ps -p 77"
    slow = ended(took={"restore": 2000000}, failed={"dump": f"Found {'x' * 900}; expected a dump. Next: look at it"}, troubles=(left,))
    one = told(slow, notes=["Ada took part"])
    dump, copy, missed, last = drill_report.lines(one)[-4:]
    assert last.startswith("DRILL FAILED: vps1/axiomdb: 3 found; ") and copy == f"  FAILED       {left}"
    assert dump.startswith("  FAILED       dump possible: Found xxx") and dump.endswith(" […] Next: look at it")
    assert len(dump) == len("  FAILED       ") + drill_report.LONGEST
    assert missed.startswith("  FAILED       objective missed: found an RTO of ") and ". Next: look what the phase restore did" in missed
    endless = drill_report.shortened(f"Found it; expected another. Next: {'y' * 900}")
    assert len(endless) == drill_report.LONGEST and endless.endswith("yyy […]")


def test_a_drill_that_was_refused_at_its_plan_can_be_told() -> None:
    refused = Drill("vps1", "axiomdb", NOW, Order(), climbed_to_the_plan(), (drill.Phase("plan", 5),), seed="x")
    one = told(refused)
    assert drill_report.lines(one)[-1].startswith("DRILL FAILED")
    assert "RTO unknown" in drill_report.page(one, [one], NOW) and ElementTree.fromstring(drill_report.junit(one)).get("skipped") == "12"


def climbed_to_the_plan() -> tuple[drill.Rung, ...]:
    first = drill.Rung("plan", drill.FAILED, "", ("Found no set; expected one. Next: take a backup",))
    return (first, *(drill.Rung(name, drill.NOT_REACHED) for name in list(drill.LADDER)[1:]))
