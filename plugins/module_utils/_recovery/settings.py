# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL settings as one whole file, and what an existing file says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .problem import Problem

SettingValue = str | int | float | bool | list[str]
_NAME = re.compile(r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$")
_LINE = re.compile(r"^\s*([A-Za-z_][A-Za-z0-9_.]*)\s*=?\s*(.*?)\s*$")


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
        if not _NAME.match(str(name)):
            problems.append(Problem(f"the setting name '{name}'", "a PostgreSQL parameter in lower case", "correct postgresql_settings"))
        elif value is None or isinstance(value, dict):
            problems.append(
                Problem(
                    f"{type(value).__name__} as the value of {name}",
                    "text, a number, a boolean or a list",
                    "correct postgresql_settings",
                )
            )
        elif "\n" in text_of(value):
            problems.append(Problem(f"a line break in the value of {name}", "one line", "correct postgresql_settings"))
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
    for line in text.splitlines():
        if line.lstrip().startswith("#") or not (match := _LINE.match(line)):
            continue
        found[match[1].lower()] = _unquote(match[2])
    return found


def _unquote(text: str) -> str:
    if not text.startswith("'"):
        return text.split("#", 1)[0].strip()
    match = re.match(r"'((?:[^'\\]|''|\\.)*)'", text)
    return (match[1] if match else text).replace("''", "'").replace("\\\\", "\\")
