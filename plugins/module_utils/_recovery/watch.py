# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at a stanza each minute: what is wrong is told once, what is over is told once, and the numbers go to Prometheus."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from . import (
    alerts,
    drill_history,
    drill_reports,
    ending,
    freshness,
    jobs,
    judging,
    metrics,
    restore_told,
    state,
    watch_past,
    webhook,
    work,
)
from .alerts import Trouble
from .drill_history import Last
from .jobs import Counted, Record, Settings, Stanza
from .metrics import Deadlines
from .picture import any_picture
from .problem import CONTROLLER
from .spoken import age, counted
from .summary import Picture, reasons

OUTBOX = 500  # messages that wait for a webhook that does not answer
UNENDED = 2  # looks that did not end; a single one may have met the end of the host itself
PATIENCE = 90.0  # seconds that a look waits for another one
SENDING = 120.0  # seconds that one look sends; the rest waits for the next one
ELSEWHERE = ("standby", "verification")  # no trouble; told as that of a job
RESUME = "Type: sudo /opt/axiomdb/axiomdb-recovery resume"


@dataclass(frozen=True)
class Memory:
    """What one look leaves to the next: when it was, how many before it did not end, from when on jobs count, who was told what."""

    looked: float
    unended: int = 0
    counted: Mapping[str, Counted] = field(default_factory=dict)
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    outbox: tuple[Mapping[str, str], ...] = ()


def recall(settings: Settings, stanza: Stanza, now: float) -> Memory:
    """What the look before has left; whatever of it cannot be read is as if it had never been."""
    document = state.load(state.DIRECTORY / stanza.name / "troubles.json")
    looked, resumed = (_number(found) for found in (document.get("looked"), state.load(state.RESUMED).get("at")))
    counted = jobs.count(settings, jobs.parse_counted(document.get("counted")), now, looked, resumed)
    troubles = alerts.parse_troubles(document.get("troubles"))
    return Memory(now, int(_number(document.get("unended"))), counted, troubles, alerts.parse_outbox(document.get("outbox")))


def _file(stanza: Stanza) -> Path:
    return state.path(stanza.name, "troubles.json")


def _number(found: object) -> float:
    return float(found) if isinstance(found, int | float) else 0.0


def run(settings: Settings, stanzas: Sequence[Stanza]) -> dict[str, list[str]]:
    """Look at every stanza, then tell the webhook what is new; the texts of the troubles of which somebody was told, by stanza.

    No look waits for a webhook: the metrics of all of them are written before the first message goes out. Nor does a message
    wait for WAL that is pushed past a repository.
    """
    with ExitStack() as stack:
        memories: dict[Stanza, Memory] = {}
        pictures: dict[Stanza, Picture] = {}
        for stanza in stanzas:
            stack.enter_context(state.in_order(stanza.name, "watch", PATIENCE))
            memories[stanza], pictures[stanza] = _look(settings, stanza)
        began = time.monotonic()
        for stanza, memory in memories.items():
            if not _send(stanza, memory, began).reached:
                break
    for stanza, picture in pictures.items():
        watch_past.push(picture, work.cluster_of(stanza).data_directory)
    return {stanza.name: [trouble.text for trouble in memory.troubles.values() if trouble.told] for stanza, memory in memories.items()}


def _look(settings: Settings, stanza: Stanza) -> tuple[Memory, Picture]:
    """Find the troubles and write the metrics.

    Where the look before did not end, what the jobs themselves have written is told first: a repository that hangs, and this look
    with it, silences nothing.
    """
    records, pause = ending.records(stanza.name), state.load(state.PAUSE)
    memory = recall(settings, stanza, time.time())
    hung = memory.unended > 0
    current = written_troubles(settings, stanza, records, pause, memory, None)
    memory, unkept = _step(settings, stanza, replace(memory, unended=memory.unended + 1), current, _Written(bool(pause)))
    memory = _send(stanza, memory, time.monotonic()).memory if hung else memory
    picture = picture_of(settings, stanza)
    current = seen_troubles(settings, picture, pause)
    if unkept:
        current["state"] = f"{state.DIRECTORY} does not keep what the jobs remember: {unkept}. Type: df -h {state.DIRECTORY}"
    memory, _unkept = _step(settings, stanza, replace(memory, unended=0), current, _Seen(picture, bool(pause)))
    judging.watch_space(stanza.name, picture)
    if settings.metrics_file:
        deadlines = deadlines_of(settings, stanza, picture, records, pause, memory)
        judged = judging.last(stanza.name)
        drilled = drill_reports.last(stanza.name, settings.host, memory.looked)
        _write_metrics(settings, stanza, metrics.render(stanza.name, picture, records, memory.troubles, deadlines, judged, drilled))
    return memory, picture


