# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges options of pgBackRest before they are written: pgBackRest itself only warns of a name that it does not know.

Source: what the binaries of 2.45, 2.55.1 and 2.60.0 do with each option, recorded under tests/unit/recorded. Where this
module is stricter than they are, a restore typed by hand or the next release would suffer.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from . import problem as base
from .option_file import parse, render, texts
from .option_types import (
    BLOCK_INCREMENTAL_STABLE,
    LAST_INDEX,
    OPTIONS,
    Option,
    Version,
    expected_text,
    milliseconds,
    parse_version,
    split_index,
    with_index,
)
from .vocabulary import COMMAND_LINE, COMMANDS, LEVELS, MEANT, OUTDATED, POSTGRESQL

__all__ = [
    "Problem",
    "Version",
    "is_secret",
    "judge_configuration",
    "judge_option",
    "nearest",
    "parallelism",
    "parse",
    "parse_version",
    "render",
    "setting",
]
SECRETS_FILE = "the secrets file conf.d/90-secrets.conf"
_COMMENT = re.compile(r"\s#")
_SECRET_WORD = re.compile(r"pass|secret|token|(^|-)key$")


@dataclass(frozen=True)
class Problem(base.Problem):
    """One option that must not be written. `where` is its section and name; the other parts never hold a secret."""

    where: str = ""


@dataclass(frozen=True)
class _Case:
    """One option as it was declared, with everything that a judge may ask for."""

    section: str
    name: str
    value: object
    version: Version
    secrets_file: bool
    beta: bool

    @property
    def command(self) -> str:
        return self.section.partition(":")[2]

    @property
    def is_global(self) -> bool:
        return self.section.partition(":")[0] == "global"

    @property
    def option(self) -> Option:
        return OPTIONS[split_index(self.name)[0]]

    @property
    def shown(self) -> str:
        """The option as text: with its value only where that cannot be a secret."""
        if self.value is None or is_secret(self.name) or split_index(self.name)[0] not in OPTIONS:
            return f"'{self.name}'"
        return f"'{self.name}={', '.join(texts(self.name, self.value))}'"

    def problem(self, found: str, expected: str, next_step: str) -> Problem:
        return Problem(f"{found} in [{self.section}]", expected, next_step, f"[{self.section}] {self.name}")


def is_secret(option: str) -> bool:
    """True for passphrases and keys, also under an old or unknown name that looks like one."""
    name = split_index(option)[0]
    name = name if name in OPTIONS else OUTDATED.get(name) or re.sub(r"^(repo|pg)-", r"\g<1>1-", name)
    return OPTIONS[name].secret if name in OPTIONS else _SECRET_WORD.search(name) is not None


def nearest(name: str, version: Version) -> str | None:
    """The option that was probably meant; None when nothing is near, or when `version` does not have it yet."""
    wanted, index = split_index(name.strip().lower().lstrip("-").replace("_", "-"))
    wanted = MEANT.get(wanted) or OUTDATED.get(wanted) or re.sub(r"^(repo|pg)-", r"\g<1>1-", wanted)
    found = wanted if wanted in OPTIONS else next(iter(difflib.get_close_matches(wanted, OPTIONS, n=1, cutoff=0.75)), "")
    return with_index(found, index) if found and OPTIONS[found].since <= version else None


