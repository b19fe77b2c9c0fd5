# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that was called lost and writes again while its site is rebuilt elsewhere: told by what reached the repositories meanwhile.

No clock is asked: names of segments are compared with those that were there when the rebuild was planned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .problem import Problem

Newest = Mapping[str, str]  # by timeline, eight hexadecimal digits, the name of its newest segment, or of its history
SHOWN = 3


def newest(names: Iterable[str]) -> dict[str, str]:
    """The newest of these names by timeline."""
    found: dict[str, str] = {}
    for name in names:
        found[name[:8]] = max(name, found.get(name[:8], ""))
    return found


def is_known(timeline: int, now: Mapping[str, Newest]) -> bool:
    """Whether a repository knows of a timeline."""
    return any(f"{timeline:08X}" in names for names in now.values())


def judge(writer: str, then: Mapping[str, Newest], now: Mapping[str, Newest], again: str) -> Problem | None:
    """Why the new timeline must not be archived: by repository, what is there `now` and was not `then`. `again` is the command to type."""
    later = [
        f"{name} in repository {number}"
        for number, names in sorted(now.items())
        for timeline, name in sorted(names.items())
        if name > then.get(number, {}).get(timeline, "")
    ]
    if not later:
        return None
    shown = ", ".join(later[:SHOWN]) + (f" and {len(later) - SHOWN} more" if len(later) > SHOWN else "")
    found = f"signs that {writer} lives: since the rebuild was planned {shown}"
    expected = "nothing new there: two servers of one system would write to the same stanza, and serve different rows"
    return Problem(found, expected, f"make sure that it is down, and stays down; then what it has archived is taken over too by: {again}")
