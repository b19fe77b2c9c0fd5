# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes and reads pgbackrest.conf. It has no quotes, no escapes and no comments at the end of a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from .option_types import OPTIONS, split_index
from .vocabulary import COMMANDS

Text: TypeAlias = "str | tuple[str, ...]"


def texts(option: str, value: object) -> tuple[str, ...]:
    """A declared value as the texts that stand in the file, one for each line; none for None.

    Booleans become y and n, or on and off where the option takes those words: YAML reads an unquoted off as false.
    """
    if value is None:
        return ()
    if isinstance(value, Mapping):
        return tuple(f"{key}={_text(option, item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_text(option, item) for item in value)
    return (_text(option, value),)


def _text(option: str, value: object) -> str:
    if not isinstance(value, bool):
        return str(value)
    known = OPTIONS.get(split_index(option)[0])
    words = {word for kind in known.kinds for word, since in kind.values} if known else set()
    plain, switch = ("y", "on") if value else ("n", "off")
    return switch if switch in words and plain not in words else plain


def render(sections: Mapping[str, Mapping[str, object]]) -> str:
    """The text of a configuration file, always in the same order: global first, each section's command sections behind it.

    Raises ValueError, without the value, for text that would become another line or another value when it is read.
    """
    blocks = []
    for section in sorted(sections, key=_section_order):
        lines = [f"[{_checked(section, section)}]"]
        for name in sorted(sections[section], key=_natural):
            lines += [f"{_checked(name, name)}={_checked(name, text)}" for text in texts(name, sections[section][name])]
        if len(lines) > 1:
            blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _checked(name: str, text: str) -> str:
    if not text.strip() or text != text.strip() or re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029]", text):
        shown = re.sub(r"[^\x20-\x7e]", "?", name)
        raise ValueError(f"Found a value of '{shown}' that needs more than a line; expected text without line breaks or blanks around it.")
    return text


def _section_order(section: str) -> tuple[bool, str, int]:
    name, colon, command = section.partition(":")
    commands = COMMANDS.split()
    return name != "global", name, (commands.index(command) if command in commands else len(commands)) if command else -1


def _natural(name: str) -> tuple[str, int, str]:
    """Sort repo10 behind repo2."""
    match = re.match(r"([a-z]+)([0-9]+)(.*)", name)
    return (match[1], int(match[2]), match[3]) if match else (name, 0, "")


def parse(text: str) -> dict[str, dict[str, Text]]:
    """Sections and options of an existing file, as pgBackRest reads them; a repeated option becomes a tuple.

    Lines that pgBackRest would refuse are left out.
    """
    sections: dict[str, dict[str, Text]] = {}
    options: dict[str, Text] = {}
    for line in map(str.strip, text.split("\n")):
        if line.startswith("#") or not line:
            continue
        if line.startswith("["):
            section = line[1:].partition("]")[0].strip()
            options = sections.setdefault(section, {}) if section else {}
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if name and equals and value:
            known = options.get(name)
            options[name] = value if known is None else (*((known,) if isinstance(known, str) else known), value)
    return sections
