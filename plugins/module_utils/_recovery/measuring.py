# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remembers how fast this host restores and replays: the next plan says how long it takes, and where that figure is from."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict

from . import drill_annotation, rates, state
from .catalog import Repository
from .rates import Rates

RESTORE, REPLAY = "restore", "replay"
FILE = "rates.json"


def known(stanza: str, repositories: Iterable[Repository] = ()) -> Rates:
    """What was measured last on this host; of what it has never done, what a set in these repositories says of its drill."""
    own, noted = rates.parse(state.load(state.DIRECTORY / stanza / FILE)), drill_annotation.rates_of(repositories)
    return Rates(own.restore or noted.restore, own.replay or noted.replay)


def remember(stanza: str, kind: str, size: int, seconds: float, what: str, at: float | None = None) -> None:
    """Write a measurement down, RESTORE or REPLAY, in bytes and seconds. A disk that takes nothing is no reason to stop a recovery.

    `at` is the time by which `what` is known, in Unix seconds; now by default.
    """
    rate = rates.measured(size, seconds, time.time() if at is None else at, what)
    if rate is not None:
        with suppress(OSError):
            file = state.path(stanza, FILE)
            state.save(file, {**state.load(file), kind: asdict(rate)})