def picture_of(settings: Settings, stanza: Stanza) -> Picture:
    """The host as it is; one at which nobody could look is a picture too, with the reason."""
    return any_picture(stanza.name, work.cluster_of(stanza), settings.host, CONTROLLER, time.time())


@dataclass(frozen=True)
class _Written:
    """The topics of what the jobs have written. While they are paused nothing is known of them: no run would change it."""

    paused: bool

    def covers(self, topic: str) -> bool:
        return topic.startswith(("job ", "overdue ", "pause", "watch"))

    def examined(self, topic: str) -> bool:
        return self.covers(topic) and not (self.paused and topic.startswith(("job ", "overdue ")))


@dataclass(frozen=True)
class _Seen:
    """The topics of what is seen on the host; without an answer of the server nothing of it is known but that."""

    picture: Picture
    paused: bool

    def covers(self, topic: str) -> bool:
        return not _Written(self.paused).covers(topic)

    def examined(self, topic: str) -> bool:
        known = self.picture.server is not None and not (self.paused and topic.startswith("age "))
        return self.covers(topic) and (known or topic == "state")


def troubles_of(
    settings: Settings, stanza: Stanza, picture: Picture, records: Mapping[str, Record], memory: Memory, drilled: Last | None = None
) -> dict[str, str]:
    """Every trouble by its topic, each with the command to type; `drilled` is what the caller has read of drills, if it has."""
    pause = state.load(state.PAUSE)
    return {**seen_troubles(settings, picture, pause), **written_troubles(settings, stanza, records, pause, memory, drilled)}


def written_troubles(
    settings: Settings, stanza: Stanza, records: Mapping[str, Record], pause: Mapping[str, object], memory: Memory, known: Last | None
) -> dict[str, str]:
    """The troubles that need no look at the server or a repository."""
    found = {}
    if memory.unended >= UNENDED:
        found["watch"] = f"the last {memory.unended} looks did not end: what they wait for hangs. Type: df; pgrep -a pgbackrest"
    if not pause:
        late = jobs.overdue(settings, records, memory.counted, memory.looked)
        return found | jobs.failures(records) | late | _overdue_drill(settings, stanza, memory, known)
    paused = memory.looked - _number(pause.get("since"))
    if not -freshness.AHEAD <= paused <= settings.pause_max_seconds:
        found["pause"] = f"jobs are paused for {age(max(0.0, paused))}: {pause.get('reason', '')}. {_end_of_pause(stanza)}"
    return found


def _end_of_pause(stanza: Stanza) -> str:
    """What to type so that the jobs begin again: never in the middle of a recovery."""
    _found, command = restore_told.seen(stanza.name)
    return f"Type: {command}" if command else RESUME


def _overdue_drill(settings: Settings, stanza: Stanza, memory: Memory, known: Last | None) -> dict[str, str]:
    if jobs.DRILL not in memory.counted:
        return {}
    known = known or drill_reports.last(stanza.name, settings.host, memory.looked)
    return drill_history.overdue(known, memory.counted[jobs.DRILL].since, settings.drill_interval_days, memory.looked)


def seen_troubles(settings: Settings, picture: Picture, pause: Mapping[str, object]) -> dict[str, str]:
    """The troubles of the server, its archiving and its repositories."""
    found = {item.topic: f"{item.reason}. Type: {item.command}" for item in reasons(picture) if item.topic not in ELSEWHERE}
    return found if pause else {**found, **freshness.too_old(picture, settings.backup_max_age_seconds)}


def deadlines_of(
    settings: Settings, stanza: Stanza, picture: Picture, records: Mapping[str, Record], pause: Mapping[str, object], memory: Memory
) -> Deadlines:
    """When somebody is to be told; of what the jobs do, not while they are paused."""
    if pause:
        return Deadlines(pause=_number(pause.get("since")) + settings.pause_max_seconds)
    backups = {number: newest + settings.backup_max_age_seconds for number, newest in freshness.newest_times(picture).items()}
    deadlines = jobs.deadlines(settings, records, memory.counted, memory.looked)
    if jobs.DRILL in memory.counted:
        known = drill_reports.last(stanza.name, settings.host, memory.looked)
        deadlines[jobs.DRILL] = drill_history.due(known, memory.counted[jobs.DRILL].since, settings.drill_interval_days)
    return Deadlines(deadlines, backups)


