# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a run of a job ended, whatever stopped it, and the record of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from . import state
from .jobs import FAILED, JOBS, Record, Stanza, next_record, parse_records
from .problem import Refusal
from .run import CommandFailed
from .spoken import age
from .sql import NotAnswering

PATIENCE = 6 * 3600.0  # seconds that a job waits for the one before it


@dataclass(frozen=True)
class Ended:
    """How a run ended, in one sentence; `more` goes into the operations log and the JSON.

    A run that did not begin (`began` is false) says nothing of its job: neither that it works nor that it fails.
    """

    outcome: str
    text: str
    more: dict[str, Any] = field(default_factory=dict)
    began: bool = True


def records(stanza: str) -> dict[str, Record]:
    """How the newest run of each job ended."""
    return parse_records({job: state.load(state.DIRECTORY / stanza / f"job-{job}.json").get("record") for job in JOBS})


def guarded(stanza: Stanza, body: Callable[[], Ended]) -> Ended:
    """How a run ended, whatever stopped it: a job that only crashed would be no failure of which somebody is told."""
    try:
        return body()
    except TimeoutError as error:
        return Ended(FAILED, f"waited {age(PATIENCE)} for {error}, which still runs")
    except (CommandFailed, Refusal) as error:
        return Ended(FAILED, str(error))
    except NotAnswering as error:
        return silent(stanza, error)
    except Exception as error:
        import traceback

        with suppress(OSError):
            traceback.print_exc()
        return Ended(FAILED, f"crashed with {type(error).__name__}: {error}. Next: tail {state.LOGS}/backup.log")


def silent(stanza: Stanza, error: Exception) -> Ended:
    """The end of a run whose server does not answer. While a recovery is open that is as it should be."""
    from . import restore_told

    found, command = restore_told.seen(stanza.name)
    if found:
        return Ended(FAILED, f"{found}. Next: {command}")
    return Ended(FAILED, f"the server of {stanza.version}/{stanza.cluster} does not answer ({error}). Next: pg_lsclusters")


def remember(stanza: str, job: str, ended: Ended, began: float, over: float) -> None:
    """Keep how a run ended, for alerts and status. Where nothing can be kept, the job is overdue some time."""
    if ended.began:
        record = next_record(records(stanza).get(job), ended.outcome, ended.text, began, over)
        with suppress(OSError):
            state.keep(state.path(stanza, f"job-{job}.json"), {"record": asdict(record)})
