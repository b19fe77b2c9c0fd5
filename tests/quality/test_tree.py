# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of the tree: short files, named things, full names of modules, floors that stand on lower floors only."""

from __future__ import annotations

import ast
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HEADER = [
    "# Copyright: (c) 2026, the axiomdb.recovery authors",
    "# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
]
# What a file may measure: lines of YAML, or lines of code in Python (without documentation, comments and empty lines).
BUDGETS = {
    "roles/*/tasks/main.yml": 50,
    "roles/*/tasks/*.yml": 110,
    "roles/*/handlers/*.yml": 60,
    "playbooks/*.yml": 90,
    "plugins/modules/*.py": 280,
    "plugins/callback/*.py": 280,
    "plugins/plugin_utils/*.py": 280,
    "plugins/module_utils/*.py": 330,
    "plugins/module_utils/_recovery/vocabulary.py": 400,  # a table
    "plugins/module_utils/_recovery/*.py": 330,
}
BLOCKS = ("block", "rescue", "always")
VERBS = ("preflight", "install", "configure", "initialize", "verify")
KEYWORDS = {
    "always", "any_errors_fatal", "args", "async", "become", "become_user", "block", "changed_when", "check_mode", "collections",
    "connection", "debugger", "delay", "delegate_facts", "delegate_to", "diff", "environment", "failed_when", "listen", "local_action",
    "loop", "loop_control", "module_defaults", "name", "no_log", "notify", "poll", "register", "remote_user", "rescue", "retries",
    "run_once", "tags", "throttle", "timeout", "until", "vars", "when",
}  # fmt: skip

Task = tuple[Path, dict[str, Any]]


def flat(path: Path, tasks: Any) -> Iterator[Task]:
    """Yield each task, and those inside blocks."""
    for task in tasks or []:
        yield path, task
        for key in BLOCKS:
            yield from flat(path, task.get(key))


@pytest.fixture(scope="module")
def role_tasks(tracked: list[Path], read_yaml: Callable[[Path], Any]) -> list[Task]:
    """Every task and handler of every role."""
    files = [path for path in tracked if path.match("roles/*/tasks/*.yml") or path.match("roles/*/handlers/*.yml")]
    return [task for path in files for task in flat(path, read_yaml(path))]


@pytest.fixture(scope="module")
def plays(tracked: list[Path], read_yaml: Callable[[Path], Any]) -> list[Task]:
    """Every play and import of every playbook."""
    return [(path, play) for path in tracked if path.match("playbooks/*.yml") for play in read_yaml(path) or []]


@pytest.fixture(scope="module")
def tasks(role_tasks: list[Task], plays: list[Task]) -> list[Task]:
    """Every task everywhere."""
    parts = ("pre_tasks", "tasks", "post_tasks", "handlers")
    return role_tasks + [task for path, play in plays for part in parts for task in flat(path, play.get(part))]


def size(path: Path) -> int:
    """Return the lines of a YAML file, or the lines of code of a Python file."""
    if path.suffix != ".py":
        return len(path.read_text(encoding="utf-8").splitlines())
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    documents = [
        node
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("DOCUMENTATION", "EXAMPLES", "RETURN")
    ]
    apart = {line for node in [*strings, *documents] for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    nothing = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER)
    with tokenize.open(path) as stream:
        tokens = [token for token in tokenize.generate_tokens(stream.readline) if token.type not in nothing]
    return len({line for token in tokens for line in range(token.start[0], token.end[0] + 1)} - apart)


def test_files_are_short(root: Path, tracked: list[Path]) -> None:
    long = []
    for path in tracked:
        budget = next((lines for pattern, lines in BUDGETS.items() if path.match(pattern)), None)
        if budget is not None and (lines := size(root / path)) > budget:
            long.append(f"{path}: {lines} lines, {budget} at most; it has two jobs")
    assert long == []


