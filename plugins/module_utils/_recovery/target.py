# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recovery targets: one small string everywhere, such as `time:2026-11-22T14:30:00Z`, or the same as a mapping.

`latest`, `immediate`, `time:`, `name:`, `lsn:`, `xid:`, `backup:` and the exclusive `before-time:`, `before-lsn:`, `before-xid:`.
Behind a comma follows what narrows it: `xid:1234,backup:20261122-020001F` or `time:2026-11-22T14:30:00Z,timeline:1`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from .problem import Problem, Refusal
from .snapshots import NAME
from .wal import Lsn

LATEST, IMMEDIATE, TIME, POINT, LSN, XID, BACKUP = "latest", "immediate", "time", "name", "lsn", "xid", "backup"
BARE = (LATEST, IMMEDIATE)
EXCLUSIVE = {f"before-{kind}": kind for kind in (TIME, LSN, XID)}
KINDS = (*BARE, TIME, POINT, LSN, XID, BACKUP, *EXCLUSIVE)
EXAMPLE_TIME = "2026-11-22T14:30:00Z"
LABEL = re.compile(r"\d{8}-\d{6}F(_\d{8}-\d{6}[DI])?")
_XID = re.compile(r"[0-9]{1,20}")
_ZONE = re.compile(r"\s*\b([A-Za-z]{2,}[A-Za-z0-9]*(?:[/_+-][A-Za-z0-9_+-]+)*)$")
_SPOILT_OFFSET = re.compile(r" (\d\d(?::?\d\d)?)$")
FIRST_XID = 3


@dataclass(frozen=True)
class Target:
    """Where a recovery is to end. `time` is in UTC; `backup` and `timeline` narrow the choice and are empty or 0 by default."""

    kind: str
    exclusive: bool = False
    time: datetime | None = None
    name: str = ""
    lsn: Lsn | None = None
    xid: int = 0
    backup: str = ""
    timeline: int = 0

    def __str__(self) -> str:
        prefix = f"before-{self.kind}" if self.exclusive else self.kind
        values = {TIME: iso(self.time) if self.time else "", POINT: self.name, LSN: str(self.lsn), XID: str(self.xid), BACKUP: self.backup}
        text = f"{prefix}:{values[self.kind]}" if self.kind in values else prefix
        more = [f",backup:{self.backup}"] if self.backup and self.kind != BACKUP else []
        more += [f",timeline:{self.timeline}"] if self.timeline else []
        return text + "".join(more)


def iso(time: datetime) -> str:
    """A time in UTC, as it can be typed in a target; microseconds only where there are some."""
    text = time.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text.rstrip('0') if '.' in text else text}Z"


def exact(seconds: float) -> str:
    """Unix seconds, in the same way."""
    return iso(datetime.fromtimestamp(seconds, UTC))


def parse(given: str | Mapping[str, object]) -> Target:
    """Read a target. Raises Refusal with one sentence that ends with the corrected thing to type."""
    if isinstance(given, str):
        words = [word.strip() for word in given.strip().split(",")]
        pairs = [(kind.strip(), value.strip()) for kind, _colon, value in (word.partition(":") for word in words)]
        if len({kind for kind, _value in pairs}) < len(pairs):
            raise Refusal(Problem(f"the target '{given}' with a part twice", "each part once", f"type one such as time:{EXAMPLE_TIME}"))
    else:
        pairs = [(str(kind), _text(value)) for kind, value in given.items()]
    found = dict(pairs)
    kinds = [kind for kind, _value in pairs if kind in KINDS]
    kind = next((kind for kind in kinds if kind != BACKUP), BACKUP if BACKUP in kinds else "")
    others = [other for other in found if other not in (kind, BACKUP, "timeline")]
    if not kind or others:
        shown = given if isinstance(given, str) else dict(given)
        expected = f"one of {', '.join(KINDS)}, and at most backup and timeline beside it"
        forms = f"one such as latest or time:{EXAMPLE_TIME}"
        is_name = isinstance(shown, str) and NAME.fullmatch(shown.strip())
        raise Refusal(
            Problem(
                f"the target '{shown}'",
                expected,
                f"type name:{str(shown).strip()} for that snapshot, or {forms}" if is_name else f"type {forms}",
            )
        )
    return _target(kind, found)


def missing(command: str) -> Problem:
    """Why nothing can be said without a target; `command` is a whole one, as it could be typed."""
    return Problem("no target", f"one of {', '.join(KINDS)}", command)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None or value is True else str(value)