def parallelism(cores: int) -> dict[str, int]:
    """process-max by command for a host with `cores` processors: a backup leaves half of them to PostgreSQL, a restore none."""
    half = max(cores // 2, 1)
    return {"backup": min(half, 8), "restore": min(max(cores, 1), 32), "archive-push": min(half, 4), "archive-get": min(half, 4)}


def judge_configuration(
    sections: Mapping[str, Mapping[str, object]], version: Version, *, secrets_file: bool = False
) -> tuple[Problem, ...]:
    """Every problem of a whole file, in its order. `secrets_file` judges the file that holds the secrets instead of the plain one."""
    beta = sections.get("global", {}).get("beta") in (True, "y")
    problems = [
        judge_option(section, name, value, version, secrets_file=secrets_file, beta=beta)
        for section, options in sections.items()
        for name, value in options.items()
    ]
    found = [problem for problem in problems if problem]
    return (*found, *([] if found else dict.fromkeys(_judge_together(sections, version))))


def judge_option(
    section: str, option: str, value: object, version: Version, *, secrets_file: bool = False, beta: bool = False
) -> Problem | None:
    """The first problem of one option, or None. A value of None stands for an option that is not set."""
    case = _Case(section, option, value, version, secrets_file, beta)
    judges = (_judge_section, _judge_name, _judge_place, _judge_age, _judge_file, _judge_value)
    return next((problem for problem in (judge(case) for judge in judges) if problem), None)


def _judge_section(case: _Case) -> Problem | None:
    name, colon, command = case.section.partition(":")
    if colon and command not in COMMANDS.split():
        near = difflib.get_close_matches(command, COMMANDS.split(), n=1)
        expected = f"[{name}:{near[0]}]" if near else f"[{name}] or [{name}:<command>] with a command of pgBackRest"
        return case.problem(f"'{case.name}'", expected, "correct the section: pgBackRest never reads this one")
    if not re.fullmatch(r"[^\s:\[\]]+", name):
        return case.problem(f"'{case.name}'", "[global] or the name of a stanza", "correct the section")
    return None


def _judge_name(case: _Case) -> Problem | None:
    known, index = split_index(case.name)
    if known in OPTIONS and index <= LAST_INDEX:
        return None
    shown = f"'{case.name}'"
    if known in OPTIONS or re.match(r"(repo|pg)0", case.name):
        return case.problem(shown, f"an index from 1 to {LAST_INDEX}", "correct the number")
    if case.name in COMMAND_LINE:
        next_step = f"take it out, and type --{case.name} with the command that needs it"
        return case.problem(f"the command-line option {shown}", "it on the command line only", next_step)
    if re.match("(no|reset)-", case.name) and (positive := case.name.partition("-")[2]) in OPTIONS:
        return case.problem(shown, f"{positive}=n", f"write {positive}=n: pgBackRest ignores this form in a file")
    setting_name = case.name.replace("-", "_")
    if setting_name in POSTGRESQL or setting_name.startswith("recovery_target"):
        role = POSTGRESQL.get(setting_name, "postgresql")
        own = f"; pgBackRest's own option is {case.name.replace('_', '-')}" if case.name.replace("_", "-") in OPTIONS else ""
        return case.problem(
            f"the PostgreSQL setting {shown}", "options of pgBackRest only", f"take it out, the role {role} sets {setting_name}{own}"
        )
    if OUTDATED.get(known) == "":
        return case.problem(f"the abandoned option {shown}", "nothing in its place", "take it out: PostgreSQL 9.6 and later do not need it")
    near = nearest(case.name, case.version)
    kind = "the old name" if known in OUTDATED or re.sub(r"^(repo|pg)-", r"\g<1>1-", known) in OPTIONS else "the unknown option"
    expected = near or f"an option of pgBackRest {case.version}"
    return case.problem(f"{kind} {shown}", expected, f"write {near}" if near else "pgbackrest help backup")


def _judge_place(case: _Case) -> Problem | None:
    option, command = case.option, case.command
    if option.name == "delta" and command != "backup":
        return case.problem(
            case.shown,
            "delta in [global:backup] alone",
            "move it there: here it makes a restore typed by hand overwrite a full directory without being asked",
        )
    if option.name == "repo1-storage-verify-tls" and case.value not in (True, "y", None):
        expected = "the store's certificate to be verified, always: otherwise anybody on the way can be the store"
        return case.problem(case.shown, expected, "take it out; give the authority that signed it as ca_certificate of that repository")
    if option.stanza_only and case.is_global:
        return case.problem(case.shown, "it in the section of a stanza", "move it to the section of its stanza, such as [main]")
    if option.commands == {"restore"} and command != "restore":
        also = ""
        if option.name == "archive-mode":
            also = ", or take it out if you meant PostgreSQL's archive_mode, which the role wal_archiving sets"
        expected = "this option of restore in [global:restore] or [<stanza>:restore]"
        return case.problem(case.shown, expected, f"move it there{also}; elsewhere every restore takes it up")
    commands = option.read_by(case.version)
    if command and command not in commands:
        listed = ", ".join(name for name in COMMANDS.split() if name in commands)
        return case.problem(case.shown, f"it with a command that reads it ({listed})", "move it to such a section, or take it out")
    return None


def _judge_age(case: _Case) -> Problem | None:
    option, version = case.option, case.version
    if option.since > version:
        return case.problem(
            f"'{case.name}', which is new in pgBackRest {option.since},",
            f"options of pgBackRest {version}, the installed one",
            f"take it out, or install pgBackRest {option.since} or later",
        )
    if option.beta and version < BLOCK_INCREMENTAL_STABLE and not case.beta and case.value not in (False, "n"):
        return case.problem(
            f"'{case.name}', a beta feature of pgBackRest {version},",
            f"it from pgBackRest {BLOCK_INCREMENTAL_STABLE} on",
            f"take it out, or install pgBackRest {BLOCK_INCREMENTAL_STABLE} or later",
        )
    return None


def _judge_file(case: _Case) -> Problem | None:
    if case.option.secret and not case.secrets_file:
        next_step = "move it to the secrets of its repository, from ansible-vault"
        return case.problem(f"the secret '{case.name}'", f"it in {SECRETS_FILE}", next_step)
    if case.secrets_file and not case.option.secret:
        return case.problem(f"'{case.name}', which is no secret,", "secrets only in " + SECRETS_FILE, "move it to the options")
    return None


def _judge_value(case: _Case) -> Problem | None:
    if case.value is None:
        return None
    kind, shown = case.option.kind(case.version), case.shown
    values = texts(case.name, case.value)
    if kind.type not in ("list", "pairs") and len(values) != 1:
        return case.problem(f"'{case.name}' {len(values)} times", "it once", "keep one value")
    keys = [value.partition("=")[0] for value in values]
    if kind.type == "pairs" and len(set(keys)) != len(keys):
        return case.problem(f"the same key twice in '{case.name}'", "each key once", "keep one value of each key")
    for value in values:
        if not value or value != value.strip() or not value.isprintable() or _COMMENT.search(value):
            expected = "one line of text that does not begin or end with a blank and has no comment behind it"
            return case.problem(shown if value.isprintable() else f"'{case.name}' with a control character", expected, "correct the value")
        newer = dict(kind.values).get(value, case.version)
        if newer > case.version:
            return case.problem(
                f"{shown}, which is new in pgBackRest {newer},",
                expected_text(kind, value, case.version),
                f"choose another value, or install pgBackRest {newer} or later",
            )
        if expected := expected_text(kind, value, case.version):
            return case.problem(shown, expected, f"correct the value of {case.name}")
    return None


def setting(sections: Mapping[str, Mapping[str, object]], stanza: str, command: str, option: str) -> tuple[str, object]:
    """The section and value that `command` on `stanza` would use, in pgBackRest's order; a blank and None when it is not set."""
    for section in (f"{stanza}:{command}", stanza, f"global:{command}", "global"):
        value = sections.get(section, {}).get(option)
        if value is not None:
            # A list of one is written as its item is.
            return section, value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    return "", None


def _is_number(value: object) -> bool:
    """Whether it is one at all; anything else is refused for itself."""
    return re.fullmatch(r"-?[0-9]+", str(value)) is not None


def _judge_together(sections: Mapping[str, Mapping[str, object]], version: Version) -> Iterator[Problem]:
    """Options that are fine alone and wrong together."""
    stanzas = {name.partition(":")[0] for name in sections} - {"global"} or {""}
    for stanza in sorted(stanzas):
        for command in ("archive-push", "backup"):
            section, level = setting(sections, stanza, command, "compress-level")
            kind = str(setting(sections, stanza, command, "compress-type")[1] or "gz")
            low, high = LEVELS.get(kind, (-7, 22))
            if _is_number(level) and not low <= int(str(level)) <= high:
                expected = f"a level from {low} to {high}, because compress-type is {kind}"
                next_step = "correct compress-level or compress-type"
                yield Problem(f"'compress-level={level}' in [{section}]", expected, next_step, f"[{section}] compress-level")
        section, protocol = setting(sections, stanza, "backup", "protocol-timeout")
        database = setting(sections, stanza, "backup", "db-timeout")[1]
        if protocol is not None and database is not None and milliseconds(str(protocol), version) <= milliseconds(str(database), version):
            yield Problem(
                f"'protocol-timeout={protocol}' in [{section}]",
                f"more than db-timeout, which is {database}",
                "raise protocol-timeout",
                f"[{section}] protocol-timeout",
            )
