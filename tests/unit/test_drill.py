# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A drill, decided: what is chosen, what was measured, what was missed, and who may say so in the repository."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Mapping
from dataclasses import replace

import pytest
from _recovery import drill, drill_annotation, drill_choice, drill_cli, drill_document, drill_report, drill_run
from _recovery.drill import LADDER, NEWEST, OLDEST, RANDOM, RECOVERY, Chain, Measured, Order
from _recovery.drill_ladder import Ladder, Skipped
from _recovery.drill_look import Chosen
from _recovery.drill_objective import OBJECTIVES, Objective
from _recovery.drill_proofs import Witness
from _recovery.problem import Problem, Refusal
from _recovery.recovering import Replayed
from _recovery.restoring import Check
from _recovery.scratch_copy import Copy
from _recovery.scratch_goal import of_plan
from _recovery.scratch_registry import Entry
from _recovery.target import parse
from archives import NEW, NOW, OLD, Scene, clock
from drilled import ended

SYSTEM_ID = 7
OUTLOOKS = (Scene().outlook(),)
NEWEST_PLAN = Scene().planned("latest")
CHOSEN = Chosen("latest", NEWEST_PLAN, of_plan(NEWEST_PLAN, "axiomdb"), "17", 7, True)
ENTRY = Entry("one", "/var/lib/axiomdb/scratch/one", "axiomdb", "17", "a drill", 0.0, 1, True, "")
ENDED = subprocess.Popen(["true"])
ENDED.wait()  # nobody else has it for a child of his own
COPY = Copy(ENTRY, Replayed(None, None, None, 7, "", False), ENDED)


# --- the chain of time stamps ------------------------------------------------------------------------------------------


def test_phases_sum_to_the_whole_to_the_millisecond() -> None:
    times = iter([0.1004, 1.33349, 1.3336, 7.77777, 100.00049])
    chain = Chain(lambda: next(times))
    for name in ("plan", "restore", "start", "replay"):
        chain.begin(name)
    phases = chain.end()
    assert [(phase.name, phase.milliseconds) for phase in phases] == [("plan", 1233), ("restore", 1), ("start", 6444), ("replay", 92222)]
    assert sum(phase.milliseconds for phase in phases) == 100000 - 100


def test_a_delay_shows_in_its_phase_alone() -> None:
    quick, slow = ended(), ended(took={"restore": 21000})
    assert slow.milliseconds - quick.milliseconds == 20000
    assert {name for name in slow.seconds if slow.seconds[name] != quick.seconds[name]} == {"restore"}


def test_the_rto_is_what_a_recovery_has_to_do_and_no_more() -> None:
    assert ended().rto_seconds == len(RECOVERY)
    assert ended(took={"amcheck": 90000, "dump": 90000, "repository": 90000, "remove": 90000}).rto_seconds == len(RECOVERY)
    assert ended(took={"restore": 5500}).rto_seconds == len(RECOVERY) + 4.5


# --- the ladder --------------------------------------------------------------------------------------------------------


def climbed() -> Ladder:
    return Ladder(lambda: 0.0, lambda _line: None)


def test_all_failures_are_told_at_once_and_what_was_not_reached_is_said() -> None:
    ladder = climbed()

    def fails(*problems: Problem) -> str:
        raise Refusal(*problems)

    def skips() -> str:
        raise Skipped("checksums are off")

    assert not ladder.prove("plan", lambda: fails(Problem("a", "b", "c"), Problem("d", "e", "f")))
    assert ladder.prove("repository", lambda: "read")
    assert ladder.prove("checksums", skips)
    found = {rung.name: (rung.outcome, rung.problems or rung.text) for rung in ladder.all()}
    assert found["plan"] == ("failed", ("Found a; expected b. Next: c", "Found d; expected e. Next: f"))
    assert found["repository"] == ("passed", "read") and found["checksums"] == ("skipped", "checksums are off")
    assert found["restore"] == ("not reached", "") and list(found) == list(LADDER)


def test_whoever_gets_further_has_passed_what_came_before() -> None:
    ladder = climbed()
    for name in ("restore", "restore", "start"):
        ladder.begin(name)
    ladder.fail(Refusal(Problem("a dead server", "one", "look")))
    assert (ladder.outcome("restore"), ladder.outcome("start"), ladder.outcome("replay")) == ("passed", "failed", "not reached")
    assert len(ladder.chain.end()) == 2


