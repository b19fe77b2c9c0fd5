# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands for the controller, with the inventories of the run that says them: they can be typed as they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from .problem import CONTROLLER

_NAMELESS = re.compile(rf"{re.escape(CONTROLLER)}(?=\s)")


def command_prefix(inventory_sources: Sequence[str]) -> str:
    """The beginning of a command to type, with every inventory of the run: a path, quoted where it must be, or a list of hosts.

    Without one it is that of a command which the reader completes.
    """
    return " ".join(["ansible-playbook", *(f"-i {shlex.quote(one)}" for one in inventory_sources)]) if inventory_sources else CONTROLLER


def with_inventory(said: Any, inventory_sources: Sequence[str]) -> Any:
    """The same result or sentence, at any depth, in which each command for the controller names the inventories of the run.

    Whoever decides knows no inventory, and writes the name of none; so does a journal, which outlives the run.
    """
    if not inventory_sources:
        return said
    if isinstance(said, str):
        return _NAMELESS.sub(lambda _found: command_prefix(inventory_sources), said)
    if isinstance(said, Mapping):
        return {key: with_inventory(value, inventory_sources) for key, value in said.items()}
    if isinstance(said, list | tuple):
        return [with_inventory(value, inventory_sources) for value in said]
    return said
