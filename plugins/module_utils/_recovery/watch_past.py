# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the watch does beside telling: a repository that is away keeps no WAL from the others."""

from __future__ import annotations

import time

from . import passing, state
from .in_child import as_postgres
from .problem import Refusal
from .push_past import Sender, push_past
from .summary import Picture

LOG = "alerts.log"
PATIENCE = 55.0  # seconds to wait for a turn and to use it; the next look comes after a minute


def push(picture: Picture, directory: str) -> None:
    """Push past what is away, when nobody has been kept from being told by it. What fails is a line in the log, and is tried again."""
    if not passing.is_allowed(picture):
        return
    sender = Sender(picture.stanza, directory, tuple(picture.repositories))
    deadline = time.monotonic() + PATIENCE
    try:
        done = as_postgres(lambda _tell: push_past(sender, lambda seconds: _in_time(seconds, deadline)), _silently)
    except (OSError, Refusal, ValueError) as error:
        done = f"nothing is pushed past repositories that are away: {error}"
    if done:
        state.log(LOG, f"{picture.stanza}: {done}")


def _in_time(seconds: float, deadline: float) -> bool:
    time.sleep(seconds)
    return time.monotonic() < deadline


def _silently(_line: str) -> None:
    """It tells nothing before it ends."""
