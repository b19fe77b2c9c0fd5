# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks the endpoints of whoever uses a recovered cluster."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException

from .bounded import within
from .problem import Problem

READ = 1 << 20  # bytes of an answer in which a text is looked for
AGAIN = 0.5  # seconds between two tries
LEAST = 0.2  # seconds of a try
_HANDLERS = (
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPErrorProcessor,
)


@dataclass(frozen=True)
class Endpoint:
    """An address and what it has to answer within `timeout` seconds, however often it is asked until then."""

    name: str
    url: str
    status: int = 200
    contains: str = ""
    timeout: float = 10.0


@dataclass(frozen=True)
class Answer:
    """How an address answers: its status and the beginning of its text, or why there is none."""

    status: int = 0
    text: str = ""
    reason: str = ""


def ask_all(endpoints: Sequence[Endpoint]) -> dict[str, Problem | None]:
    """What is wrong with each endpoint, by name; None for nothing."""
    return {endpoint.name: ask(endpoint) for endpoint in endpoints}


def ask(endpoint: Endpoint) -> Problem | None:
    """What is wrong with an endpoint when its time is over. A service that has only just been started may need some of it."""
    deadline = time.monotonic() + endpoint.timeout
    while True:
        left = max(LEAST, deadline - time.monotonic())
        late = Answer(reason=f"no whole answer within {endpoint.timeout:g} s")
        problem = judge(endpoint, within(left, lambda: _get(endpoint.url, endpoint.timeout), late))
        if problem is None or time.monotonic() + AGAIN > deadline:
            return problem
        time.sleep(AGAIN)


def judge(endpoint: Endpoint, answer: Answer) -> Problem | None:
    """What is wrong with an answer; None for nothing."""
    expected = f"{endpoint.status}" + (f" and '{endpoint.contains}'" if endpoint.contains else "")
    again = f"curl -i {endpoint.url}"
    if answer.reason:
        return Problem(f"{answer.reason} of the endpoint {endpoint.name}", expected, again)
    if answer.status != endpoint.status:
        return Problem(f"{answer.status} from the endpoint {endpoint.name}", expected, again)
    if endpoint.contains not in answer.text:
        return Problem(f"another text from the endpoint {endpoint.name}", expected, again)
    return None


def _get(url: str, timeout: float) -> Answer:
    """One answer; redirects are followed, over HTTP alone and without a proxy."""
    opener = urllib.request.OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    try:
        found = opener.open(url, timeout=timeout)
        if found is None:  # no handler for what the address begins with
            return Answer(reason="an address that is not HTTP")
        with found:
            return Answer(found.status, found.read(READ).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        with error:
            if "infinite loop" in str(error.msg):
                return Answer(reason="redirects without an end")
            return Answer(error.code, error.read(READ).decode(errors="replace"))
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            return Answer(reason=f"no whole answer within {timeout:g} s")
        return Answer(reason=getattr(reason, "strerror", None) or str(reason) or type(error).__name__)
    except ValueError as error:
        return Answer(reason=f"no address ({error})")
