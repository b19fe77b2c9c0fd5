# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is told what: a trouble that lasts is told once, its end is told once, and nothing else is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .summary import age

TROUBLE, OVER = "\U0001f534", "\U0001f7e2"  # a red and a green disc, as the runbook's messages begin


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong since `since` (Unix seconds); `told` says whether somebody was told."""

    text: str
    since: float
    told: bool = False


def step(
    known: Mapping[str, Trouble],
    current: Mapping[str, str],
    now: float,
    patience: float,
    examined: Callable[[str], bool],
) -> tuple[dict[str, Trouble], list[str]]:
    """The troubles after one more look, and the messages to send. Texts are by topic.

    A trouble is told when it has lasted `patience` seconds. One that is not seen any more is over, unless its topic could not
    be `examined` in this look.
    """
    troubles: dict[str, Trouble] = {}
    messages = []
    for topic, text in current.items():
        before = known.get(topic)
        since, told = (before.since, before.told) if before else (now, False)
        if not told and now - since >= patience:
            told = True
            messages.append(f"{TROUBLE} {text}")
        troubles[topic] = Trouble(text, since, told)
    for topic, trouble in known.items():
        if topic in current:
            continue
        if not examined(topic):
            troubles[topic] = trouble
        elif trouble.told:
            messages.append(f"{OVER} over after {age(now - trouble.since)}: {trouble.text}")
    return troubles, messages


def payload(host: str, stanza: str, message: str) -> dict[str, str]:
    """One message in the form that Slack, Mattermost and Rocket.Chat take."""
    mark, space, text = message.partition(" ")
    return {"text": f"{mark}{space}{host}/{stanza}: {text}"}
