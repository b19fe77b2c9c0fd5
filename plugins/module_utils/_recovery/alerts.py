# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is told what: a trouble that lasts is told once, its end is told once, and nothing else is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

from .spoken import age

LONGEST = 3000  # characters of one message; what receives them refuses much longer ones
TROUBLE, OVER = "\U0001f534", "\U0001f7e2"  # a red and a green disc, as the runbook's messages begin


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong since `since` (Unix seconds); `told` says whether somebody was told. `parts` are what it consists of."""

    text: str
    since: float
    told: bool = False
    parts: tuple[str, ...] = ()


def step(
    known: Mapping[str, Trouble],
    current: Mapping[str, str],
    now: float,
    patience: float,
    examined: Callable[[str], bool],
    parts: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[dict[str, Trouble], list[str]]:
    """The troubles after one more look, and the messages to send. Texts are by topic.

    A trouble is told when it has lasted `patience` seconds. One that is not seen any more is over, unless its topic could not
    be `examined` in this look. A clock that went back makes no trouble wait for what was its future. One that consists of several
    `parts` is told again when there is a new one.
    """
    troubles: dict[str, Trouble] = {}
    messages = []
    for topic, text in current.items():
        before = known.get(topic)
        own = tuple(parts.get(topic, ()))
        since, told = (min(before.since, now), before.told and set(own) <= set(before.parts)) if before else (now, False)
        if not told and now - since >= patience:
            told = True
            messages.append(f"{TROUBLE} {text}")
        troubles[topic] = Trouble(text, since, told, own)
    for topic, trouble in known.items():
        if topic in current:
            continue
        if not examined(topic):
            troubles[topic] = trouble
        elif trouble.told:
            what = trouble.text.partition(". Type: ")[0]  # there is nothing left to type
            messages.append(f"{OVER} over after {age(max(0.0, now - trouble.since))}: {what}")
    return troubles, messages


def payload(host: str, stanza: str, message: str) -> dict[str, str]:
    """One message in the form that Slack, Mattermost and Rocket.Chat take."""
    mark, space, text = message.partition(" ")
    whole = f"{mark}{space}{host}/{stanza}: {text}"
    return {"text": whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"}


def parse_troubles(document: object) -> dict[str, Trouble]:
    """What is remembered of them; whatever cannot be read is not remembered."""
    found = {}
    for topic, entry in document.items() if isinstance(document, dict) else ():
        with suppress(KeyError, TypeError, ValueError):
            found[str(topic)] = Trouble(str(entry["text"]), float(entry["since"]), bool(entry["told"]), tuple(entry.get("parts", ())))
    return found


def parse_outbox(document: object) -> tuple[Mapping[str, str], ...]:
    """The messages that wait."""
    entries = document if isinstance(document, list) else ()
    return tuple({"text": str(entry["text"])} for entry in entries if isinstance(entry, dict) and "text" in entry)
