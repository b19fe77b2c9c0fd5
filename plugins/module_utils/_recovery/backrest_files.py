# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pgBackRest's own files on a host: what would change, tried against each repository before it replaces what is there."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import access, backrest, backrest_replaced, durable, files, host, places, repository
from .backrest import RepositorySpec, StanzaSpec
from .catalog import Repository, unreadable
from .files import HEADER, Directory, File
from .finding import ABSENT, HIDDEN, Finding, compare_mappings
from .options import Version, is_secret, judge_configuration, parse, parse_version, render
from .places import Declared, Former, Options
from .problem import Problem, Refusal
from .spoken import counted

ROOT = "/etc/pgbackrest"
LEGACY = "/etc/pgbackrest.conf"
_OWN_FILE = re.compile(rf"repo[0-9]+-({access.CA}|{access.KEY}|{access.KNOWN})")
_STANZA_PATH = re.compile(r"pg[0-9]*-path$")
_OPTION = re.compile(r"^([ \t#]*([a-z0-9-]+)[ \t]*=).*$", re.MULTILINE)
PACKAGE_OPTIONS = {"repo1-path": "/var/lib/pgbackrest"}


@dataclass(frozen=True)
class Plan:
    """What differs and what makes it right. `installed` is empty on a host without pgBackRest; `unneeded` are files to remove.

    `left` are sentences about repositories that are not declared any more, each with the file that keeps what opened it.
    """

    installed: str
    directories: tuple[Directory, ...]
    files: tuple[File, ...]
    findings: tuple[Finding, ...]
    diff: tuple[dict[str, str], ...]
    unneeded: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def plan(
    repositories: Sequence[RepositorySpec],
    stanzas: Sequence[StanzaSpec],
    extra: Mapping[str, Mapping[str, object]],
    packaged_version: str,
) -> Plan:
    """Build the files, judge each option, try them. Raises Refusal with every problem, before anything is written.

    `packaged_version` stands in for the installed one on a host that has no pgBackRest yet.
    """
    installed = host.pgbackrest_version()
    version = parse_version(installed or packaged_version)
    sections = backrest.build(repositories, stanzas, extra, version, host.cores())
    secrets = backrest.secrets_of(repositories)
    problems = backrest.judge_declaration(repositories, stanzas)
    problems += _judge(sections, secrets, version)
    problems += [*_undeclared(stanzas, secrets), *_unmounted(repositories), *_foreign_directories(repositories, sections)]
    options = {spec.number: places.options_of(spec.number, {**sections["global"], **secrets}) for spec in repositories}
    problems += _overlaps(options, stanzas)
    if problems:
        raise Refusal(*problems)
    notes = "".join(repository.mount_note(spec.number, spec.access.mount_point) for spec in repositories if spec.access.mount_point)
    main = File(f"{ROOT}/pgbackrest.conf", f"# {HEADER}\n{notes}{render(sections)}", "root", "postgres", 0o640)
    secret = File(f"{ROOT}/conf.d/90-secrets.conf", f"# {HEADER}\n{render({'global': secrets})}", "root", "postgres", 0o640, True)
    own = _own_files(repositories)
    former = backrest_replaced.formers(options, LEGACY, [stanza.name for stanza in stanzas])
    seen = _tried(repositories, stanzas, (main, *own), secrets, former) if installed else {}
    _refuse_loss(repositories, options, former, seen)
    kept, told = backrest_replaced.left(former, seen, {stanza.name: stanza.data_directory for stanza in stanzas}, time.time())
    directories = _directories(repositories, sections)
    directories += (Directory(backrest_replaced.DIRECTORY, "root", "postgres", 0o750),) if kept else ()
    # A file is there before the configuration names it, and as long as it does.
    return replace(_compare(installed, directories, (*kept, *own, main, secret)), left=told)


def _refuse_loss(repositories: Sequence[RepositorySpec], options: Mapping[int, Options], former: Sequence[Former], seen: Declared) -> None:
    """Raise Refusal for passphrases that do not do, and for numbers of repositories with backups that are to name another place."""
    problems = _passphrase_problems(repositories, seen)
    replaces = {spec.number: spec.replaces for spec in repositories}
    for one in former:
        # A passphrase that does not open what lies in the same place is told once.
        if one.number in options and (not problems or places.is_elsewhere(one.options, options[one.number])):
            problem = places.judge_change(one, options[one.number], seen, replaces[one.number])
            problems += [problem] if problem else []
    if problems:
        raise Refusal(*problems)


def _own_files(repositories: Sequence[RepositorySpec]) -> tuple[File, ...]:
    """Certificates, keys and known hosts: a file each, which only root and postgres read."""
    return tuple(
        File(f"{backrest.FILES}{spec.number}-{name}", f"# {HEADER}\n{content}", "root", "postgres", 0o640, name == access.KEY)
        for spec in repositories
        for name, content in spec.access.contents.items()
    )


