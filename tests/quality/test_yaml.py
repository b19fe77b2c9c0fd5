# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""YAML is clean, and Ansible's own judge finds nothing in its strictest profile, no rule skipped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

EXCLUDED = {".ansible/", ".cache/", ".collections/", ".venv/", ".venv-newest/"}


def test_yamllint_finds_nothing(tracked: list[Path], tool: Callable[..., str]) -> None:
    files = [str(path) for path in tracked if path.suffix in (".yml", ".yaml") or path.name in (".yamllint", ".ansible-lint")]
    tool("yamllint", "--strict", *files)


def test_ansible_lint_finds_nothing_in_the_profile_production(tool: Callable[..., str]) -> None:
    arguments = ("--offline", "--strict", "--nocolor", "--profile", "production", "--format", "pep8")
    tool("ansible-lint", *arguments, ANSIBLE_HOME=".cache/ansible-lint")


def test_ansible_lint_leaves_nothing_of_ours_out(read_yaml: Callable[[Path], Any]) -> None:
    settings = read_yaml(Path(".ansible-lint"))
    assert settings["profile"] == "production"
    assert set(settings["exclude_paths"]) <= EXCLUDED
    assert set(settings) <= {"profile", "exclude_paths", "offline", "strict", "kinds", "enable_rules"}
