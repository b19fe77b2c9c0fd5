# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which timeline a server begins at the end of a recovery, and whether it is somebody's already.

Source: PostgreSQL, findNewestTimeLine: it counts on from the timeline along which it recovered to the first one that has no history
where its restore_command looks, which is one repository. The new timeline is archived into each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .archive import Holdings
from .problem import Problem
from .reach import pushing


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
    begun, own = begins(timeline, known[number]), known[number].histories
    shown = " and ".join(f"timeline {max(known[other].timelines)} in repository {other}" for other in ahead)
    expected = f"none from timeline {begun} on, which a recovery from repository {number} would begin: its WAL would be mixed with that"
    lacking = {one: other for other in ahead for one in known[other].histories if one >= begun and one not in own}
    brought = "; ".join(bring(one, other, stanza) for one, other in sorted(lacking.items()))
    lost = begins(timeline, replace(known[number], histories=_histories(known)))
    if lost > max(max(known[other].timelines) for other in ahead):
        return Problem(shown, expected, f"{brought}; then type the same again")
    steps = [*_along(timeline, known), _without(lost, ahead, known, brought, stanza)]
    return Problem(f"{shown}, and no {_name(lost)} in any repository", expected, "; or ".join(steps))


def _histories(known: Mapping[int, Holdings]) -> frozenset[int]:
    return frozenset(one for held in known.values() for one in held.histories)


def _along(timeline: int, known: Mapping[int, Holdings]) -> list[str]:
    """The way behind the hole: a recovery along a later timeline counts on from there, wherever before its end the target lies."""
    later = [one for other, held in known.items() for one in held.histories if one > timeline and not taken(one, other, known)]
    return [f"type the target with ,timeline:{max(later)} behind it, if it is on the way to that one"] if later else []


def _without(lost: int, ahead: Sequence[int], known: Mapping[int, Holdings], brought: str, stanza: str) -> str:
    """What to do about a history that no repository has. Until it is there PostgreSQL counts no further.

    PostgreSQL looks only whether the file is there. What a later history says of the way until then is true where that comes from the
    lost timeline; else it takes the number alone, which harms nothing where no repository has WAL of it, or one that cannot be read.
    """
    later = min(((one, other) for other, held in known.items() for one in held.histories if one > lost), default=None)
    if later is not None and all(held.timelines and lost not in held.runs for held in known.values()):
        return "; ".join([*([brought] if brought else []), stand_in(lost, *later, stanza), "then type the same again"])
    find = f"on each host that had this cluster: sudo find / -name {_name(lost)}; {pushing(stanza, 'FILE')}; then type the same again"
    numbers = " and ".join(map(str, ahead))
    return f"{find}; or, where there is none, take repository {numbers} out of pgbackrest_repositories"


def bring(timeline: int, number: int, stanza: str) -> str:
    """The command that brings the history of a timeline from one repository into each."""
    return _pushed(_name(timeline), f"--repo={number} archive-get {_name(timeline)} $d/{_name(timeline)}", "", stanza)


def stand_in(timeline: int, later: int, number: int, stanza: str) -> str:
    """The command that writes a history which is lost into each repository, by what that of a `later` timeline says."""
    read = f'awk "\\$1 < {timeline}" $d/later >$d/{_name(timeline)} && '
    return _pushed(_name(timeline), f"--repo={number} archive-get {_name(later)} $d/later", read, stanza)


def _pushed(name: str, get: str, then: str, stanza: str) -> str:
    tool = f"pgbackrest --stanza={stanza} --no-archive-async"
    return f"sudo -u postgres sh -c 'd=$(mktemp -d) && {tool} {get} && {then}{tool} archive-push $d/{name}'"


def _name(timeline: int) -> str:
    return f"{timeline:08X}.history"
