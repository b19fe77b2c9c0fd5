# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command that is printed works as it stands: no comma and no words are glued behind its last argument."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PLUGINS = Path(__file__).parents[2] / "plugins"
COMMAND = (
    r"sudo |ansible-playbook |axiomdb-recovery |systemctl |journalctl |df -|ls -|tail |mount -a|playbooks/\w+\.yml"
    r"|\{(?:restoring\.)?TOOL\}|\{[^{}]*(?:playbook|go_on|go_back|begin_anew|_command|_log)\([^{}]*\)\}|\{(?:again|with_reason|restore|rebuild|log|known)\}"
)
GLUED = re.compile(rf"(?:{COMMAND})[^;:()]*?, (?:and|or|then|which|read|with|in|put|move|let|mend|until|on|make|where|the)\b")


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """Each text of a file as it stands there, with its line; no docstring."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    owners = (one for one in ast.walk(tree) if isinstance(one, ast.Module | ast.ClassDef | ast.FunctionDef))
    docs = {id(one.body[0].value) for one in owners if one.body and isinstance(one.body[0], ast.Expr)}
    inner = {id(part) for one in ast.walk(tree) if isinstance(one, ast.JoinedStr) for part in one.values}
    for one in ast.walk(tree):
        if isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str)):
            if id(one) not in docs and id(one) not in inner:
                yield one.lineno, ast.unparse(one)[1:]


def test_nothing_is_glued_behind_a_command() -> None:
    found = [
        f"{file.name}:{line}: {text}"
        for file in sorted(PLUGINS.rglob("*.py"))
        for line, text in texts(file)
        if len(text) < 600 and GLUED.search(text)
    ]
    assert found == []
