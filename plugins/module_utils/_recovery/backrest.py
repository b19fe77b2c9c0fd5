# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pgBackRest configuration that this collection writes, built from what is declared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from . import access, passphrase
from .access import Access
from .catalog import Repository
from .option_types import BLOCK_INCREMENTAL_STABLE
from .options import Version, is_secret, parallelism
from .problem import Problem, Refusal

Sections = dict[str, dict[str, object]]
LAST_NUMBER = 256
FILES = "/etc/pgbackrest/repo"  # the beginning of the names of a repository's own files
FIELDS = {"type": "type", "path": "path", "cipher-type": "cipher_type", "cipher-pass": "cipher_pass", **access.FIELDS}
REMOTE = (*access.OBJECT_STORES, "sftp")
# For a store that does not answer, pgBackRest waits about twenty times io-timeout before it pushes a segment to any other repository
# (20 minutes by default), and a backup of another repository waits for that segment. In seconds, which every release understands.
CUT_OFF: Mapping[str, Mapping[str, int]] = {"archive-push": {"io-timeout": 5}, "backup": {"archive-timeout": 300}}
_OWN_FIELD = re.compile(rf"repo[0-9]+-({'|'.join(FIELDS)})")
RESERVED = ("all", "global", "metrics", "pause.json", "resumed.json", "scratch")  # pgBackRest's own words, and names in /var/lib/axiomdb
_STANZA = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class RepositorySpec:
    """A declared repository. `options` and `secrets` are named without the prefix `repoN-`.

    `replaces` is the place of another repository that had this number and may be left (see places.where).
    """

    number: int
    kind: str = "posix"
    path: str = "/var/lib/pgbackrest"
    cipher: str = "aes-256-cbc"
    passphrase: str | None = None
    published: bool = False
    retention_days: int = 7
    options: Mapping[str, object] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    access: Access = Access()
    replaces: str = ""


@dataclass(frozen=True)
class StanzaSpec:
    """A declared stanza: the cluster that it belongs to."""

    name: str
    data_directory: str
    port: int = 5432
    socket_directory: str = "/var/run/postgresql"


def build(
    repositories: Sequence[RepositorySpec],
    stanzas: Sequence[StanzaSpec],
    extra: Mapping[str, Mapping[str, object]],
    version: Version,
    cores: int,
) -> Sections:
    """Sections and options of pgbackrest.conf, without any secret; `extra` wins over our own choices. Raises Refusal."""
    sections: Sections = {"global": _global(repositories, version), "global:backup": {"delta": True}}
    for command, processes in parallelism(cores).items():
        sections.setdefault(f"global:{command}", {})["process-max"] = processes
    if len(repositories) > 1 and any(repository.kind in REMOTE for repository in repositories):
        for command, options in CUT_OFF.items():
            sections.setdefault(f"global:{command}", {}).update(options)
    for stanza in stanzas:
        sections[stanza.name] = {
            "pg1-path": stanza.data_directory,
            "pg1-port": stanza.port,
            "pg1-socket-path": stanza.socket_directory,
        }
    for section, values in extra.items():
        if not isinstance(values, Mapping):
            found = f"a {type(values).__name__} as section '{section}'"
            raise Refusal(Problem(found, "a mapping of options", "correct pgbackrest_options"))
        for name in values:
            if match := _OWN_FIELD.fullmatch(str(name)):
                found = f"'{name}' in section '{section}' of pgbackrest_options"
                raise Refusal(Problem(found, f"the field {FIELDS[match[1]]} of that repository", "move it to pgbackrest_repositories"))
        sections.setdefault(section, {}).update(values)
    return sections


def _global(repositories: Sequence[RepositorySpec], version: Version) -> dict[str, object]:
    options: dict[str, object] = {
        "archive-async": True,
        "compress-type": "zst",
        "compress-level": 3,
        "log-level-console": "warn",
        "log-level-file": "detail",
        "log-path": "/var/log/pgbackrest",
        "spool-path": "/var/spool/pgbackrest",
        "start-fast": True,
    }
    for repository in repositories:
        own: dict[str, object] = {
            "type": repository.kind,
            "path": repository.path,
            "cipher-type": repository.cipher,
            "retention-full-type": "time",
            "retention-full": repository.retention_days,
            "bundle": True,
        }
        if version >= BLOCK_INCREMENTAL_STABLE:
            own["block"] = True
        own |= access.options_of(repository.kind, repository.access, f"{FILES}{repository.number}-")
        options |= {f"repo{repository.number}-{name}": value for name, value in {**own, **repository.options}.items()}
    return options


def secrets_of(repositories: Sequence[RepositorySpec]) -> dict[str, str]:
    """The options of the secrets file: passphrases and keys, by full name."""
    secrets: dict[str, str] = {}
    for repository in repositories:
        if repository.cipher != "none" and repository.passphrase:
            secrets[f"repo{repository.number}-cipher-pass"] = repository.passphrase
        secrets |= {f"repo{repository.number}-{name}": str(value) for name, value in repository.secrets.items()}
    return secrets


