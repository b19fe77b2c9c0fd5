# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A refusal in the form that every one of ours has: what was found, what was expected, the next command."""

from __future__ import annotations

from dataclasses import dataclass

CONTROLLER = "ansible-playbook -i inventory"  # how each command for the controller begins: no inventory is the default


def playbook(name: str, *words: str) -> str:
    """The command that runs one of our playbooks, to be typed on the controller."""
    return " ".join([CONTROLLER, f"playbooks/{name}.yml", *words])


@dataclass(frozen=True)
class Problem:
    """One reason not to act. The three parts are plain text without a full stop at the end: the last one is often typed again."""

    found: str
    expected: str
    next_step: str

    def sentence(self) -> str:
        return f"Found {self.found}; expected {self.expected}. Next: {self.next_step}"


class Refusal(Exception):
    """Raised before anything is written; carries every problem that was found."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(problem.sentence() for problem in problems))
        self.problems = problems


class Unfinished(Refusal):
    """Raised after something was made; each sentence says what exists now."""
