# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ladder of a drill while it is climbed: each proof and what became of it, and the chain of time stamps behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .drill import FAILED, LADDER, NOT_REACHED, PASSED, SKIPPED, Chain, Rung
from .drill_choice import NothingDrilled
from .postgres import NotAnswering
from .problem import Refusal
from .run import CommandFailed

Tell = Callable[[str], None]
TROUBLES = (Refusal, CommandFailed, NotAnswering, OSError, ValueError)


class Skipped(Exception):
    """Raised where a proof cannot be had, which is no failure; the text says why."""


class Ladder:
    """The rungs so far, of those in `names`, LADDER by default.

    `clock` counts seconds from anywhere; `troubles` are failures that are none of a proof.
    """

    def __init__(self, clock: Callable[[], float], tell: Tell, names: Mapping[str, str] | None = None) -> None:
        self.names = LADDER if names is None else names
        self.chain = Chain(clock)
        self.tell = tell
        self.rungs: dict[str, Rung] = {}
        self.troubles: list[str] = []

    def begin(self, name: str) -> None:
        """Begin a phase; one that is under way goes on. Whoever gets further has passed the rung before."""
        before = self.chain.current
        if name == before:
            return
        if before in self.names:
            self.rungs.setdefault(before, Rung(before, PASSED))
        self.chain.begin(name)
        self.tell(f"{name}: begins")

    def prove(self, name: str, act: Callable[[], str]) -> bool:
        """Carry one proof out; whether it did not fail. Raises NothingDrilled: what was mistyped is no proof that failed."""
        self.begin(name)
        try:
            self.note(name, PASSED, act())
        except NothingDrilled:
            raise
        except Skipped as reason:
            self.note(name, SKIPPED, str(reason))
        except TROUBLES as error:
            self.fail(error)
        return self.outcome(name) != FAILED

    def skip(self, name: str, why: str) -> None:
        """Leave a proof out, and say why."""
        self.begin(name)
        self.note(name, SKIPPED, why)

    def fail(self, error: Exception) -> None:
        """The phase that is under way has failed."""
        name = self.chain.current
        problems = tuple(one.sentence() for one in error.problems) if isinstance(error, Refusal) else (str(error),)
        if name in self.names:
            self.rungs[name] = Rung(name, FAILED, "", problems)
        else:
            self.troubles += [f"{name}: {problem}" for problem in problems]
        for problem in problems:
            self.tell(f"{name}: FAILED: {problem}")

    def note(self, name: str, outcome: str, text: str) -> None:
        """What became of a proof."""
        self.rungs[name] = Rung(name, outcome, text)
        self.tell(f"{name}: {outcome}{': ' if text else ''}{text}")

    def outcome(self, name: str) -> str:
        return self.rungs[name].outcome if name in self.rungs else NOT_REACHED

    def all(self) -> tuple[Rung, ...]:
        """Every rung, also those that were not reached."""
        return tuple(self.rungs.get(name, Rung(name, NOT_REACHED)) for name in self.names)
