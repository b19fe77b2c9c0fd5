# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put the summaries of all hosts in an order that lets nobody miss the bad news. Nothing of Ansible is in here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PROTECTED = "PROTECTED"


def closing_lines(
    summaries: Mapping[str, Sequence[Sequence[str]]],
    lost: Iterable[str],
    told: Mapping[str, Sequence[Sequence[str]]] | None = None,
    failed: Mapping[str, Sequence[Sequence[str]]] | None = None,
) -> list[str]:
    """Return the lines to print last: each host's name, then its summaries. The worst comes at the very end.

    :param summaries: for each host one list of lines per stanza; the last line of each is its verdict.
    :param told: for each host lists of lines that are no verdict; they come before those that are.
    :param lost: hosts whose run ended early; what they said before is no longer a verdict.
    :param failed: for each host lists of lines that say themselves why it failed, such as a drill that did not pass: they are the last
        word of their host, unless its run ended early for something else.
    """
    told, failed = told or {}, failed or {}
    if not any(summaries.values()) and not any(told.values()) and not any(failed.values()):
        return []
    gone = set(lost)
    blocks: list[tuple[int, str, list[str]]] = []
    for host in sorted({*summaries, *told, *failed, *gone}):
        stanzas = sorted(summaries.get(host, ()), key=lambda lines: not _protected(lines))
        lines = [line for block in (*told.get(host, ()), *stanzas) for line in block]
        own = [line for block in failed.get(host, ()) for line in block]
        lines += own
        if host in gone:
            lines.append(f"NOT KNOWN: the run ended early on {host}. Read its error above, mend it and run again.")
        rank = 2 if host in gone or own else int(not all(_protected(stanza) for stanza in stanzas))
        blocks.append((rank, host, lines))
    return [line for _rank, host, lines in sorted(blocks) for line in (f"{host}:", *lines)]


def is_told(result: Mapping[str, Any], kept: Sequence[Sequence[str]]) -> bool:
    """Whether a task failed for what did not pass, and whose lines are kept: it says so itself, or its message repeats all the problems.

    :param result: the result of the task that failed.
    :param kept: the problems of each result of this host that did not pass and has lines; a report that could not be written repeats none.
    """
    message = str(result.get("msg") or "")
    repeats = any(problems and all(problem in message for problem in problems) for problems in kept)
    return bool(kept) and (result.get("passed") is False or repeats)


def ended_early(failures: int, unreachable: int, told: Sequence[bool]) -> bool:
    """Whether the run of a host ended for something that no kept line tells.

    :param failures: how many of its tasks failed and were not rescued.
    :param unreachable: how many of its tasks did not reach it.
    :param told: for each task of it that failed, rescued or not, in order, whether ``is_told``.
    """
    return unreachable > 0 or (failures > 0 and not (told and told[-1] and told.count(True) >= failures))


def _protected(lines: Sequence[str]) -> bool:
    return bool(lines) and lines[-1].startswith(PROTECTED)
