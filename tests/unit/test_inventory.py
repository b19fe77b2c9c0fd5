# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command for the controller can be typed as it stands: it names the inventories of the run that says it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from _recovery.inventory import command_prefix, with_inventory
from _recovery.problem import CONTROLLER, Problem, playbook

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ["/srv/my inventory", "host1,"]
TYPED = "ansible-playbook -i '/srv/my inventory' -i host1, playbooks/site.yml -l vps1"


@pytest.mark.parametrize(
    ("sources", "typed"),
    [
        ([], CONTROLLER),
        (["/etc/ansible/hosts"], "ansible-playbook -i /etc/ansible/hosts"),
        (SOURCES, "ansible-playbook -i '/srv/my inventory' -i host1,"),
    ],
)
def test_every_source_is_named_and_a_path_is_quoted_where_it_must_be(sources: list[str], typed: str) -> None:
    assert command_prefix(sources) == typed


def test_it_is_named_at_any_depth_and_nothing_else_is_changed() -> None:
    sentence = Problem("a", "b", playbook("site", "-l vps1")).sentence()
    said = {"msg": sentence, "changed": False, "list": [{"more": (sentence,)}], "age": 7, "none": None}
    named = {"msg": f"Found a; expected b. Next: {TYPED}", "changed": False, "age": 7, "none": None}
    assert with_inventory(said, SOURCES) == {**named, "list": [{"more": [named["msg"]]}]}
    assert with_inventory(said, []) == said


@pytest.mark.parametrize("name", ["ansible-playbook -i inventory/hosts.yml", "ansible-playbook -i inventory.yml", "-i inventory"])
def test_another_inventory_is_left_alone(name: str) -> None:
    assert with_inventory(f"{name} playbooks/site.yml", SOURCES) == f"{name} playbooks/site.yml"


def answered(*words: str, **options: Any) -> dict[str, Any]:
    """What a module answers, as Ansible would run it."""
    done = subprocess.run(
        [sys.executable, *words],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")},
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(**options: Any) -> dict[str, Any]:
    """What the module says that refuses an upgrade before it looks at anything."""
    given = {"stanza": "axiomdb", "state": "upgraded", "version": "17", "inventory_host": "vps1", **options}
    return answered("-m", "ansible_collections.axiomdb.recovery.plugins.modules.pgbackrest_stanza", **given)


def test_a_module_names_it_in_whatever_it_refuses() -> None:
    said = refused(inventory_sources=SOURCES)
    step = "playbooks/stanza.yml -l vps1 -e stanza_state=upgraded -e stanza_confirm=vps1/axiomdb"
    assert said["msg"].endswith(f"Next: ansible-playbook -i '/srv/my inventory' -i host1, {step}")
    assert said["problems"][0].endswith(f"Next: ansible-playbook -i '/srv/my inventory' -i host1, {step}")
    assert refused()["msg"].endswith(f"Next: {CONTROLLER} {step}")
    assert "value of state must be one of" in refused(state="made", inventory_sources="host1,")["msg"], "before its options are known"


_ACT = f"""
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import INVENTORY_OPTIONS, run_module
said = {playbook("site", "-l vps1")!r}
run_module(INVENTORY_OPTIONS, lambda module: {{"summary": [said], "warned": module.warn(said)}})
"""


def test_and_in_what_it_returns_and_warns_of() -> None:
    said = answered("-c", _ACT, inventory_sources=SOURCES)
    assert said["summary"] == [TYPED]
    assert TYPED in json.dumps(said["warnings"])
