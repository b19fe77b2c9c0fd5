# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The `pgbackrest restore` that a killed run has left at work: found by the data directory to which it writes, and by nothing less."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from . import option_file, repository
from .restoring import Journal
from .scratch_removal import commands

GENTLE = FIRM = 20.0  # seconds
_PATH, _FILE, _STANZA = "--pg1-path=", "--config=", "--stanza="
_ELSEWHERE = ("--config-path=", "--config-include-path=", "--no-config")  # another configuration than the host's own


def end_restores(journal: Journal) -> None:
    """End what a killed run has left at work in the data directory; a copy's restore and another cluster's go on."""
    for number, patience in ((signal.SIGTERM, GENTLE), (signal.SIGKILL, FIRM)):
        deadline = time.monotonic() + patience
        while (found := _restores(journal)) and time.monotonic() < deadline:
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.2)


def _restores(journal: Journal) -> list[int]:
    """Processes of `pgbackrest restore` that write to the cluster itself, and to no copy."""
    own = {os.path.realpath(one) for one in (journal.home.directory, journal.restores_into)}
    return [pid for pid, words in commands() if is_restore(words, journal.home.stanza) and _directory_of(pid, words) in own]


def is_restore(words: Sequence[str], stanza: str) -> bool:
    """Whether a command line is a restore of this stanza, or one that it has started."""
    restores = os.path.basename(words[0]) == "pgbackrest" and any(word.split(":")[0] == "restore" for word in words)
    return restores and f"{_STANZA}{stanza}" in words


def _directory_of(pid: int, words: Sequence[str]) -> str:
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    return directory_of(words, dict(word.split("=", 1) for word in text.split("\0") if "=" in word))


def directory_of(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """The data directory to which a restore writes, by its arguments, its environment or its configuration; empty for unknown."""
    stanza = _last(words, _STANZA)
    named = _last(words, _PATH) or environment.get("PGBACKREST_PG1_PATH", "")
    if not named and not any(word.startswith(_ELSEWHERE) for word in words) and "PGBACKREST_CONFIG_PATH" not in environment:
        file = _last(words, _FILE) or environment.get("PGBACKREST_CONFIG", "") or str(repository.MAIN_FILE)
        with suppress(OSError, ValueError):
            named = str(option_file.parse(Path(file).read_text(encoding="utf-8")).get(stanza, {}).get("pg1-path", ""))
    return os.path.realpath(named) if named else ""


def _last(words: Sequence[str], option: str) -> str:
    return next((word.removeprefix(option) for word in reversed(words) if word.startswith(option)), "")
