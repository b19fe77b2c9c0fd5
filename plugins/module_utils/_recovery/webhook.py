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

TRIES = 3
TIMEOUT = 10.0  # seconds for each try
UNWANTED = (400, 413, 422)  # the message itself is refused: it would be refused for ever, and keep those behind it waiting


@dataclass(frozen=True)
class Answer:
    """How it ended with one message: an empty reason when it arrived. The address is never in the reason."""

    reason: str = ""
    unwanted: bool = False


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
        try:
            data, headers = json.dumps(message).encode(), {"Content-Type": "application/json"}
            with urllib.request.build_opener(_NoRedirect).open(urllib.request.Request(url, data, headers), timeout=TIMEOUT):
                return Answer()
        except urllib.error.HTTPError as error:
            error.close()
            answer = Answer(f"the webhook answers {error.code}", error.code in UNWANTED)
            if answer.unwanted:
                return answer
        except (OSError, HTTPException) as error:
            answer = Answer(f"the webhook cannot be reached: {getattr(error, 'reason', None) or type(error).__name__}")
        except ValueError:
            return Answer("the webhook's address is not one")
    return answer