def _step(settings: Settings, stanza: Stanza, memory: Memory, current: Mapping[str, str], scope: _Written | _Seen) -> tuple[Memory, str]:
    """One step of the alerts within a scope: the memory after it, what is to be sent included, and why the disk did not keep it.

    What is to be sent is kept before it is sent: a killed look sends a message twice rather than never. Where nothing can be
    kept, nobody can know how long a trouble lasts and who was told: each look tells it.
    """
    before = {topic: trouble for topic, trouble in memory.troubles.items() if scope.covers(topic)}
    others = {topic: trouble for topic, trouble in memory.troubles.items() if not scope.covers(topic)}
    judged = judging.last(stanza.name)
    parts = {f"job {jobs.VERIFY}": [fault.topic for fault in judged.faults]} if judged else {}

    def step(patience: float) -> tuple[Memory, list[str]]:
        after, said = alerts.step(before, current, memory.looked, patience, scope.examined, parts)
        waiting = [*memory.outbox, *(alerts.payload(settings.host, stanza.name, message) for message in said)]
        return replace(memory, troubles={**others, **after}, outbox=tuple(waiting[-OUTBOX:])), said

    after, said = step(settings.alert_after_seconds)
    unkept = ""
    try:
        unkept = _keep(stanza, after)
    except OSError as error:
        unkept = error.strerror or type(error).__name__
        after, said = step(0)
    for message in said:
        state.log("alerts.log", f"{stanza.name}: {message}")
    lost = len(memory.outbox) + len(said) - len(after.outbox)
    if lost:
        state.log("alerts.log", f"{stanza.name}: {OUTBOX} messages wait for the webhook; the oldest {lost} will not be sent")
    return after, unkept


def _keep(stanza: Stanza, memory: Memory) -> str:
    return state.keep(_file(stanza), asdict(memory))


@dataclass(frozen=True)
class _Sent:
    """What is left to remember; `reached` is false where the webhook took no message, or the time is over."""

    memory: Memory
    reached: bool = True


def _send(stanza: Stanza, memory: Memory, began: float) -> _Sent:
    """Post what waits, one after the other, and forget each that arrived. Without a webhook the log is all there is."""
    while memory.outbox:
        try:
            url = webhook.address()
            answer = webhook.deliver(url, memory.outbox[0]) if url else webhook.Answer()
        except (OSError, ValueError) as error:
            answer = webhook.Answer(f"the webhook's address cannot be read: {error}")
        if answer.reason:
            state.log("alerts.log", f"{stanza.name}: {answer.reason}; {counted(len(memory.outbox), 'message waits', 'messages wait')}")
        if answer.reason and not answer.unwanted:
            return _Sent(memory, False)
        memory = replace(memory, outbox=memory.outbox[1:])
        with suppress(OSError):
            _keep(stanza, memory)
        if time.monotonic() - began > SENDING:
            return _Sent(memory, False)
    return _Sent(memory)


def forget(settings: Settings) -> None:
    """Remove the metrics of stanzas that are not declared any more: they would look like a watch that died."""
    if settings.metrics_file:
        kept = {_metrics_file(settings, stanza) for stanza in settings.stanzas}
        declared = Path(settings.metrics_file)
        for file in set(declared.parent.glob(f"{declared.stem}-*{declared.suffix}")) - kept:
            with suppress(OSError):
                file.unlink()


def _metrics_file(settings: Settings, stanza: Stanza) -> Path:
    """One file per stanza beside the declared name: node_exporter reads all of them."""
    declared = Path(settings.metrics_file)
    return declared.with_name(f"{declared.stem}-{stanza.name}{declared.suffix}")


def _write_metrics(settings: Settings, stanza: Stanza, text: str) -> None:
    file = _metrics_file(settings, stanza)
    temporary = file.with_name(f".{file.name}.new")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(0o644)
        temporary.replace(file)
    except OSError as error:
        state.log("alerts.log", f"{stanza.name}: the metrics could not be written to {file}: {error.strerror}")
