# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alerts: told once, over once, and silent about what could not be looked at."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from _recovery import alerts
from _recovery.alerts import Trouble
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_795_500_000.0


def everything(_topic: str) -> bool:
    return True


def test_a_trouble_is_told_once_when_it_has_lasted() -> None:
    first, said = alerts.step({}, {"archiving": "archiving fails"}, NOW, 60, everything)
    assert said == []
    second, said = alerts.step(first, {"archiving": "archiving fails"}, NOW + 60, 60, everything)
    assert said == ["\U0001f534 archiving fails"]
    third, said = alerts.step(second, {"archiving": "archiving fails, longer"}, NOW + 120, 60, everything)
    assert (said, third["archiving"].since) == ([], NOW)


def test_a_trouble_that_was_too_short_is_never_told() -> None:
    first, _said = alerts.step({}, {"server": "no answer"}, NOW, 60, everything)
    assert alerts.step(first, {}, NOW + 59, 60, everything) == ({}, [])


def test_its_end_is_told_with_how_long_it_lasted() -> None:
    known = {"archiving": Trouble("archiving fails", NOW - 7300, told=True)}
    assert alerts.step(known, {}, NOW, 60, everything) == ({}, ["\U0001f7e2 over after 2 hours: archiving fails"])


def test_what_could_not_be_looked_at_is_not_over() -> None:
    known = {"archiving": Trouble("archiving fails", NOW - 100, told=True)}
    after, said = alerts.step(known, {"server": "no answer"}, NOW, 0, lambda topic: topic == "server")
    assert said == ["\U0001f534 no answer"]
    assert after["archiving"] == known["archiving"]


@given(st.lists(st.sets(st.sampled_from(["a", "b", "c"])), max_size=30))
def test_each_message_of_trouble_has_one_end(looks: list[set[str]]) -> None:
    known: dict[str, Trouble] = {}
    said: list[str] = []
    for minute, topics in enumerate([*looks, set()]):
        known, messages = alerts.step(known, {topic: topic for topic in topics}, NOW + 60 * minute, 60, everything)
        said += messages
    for topic in "abc":
        own = [message[0] for message in said if message.endswith(topic)]
        assert own == [alerts.TROUBLE, alerts.OVER] * (len(own) // 2)


def test_a_trouble_is_told_again_when_it_has_a_new_part() -> None:
    def look(known: dict[str, Trouble], *parts: str) -> tuple[dict[str, Trouble], list[str]]:
        return alerts.step(known, {"job verify": f"it failed: {', '.join(parts)}"}, NOW, 0, everything, {"job verify": parts})

    known, said = look({}, "a", "b")
    assert said == ["\U0001f534 it failed: a, b"]
    known, said = look(known, "b")
    assert said == []
    known = alerts.parse_troubles(json.loads(json.dumps({topic: asdict(one) for topic, one in known.items()})))
    assert look(known, "b")[1] == []
    known, said = look(known, "b", "c")
    assert said == ["\U0001f534 it failed: b, c"]
    assert look(known, "b", "c")[1] == []
    assert alerts.step(known, {}, NOW, 0, everything)[1] == ["\U0001f7e2 over after 0 s: it failed: b, c"]


def test_the_payload_names_host_and_stanza() -> None:
    assert alerts.payload("vps1", "axiomdb", "\U0001f534 archiving fails") == {"text": "\U0001f534 vps1/axiomdb: archiving fails"}


def test_a_message_is_no_longer_than_what_receives_it_takes() -> None:
    text = alerts.payload("vps1", "axiomdb", "\U0001f534 " + "x" * 90000)["text"]
    assert len(text) == alerts.LONGEST
    assert text.endswith("x\N{HORIZONTAL ELLIPSIS}")


def test_a_clock_that_went_back_delays_no_message() -> None:
    first, _said = alerts.step({}, {"archiving": "archiving fails"}, NOW + 1e7, 60, everything)
    second, said = alerts.step(first, {"archiving": "archiving fails"}, NOW, 60, everything)
    assert said == []
    assert alerts.step(second, {"archiving": "archiving fails"}, NOW + 60, 60, everything)[1] == ["\U0001f534 archiving fails"]


@pytest.mark.parametrize("damaged", [None, 7, [], {"archiving": "text"}, {"archiving": {"text": "x", "since": "yesterday"}}])
def test_troubles_that_cannot_be_read_are_none(damaged: object) -> None:
    assert alerts.parse_troubles(damaged) == {}


@pytest.mark.parametrize("damaged", [None, 7, {}, ["text"], [{}]])
def test_messages_that_cannot_be_read_are_none(damaged: object) -> None:
    assert alerts.parse_outbox(damaged) == ()
