# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drills compared: what got worse since the last one that passed, and when the next one is due. Pure; reads the reports' documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .drill import COPY, FAILED, PASSED, REBUILD, REMOVE, SITE_LADDER, SKIPPED
from .drill_document import is_sound, is_whole
from .spoken import counted, human, moment

DAY = 86400.0
INTERVAL_DAYS = 92  # a quarter
WORSE_BY = 0.25  # of what it was
WORSE_SECONDS = 5.0  # what is less is weather
TOPIC = "overdue drill"
DRILL = "sudo /opt/axiomdb/axiomdb-recovery drill"

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Last:
    """What is remembered of the newest drill that passed, and of the newest one at all.

    `repositories` says when each was last drilled by one that passed, in Unix seconds; `apart` what of the reports counts for nothing.
    """

    passed: Document | None = None
    newest: Document | None = None
    repositories: Mapping[int, float] = field(default_factory=dict)
    apart: tuple[str, ...] = ()


def in_order(documents: Iterable[Document]) -> list[Document]:
    """Those that can be read, the oldest first."""
    return sorted((one for one in documents if is_sound(one)), key=lambda one: float(one["began"]))


def seconds_of(one: Document) -> dict[str, float]:
    """How long each phase took, in the order of the drill."""
    return {str(phase["name"]): float(phase["seconds"]) for phase in one["phases"]}


def last(documents: Iterable[Document], now: float) -> Last:
    """The newest ones; one of the future proves nothing, the clock went back, and one of some databases nothing of the others."""
    found = [one for one in in_order(documents) if float(one["began"]) <= now]
    passed = [one for one in found if one["passed"] and is_whole(one)]
    repositories = {int(one["repository"]): float(one["began"]) for one in passed}
    return Last(passed[-1] if passed else None, found[-1] if found else None, repositories)


def before(documents: Iterable[Document], drilled: Document) -> Document | None:
    """What a drill is compared with: the last one before it that passed, of the same scenario, repository and kind of target."""
    same = [one for one in in_order(documents) if one["passed"] and one["began"] < drilled["began"] and _kind(one) == _kind(drilled)]
    return same[-1] if same else None


def _kind(one: Document) -> tuple[Any, ...]:
    scenario, asked = one.get("objective", {}).get("scenario"), str(one.get("asked", "")).partition(":")[0]
    return one.get("kind", COPY), scenario, asked, tuple(one.get("databases", ())), one.get("repository")


def worse(earlier: Document | None, now: Document) -> list[str]:
    """A sentence for each thing that got worse."""
    if earlier is None:
        return []
    return [*_rungs(earlier, now), *_times(earlier, now), *_rates(earlier, now), *_rpo(earlier, now)]


def _rungs(earlier: Document, now: Document) -> list[str]:
    then = {rung["name"]: rung["outcome"] for rung in earlier["rungs"]}
    since = moment(float(earlier["began"]))
    how = {FAILED: "failed", SKIPPED: "was skipped"}
    return [
        f"{SITE_LADDER.get(rung['name'], rung['name'])}: it passed on {since}, and {how[rung['outcome']]} now"
        for rung in now["rungs"]
        if rung["outcome"] in how and then.get(rung["name"]) == PASSED
    ]


def _times(earlier: Document, now: Document) -> list[str]:
    pairs = [("the RTO", earlier.get("rto_seconds"), now.get("rto_seconds"))]
    pairs += [(f"the phase {name}", seconds_of(earlier).get(name), seconds_of(now).get(name)) for name in (*REBUILD, REMOVE)]
    found = []
    for what, old, new in pairs:
        if old is not None and new is not None and new - old > max(WORSE_SECONDS, old * WORSE_BY):
            more = f", {100 * (new - old) / old:.0f} % more" if old else ""
            found.append(
                f"{what} took {new:.1f} s; it was {old:.1f} s on {moment(float(earlier['began']))}{more}{_growth(what, earlier, now)}"
            )
    return found


def _growth(what: str, earlier: Document, now: Document) -> str:
    """How much more there was to do, where that is the reason."""
    key = {"the phase restore": "restored_bytes", "the phase replay": "wal_bytes", "the RTO": "restored_bytes"}.get(what, "")
    old, new = earlier.get(key) or 0, now.get(key) or 0
    return f"; there was {human(new)} to do, and {human(old)} then" if old and new > old * (1 + WORSE_BY) else ""


def _rates(earlier: Document, now: Document) -> list[str]:
    """Rates of phases that took long enough to say something."""
    found = []
    for name, old in earlier.get("rates", {}).items():
        new = now.get("rates", {}).get(name)
        if new and seconds_of(now).get(name, 0.0) > WORSE_SECONDS and new < old * (1 - WORSE_BY):
            less = f"{100 * (old - new) / old:.0f} % less"
            found.append(f"{name} ran at {human(new)}/s; it was {human(old)}/s on {moment(float(earlier['began']))}, {less}")
    return found