def test_what_fails_behind_the_proofs_is_told_too() -> None:
    ladder = climbed()
    ladder.begin("checksums")
    ladder.begin("remove")
    ladder.fail(OSError("the disk is read-only"))
    assert ladder.troubles == ["remove: the disk is read-only"] and ladder.outcome("checksums") == "passed"
    assert ended(troubles=tuple(ladder.troubles)).problems == ("remove: the disk is read-only",)


# --- objectives --------------------------------------------------------------------------------------------------------


def test_the_runbooks_four_scenarios_are_the_defaults() -> None:
    assert [(one.scenario, one.rto_seconds) for one in OBJECTIVES] == [
        ("database", 900),
        ("point_in_time", 1800),
        ("site", 7200),
        ("region", 14400),
    ]
    assert Order().objective.scenario == "point_in_time" and Order(databases=("app",)).objective.scenario == "database"


def order(rto_seconds: float | None = None, phases: Mapping[str, float] | None = None) -> Order:
    return Order(objectives=(Objective("point_in_time", rto_seconds, None, phases or {}),))


def test_a_missed_rto_fails_the_drill_and_names_the_phase() -> None:
    slow = ended(took={"replay": 30000}, order=order(rto_seconds=20))
    assert not slow.passed
    assert slow.problems == (
        "objective missed: found an RTO of 36.0 s, the phase replay took 30.0 s of it; expected at most 20 s for point_in_time. "
        "Next: look what the phase replay did: sudo /opt/axiomdb/axiomdb-recovery drill --last; a newer set leaves less WAL to replay "
        "(backup_jobs_hourly_schedule); or declare another objective in recovery_objectives",
    )
    assert ended(took={"replay": 30000}, order=order(rto_seconds=36)).passed


def test_a_phase_may_have_an_objective_of_its_own() -> None:
    found = ended(took={"restore": 12000}, order=order(phases={"restore": 10, "start": 10}))
    (sentence,) = found.problems
    assert sentence.startswith("objective missed: found 12.0 s in the phase restore; expected at most 10 s for point_in_time. Next: look ")
    assert "; more processes (process-max in pgbackrest_options) or " in sentence


def test_a_missed_rpo_fails_the_drill() -> None:
    (sentence,) = ended(measured=Measured(rpo_seconds=301.0)).problems
    assert (
        sentence.startswith("objective missed: found an RPO of 301 s")
        and "expected at most 300 s for point_in_time, by default. Next: " in sentence
    )
    assert "axiomdb-recovery status; " in sentence and sentence.endswith("or declare another objective in recovery_objectives")
    assert ended(measured=Measured(rpo_seconds=299.0)).passed and ended(measured=Measured(rpo_seconds=None)).passed


def test_an_rpo_that_is_asked_for_and_that_nobody_knows_is_missed() -> None:
    newest = Scene().planned("latest")
    (sentence,) = ended(measured=Measured(), plan=newest).problems
    assert sentence.startswith(
        "objective missed: found no RPO: neither a heartbeat nor a commit was found in the WAL that was recovered, "
        "and no end of the set is known; "
        "expected at most 300 s for point_in_time, by default. Next: what tells whether archiving or the heartbeat is late: "
    )
    assert ended(measured=Measured(), plan=newest, order=order()).passed  # nobody asked
    assert ended(measured=Measured()).passed  # an older target leaves behind what it leaves
    by_commit = ended(measured=Measured(rpo_seconds=301.0, rpo_by=drill.COMMIT), plan=newest)
    assert "an RPO of 301 s: the newest commit that was recovered is so old" in by_commit.problems[0]


@pytest.mark.parametrize("name", ["repository", "open", "checksums"])
def test_a_drill_that_did_not_climb_its_whole_ladder_has_not_passed(name: str) -> None:
    whole = ended()
    unreached = tuple(replace(rung, outcome=drill.NOT_REACHED) if rung.name == name else rung for rung in whole.rungs)
    assert whole.passed and not replace(whole, rungs=unreached).passed
    assert not replace(whole, rungs=()).passed


def test_too_little_memory_is_refused_before_anything_is_restored() -> None:
    (problem,) = drill_choice.judge(Order(memory=64 << 20))
    assert problem.sentence() == "Found a memory bound of 64.0 MiB; expected at least 128.0 MiB. Next: correct drill_memory_mib"


