# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The form of a refusal."""

from __future__ import annotations

from _recovery.problem import Problem, Refusal

ONE = Problem("a", "b", "ansible-playbook playbooks/site.yml -l vps1")
OTHER = Problem("c", "d", "e")


def test_the_command_at_the_end_can_be_copied_as_it_stands() -> None:
    assert ONE.sentence() == "Found a; expected b. Next: ansible-playbook playbooks/site.yml -l vps1"


def test_a_refusal_carries_every_problem() -> None:
    refusal = Refusal(ONE, OTHER)
    assert refusal.problems == (ONE, OTHER)
    assert str(refusal).split("\n") == [ONE.sentence(), OTHER.sentence()]
