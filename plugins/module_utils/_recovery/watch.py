# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at a stanza each minute: what is wrong is told once, what is over is told once, and the numbers go to Prometheus."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

from . import alerts, jobs, metrics, state, webhook, work
from .alerts import Trouble
from .jobs import Settings, Stanza
from .picture import take_picture
from .summary import Picture, age, reasons

NEVER_SENT = 500  # messages that wait for a webhook that does not answer


def look(settings: Settings, stanza: Stanza) -> list[str]:
    """Find the troubles, tell what is new, write the metrics; the texts of the troubles of which somebody was told."""
    picture = take_picture(stanza.name, work.cluster_of(stanza), settings.host, "ansible-playbook", time.time())
    file = state.path(stanza.name, "troubles.json")
    known = state.load(file)
    since = float(known.get("since", picture.now))
    before = {topic: Trouble(**trouble) for topic, trouble in known.get("troubles", {}).items()}
    current = troubles_of(settings, picture, work.records(stanza.name), state.load(state.PAUSE), since)
    answered = picture.server is not None

    def examined(topic: str) -> bool:
        return answered or topic.startswith(("job ", "overdue ", "pause"))

    after, messages = alerts.step(before, current, picture.now, settings.alert_after_seconds, examined)
    outbox = [*known.get("outbox", []), *(alerts.payload(settings.host, stanza.name, message) for message in messages)]
    for message in messages:
        state.log("alerts.log", f"{stanza.name}: {message}")
    document = {"since": since, "troubles": {topic: asdict(trouble) for topic, trouble in after.items()}}
    # What is to be sent is kept before it is sent: a killed look sends a message twice rather than never.
    state.save(file, {**document, "outbox": outbox[-NEVER_SENT:]})
    if outbox:
        state.save(file, {**document, "outbox": _send(stanza.name, outbox[-NEVER_SENT:])})
    if settings.metrics_file:
        _write_metrics(settings, stanza, picture, after)
    return [trouble.text for trouble in after.values() if trouble.told]


def _send(stanza: str, outbox: list[dict[str, str]]) -> list[dict[str, str]]:
    """Post what waits; what could not be sent waits on. Without a webhook the log is all there is."""
    url = webhook.address()
    if not url:
        return []
    sent, reason = webhook.deliver(url, outbox)
    if reason:
        state.log("alerts.log", f"{stanza}: {reason}; {len(outbox) - sent} messages wait")
    return outbox[sent:]


def troubles_of(
    settings: Settings, picture: Picture, records: dict[str, jobs.Record], pause: dict[str, object], since: float
) -> dict[str, str]:
    """Every trouble by its topic, each with the command to type."""
    found = {item.topic: f"{item.reason}. Type: {item.command}" for item in reasons(picture) if item.topic != "standby"}
    if pause:
        paused = picture.now - float(str(pause.get("since", picture.now)))
        if paused > settings.pause_max_seconds:
            found["pause"] = (
                f"jobs are paused for {age(paused)}: {pause.get('reason', '')}. Type: sudo /opt/axiomdb/axiomdb-recovery resume"
            )
        return found
    found |= jobs.failures(records) | jobs.overdue(settings, records, since, picture.now)
    if picture.server is not None and not picture.standby:
        for repository in picture.repositories:
            newest = max((backup.stopped for backup in repository.usable_backups(picture.server.system_id)), default=None)
            if newest is not None and picture.now - newest > settings.backup_max_age_seconds:
                old = f"the newest backup in repository {repository.number} is {age(picture.now - newest)} old"
                found[f"age {repository.number}"] = f"{old}. Type: sudo /opt/axiomdb/axiomdb-recovery backup"
    return found


def _write_metrics(settings: Settings, stanza: Stanza, picture: Picture, troubles: dict[str, Trouble]) -> None:
    """Write one file per stanza beside the declared name: node_exporter reads all of them."""
    declared = Path(settings.metrics_file)
    file = declared.with_name(f"{declared.stem}-{stanza.name}{declared.suffix}")
    temporary = file.with_name(f".{file.name}.new")
    try:
        temporary.write_text(metrics.render(stanza.name, picture, work.records(stanza.name), troubles), encoding="utf-8")
        temporary.chmod(0o644)
        temporary.replace(file)
    except OSError as error:
        state.log("alerts.log", f"{stanza.name}: the metrics could not be written to {file}: {error.strerror}")
