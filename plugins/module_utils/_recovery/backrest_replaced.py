# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the host's own configuration says of repositories that are declared otherwise now, and the files that keep it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import access, files, repository
from .backrest import FILES
from .catalog import Repository
from .files import File
from .option_file import render
from .places import Declared, Former, Options, is_changed, is_kept

DIRECTORY = "/etc/pgbackrest/replaced"  # beside conf.d, which pgBackRest reads as a whole
OWN_FILES = (access.CA, access.KEY, access.KNOWN)


def formers(declared: Mapping[int, Options], legacy: str, stanzas: Sequence[str]) -> list[Former]:
    """Repositories of this host that are declared otherwise now, or not at all any more, and what they hold.

    `legacy` is the file that counts where ours is absent; `stanzas` are looked for beside those of the configuration.
    """
    main = None if repository.MAIN_FILE.exists() else Path(legacy)
    changed = {
        number: options
        for number, options in repository.configured(main).items()
        if number not in declared or is_changed(options, declared[number])
    }
    names = dict.fromkeys([*repository.stanzas(main), *stanzas])
    seen: dict[int, dict[str, Repository]] = {number: {} for number in changed}
    for stanza in names if changed else ():
        for found in repository.look(stanza, list(changed)):
            seen[found.number][stanza] = found
    return [Former(number, options, seen[number]) for number, options in changed.items()]


def left(formers: Sequence[Former], declared: Declared, stanzas: Mapping[str, str], now: float) -> tuple[tuple[File, ...], tuple[str, ...]]:
    """The files that keep what opens the repositories that are not declared any more, and the sentences that name them.

    `stanzas` are data directories by stanza.
    """
    worthy = (one for one in formers if one.backups or one.unread or "cipher-pass" in one.options)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    kept = [(one, kept_files(one, stamp, stanzas)) for one in worthy if not is_kept(one, declared)]
    told = [
        f"KEPT: repository {one.number} at {one.place} is left as it is; what opens it, its passphrase included, is in {its[0].path}"
        for one, its in kept
    ]
    return tuple(file for _one, its in kept for file in its), tuple(told)


def kept_files(former: Former, stamp: str, stanzas: Mapping[str, str]) -> tuple[File, ...]:
    """A configuration that opens it, secrets and its own files included, for root and postgres alone.

    `stamp` is the time in the names; `stanzas` are the data directories of the stanzas.
    """
    path = f"{DIRECTORY}/repo{former.number}-{stamp}.conf"
    own = {f"{FILES}{former.number}-{name}": f"{path.removesuffix('.conf')}-{name}" for name in OWN_FILES}
    options = {f"repo{former.number}-{name}": own.get(str(value), value) for name, value in former.options.items()}
    sections: dict[str, Mapping[str, object]] = {
        "global": options,
        **{stanza: {"pg1-path": directory} for stanza, directory in stanzas.items()},
    }
    look = f"sudo -u postgres pgbackrest --config={path} --repo={former.number} info"
    text = f"# What repository {former.number} was until it was declared otherwise, at {former.place}. To look into it:\n# {look}\n"
    beside = [(new, files.read(old)) for old, new in own.items()]
    return (
        File(path, f"{text}{render(sections)}", "root", "postgres", 0o640, True),
        *(File(new, content, "root", "postgres", 0o640, True) for new, content in beside if content is not None),
    )
