# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Python is typed where decisions are made, and clean everywhere."""

from __future__ import annotations

from collections.abc import Callable


def test_the_engine_is_typed_strictly(tool: Callable[..., str]) -> None:
    tool("mypy", "--strict", "plugins/module_utils/_recovery", "plugins/plugin_utils")


def test_ruff_finds_nothing(tool: Callable[..., str]) -> None:
    tool("ruff", "check")


def test_the_code_is_formatted(tool: Callable[..., str]) -> None:
    tool("ruff", "format", "--check")
