# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drills compared and told: what got worse in a quarter, when the next one is due, and the report's three forms."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

from _recovery import drill, drill_history, drill_report
from _recovery.drill import Drill, Measured, Order
from _recovery.drill_history import DAY, Last
from archives import NOW
from drilled import ended

QUARTER = 91 * DAY


def told(one: Drill, **more: Any) -> dict[str, Any]:
    """A report as it is read again from its file."""
    document: dict[str, Any] = json.loads(json.dumps({**drill.document(one), **more}))
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
        "restore ran at 113.8 MiB/s; it was 256.0 MiB/s on 2026-08-23T12:00:30Z",
        "the RPO is 240 s; it was 30 s on 2026-08-23T12:00:30Z",
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
    assert drill_history.before([FIRST, other, failed, {"began": "nonsense"}], told(SECOND)) == FIRST


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


def test_the_status_tells_the_last_drill() -> None:
    assert drill_history.lines(Last(), 92, NOW) == [
        "  drill        no recovery was ever drilled. Type: sudo /opt/axiomdb/axiomdb-recovery drill"
    ]
    failed = told(ended(NOW - DAY, failed={"dump": "none"}))
    text = drill_history.lines(drill_history.last([FIRST, failed], NOW), 92, NOW)
    assert text == [
        "  DRILL        FAILED on 2026-11-21T12:00:30Z, 1 day ago: dump possible: none",
        f"               passed on 2026-08-23T12:00:30Z, 91 days ago: latest from set {FIRST['set']}, RTO 46 s, RPO 30 s",
        "               the next one is due by 2026-11-23T12:00:30Z",
    ]


# --- how it is told ----------------------------------------------------------------------------------------------------


def test_the_page_of_a_quarter_has_what_got_worse_the_notes_and_both_drills() -> None:
    now = told(SECOND)
    now["worse"] = drill_history.worse(FIRST, now)
    page = drill_report.page(now, [told(ended(NOW - 3 * QUARTER)), FIRST, now], NOW)
    for line in (
        "# Drill of vps1/axiomdb, 2026-11-22T12:00:30Z",
        "- the phase restore took 90.0 s; it was 40.0 s on 2026-08-23T12:00:30Z, 125 % more",
        "- the store was slow",
        "- Ada took part",
        "| restore | 90.000 | yes |",
        "| the whole | 105.000 |  |",
        "| point_in_time | RTO at most 1800 s | 98.0 s |",
        "| 2026-08-23T12:00:30Z | passed | latest | 46.0 | 30.0 | 10.0 GiB |",
        "| 2026-11-22T12:00:30Z | FAILED | latest | 98.0 | 240.0 | 10.0 GiB |",
    ):
        assert line in page.splitlines(), page
    rows = [line for line in page.splitlines() if line.startswith("| 2026-")]
    assert rows[-1].startswith("| 2026-02-22T") and len(rows) == 3  # the quarter, and what it is compared with


def test_no_answer_of_a_database_breaks_the_page_or_the_xml() -> None:
    nasty = "Found '<b>|</b>\x00`rm`\n\"' for the check; expected '&'. Next: look"
    one = told(ended(failed={"checks": nasty}))
    page = drill_report.page(one, [one], NOW)
    (row,) = (line for line in page.splitlines() if line.startswith("| checks answered"))
    assert "<b>" not in page and len(re.split(r"(?<!\\)\|", row)) == 6
    (failure,) = ElementTree.fromstring(drill_report.junit(one)).iter("failure")
    assert failure.text is not None and "<b>|</b>" in failure.text


def test_junit_has_a_case_for_each_rung_and_one_for_the_objective() -> None:
    slow = told(ended(took={"restore": 2000000}, failed={"dump": "none"}))
    suite = ElementTree.fromstring(drill_report.junit(slow))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("14", "2", "0")
    failed = {case.get("name"): case[0].get("message") for case in suite if len(case)}
    assert failed["dump possible"] == "none" and "the phase restore took 2000.0 s" in str(failed["objective met"])
    assert {case.get("name"): case.get("time") for case in suite}["restored"] == "2000.000"


def test_the_last_line_is_the_verdict() -> None:
    assert drill_report.lines(told(ended()))[-1].startswith("DRILL PASSED: vps1/axiomdb: a recovery takes 7.0 s")
    lines = drill_report.lines(told(SECOND))
    assert lines[-1].startswith("DRILL FAILED: vps1/axiomdb: 1 found; the report is drill-axiomdb-20261122T120030Z")
    assert "               Found a corrupt btree index; expected none. Next: reindex" in lines


def test_a_drill_that_was_refused_at_its_plan_can_be_told() -> None:
    refused = Drill("vps1", "axiomdb", NOW, Order(), climbed_to_the_plan(), (drill.Phase("plan", 5),), seed="x")
    one = told(refused)
    assert drill_report.lines(one)[-1].startswith("DRILL FAILED")
    assert "RTO unknown" in drill_report.page(one, [one], NOW) and ElementTree.fromstring(drill_report.junit(one)).get("skipped") == "12"


def climbed_to_the_plan() -> tuple[drill.Rung, ...]:
    first = drill.Rung("plan", drill.FAILED, "", ("Found no set; expected one. Next: take a backup",))
    return (first, *(drill.Rung(name, drill.NOT_REACHED) for name in list(drill.LADDER)[1:]))