def test_two_sets_at_once_are_refused() -> None:
    (problem,) = drill_choice.judge(Order(target=f"backup:{OLD.label}", label=NEW.label))
    assert problem.sentence() == f"Found backup:{OLD.label} and the set {NEW.label}; expected one set. Next: leave one of them out"
    assert drill_choice.judge(Order(target=f"backup:{NEW.label}", label=NEW.label)) == [] == drill_choice.judge(Order(label=NEW.label))


def test_a_check_that_asks_nothing_is_refused() -> None:
    (problem,) = drill_choice.judge(Order(checks=(Check("orders", " \n", ""), Check("none", "select from orders where false", ""))))
    assert problem.sentence() == "Found the check orders without a query; expected one that proves something. Next: correct drill_checks"


def test_a_recovery_that_did_not_end_has_no_rto() -> None:
    failed = ended(failed={"open": "dead"}, order=order(rto_seconds=0.001))
    assert failed.rto_seconds is None and failed.problems == ("opened for writing: dead",)


def test_what_makes_no_sense_is_refused_before_anything_is_looked_at() -> None:
    wrong = replace(order(phases={"reboot": 1.0}), scenario="moon")
    assert [problem.found for problem in drill_choice.judge(wrong)] == ["the scenario moon", "an objective of the phase reboot"]
    assert drill_choice.judge(Order()) == []


# --- which set and target ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "label", "target"),
    [
        (NEWEST, "", "latest"),
        (NEWEST, OLD.label, f"latest,backup:{OLD.label}"),
        (OLDEST, "", f"backup:{OLD.label}"),
        (OLDEST, NEW.label, f"backup:{NEW.label}"),
        ("xid:1234", OLD.label, f"xid:1234,backup:{OLD.label}"),
        (f"backup:{NEW.label}", OLD.label, f"backup:{NEW.label}"),
        ("name:pre-migration", "", "name:pre-migration"),
    ],
)
def test_a_target_is_chosen(asked: str, label: str, target: str) -> None:
    found = drill_choice.choose(Order(asked, label), OUTLOOKS, "seed")
    assert found == target and parse(target)


def test_a_random_moment_is_the_same_for_the_same_seed_and_can_always_be_recovered() -> None:
    found = [drill_choice.choose(Order(RANDOM), OUTLOOKS, str(seed)) for seed in range(200)]
    assert found == [drill_choice.choose(Order(RANDOM), OUTLOOKS, str(seed)) for seed in range(200)]
    assert len(set(found)) > 190
    for target in found:
        assert isinstance(target, str)
        assert Scene().planned(target).target == target


def test_a_random_moment_of_a_set_lies_behind_it() -> None:
    for seed in range(50):
        target = drill_choice.choose(Order(RANDOM, NEW.label), OUTLOOKS, str(seed))
        assert isinstance(target, str)
        time = parse(target).time
        assert time is not None and time.timestamp() > clock("11:00:00")
        assert Scene().planned(target).backup == NEW.label


def test_where_no_time_is_known_a_random_set_is_chosen() -> None:
    blind = (Scene(moments=()).outlook(),)
    found = {drill_choice.choose(Order(RANDOM), blind, str(seed)) for seed in range(50)}
    assert found == {f"backup:{OLD.label}", f"backup:{NEW.label}"}


def test_nothing_is_chosen_where_there_is_nothing() -> None:
    empty = (Scene(backups=()).outlook(),)
    assert isinstance(drill_choice.choose(Order(RANDOM), empty, "1"), Problem)
    assert isinstance(drill_choice.choose(Order(OLDEST, "20200101-000000F"), OUTLOOKS, "1"), Problem)


def test_the_seed_is_the_day_unless_one_is_given() -> None:
    assert drill_choice.seed_of(Order(), NOW) == "2026-11-22" and drill_choice.seed_of(Order(seed="q4"), NOW) == "q4"


@pytest.mark.parametrize(("age", "rpo", "ahead"), [(40.0, 40.0, 0.0), (-20.0, 0.0, 0.0), (-3600.0, None, 3600.0)])
def test_what_is_later_than_the_drill_tells_of_a_wrong_clock_and_of_no_rpo(age: float, rpo: float | None, ahead: float) -> None:
    newest = CHOSEN.plan
    found = drill_run.measured(COPY, Witness(heartbeat=NOW - age), CHOSEN, NOW)
    assert (found.rpo_seconds, found.ahead) == (rpo, ahead)
    over = ended(measured=found, plan=newest)
    assert over.passed == (rpo is not None)
    if ahead:
        assert "no RPO: the newest heartbeat that was recovered is 3600 s later than this drill, so a clock is wrong" in over.problems[0]
        told = drill_report.measured(drill_document.document(over))
        assert "RPO unknown: the newest heartbeat is 3600 s later than the drill, so a clock is wrong" in told


