# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes the site bundle beside each repository, once a day, and reads it again. A repository without encryption gets none.

Source: pgBackRest's repo-put and repo-get, which take any path in a repository; with --raw what is given is stored as it is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable

from . import bundle, bundle_look, bundle_seal, repository, state
from .bundle import Bundle
from .bundle_seal import NotOpened
from .postgres import NotAnswering
from .problem import Problem
from .run import CommandFailed, pgbackrest, require
from .survey import Survey

WRITTEN = "bundles.json"


def write_where_due(seen: Survey, numbers: Iterable[int], tell: Callable[[str], None]) -> None:
    """Write it where it is older than a day. What fails is told, and keeps no backup from being one."""
    stanza, now = seen.server.stanza, time.time()
    known = dict(state.load(state.DIRECTORY / stanza / WRITTEN).get("written", {}))
    due = [number for number in numbers if bundle.is_due(known.get(str(number)), now) and _passphrase(number)]
    try:
        text = json.dumps(bundle.document(bundle_look.gather(seen)), sort_keys=True) if due else ""
        for number in due:
            write(stanza, number, text)
            known[str(number)] = now
        if due:
            state.keep(state.path(stanza, WRITTEN), {"written": known})
    except (CommandFailed, NotAnswering, OSError, ValueError) as error:
        tell(f"NO SITE BUNDLE was written: {error}")


def write(stanza: str, number: int, text: str) -> None:
    """Seal a bundle, store it and see it there. Raises CommandFailed, OSError or ValueError."""
    sealed = bundle_seal.seal(text, _passphrase(number))
    options = [f"--repo={number}", "--raw"]
    require(pgbackrest("", ["repo-put", bundle.path_of(stanza)], options, given=sealed.encode()), stanza)
    if raw(stanza, number) != sealed:
        raise ValueError(f"repository {number} shows another site bundle than the one that was stored")


def raw(stanza: str, number: int) -> str:
    """The sealed bundle; empty where there is none. Raises CommandFailed."""
    done = pgbackrest("", ["repo-get", bundle.path_of(stanza)], [f"--repo={number}", "--raw", "--ignore-missing"])
    return "" if done.code == 1 else require(done, stanza).stdout


def read(stanza: str, number: int) -> Bundle | None:
    """The bundle of a repository; None where there is none. Raises NotOpened or CommandFailed."""
    sealed = raw(stanza, number)
    if not sealed:
        return None
    try:
        return bundle.parse(json.loads(bundle_seal.unseal(sealed, _passphrase(number))))
    except (KeyError, TypeError) as error:
        raise NotOpened(f"it lacks {error}") from error


def judge(stanza: str, number: int) -> tuple[Bundle | None, Problem | None]:
    """The bundle, or why it cannot be trusted: its fingerprint is compared before anything is deciphered."""
    try:
        return read(stanza, number), None
    except (NotOpened, CommandFailed, ValueError) as error:
        remove = f"sudo -u postgres pgbackrest --repo={number} repo-rm {bundle.path_of(stanza)}"
        found = f"the site bundle in repository {number} not opened: {error}"
        return None, Problem(
            found, "one that the passphrase of the vault opens", f"correct cipher_pass in the vault; or without it: {remove}"
        )


def _passphrase(number: int) -> str:
    return repository.configured().get(number, {}).get("cipher-pass", "")
