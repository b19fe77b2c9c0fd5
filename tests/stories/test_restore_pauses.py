# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Before clients are let in a recovery can be looked at, moved on and stopped; a rehearsal leaves everything as it was."""

from __future__ import annotations

import pytest
from converged import Converged
from lab import Lab
from pausing import Paused, tell

pytestmark = [pytest.mark.tier("torture"), pytest.mark.xdist_group("failures")]
ALL = "first second third last"
# What clients get, and what the operator sees through the held server's socket; None for no server there.
ROWS = {
    "pause": ("", "first"),
    "forward": ("", "first second"),
    "backward": ("", "first second"),
    "promote": ("first second", None),
    "back": (ALL, None),
    "shutdown": ("", None),
    "up for a look": ("", ALL),
    "down again": ("", None),
    "promote latest": (ALL, None),
}


@pytest.fixture(scope="module")
def paused(sandbox: Lab, converged: Converged) -> Paused:
    return tell(converged.recoverable("paused"), sandbox)


@pytest.mark.parametrize("name", ROWS)
def test_nobody_is_let_in_before_it_is_promoted(name: str, paused: Paused) -> None:
    clients, held = ROWS[name]
    assert paused.said[name].rc == (1 if name == "backward" else 0), paused.said[name].output
    assert paused.clients[name] == clients, paused.said[name].output
    if held is None:
        assert "No such file or directory" in paused.held[name]
    else:
        assert paused.held[name] == held


def test_a_later_target_is_reached_without_restoring_again(paused: Paused) -> None:
    assert "restores the set" in paused.said["pause"].stderr
    assert "restores the set" not in paused.said["forward"].stderr


def test_its_plan_touches_no_server_and_names_what_is_kept(paused: Paused) -> None:
    said = paused.said["plan"]
    assert said.rc == 0, said.output
    assert paused.looked[0] == paused.looked[1]
    assert "ActiveState=active" in paused.looked[0]
    for text in (said.stdout, paused.said["forward"].stdout):
        assert "  kept         /var/lib/postgresql/" in text


def test_an_earlier_one_is_refused(paused: Paused) -> None:
    assert "expected a target ahead of it; name:first lies behind. Next: " in paused.said["backward"].output


def test_a_rehearsal_proves_the_same_and_touches_nothing(paused: Paused) -> None:
    said = paused.said["rehearsal"]
    assert said.rc == 0, said.output
    assert "  rehearsed    name:second: stands at " in said.stdout
    assert "  check        select count(*) from kept: 2" in said.stdout
    assert paused.started[0] == paused.started[1]
    assert paused.left == ""


def test_a_rehearsal_by_playbook_says_the_same(paused: Paused) -> None:
    assert paused.played is not None
    assert paused.played.changed == 0
    assert "  rehearsed    name:first: stands at " in paused.played.stdout


def test_a_check_that_fails_in_a_rehearsal_fails_it(paused: Paused) -> None:
    said = paused.said["failed rehearsal"]
    assert said.rc == 1
    assert "Found '2' for the check select count(*) from kept; expected '3'." in said.output
