# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery that is killed serves nothing unproven and runs no job; one more command ends with the target's rows or the old ones."""

from __future__ import annotations

import random

import havoc
import pytest
from converged import Converged
from killing import OLD, PHASES, TARGET, Killed, amiss, beside, follow, kill, prepare, promote_and_kill, reboot, served
from lab import Host, Lab

pytestmark = pytest.mark.xdist_group("kills")
BEFORE_THE_STOP, BEHIND_THE_PROOF = ("save", "quiet"), ("serve", "settle")


@pytest.fixture(scope="module")
def prepared(converged: Converged) -> Host:
    return prepare(converged.recoverable("killed"))


@pytest.fixture
def victim(prepared: Host) -> Host:
    """The host with the old rows, and nothing kept of the story before."""
    havoc.clear(prepared)
    assert served(prepared) == OLD, "left by the story before"
    return prepared


@pytest.fixture(scope="module")
def lasts(prepared: Host) -> float:
    """How many seconds a recovery takes here."""
    return havoc.duration(prepared)


def judge(phase: str, found: Killed, on: bool) -> None:
    assert found.after.rc == 0, found.after.output
    assert found.rows == (TARGET if on else OLD), found.after.output
    assert found.back == (OLD if on else "")
    assert found.amiss == ""
    if found.phase not in BEFORE_THE_STOP:
        assert found.served in (("", TARGET) if found.phase in BEHIND_THE_PROOF else ("",))
        # To let the jobs begin again is the first thing that the last phase does.
        assert found.phase == "settle" or [text for text in found.jobs if "jobs are paused" not in text] == []


@pytest.mark.parametrize("phase", PHASES)
def test_a_killed_run_is_gone_on_with_or_taken_back(system: str, phase: str, victim: Host) -> None:
    seen = kill(victim, phase)
    judge(phase, follow(victim, seen, PHASES[phase]), PHASES[phase])


@pytest.mark.parametrize("phase", ["release", "serve", "settle"])
def test_one_that_a_repository_knows_is_taken_back_too(system: str, phase: str, victim: Host) -> None:
    seen = kill(victim, phase)
    judge(phase, follow(victim, seen, on=False), on=False)


def test_a_way_back_that_waited_for_the_recovery_takes_nothing_back_behind_its_end(system: str, victim: Host) -> None:
    code, said = beside(victim, "restore")
    assert code == 1
    assert "another command has gone on meanwhile" in said
    assert served(victim) == TARGET
    assert follow(victim, "", on=False).rows == OLD


@pytest.mark.tier("torture")
@pytest.mark.parametrize("phase", PHASES)
def test_a_host_that_loses_its_power_serves_nothing_unproven(system: str, phase: str, victim: Host) -> None:
    seen = kill(victim, phase)
    reboot(victim)
    judge(phase, follow(victim, seen, PHASES[phase]), PHASES[phase])


@pytest.mark.tier("torture")
@pytest.mark.parametrize("on", [True, False], ids=["on", "back"])
def test_a_promotion_that_nobody_has_written_down_is_gone_on_with_or_taken_back(system: str, on: bool, victim: Host) -> None:
    assert promote_and_kill(victim) == "promote"
    reboot(victim)
    judge("promote", follow(victim, "promote", on), on)


@pytest.mark.tier("torture")
def test_a_server_that_died_without_its_order_and_without_its_timeline_stops_at_the_target_again(system: str, victim: Host) -> None:
    assert kill(victim, "promote") == "promote"
    reboot(victim)
    victim.run("rm /var/lib/postgresql/*/main/recovery.signal")  # the first thing that the end of a recovery does
    judge("promote", follow(victim, "promote", on=True), on=True)


def test_a_restore_whose_pgbackrest_is_killed_goes_back_by_itself(system: str, victim: Host) -> None:
    kill(victim, "restore", ["pgbackrest.*restore"])
    assert served(victim) == OLD, "it went back without a word from anybody"
    assert amiss(victim) == ""


def test_a_server_that_is_killed_before_its_proof_is_proven_anew_or_goes_back_by_itself(system: str, victim: Host) -> None:
    kill(victim, "prove", ["config_file=/var/lib/axiomdb"])
    assert served(victim) in (OLD, TARGET), "which of them depends on whether it was seen to be dead before it was asked"
    assert amiss(victim) == ""


@pytest.mark.tier("torture")
@pytest.mark.parametrize("victim_of_it", ["playbook", *havoc.VICTIMS])
@pytest.mark.parametrize("phase", PHASES)
def test_whatever_carries_it_may_die(system: str, phase: str, victim_of_it: str, victim: Host, sandbox: Lab) -> None:
    since = float(victim.run(["date", "+%s.%N"]).stdout)
    if victim_of_it == "playbook":
        havoc.lose_playbook(sandbox, victim, phase, PHASES)
    else:
        havoc.lose(victim, phase, victim_of_it)
    found = havoc.follow(victim, since, on=PHASES[phase])
    assert found.lost == ""
    assert found.ended_well, found.after


@pytest.mark.tier("torture")
@pytest.mark.parametrize("number", range(60))
def test_the_power_may_go_at_any_moment(system: str, number: int, victim: Host, lasts: float, request: pytest.FixtureRequest) -> None:
    chance = random.Random(f"{request.config.getoption('--seed')} {system} {number}")
    since = float(victim.run(["date", "+%s.%N"]).stdout)
    havoc.lose_power(victim, chance.uniform(0.2, lasts))
    found = havoc.follow(victim, since, on=chance.random() < 0.5)
    assert found.lost == ""
    assert found.ended_well, found.after
