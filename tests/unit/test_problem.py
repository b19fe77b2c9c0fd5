# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The form of a refusal."""

from __future__ import annotations

import pytest
from _recovery import picture
from _recovery.inventory import command_prefix
from _recovery.postgres import Cluster
from _recovery.problem import CONTROLLER, Problem, Refusal, playbook
from _recovery.summary import lines

ONE = Problem("a", "b", "ansible-playbook -i inventory playbooks/site.yml -l vps1")
OTHER = Problem("c", "d", "e")


def test_the_command_at_the_end_can_be_copied_as_it_stands() -> None:
    assert ONE.sentence() == "Found a; expected b. Next: ansible-playbook -i inventory playbooks/site.yml -l vps1"


def test_a_refusal_carries_every_problem() -> None:
    refusal = Refusal(ONE, OTHER)
    assert refusal.problems == (ONE, OTHER)
    assert str(refusal).split("\n") == [ONE.sentence(), OTHER.sentence()]


def test_a_command_for_the_controller_names_an_inventory() -> None:
    assert playbook("site") == "ansible-playbook -i inventory playbooks/site.yml"
    assert playbook("site", "-l vps1") == ONE.next_step
    assert command_prefix([]) == CONTROLLER
    assert command_prefix(["a", "b"]) == "ansible-playbook -i a -i b"


def test_a_host_at_which_nobody_could_look_is_told_with_the_command_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "take_picture", None)
    seen = picture.any_picture("axiomdb", Cluster("17", "main"), "vps1", "ansible-playbook -i mine", 0.0)
    damaged = "where its data is damaged, what can be recovered: sudo /opt/axiomdb/axiomdb-recovery plan latest"
    assert lines(seen)[-1].endswith(f"Type: ansible-playbook -i mine playbooks/site.yml -l vps1; {damaged}")
