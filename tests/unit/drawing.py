# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several small choices of a property as one number: hypothesis takes its time for each number that it draws, not for its size."""

from __future__ import annotations

from math import prod

from hypothesis import strategies as st

MOST = 1 << 24  # a number below it is as likely as any other; of a larger range hypothesis prefers the small ones


def together(*choices: int) -> st.SearchStrategy[int]:
    """A number that stands for one choice from each of these many."""
    assert prod(choices) <= MOST, choices
    return st.integers(0, prod(choices) - 1)


def apart(number: int, *choices: int) -> tuple[int, ...]:
    """The choices for which a number stands: each one from 0 on, and below its own of the many."""
    found = []
    for count in choices:
        number, choice = divmod(number, count)
        found.append(choice)
    return tuple(found)


def shared(one: int, other: int) -> frozenset[int]:
    """The bits that two numbers share: of two that were drawn a quarter of all on average, and any of them can be there or not."""
    both = one & other
    return frozenset(place for place in range(both.bit_length()) if both >> place & 1)
