# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL settings as one whole file, and what an existing file says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from .problem import Problem

SettingValue: TypeAlias = "str | int | float | bool | list[str]"
_NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")
_LINE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.]*)\s*=?\s*(.*?)\s*")
_QUOTED = re.compile(r"'((?:[^'\\]|''|\\.)*)'")
_ESCAPE = re.compile(r"''|\\([0-7]{1,3}|.)")
_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def text_of(value: SettingValue) -> str:
    """A value as PostgreSQL reads it: booleans are on and off, lists are separated by commas."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value)


def judge_settings(settings: Mapping[str, SettingValue]) -> list[Problem]:
    """Refuse names and values that cannot stand in one line of a configuration file."""
    problems = []
    for name, value in settings.items():
        if not _NAME.fullmatch(str(name)):
            problems.append(Problem(f"the setting name '{name}'", "a PostgreSQL parameter in lower case", "correct this setting"))
        elif not all(isinstance(item, str | int | float) for item in (value if isinstance(value, list) else [value])):
            problems.append(
                Problem(
                    f"a value of the type {type(value).__name__} for {name}",
                    "text, a number, a boolean or a list of them",
                    "correct this setting",
                )
            )
        elif any(character in text_of(value) for character in "\n\r\0"):
            problems.append(Problem(f"a line break or a zero byte in the value of {name}", "one line", "correct this setting"))
    return problems


def render(header: str, settings: Mapping[str, SettingValue]) -> str:
    """The whole file; values are quoted, so that no value can start a comment or a second setting."""
    lines = [f"# {line}" for line in header.splitlines()]
    lines += [f"{name} = '{_escape(text_of(value))}'" for name, value in settings.items()]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "''")


def parse(text: str) -> dict[str, str]:
    """The settings that a file of this form holds; the last one of a name counts, as for PostgreSQL."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        if line.lstrip().startswith("#") or not (match := _LINE.fullmatch(line)):
            continue
        found[match[1].lower()] = _unquote(match[2])
    return found


def _unquote(text: str) -> str:
    if not text.startswith("'"):
        return text.split("#", 1)[0].strip()
    match = _QUOTED.match(text)
    return _ESCAPE.sub(_unescape, match[1]) if match else text


def _unescape(match: re.Match[str]) -> str:
    """What the server makes of one escape (guc-file.l, DeescapeQuotedString)."""
    code = match[1]
    if code is None:
        return "'"
    return chr(int(code, 8) & 0xFF) if code[0] in "01234567" else _CONTROL.get(code, code)
