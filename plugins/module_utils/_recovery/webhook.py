# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Posts messages to the webhook whose address stands in a file that only root and postgres read."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException

from . import state

TRIES = 3
TIMEOUT = 10.0  # seconds for each try


def address() -> str:
    """The webhook's address; empty when none is declared."""
    try:
        return state.WEBHOOK.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def deliver(url: str, messages: Sequence[Mapping[str, str]]) -> tuple[int, str]:
    """Post the messages in their order; how many arrived, and why the next one did not. The address is never in the reason."""
    for count, message in enumerate(messages):
        reason = _post(url, message)
        if reason:
            return count, reason
    return len(messages), ""


def _post(url: str, message: Mapping[str, str]) -> str:
    """Try three times; the reason of the last failure, or an empty string."""
    reason = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(2.0**attempt)
        try:
            data, headers = json.dumps(message).encode(), {"Content-Type": "application/json"}
            with urllib.request.build_opener().open(urllib.request.Request(url, data, headers), timeout=TIMEOUT):
                return ""
        except urllib.error.HTTPError as error:
            reason = f"the webhook answers {error.code}"
        except (OSError, HTTPException) as error:
            reason = f"the webhook cannot be reached: {getattr(error, 'reason', None) or type(error).__name__}"
        except ValueError:
            return "the webhook's address is not one"
    return reason
