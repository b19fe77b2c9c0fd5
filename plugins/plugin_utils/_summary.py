# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put the summaries of all hosts in an order that lets nobody miss the bad news. Nothing of Ansible is in here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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
    :param lost: hosts that failed or were unreachable; what they said before is no longer a verdict.
    :param failed: for each host lists of lines that say themselves why it failed, such as a drill that did not pass: they are the last
        word of their host, whose run has not ended early.
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
        if host in gone and not own:
            lines.append(f"NOT KNOWN: the run ended early on {host}. Read its error above, mend it and run again.")
        rank = 2 if host in gone or own else int(not all(_protected(stanza) for stanza in stanzas))
        blocks.append((rank, host, lines))
    return [line for _rank, host, lines in sorted(blocks) for line in (f"{host}:", *lines)]


def _protected(lines: Sequence[str]) -> bool:
    return bool(lines) and lines[-1].startswith(PROTECTED)