def _unmounted(repositories: Sequence[RepositorySpec]) -> list[Problem]:
    """Repositories that would be written to the disk below their mount point."""
    points = {spec.number: spec.access.mount_point for spec in repositories if spec.access.mount_point}
    return [access.not_mounted(number, point) for number, point in points.items() if not host.mounted(point)]


def _overlaps(repositories: Mapping[int, Options], stanzas: Sequence[StanzaSpec]) -> list[Problem]:
    """Repositories in one place, in the data of a server, or around it; links are followed."""
    real = {number: os.path.realpath(places.where(options)) for number, options in repositories.items() if places.is_here(options)}
    data = {what: path for stanza in stanzas for what, path in host.data_paths(stanza.data_directory).items()}
    return places.judge_overlaps(repositories, real, data)


def _judge(sections: backrest.Sections, secrets: Mapping[str, str], version: Version) -> Sequence[Problem]:
    return (*judge_configuration(sections, version), *judge_configuration({"global": dict(secrets)}, version, secrets_file=True))


def _undeclared(stanzas: Sequence[StanzaSpec], secrets: Mapping[str, str]) -> list[Problem]:
    """What somebody else's files hold and the declaration lacks: a secret that would be lost, a stanza that would stop archiving."""
    problems = []
    names = {stanza.name for stanza in stanzas}
    paths = [f"{ROOT}/pgbackrest.conf", LEGACY, *(str(path) for path in sorted(Path(f"{ROOT}/conf.d").glob("*.conf")))]
    for path in paths:
        text = files.read(path) or ""
        if HEADER in text:
            continue
        for section, options in parse(text).items():
            if any(_STANZA_PATH.match(name) for name in options) and section.partition(":")[0] not in {*names, "global"}:
                expected = "every stanza of this host in pgbackrest_stanzas: its server would stop archiving"
                problems.append(Problem(f"the stanza {section} in {path}", expected, "declare it there too, or take it out of the file"))
            for name, value in options.items():
                if is_secret(name) and value not in secrets.values():
                    expected = "it in pgbackrest_repositories: it would be lost, and what it opens with it"
                    problems.append(Problem(f"the secret {name} in {path}", expected, "put it into the vault and declare its repository"))
    return problems


def _foreign_directories(repositories: Sequence[RepositorySpec], sections: backrest.Sections) -> list[Problem]:
    """Directories with somebody else's files, which must not become postgres's."""
    problems = []
    for wanted in _directories(repositories, sections)[2:]:
        owner = files.attributes(wanted.path).get("owner", "postgres")
        content = set(os.listdir(wanted.path)) - {"lost+found"} if os.path.isdir(wanted.path) else set()
        if owner != "postgres" and content and not content <= {"archive", "backup"}:
            found = f"{wanted.path}, which belongs to {owner} and holds other files"
            problems.append(
                Problem(found, "an empty or absent directory, or one of postgres", f"ls -la {wanted.path}; choose another path")
            )
    return problems


def _tried(
    repositories: Sequence[RepositorySpec],
    stanzas: Sequence[StanzaSpec],
    wanted: Sequence[File],
    secrets: Mapping[str, str],
    former: Sequence[Former],
) -> Declared:
    """What each repository holds, seen with the new configuration; nothing where that changes nothing."""
    changes = any(files.read(file.path) != file.content for file in wanted) or _secrets_differ(secrets)
    if any(map(backrest.judge_missing, repositories)) or not (changes or _any_weak(repositories)):
        return {}
    names = dict.fromkeys([*(stanza.name for stanza in stanzas), *(name for one in former for name in one.seen)])
    return _try(wanted, secrets, list(names), [spec.number for spec in repositories])


def _passphrase_problems(repositories: Sequence[RepositorySpec], seen: Declared) -> list[Problem]:
    """Weak passphrases of new repositories, and everything with which an existing one cannot be read."""
    missing = [problem for problem in map(backrest.judge_missing, repositories) if problem]
    if missing:
        return missing
    problems = []
    for spec in repositories:
        found = places.worst(seen.get(spec.number, {}))
        problem = backrest.judge_look(spec, found) if found else None
        may_exist = found.has_stanza if found else spec.kind != "posix" or _has_content(spec.path)
        problem = problem or backrest.judge_passphrase(spec, may_exist)
        problems += [problem] if problem else []
    return problems


def _any_weak(repositories: Sequence[RepositorySpec]) -> bool:
    return any(backrest.judge_passphrase(spec, False) for spec in repositories)


def _secrets_differ(secrets: Mapping[str, str]) -> bool:
    text = files.read(f"{ROOT}/conf.d/90-secrets.conf")
    return text is None or parse(text).get("global", {}) != secrets


def _has_content(path: str) -> bool:
    return os.path.isdir(path) and bool(os.listdir(path))


