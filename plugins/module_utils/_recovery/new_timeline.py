# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which timeline a server begins at the end of a recovery, and whether it is somebody's already.

Source: PostgreSQL, findNewestTimeLine: it counts on from the timeline along which it recovered to the first one that has no history
where its restore_command looks, which is one repository. The new timeline is archived into each of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from .archive import Holdings
from .problem import Problem


def begins(timeline: int, held: Holdings) -> int:
    """The timeline that a recovery along `timeline` begins when it sees this archive alone."""
    begun = timeline + 1
    while begun in held.histories:
        begun += 1
    return begun


def taken(timeline: int, number: int, known: Mapping[int, Holdings]) -> list[int]:
    """The other repositories that have the timeline already which a recovery from repository `number` would begin, or one above it."""
    begun = begins(timeline, known[number])
    return [other for other, held in known.items() if other != number and max(held.timelines, default=0) >= begun]


def judge(timeline: int, number: int, known: Mapping[int, Holdings], stanza: str) -> Problem | None:
    """Why a recovery in place along `timeline` from repository `number` would begin a timeline a second time; None where it would not."""
    ahead = taken(timeline, number, known)
    if not ahead:
        return None
    begun = begins(timeline, known[number])
    shown = " and ".join(f"timeline {max(known[other].timelines)} in repository {other}" for other in ahead)
    expected = f"none from timeline {begun} on, which a recovery from repository {number} would begin: its WAL would be mixed with that"
    lacking = {one: other for other in ahead for one in sorted(known[other].histories) if one >= begun}
    brought = "; ".join(bring(one, other, stanza) for one, other in sorted(lacking.items()))
    look = f"sudo -u postgres pgbackrest --stanza={stanza} --repo={ahead[0]} repo-ls --recurse archive, and find out whose it is"
    return Problem(shown, expected, f"{brought}; then type the same again" if brought else look)


def bring(timeline: int, number: int, stanza: str) -> str:
    """The command that brings the history of a timeline from one repository into each."""
    name, tool = f"{timeline:08X}.history", f"pgbackrest --stanza={stanza} --no-archive-async"
    get, push = f"{tool} --repo={number} archive-get {name} $d/{name}", f"{tool} archive-push $d/{name}"
    return f"sudo -u postgres sh -c 'd=$(mktemp -d) && {get} && {push}'"
