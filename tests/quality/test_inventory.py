# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each task of a role that can tell a module the inventories of the run does so: what is to be typed next names them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TAKES = re.compile(r"^  - axiomdb\.recovery\.recovery\.inventory$", re.MULTILINE)
MODULES = sorted(
    f"axiomdb.recovery.{path.stem}" for path in (ROOT / "plugins/modules").glob("*.py") if TAKES.search(path.read_text("utf-8"))
)
WANTED = {"inventory_host": "{{ inventory_hostname }}", "inventory_sources": "{{ ansible_inventory_sources }}"}
ROLES = sorted(path.name for path in (ROOT / "roles").glob("*") if path.is_dir())


def flat(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every task, those of blocks too."""
    for task in tasks:
        yield task
        for name in ("block", "rescue", "always"):
            yield from flat(task.get(name, []))


def test_most_modules_that_name_a_command_take_them() -> None:
    short = {name.rpartition(".")[2] for name in MODULES}
    assert short >= {f"pgbackrest_{name}" for name in ("backup", "snapshot", "stanza", "verify", "plan", "info", "restore", "rebuild")}
    assert "postgresql_cluster" in short


@pytest.mark.parametrize("role", ROLES)
def test_each_task_tells_them(role: str, read_yaml: Callable[[Path], Any]) -> None:
    """By itself, or by the defaults of the role's own block where those name the cluster too."""
    files = sorted((ROOT / "roles" / role / "tasks").glob("*.yml"))
    tasks = [(file.name, task) for file in files for task in flat(read_yaml(file.relative_to(ROOT)) or [])]
    defaults = [task.get("module_defaults", {}) for _file, task in tasks]
    for file, task in tasks:
        for module in MODULES:
            if module in task:
                own = task[module] or {}
                given = [own] if "stanza" in own or "version" in own else [known[module] for known in defaults if module in known]
                assert any(WANTED.items() <= options.items() for options in given), f"{file}: {task['name']}"
