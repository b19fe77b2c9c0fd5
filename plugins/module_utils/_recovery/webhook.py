# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Posts messages to the webhook whose address stands in a file that only root and postgres read."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from . import state
from .bounded import within

TRIES = 3
TIMEOUT = 10.0  # seconds for each try, from the first byte to the last
UNWANTED = (400, 413, 422)  # the message itself is refused: it would be refused for ever, and keep those behind it waiting


@dataclass(frozen=True)
class Answer:
    """How it ended with one message: an empty reason when it arrived. The address is never in the reason.

    An `unwanted` message is refused for itself; a `hopeless` one needs no second try now.
    """

    reason: str = ""
    unwanted: bool = False
    hopeless: bool = False


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected message becomes a question without it, to which any page answers well."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


def address() -> str:
    """The webhook's address; empty when none is declared."""
    try:
        return state.WEBHOOK.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def deliver(url: str, message: Mapping[str, str]) -> Answer:
    """Post one message; try three times."""
    answer = Answer()
    for attempt in range(TRIES):
        if attempt:
            time.sleep(2.0**attempt)
        late = Answer(f"the webhook cannot be reached: no whole answer within {TIMEOUT:g} s")
        answer = within(TIMEOUT, lambda: _post(url, json.dumps(message).encode()), late)
        if not answer.reason or answer.unwanted or answer.hopeless:
            break
    return answer


def _post(url: str, data: bytes) -> Answer:
    try:
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT):
            return Answer()
    except urllib.error.HTTPError as error:
        error.close()
        return Answer(f"the webhook answers {error.code}", error.code in UNWANTED)
    except (OSError, HTTPException) as error:
        return Answer(f"the webhook cannot be reached: {getattr(error, 'reason', None) or type(error).__name__}")
    except ValueError:
        return Answer("the webhook's address is not one", hopeless=True)