def environment_of(secrets: Mapping[str, str]) -> dict[str, str]:
    """The same secrets as environment variables, to try a configuration before any of it is written."""
    return {f"PGBACKREST_{name.upper().replace('-', '_')}": value for name, value in secrets.items()}


def judge_declaration(repositories: Sequence[RepositorySpec], stanzas: Sequence[StanzaSpec]) -> list[Problem]:
    """Problems that need no look at the host: numbers, names, secrets in the wrong place, published passphrases."""
    problems = []
    numbers = [repository.number for repository in repositories]
    names = [stanza.name for stanza in stanzas]
    for repeated in sorted({number for number in numbers if numbers.count(number) > 1}):
        problems.append(Problem(f"repository number {repeated} twice", "each number once", "correct pgbackrest_repositories"))
    problems += [problem for problem in map(judge_stanza, names) if problem]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(Problem(f"the stanza {name} twice", "each stanza once", "correct pgbackrest_stanzas"))
    if not repositories:
        problems.append(Problem("no repository", "at least one item in pgbackrest_repositories", "declare one; the README has ten lines"))
    for repository in repositories:
        if not 1 <= repository.number <= LAST_NUMBER:
            found = f"repository number {repository.number}"
            problems.append(Problem(found, f"a number from 1 to {LAST_NUMBER}", "correct pgbackrest_repositories"))
        problems += _misplaced(repository)
        given = {**repository.options, **repository.secrets}
        problems += access.judge(repository.number, repository.kind, repository.path, repository.access, given)
        if not repository.published and passphrase.is_published(repository.passphrase or ""):
            problems += [problem for problem in (judge_passphrase(repository, True),) if problem]
    return problems


def judge_stanza(name: str) -> Problem | None:
    """Refuse a name that pgBackRest takes but a path, a section or the shell that runs archive_command reads otherwise."""
    if _STANZA.fullmatch(name) and name not in RESERVED:
        return None
    expected = f"letters, digits, '-', '_' and '.', the first one a letter or digit, and none of {', '.join(RESERVED)}"
    return Problem(f"the stanza name '{name}'", expected, "correct pgbackrest_stanza")


def _misplaced(repository: RepositorySpec) -> list[Problem]:
    """Secrets under options or without a value, and options that have a field of their own, whose judgement they would escape."""
    problems = []
    for where, named in (("options", repository.options), ("secrets", repository.secrets)):
        for name, value in named.items():
            found = f"'{name}' under {where} of repository {repository.number}"
            if name in FIELDS:
                problems.append(Problem(found, f"the field {FIELDS[name]} of the same item", "move it there"))
            elif where == "options" and is_secret(f"repo{repository.number}-{name}"):
                expected = "secrets under 'secrets' of the same item, which go to a file that only postgres reads"
                problems.append(Problem(f"the secret option {found}", expected, "move it there, from ansible-vault"))
            elif where == "secrets" and value in (None, ""):
                problems.append(Problem(f"no value of {found}", "a secret, from ansible-vault or another lookup", "define it"))
    return problems


def judge_passphrase(repository: RepositorySpec, may_exist: bool) -> Problem | None:
    """Refuse a weak passphrase for a repository that does not exist yet.

    `may_exist` is true for a repository that was seen, and for one into which nobody could look so far. An existing
    one is taken over as it is: with a short passphrase, and with a placeholder where `published` says so.
    """
    weakness = passphrase.weakness(repository.passphrase) if repository.cipher != "none" else None
    if weakness is None or (may_exist and (weakness == "short" or (weakness == "placeholder" and repository.published))):
        return None
    return passphrase.problem(repository.number, repository.passphrase)


def judge_missing(repository: RepositorySpec) -> Problem | None:
    """Refuse a repository without its passphrase before any look: without one pgBackRest looks into no repository at all."""
    missing = repository.cipher != "none" and passphrase.weakness(repository.passphrase) == "missing"
    return passphrase.problem(repository.number, repository.passphrase) if missing else None


def judge_look(repository: RepositorySpec, found: Repository) -> Problem | None:
    """Refuse a configuration with which an existing repository cannot be read."""
    if found.readable:
        return None
    closed = "passphrase" in found.message
    cause = "the passphrase does not open" if closed else "pgBackRest cannot read"
    shows = f"; what shows the keys of that server: {found.remedy}" if found.remedy else ""
    lost = "" if closed or shows else "; where that one is lost with its region, declare in its item what takes its place"
    return Problem(
        f"repository {repository.number} with the new configuration: {cause} {repository.path} (status {found.code}: {found.message})",
        "a configuration with which what exists can be read",
        f"correct item {repository.number} of pgbackrest_repositories; the configuration on the host was left as it was{shows}{lost}",
    )
