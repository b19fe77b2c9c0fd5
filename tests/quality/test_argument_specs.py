# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The contract of each role (meta/argument_specs.yml) and its values (defaults/main.yml) say the same, both ways."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").glob("*") if path.is_dir())
TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
    "raw": (object,),
}
SECRET = re.compile(r"(password|passphrase|cipher_pass|secret|token|access_key)$")
pytestmark = pytest.mark.parametrize("role", ROLES)


@pytest.fixture
def specs(role: str, read_yaml: Callable[[Path], Any]) -> dict[str, Any]:
    """The entry points of the role."""
    path = Path("roles", role, "meta", "argument_specs.yml")
    assert (ROOT / path).is_file(), f"{role} has no {path.name}"
    found: dict[str, Any] = read_yaml(path)["argument_specs"]
    return found


@pytest.fixture
def defaults(role: str, read_yaml: Callable[[Path], Any]) -> dict[str, Any]:
    """The values of the role."""
    path = Path("roles", role, "defaults", "main.yml")
    return (read_yaml(path) or {}) if (ROOT / path).is_file() else {}


def options_of(spec: dict[str, Any], where: str = "") -> list[tuple[str, str, dict[str, Any]]]:
    """Return (where, name, option) for every option at every depth."""
    found = []
    for name, option in (spec.get("options") or {}).items():
        found.append((where, name, option))
        found += options_of(option, f"{where}{name}.")
    return found


def fits(value: Any, kind: str, elements: str | None = None) -> bool:
    """Tell whether a value has the type of a specification. An expression may become anything."""
    if isinstance(value, str) and "{{" in value:
        return True
    if isinstance(value, bool) and kind not in ("bool", "raw"):
        return False
    if not isinstance(value, TYPES[kind]):
        return False
    return all(fits(one, elements) for one in value) if kind == "list" and elements else True


def test_all_entry_points_take_the_same_options(role: str, specs: dict[str, Any]) -> None:
    assert "main" in specs
    for name, spec in specs.items():
        assert spec.get("short_description"), f"{role}: the entry point {name} has no short_description"
        assert spec.get("options", {}) == specs["main"].get("options", {}), f"{role}: {name} differs from main"


def test_every_option_has_a_type_and_a_description(role: str, specs: dict[str, Any]) -> None:
    wrong = []
    for where, name, option in options_of(specs["main"]):
        if option.get("type") not in TYPES:
            wrong.append(f"{where}{name}: type {option.get('type')}")
        if not option.get("description"):
            wrong.append(f"{where}{name}: no description")
        if option.get("type") == "list" and option.get("elements") not in TYPES:
            wrong.append(f"{where}{name}: elements {option.get('elements')}")
        if SECRET.search(name) and option.get("type") in ("str", "raw") and option.get("no_log") is not True:
            wrong.append(f"{where}{name}: a secret without no_log")
        if "default" in option and not fits(option["default"], option.get("type", "raw"), option.get("elements")):
            wrong.append(f"{where}{name}: its default is no {option['type']}")
        if "default" in option and "choices" in option and option["default"] not in option["choices"]:
            wrong.append(f"{where}{name}: its default is no choice")
        if "default" in option and option.get("required"):
            wrong.append(f"{where}{name}: required, and a default")
    assert wrong == [], role


def test_public_names_begin_with_the_role(role: str, specs: dict[str, Any], defaults: dict[str, Any]) -> None:
    names = {*specs["main"].get("options", {}), *defaults}
    assert {name for name in names if not name.startswith((f"{role}_", "recovery_"))} == set()


def test_the_defaults_are_those_of_the_contract(role: str, specs: dict[str, Any], defaults: dict[str, Any]) -> None:
    documented = {name: option["default"] for name, option in specs["main"].get("options", {}).items() if "default" in option}
    assert sorted(documented) == sorted(defaults), f"{role}: these keys have a default in one of the two files only"
    differ = {
        name: f"documented {documented[name]!r}, real {value!r}" for name, value in defaults.items() if not same(documented[name], value)
    }
    assert differ == {}, role


def test_what_has_no_default_is_required_or_said_to_be_optional(role: str, specs: dict[str, Any]) -> None:
    silent = [name for name, option in specs["main"].get("options", {}).items() if "default" not in option and "required" not in option]
    assert silent == [], f"{role}: neither a default nor required"


def test_a_value_that_is_typed_behind_e_is_what_it_says(role: str, specs: dict[str, Any]) -> None:
    """Behind -e every value is a text: where no module's option makes a bool or a number of it, the role has to."""
    kinds = {name: option["type"] for name, option in specs["main"].get("options", {}).items() if option.get("type") in ("bool", "int")}
    wrong = []
    for path in sorted((ROOT / "roles" / role).glob("*/*.yml")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for name, kind in kinds.items():
                decides = re.search(rf"(when: |not |if |and |or |range\(|> ?|- ){name}\b(?! \| (bool|int))", line)
                if decides and path.parent.name in ("tasks", "vars", "defaults", "handlers"):
                    wrong.append(f"{path.name}:{number}: {name} without | {kind}")
    assert wrong == []


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal in type too: 1 is not true, and "1" is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)
