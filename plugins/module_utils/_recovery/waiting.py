# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who waits while a cluster is recovered in place: services of the host, and the pooler's databases that lead to it. Judged only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .problem import Problem

LOCAL = ("127.0.0.1", "localhost", "::1")
RUNS, RESTS, MISSING = "runs", "rests", "missing"
LISTED = "systemctl list-units --type=service"
SERVER_UNITS = "postgresql"  # Debian's units of a server, the umbrella among them, begin so
NOT_PAUSED = "is not paused"  # PgBouncer's own words, which no locale changes


@dataclass(frozen=True)
class Seen:
    """Who is there. `services` has the state of each; `patience` is the pooler's query_wait_timeout in seconds, 0 for no end.

    `endless` is the command that takes the limit away. `silent` is why a pooler that runs could not be asked; `answers` says whether
    the server does.
    """

    services: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[str, ...] = ()
    patience: float = 0.0
    endless: str = ""
    silent: str = ""
    answers: bool = True

    @property
    def running(self) -> tuple[str, ...]:
        return tuple(unit for unit, state in self.services.items() if state == RUNS)


def leading_to(rows: Mapping[str, Mapping[str, str]], port: int) -> tuple[str, ...]:
    """The databases in the pooler, by the rows of its console, that lead to the server on this port and that nobody has paused."""
    return tuple(name for name, row in rows.items() if _is_here(row, port) and row.get("paused", "0") in ("0", ""))


def _is_here(row: Mapping[str, str], port: int) -> bool:
    """Whether one of its hosts is this one: no host and a directory are its socket."""
    hosts = [host.strip() for host in row.get("host", "").split(",")]
    return row.get("port", "") == str(port) and any(not host or host.startswith("/") or host in LOCAL for host in hosts)


def state_of(shown: Mapping[str, str]) -> str:
    """The state of a unit by what systemd shows of it."""
    if shown.get("LoadState", "not-found") == "not-found":
        return MISSING
    return RUNS if shown.get("ActiveState", "") in ("active", "activating", "reloading") else RESTS


def judge(seen: Seen, seconds: float | None) -> list[Problem]:
    """What speaks against a recovery that takes so many seconds; None for unknown."""
    problems = []
    for unit, state in seen.services.items():
        if state == MISSING:
            problems.append(
                Problem(f"no unit {unit} on this host", "each of restore_services there", f"correct it, by what this lists: {LISTED}")
            )
        elif unit.startswith(SERVER_UNITS):
            expected = "services of clients alone: the server is stopped by itself"
            problems.append(Problem(f"{unit} in restore_services", expected, "take it out"))
    if seen.answers and seen.pools and seen.patience and seconds is not None and seconds > seen.patience:
        found = f"clients of {', '.join(seen.pools)} cut by PgBouncer after {seen.patience:.0f} s, and about {seconds:.0f} s to wait"
        problems.append(Problem(found, "a query_wait_timeout that lasts as long, or 0", seen.endless))
    return problems


def notes(seen: Seen) -> list[str]:
    """What a plan says of them."""
    text = []
    if seen.pools:
        limit = f"at most {seen.patience:.0f} s" if seen.patience else "as long as it takes"
        text.append(f"PgBouncer pauses {', '.join(seen.pools)}: clients wait {limit}")
    text += [f"PgBouncer does not answer, and is not paused. {seen.silent}"] if seen.silent else []
    text += [f"{unit} is stopped meanwhile" for unit in seen.running]
    return [*text, *(f"{unit} does not run, and is left alone" for unit, state in seen.services.items() if state == RESTS)]


def refused_resume(detail: str) -> bool:
    """Whether a RESUME was refused for another reason than that nothing was paused: a pooler that was started anew forgets."""
    return NOT_PAUSED not in detail


def quoted(names: Sequence[str]) -> list[str]:
    """Names as the pooler's console reads them."""
    return ['"' + name.replace('"', '""') + '"' for name in names]