@pytest.mark.parametrize(
    ("beat", "commit", "rpo", "by"),
    [
        (None, None, 90.0, drill.SET_END),  # a drill that is typed right after a backup
        (NOW - 400, None, 90.0, drill.SET_END),
        (None, NOW - 400, 90.0, drill.SET_END),
        (NOW - 40, None, 40.0, drill.HEARTBEAT),
        (None, NOW - 50, 50.0, drill.COMMIT),
    ],
)
def test_all_that_was_committed_until_the_end_of_the_set_is_there(beat: float | None, commit: float | None, rpo: float, by: str) -> None:
    found = drill_run.measured(COPY, Witness(heartbeat=beat, commit=commit), replace(CHOSEN, stopped=NOW - 90), NOW)
    assert (found.rpo_seconds, found.rpo_by) == (rpo, by)
    over = ended(measured=found, plan=CHOSEN.plan)
    assert over.passed and f"RPO {rpo:.0f} s by {by}" in drill_report.measured(drill_document.document(over))
    late = replace(found, rpo_seconds=301.0)
    assert f"found an RPO of 301 s: {by} that was recovered is so old" in ended(measured=late, plan=CHOSEN.plan).problems[0]


def test_a_set_that_ended_in_the_future_proves_nothing_where_there_is_a_heartbeat() -> None:
    chosen = replace(CHOSEN, stopped=NOW + 3600)
    found = drill_run.measured(COPY, Witness(heartbeat=NOW - 40), chosen, NOW)
    assert (found.rpo_seconds, found.rpo_by, found.ahead) == (40.0, drill.HEARTBEAT, 0.0)
    alone = drill_run.measured(COPY, Witness(), chosen, NOW)
    assert (alone.rpo_seconds, alone.rpo_by, alone.ahead) == (None, drill.SET_END, 3600.0)


def test_the_end_of_the_set_tells_nothing_of_an_older_target() -> None:
    older = Scene().planned("lsn:0/7000050")
    chosen = replace(CHOSEN, plan=older, goal=of_plan(older, "axiomdb"), stopped=NOW - 90)
    assert drill_run.measured(COPY, Witness(), chosen, NOW).rpo_seconds is None


# --- the proof in the repository ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "standby", "paused", "why"),
    [
        (SYSTEM_ID, False, False, ""),
        (None, False, False, "not the one that writes"),  # a spare host: two hosts that write one catalogue lose a backup
        (8, False, False, "not the one that writes"),
        (SYSTEM_ID, True, False, "not the one that writes"),
        (SYSTEM_ID, False, True, "jobs are paused"),
    ],
)
def test_only_the_host_that_writes_the_backups_annotates_them(live: int | None, standby: bool, paused: bool, why: str) -> None:
    found = drill_annotation.may_annotate(ended(), live, standby, paused)
    assert (found == "") == (why == "") and why in found


def test_a_drill_of_some_databases_is_no_proof_of_the_set() -> None:
    some = ended(order=Order(databases=("app",)))
    assert some.passed
    assert drill_annotation.may_annotate(some, SYSTEM_ID, False, False) == "a drill of app alone proves nothing of the others"


def test_a_drill_that_failed_is_no_proof() -> None:
    assert drill_annotation.may_annotate(ended(failed={"dump": "none"}), SYSTEM_ID, False, False)
    assert drill_annotation.annotation(ended()) == {
        "axiomdb-drill": "2026-11-22T12:00:30Z passed latest in 7s: restored 1073741824 B in 1.0s, replayed 67108864 B in 2.0s"
    }


def test_what_is_typed_on_the_host_is_no_default_of_the_collection() -> None:
    parser = argparse.ArgumentParser()
    drill_cli.add(parser.add_subparsers(), "drill", "a drill")
    plain, typed = (drill_cli.order_of(parser.parse_args(["drill", *words])).objective for words in ((), ("--rto=60",)))
    assert (plain.rto_seconds, plain.by_default) == (1800.0, ("RTO", "RPO"))
    assert (typed.rto_seconds, typed.rpo_seconds, typed.by_default) == (60.0, 300.0, ("RPO",))