def _try(wanted: Sequence[File], secrets: Mapping[str, str], stanzas: Sequence[str], numbers: Sequence[int]) -> Declared:
    """Look into each repository with the new configuration."""
    directory = files.trial_directory()
    seen: dict[int, dict[str, Repository]] = {number: {} for number in numbers}
    try:
        for file in wanted:
            # What it names lies beside it, too.
            files.write(replace(file, path=_moved(file.path, directory), content=file.content.replace(backrest.FILES, f"{directory}/repo")))
        options = [f"--config={directory}/pgbackrest.conf", "--log-level-file=off"]
        for stanza in stanzas:
            for found in repository.look_inside(stanza, numbers, options, backrest.environment_of(secrets)):
                seen[found.number][stanza] = found
    except OSError as error:
        seen = {number: {"": unreadable(number, str(error))} for number in numbers}
    finally:
        shutil.rmtree(directory)
    return seen


def _moved(path: str, directory: str) -> str:
    return f"{directory}/{os.path.basename(path)}"


def _directories(repositories: Sequence[RepositorySpec], sections: backrest.Sections) -> tuple[Directory, ...]:
    options = sections["global"]
    own = [Directory(str(options[key]), "postgres", "postgres", 0o750) for key in ("log-path", "spool-path")]
    own += [Directory(spec.path, "postgres", "postgres", 0o750) for spec in repositories if spec.kind == "posix"]
    return (Directory(ROOT, "root", "postgres", 0o750), Directory(f"{ROOT}/conf.d", "root", "postgres", 0o750), *own)


def _compare(installed: str, directories: tuple[Directory, ...], wanted: tuple[File, ...]) -> Plan:
    findings = [finding for directory in directories for finding in files.directory_findings(directory)]
    diff = files.findings_diff(findings)
    for file in wanted:
        before = files.read(file.path)
        if before != file.content:
            diff.append(files.diff_of(file, masked))
            findings += _content_findings(file, before) if _OWN_FILE.search(file.path) else _option_findings(file, before)
        attributes = files.attribute_findings(file)
        findings += attributes
        diff += files.findings_diff(attributes)
    unneeded = (*([LEGACY] if os.path.lexists(LEGACY) else []), *_unneeded(wanted))
    present = [Finding(f"file {path}", ABSENT, "present") for path in unneeded]
    diff += files.findings_diff(present)
    return Plan(installed, directories, wanted, (*findings, *present), tuple(diff), unneeded)


def _unneeded(wanted: Sequence[File]) -> list[str]:
    """Certificates and keys that we wrote for a repository that does not have them any more."""
    found = [entry.path for entry in os.scandir(ROOT) if _OWN_FILE.fullmatch(entry.name)] if os.path.isdir(ROOT) else []
    return [path for path in sorted(found) if path not in {file.path for file in wanted} and HEADER in (files.read(path) or "")]


def _content_findings(file: File, before: str | None) -> list[Finding]:
    return [Finding(f"file {file.path}", "present" if before is None else "the declared content", ABSENT if before is None else "another")]


def _option_findings(file: File, before: str | None) -> list[Finding]:
    expected = _flat(file.content)
    if before is None:
        return [Finding(f"file {file.path}", counted(len(expected), "option"), ABSENT)]
    found = _flat(before)
    hidden = frozenset(name for name in {*expected, *found} if is_secret(name.rpartition("] ")[2]))
    differing = compare_mappings(f"option in {file.path}", expected, found, hidden)
    return differing or [Finding(f"layout of {file.path}", "as written by the collection", "comments or order differ")]


def masked(text: str) -> str:
    """A configuration as it may be shown: without the values of secret options, in comments too."""
    return _OPTION.sub(lambda match: f"{match[1]}{HIDDEN}" if is_secret(match[2]) else match[0], text)


def _flat(text: str) -> dict[str, str]:
    """What a configuration says, remembered mount points too, by names that a person understands."""
    options = {f"[{section}] {name}": str(value) for section, options in parse(text).items() for name, value in options.items()}
    return options | {f"[global] mount point of repo{number}": point for number, point in repository.mount_points(text).items()}


def apply(planned: Plan) -> None:
    """Make the directories, keep what somebody else wrote, write what differs."""
    for directory in planned.directories:
        if files.directory_findings(directory):
            files.make(directory)
    for file in planned.files:
        if files.read(file.path) != file.content or files.attribute_findings(file):
            _keep(file.path)
            files.write(file)
    for path in planned.unneeded:
        if path == LEGACY:
            _keep(path)
        Path(path).unlink()
        durable.sync(os.path.dirname(path))


def _keep(path: str) -> None:
    """Keep options that somebody else wrote beside the file, as `.replaced`, with secrets masked."""
    text = files.read(path)
    if text is None or HEADER in text:
        return
    sections = {section: dict(options) for section, options in parse(text).items()}
    if sections in ({}, {"global": PACKAGE_OPTIONS}):
        return
    for options in sections.values():
        for name in options:
            if is_secret(name):
                options[name] = "(masked)"
    kept = File(f"{path}.replaced", f"# What {path} held before axiomdb.recovery.\n{render(sections)}", "root", "postgres", 0o640)
    files.write(kept)