def test_python_files_begin_with_the_licence(root: Path, tracked: list[Path]) -> None:
    without = []
    for path in tracked:
        if path.suffix == ".py":
            lines = (root / path).read_text(encoding="utf-8").splitlines()
            code = [line for line in lines if not line.startswith("#!")]
            if code and code[:2] != HEADER:
                without.append(str(path))
            elif any(re.match(r"(import|from|def|class) ", line) for line in code) and "from __future__ import annotations" not in code:
                without.append(f"{path}: no annotations import")
    assert without == []


def test_every_play_and_every_task_has_a_name(plays: list[Task], tasks: list[Task]) -> None:
    nameless = [f"{path}: {sorted(one)}" for path, one in plays + tasks if not one.get("name")]
    assert nameless == []


def test_tasks_of_roles_are_sentences_that_begin_with_their_file(role_tasks: list[Task]) -> None:
    wrong = []
    for path, task in role_tasks:
        name = str(task.get("name", ""))
        prefixed = path.parent.name == "tasks" and path.name != "main.yml"
        sentence = name.removeprefix(f"{path.stem} | ") if prefixed else name
        if (prefixed and sentence == name) or not re.match(r"[A-Z]", sentence):
            wrong.append(f"{path}: {name}")
    assert wrong == [], 'wanted: "configure | Write the file"'


def test_modules_have_their_full_name(tasks: list[Task]) -> None:
    short = []
    for path, task in tasks:
        used = [key for key in task if key not in KEYWORDS and not key.startswith("with_")]
        short += [f"{path}: {key}" for key in used if key.count(".") < 2]
    assert short == []


def test_roles_speak_the_same_verbs(tracked: list[Path], read_yaml: Callable[[Path], Any], tasks: list[Task]) -> None:
    imports = [task.get(f"ansible.builtin.{kind}_role") or {} for _path, task in tasks for kind in ("import", "include")]
    asked_for = {str(one.get("tasks_from", "main")).removesuffix(".yml") for one in imports}
    wrong = []
    for path in tracked:
        if path.match("roles/*/tasks/*.yml") and path.stem not in {"main", *VERBS, *asked_for} and not path.stem.startswith("_"):
            wrong.append(f"{path}: the other roles have no such verb, no playbook asks for it, and private files begin with _")
        if path.match("roles/*/tasks/main.yml"):
            text = [str(value) for _path, task in flat(path, read_yaml(path)) for value in task.values()]
            order = [verb for value in text for verb in VERBS if re.search(rf"\b{verb}(\.yml)?\b", value)]
            if "preflight" in order and order[0] != "preflight" or "verify" in order and order[-1] != "verify":
                wrong.append(f"{path}: {order}; preflight is the first, verify the last")
    assert wrong == []


def test_public_variables_are_never_set_by_set_fact(tasks: list[Task]) -> None:
    names = [
        f"{path}: {name}"
        for path, task in tasks
        for name in task.get("ansible.builtin.set_fact", {})
        if name != "cacheable" and not name.startswith("__")
    ]
    registered = [f"{path}: {task['register']}" for path, task in tasks if not str(task.get("register", "__")).startswith("__")]
    assert [name for name in names if name.startswith("roles/")] == []
    assert [name for name in registered if name.startswith("roles/")] == [], "registered names begin with __<role>_"


def test_the_engine_uses_nothing_but_the_standard_library(root: Path, tracked: list[Path]) -> None:
    foreign = []
    for path in tracked:
        if path.match("plugins/module_utils/_recovery/*.py"):
            for node in ast.walk(ast.parse((root / path).read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.level == 0:
                    names = [node.module or ""]
                elif isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                else:
                    continue
                foreign += [f"{path}: {name}" for name in names if name.split(".")[0] not in sys.stdlib_module_names]
    assert foreign == []


def test_there_is_one_door_to_annotate(root: Path, tracked: list[Path]) -> None:
    # Without a repository's number it breaks the first repository's catalogue; tests/unit shows that this one always has it.
    doors = []
    for path in tracked:
        if path.parts[0] == "plugins" and path.suffix == ".py":
            nodes = ast.walk(ast.parse((root / path).read_text(encoding="utf-8")))
            doors += [str(path) for node in nodes if isinstance(node, ast.Constant) and node.value == "annotate"]
    assert doors == ["plugins/module_utils/_recovery/repository.py"]
