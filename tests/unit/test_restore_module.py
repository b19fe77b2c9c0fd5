# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery in place and a rebuild read the same options in the same way, and answer alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from _recovery import plan, restore_consent, restore_module, restore_record, restoring
from _recovery.problem import Refusal
from _recovery.restoring import Check, Order
from test_restoring import JOURNAL, ORDER, planned

OPTIONS: dict[str, Any] = {
    "target": "latest",
    "reason": "orders lost their keys",
    "action": restoring.PAUSES,
    "checks": [{"name": "orders", "sql": "select 1", "expected": "1", "database": "app"}],
    "patience_seconds": 7.0,
    "services": ["app.service"],
}


def test_an_order_is_what_the_options_say() -> None:
    found = restore_module.order_of(OPTIONS, keep=False)
    check = Check("orders", "select 1", "1", "app")
    assert found == Order("latest", "orders lost their keys", restoring.PAUSES, False, (check,), 7.0, ("app.service",))
    assert restore_module.order_of(OPTIONS, rebuild=True, reindex=True).rebuild


def test_a_target_is_the_same_as_words_and_as_a_mapping() -> None:
    found = [restore_module.order_of({**OPTIONS, "target": given}).target for given in ({"name": "before"}, "name:before")]
    assert found == ["name:before"] * 2
    with pytest.raises(Refusal):
        restore_module.order_of({**OPTIONS, "target": "sometime"})


def test_a_result_has_the_plan_with_its_digest_or_the_journal() -> None:
    found = restore_module.result(["one"], action=restoring.PROMOTES, planned=planned())
    assert (found["plan"], found["digest"], found["journal"]) == (plan.document(planned()), restore_consent.digest(planned()), {})
    over = restore_module.result(["one"], action=restoring.PROMOTES, journal=JOURNAL, told=["two"], begun=True)
    assert (over["plan"], over["digest"], over["journal"]) == ({}, "", restore_record.document(JOURNAL))
    assert (over["changed"], over["begun"], over["summary"], over["told"]) == (True, True, ["one"], ["two"])
    assert not found["changed"]


@pytest.mark.parametrize(("action", "serves"), [(restoring.PROMOTES, True), (restoring.PAUSES, False), (restoring.SHUTS_DOWN, False)])
def test_clients_come_back_only_where_a_recovery_ends(action: str, serves: bool) -> None:
    assert restore_module.result([], action=action)["serves"] is serves
    assert replace(ORDER, action=action).serves is serves


@pytest.mark.parametrize(
    ("changes", "stops_next", "went_back"),
    [
        ({"phase": restoring.SAVE}, False, False),
        ({"phase": restoring.QUIET}, True, False),
        ({"phase": restoring.KEEP}, False, False),
        ({"phase": restoring.QUIET, "outcome": restoring.RETURNED}, False, True),
        ({"phase": "", "outcome": restoring.ACCEPTED}, False, False),
    ],
)
def test_a_play_is_told_what_comes_next(changes: dict[str, Any], stops_next: bool, went_back: bool) -> None:
    found = restore_module.result([], action=restoring.PROMOTES, journal=replace(JOURNAL, **changes))
    assert (found["stops_next"], found["went_back"]) == (stops_next, went_back)
    nothing = restore_module.result([], action=restoring.PROMOTES)
    assert not (nothing["stops_next"] or nothing["went_back"])
