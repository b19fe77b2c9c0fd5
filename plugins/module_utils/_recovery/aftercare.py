# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a recovered cluster is well while its clients use it again: looks at it, compared with the first one. Nothing is undone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .problem import Problem
from .spoken import moment

READY = "database system is ready to accept connections"
_ENGLISH = re.compile(r"(C|POSIX|en_.*)?([.].*)?")  # lc_messages where the log has English words
_SEVERITY = re.compile(r"\b(ERROR|FATAL|PANIC):  ")


@dataclass(frozen=True)
class Log:
    """What the server's log says since its last start: how many lines of each severity, and the last of them.

    `unread` is why nobody knows.
    """

    lines: Mapping[str, int] = field(default_factory=dict)
    last: str = ""
    unread: str = ""

    @property
    def total(self) -> int:
        return sum(self.lines.values())


@dataclass(frozen=True)
class Look:
    """One look. `at` and `started` are Unix seconds; the counters are the server's own. `silent` is why the server did not answer.

    `endpoints` has a sentence for each, an empty one for a good one. `file` is where the server's messages are.
    """

    at: float
    started: float = 0.0
    connections: int = 0
    rollbacks: int = 0
    deadlocks: int = 0
    unarchived: int = 0
    log: Log = field(default_factory=Log)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    silent: str = ""
    file: str = ""


def count(text: str) -> Log:
    """The severities in a log on stderr, since the server was last ready in it."""
    lines: dict[str, int] = {}
    last = ""
    for line in text[max(0, text.rfind(READY)) :].splitlines():
        if match := _SEVERITY.search(line):
            lines[match[1]] = lines.get(match[1], 0) + 1
            last = line.strip()
    return Log(lines, last)


def unreadable(destination: str, messages: str) -> str:
    """Why a log cannot be judged by its words; empty when it can."""
    if "stderr" not in destination.split(","):
        return f"log_destination is {destination}"
    return "" if _ENGLISH.fullmatch(messages) else f"lc_messages is {messages}"


def line(first: Look, look: Look) -> str:
    """A look for a person."""
    if look.silent:
        return f"{moment(look.at)} the server does not answer: {look.silent}"
    named = ", ".join(f"{number} {severity}" for severity, number in sorted(look.log.lines.items())) or "no error"
    good = sum(not sentence for sentence in look.endpoints.values())
    words = [
        f"{look.connections} connections",
        f"{look.rollbacks - first.rollbacks} rollbacks",
        f"{look.deadlocks - first.deadlocks} deadlocks",
        f"log unknown ({look.log.unread})" if look.log.unread else f"{named} in the log",
        f"{look.unarchived - first.unarchived} failures of the archiver",
        f"{good} of {len(look.endpoints)} endpoints good" if look.endpoints else "no endpoint",
    ]
    return f"{moment(look.at)} {', '.join(words)}"


def judge(first: Look, look: Look) -> list[str]:
    """What is not well now, a sentence each."""
    wrong = [sentence for sentence in look.endpoints.values() if sentence]
    tail = f"tail {look.file}"
    if look.silent:
        return [Problem(f"no answer of the server ({look.silent})", "one", "pg_lsclusters").sentence(), *wrong]
    problems = []
    if first.started and look.started != first.started:
        problems.append(Problem(f"a server started again at {moment(look.started)}", "the one of the recovery", tail))
    if look.log.total:
        problems.append(Problem(f"{look.log.total} errors in the server's log, the last: {look.log.last}", "none", tail))
    if look.deadlocks > first.deadlocks:
        problems.append(Problem(f"{look.deadlocks - first.deadlocks} deadlocks", "none", tail))
    if look.unarchived > first.unarchived:
        number = look.unarchived - first.unarchived
        status = "sudo /opt/axiomdb/axiomdb-recovery status"
        problems.append(Problem(f"{number} segments that the archiver did not bring away", "none", status))
    return [*(problem.sentence() for problem in problems), *wrong]


def first_of(looks: Sequence[Look]) -> Look:
    """The one with which the others are compared: the first that the server answered."""
    return next((look for look in looks if not look.silent), looks[0])


def findings(looks: Sequence[Look]) -> list[str]:
    """What was not well in any look, each once: of counters and of the log what the last look says that the server answered."""
    if not looks:
        return []
    last = next((look for look in reversed(looks) if not look.silent), looks[-1])
    troubled = [look for look in looks if look.silent or any(look.endpoints.values())]
    passing = [sentence for look in troubled for sentence in judge(look, replace(look, log=Log()))]
    return list(dict.fromkeys([*judge(first_of(looks), last), *passing]))


def of_endpoints(asked: Mapping[str, Problem | None]) -> dict[str, str]:
    """What is wrong with each, as a look has it."""
    return {name: problem.sentence() if problem else "" for name, problem in asked.items()}


def minutes(looks: Sequence[Look]) -> int:
    """How long was looked."""
    return round((looks[-1].at - looks[0].at) / 60) if looks else 0


def document(look: Look) -> dict[str, Any]:
    """A look as JSON has it."""
    return asdict(look)


def parse(found: Mapping[str, Any]) -> Look:
    """Read it back."""
    look = Look(**found)
    return replace(look, log=Log(**found.get("log", {})))