def _target(kind: str, found: Mapping[str, str]) -> Target:
    value, base = found[kind], EXCLUSIVE.get(kind, kind)
    exclusive = kind in EXCLUSIVE
    timeline = _timeline(found.get("timeline", ""), f"{kind}:{value}" if value else kind)
    backup = _label(found[BACKUP]) if BACKUP in found else ""
    if base in BARE:
        if value:
            raise Refusal(Problem(f"'{value}' behind {kind}", f"nothing: {kind} needs no value", f"type {kind}"))
        return Target(base, backup=backup, timeline=timeline)
    if base == TIME:
        return Target(TIME, exclusive, time=_time(value, kind), backup=backup, timeline=timeline)
    if base == POINT:
        return Target(POINT, name=_name(value), backup=backup, timeline=timeline)
    if base == LSN:
        return Target(LSN, exclusive, lsn=_lsn(value, kind), backup=backup, timeline=timeline)
    if base == XID:
        return Target(XID, exclusive, xid=_xid(value, kind), backup=backup, timeline=timeline)
    return Target(BACKUP, backup=backup, timeline=timeline)


def _time(value: str, kind: str) -> datetime:
    text = value.upper() if value[-1:] == "z" else value
    if match := _SPOILT_OFFSET.search(text):
        fixed = f"{kind}:{text[: match.start()].replace(' ', 'T')}+{match[1]}"
        if _naive(text[: match.start()]) and len(text[: match.start()]) > len("2026-11-22"):
            raise Refusal(Problem(f"the time '{value}' with a blank before its offset", "a sign there", f"type {fixed}"))
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(_not_a_time(value, kind)) from None
    if time.tzinfo is None:
        whole = time.isoformat()
        found = f"the time '{value}' without an offset"
        expected = "one from UTC: without it, it would mean another moment on each host"
        raise Refusal(Problem(found, expected, f"type {kind}:{whole}Z if that is UTC, or {kind}:{whole}+02:00 with your own offset"))
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise Refusal(_not_a_time(value, kind)) from None


def _not_a_time(value: str, kind: str) -> Problem:
    zone = _ZONE.search(value)
    if zone and (clock := _naive(value[: zone.start()])):
        if zone[1].upper() in ("UTC", "GMT", "ZULU"):
            return Problem(f"the time '{value}' with the zone name {zone[1]}", "an offset or Z", f"type {kind}:{clock}Z")
        found = f"the time '{value}' with the zone name {zone[1]}"
        expected = "an offset from UTC, as it was in that zone at that moment"
        return Problem(found, expected, f"type {kind}:{clock}+02:00 with the offset in place of +02:00, or {kind}:{clock}Z for UTC")
    return Problem(f"the time '{value}'", "an ISO 8601 time with an offset or Z", f"type one such as {kind}:{EXAMPLE_TIME}")


def _naive(text: str) -> str:
    """A time without an offset in the form that we write; empty when the text is none."""
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        return ""
    return time.replace(tzinfo=None).isoformat()


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        expected = "letters, digits, '.', '_' and '-', as each snapshot has it"
        raise Refusal(Problem(f"the snapshot name '{value}'", expected, "type one such as name:pre-migration-v2.3"))
    return value


def _lsn(value: str, kind: str) -> Lsn:
    try:
        return Lsn.parse(value)
    except ValueError:
        expected = "two hexadecimal numbers with a slash between them"
        raise Refusal(Problem(f"the LSN '{value}'", expected, f"type one such as {kind}:0/3000050")) from None


def _xid(value: str, kind: str) -> int:
    if not _XID.fullmatch(value) or not FIRST_XID <= int(value) < 1 << 64:
        expected = f"a number from {FIRST_XID} on, as txid_current() and the server's log show it"
        raise Refusal(Problem(f"the transaction id '{value}'", expected, f"type one such as {kind}:1234"))
    return int(value)


def _label(value: str) -> str:
    if not LABEL.fullmatch(value):
        expected = "the label of a backup set, as pgbackrest info shows it"
        raise Refusal(Problem(f"the backup '{value}'", expected, "type one such as backup:20261122-020001F"))
    return value


def _timeline(value: str, rest: str) -> int:
    if value and (not value.isdecimal() or not 1 <= int(value) < 1 << 32):
        raise Refusal(Problem(f"the timeline '{value}'", "a number from 1 on", f"type {rest},timeline:1"))
    return int(value or 0)
