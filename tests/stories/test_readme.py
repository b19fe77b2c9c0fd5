# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the README says is typed here, as a newcomer would."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from lab import ROOT, Lab, Run, execute

README = (ROOT / "README.md").read_text(encoding="utf-8")
HOST = f"readme-{os.getpid()}"
SECOND = f"{HOST}-second"
RECURSIVE = ("make test", "make engine-stop")  # the very run in which this story stands, and the engine of its hosts
pytestmark = pytest.mark.xdist_group("readme")


def commands() -> list[str]:
    """Each line of the README's console blocks, without its comment."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def typed(command: str) -> Run:
    """Type one make command for a host of this story's own, or for a second one where it names one, without this run's settings."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "AXIOMDB_", "MAKE"))}
    told, named = re.subn(r" HOST=\S+", f" HOST={SECOND}", command)
    return execute([*shlex.split(told), *([] if named else [f"HOST={HOST}"])], env=env)


def test_the_make_commands_in_their_order() -> None:
    """The demo ends with what to type next, the audit finds nothing, the host goes away."""
    outputs: dict[str, str] = {}
    try:
        for command in commands():
            if command.startswith("make ") and command not in RECURSIVE:
                outputs[command] = typed(command).checked().stdout
    finally:
        typed("make sandbox-down")
        second = typed(f"make sandbox-down HOST={SECOND}").stdout
    last = outputs["make demo"].strip().splitlines()[-1]
    assert last.startswith("PROTECTED, but only while this host lives")
    assert "NOT PROTECTED AGAINST LOSS OF THIS HOST" in outputs["make demo"]
    assert f"  next         ansible-playbook -i {ROOT}/inventories/sandbox playbooks/drill.yml -l {HOST}\n" in outputs["make demo"]
    assert "No drift on 1 host." in outputs["make audit"]
    assert HOST in outputs["make sandbox-down"]
    assert SECOND in second


def test_every_make_command_and_playbook_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for command in commands():
        if command.startswith("make "):
            assert command.split()[1] in targets
    named = set(re.findall(r"playbooks/([a-z]+\.yml)", README))
    assert named == {path.name for path in (ROOT / "playbooks").glob("*.yml")}


def test_the_ten_lines_of_inventory_are_enough(sandbox: Lab, tmp_path: Path) -> None:
    """The README's inventory with its placeholders filled in, in check mode on a bare host: green, and it names both repositories."""
    block = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert block is not None
    assert len(block[1].splitlines()) <= 10
    inventory: dict[str, Any] = yaml.safe_load(block[1])["all"]
    secrets = {name: f"{name}-0123456789-0123456789" for name in re.findall(r"vault_\w+", block[1])}
    host = sandbox.up("inventory")
    run = sandbox.ansible(host, "playbooks/site.yml", check=True, extra_vars=inventory["vars"] | secrets)
    assert run.recap[host.name].failed == 0
    for text in ("repo1-path=/var/lib/pgbackrest", "repo2-type=s3", "role axiomdb", "database axiomdb", "stanza axiomdb"):
        assert text in run.stdout
    assert "0123456789-0123456789" not in run.output