def _rpo(earlier: Document, now: Document) -> list[str]:
    old, new = earlier.get("rpo_seconds"), now.get("rpo_seconds")
    # Within two minutes a heartbeat and a segment come and go.
    if old is None or new is None or new - old <= max(120.0, old * WORSE_BY):
        return []
    return [f"the RPO is {new:.0f} s; it was {old:.0f} s on {moment(float(earlier['began']))}, {new - old:.0f} s more"]


def due(known: Last, since: float, interval_days: int) -> float:
    """When somebody is to be told that no drill has passed, in Unix seconds; `since` counts where none ever has."""
    return (float(known.passed["began"]) if known.passed else since) + interval_days * DAY


def overdue(known: Last, since: float, interval_days: int, now: float) -> dict[str, str]:
    """One sentence by its topic when no drill has passed for too long. With 0 days nothing is asked."""
    if not interval_days or now <= due(known, since, interval_days):
        return {}
    asked = counted(interval_days, "day")
    if known.passed:
        past = counted(int((now - float(known.passed["began"])) // DAY), "day")
        found = f"no drill has passed for {past}; one each {asked} is asked for"
    else:
        found = f"no drill has ever passed, in {counted(int((now - since) // DAY), 'day')}; one each {asked} is asked for"
    return {TOPIC: f"{found}. Type: {DRILL}"}


def lines(known: Last, interval_days: int, now: float, repositories: Sequence[int] = (), proof: str = "") -> list[str]:
    """The last drill, for a status; `repositories` are those of the host, and `proof` is what a set says of a drill elsewhere."""
    newest, passed = known.newest, known.passed
    apart = [f"               {one}" for one in known.apart]
    if newest is None:
        elsewhere = [f"               {proof}"] if proof else []
        return [f"  drill        no recovery was ever drilled on this host. Type: {DRILL}", *elsewhere, *apart]
    text = []
    if not newest["passed"]:
        text.append(f"  DRILL        FAILED {_when(newest, now)}: {' | '.join(newest['problems'])}")
    elif not is_whole(newest):
        text.append(
            f"  drill        of {', '.join(newest['databases'])} alone passed {_when(newest, now)}: it proves nothing of the others"
        )
    if passed is None:
        return [
            *text,
            "               none of everything has ever passed" if newest["passed"] else "               none has ever passed",
            *apart,
        ]
    rto, rpo = passed.get("rto_seconds"), passed.get("rpo_seconds")
    measured = [f"{name} {value:.0f} s" for name, value in (("RTO", rto), ("RPO", rpo)) if value is not None]
    head = "               " if text else "  drill        "
    where = f"from set {passed['set']} of repository {passed['repository']}"
    text.append(f"{head}passed {_when(passed, now)}: {passed['target']} {where}, {', '.join(measured)}")
    text += [f"               worse than before: {one}" for one in passed["worse"]]
    text += [f"               {one}" for one in _undrilled(known, interval_days, now, repositories)]
    end = due(known, now, interval_days)
    is_due = f"is due by {moment(end)}" if now <= end else f"WAS DUE on {moment(end)}. Type: {DRILL}"
    return [*text, *([f"               the next one {is_due}"] if interval_days else []), *apart]


def _undrilled(known: Last, interval_days: int, now: float, repositories: Sequence[int]) -> list[str]:
    """A drill of one repository proves nothing of another, and it is the one elsewhere that is left when the host is lost."""
    found = []
    for number in repositories if interval_days else ():
        at = known.repositories.get(number)
        if at is None or now - at > interval_days * DAY:
            when = "was never drilled" if at is None else f"was last drilled on {moment(at)}"
            found.append(f"repository {number} {when}. Type: {DRILL} --repository={number}")
    return found if len(repositories) > 1 else []


def _when(one: Document, now: float) -> str:
    days = max(0, int((now - float(one["began"])) // DAY))
    return f"on {moment(float(one['began']))}" + (f", {counted(days, 'day')} ago" if days else "")


def quarter(documents: Iterable[Document], now: float, days: int = INTERVAL_DAYS) -> Sequence[Document]:
    """The drills of the last quarter, the oldest first, and the one before them that passed, if there is one."""
    found = in_order(documents)
    recent = [one for one in found if now - days * DAY < float(one["began"]) <= now]
    older = [one for one in found if one["passed"] and float(one["began"]) <= now - days * DAY]
    return [*older[-1:], *recent]
