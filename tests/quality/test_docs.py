# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ansible-doc can read every plugin, and what it reads is whole: options, examples that are tasks, returned values with samples."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

COLLECTION = "axiomdb.recovery"
Plugin = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def plugins(tool: Callable[..., str]) -> list[Plugin]:
    """(type, name, documentation) of every module and callback."""
    dump = json.loads(tool("ansible-doc", "--metadata-dump", COLLECTION))["all"]
    found = [(kind, name, one) for kind in ("module", "callback") for name, one in dump[kind].items()]
    return [(kind, name, one) for kind, name, one in found if name.startswith(COLLECTION)]


@pytest.fixture(scope="module")
def modules(plugins: list[Plugin]) -> list[tuple[str, dict[str, Any]]]:
    """(name, documentation) of every module."""
    return [(name, one) for kind, name, one in plugins if kind == "module"]


def options_of(options: dict[str, Any] | None, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name, option) for every option at every depth."""
    for name, option in (options or {}).items():
        yield f"{where}: {name}", option
        yield from options_of(option.get("suboptions") or option.get("contains"), f"{where}: {name}")


def test_every_plugin_is_read(tracked: list[Path], plugins: list[Plugin]) -> None:
    kinds = {"modules": "module", "callback": "callback"}
    files = {
        (kinds[path.parent.name], f"{COLLECTION}.{path.stem}")
        for path in tracked
        if path.match("plugins/modules/*.py") or path.match("plugins/callback/*.py")
    }
    assert files - {(kind, name) for kind, name, _one in plugins} == set()


def test_every_plugin_says_what_it_is_for(plugins: list[Plugin]) -> None:
    keys = ("short_description", "description", "author", "version_added")
    assert [f"{name}: {key}" for _kind, name, one in plugins for key in keys if not one["doc"].get(key)] == []


def test_every_option_has_a_type_and_a_description(plugins: list[Plugin]) -> None:
    options = [found for _kind, name, one in plugins for found in options_of(one["doc"]["options"], name)]
    assert [name for name, option in options if not option.get("type") or not option.get("description")] == []
    assert [name for name, option in options if option.get("type") == "list" and not option.get("elements")] == []


def test_modules_say_how_they_behave_in_check_and_diff_mode(modules: list[tuple[str, dict[str, Any]]]) -> None:
    wanted = {"check_mode", "diff_mode"}
    assert {name: missing for name, one in modules if (missing := wanted - set(one["doc"].get("attributes") or {}))} == {}


def test_examples_of_modules_are_tasks_with_known_options(modules: list[tuple[str, dict[str, Any]]]) -> None:
    wrong = []
    for name, one in modules:
        tasks = yaml.safe_load(one["examples"] or "")
        if not isinstance(tasks, list) or not all(isinstance(task, dict) and task.get("name") for task in tasks):
            wrong.append(f"{name}: no list of named tasks")
            continue
        known = {alias for key, option in one["doc"]["options"].items() for alias in (key, *(option.get("aliases") or ()))}
        used = {key for task in tasks for key in task.get(name) or {}}
        wrong += [f"{name}: unknown option {key}" for key in sorted(used - known)]
        if not any(name in task for task in tasks):
            wrong.append(f"{name}: no task uses it")
    assert wrong == []


def test_examples_of_callbacks_are_yaml_too(plugins: list[Plugin]) -> None:
    for kind, _name, one in plugins:
        if kind == "callback":
            assert one["examples"]
            yaml.safe_load(one["examples"])


def test_returned_values_are_described_with_a_sample(modules: list[tuple[str, dict[str, Any]]]) -> None:
    wrong = []
    for name, one in modules:
        for key, value in (one["return"] or {}).items():
            wrong += [f"{name}: {key}: {part}" for part in ("description", "type", "returned") if not value.get(part)]
            if "sample" not in value and not value.get("contains"):
                wrong.append(f"{name}: {key}: sample")
        if not one["return"]:
            wrong.append(f"{name}: nothing returned")
    assert wrong == []


def test_descriptions_are_sentences(plugins: list[Plugin]) -> None:
    wrong = []
    for _kind, name, one in plugins:
        doc = one["doc"]
        for where, text in [(name, doc["description"]), *((n, o.get("description")) for n, o in options_of(doc["options"], name))]:
            last = (text if isinstance(text, list) else [text or ""])[-1].strip()
            if not re.search(r"[.?!:)]$", last):
                wrong.append(f"{where}: {last[-40:]}")
    assert wrong == []
