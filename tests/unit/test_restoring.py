# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery in place is decided from its order, its plan and its journal; the journal says all of it again after a boot."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from _recovery import restore_consent, restore_record, restore_told, restoring, scratch_goal
from _recovery.plan import Plan
from _recovery.problem import Problem
from _recovery.restoring import Check, Home, Journal, Order
from _recovery.scratch import Goal
from _recovery.wal import Lsn

DATA = "/var/lib/postgresql/17/main"
SPACE = "/srv/space/PG_17_202406281"
HOME = Home("axiomdb", "17", "main", 5432, DATA, "vps1", 7711944285235987502, tablespaces=(SPACE,))
ORDER = Order("name:before", "orders lost their keys", checks=(Check("orders", "select 1", "1", "app"),))
GOAL = Goal("axiomdb", 2, "20261122-105951F", 3, "name", "before", lsn=Lsn.parse("0/3000060"))
JOURNAL = Journal("20261122-120000", ORDER, HOME, GOAL, {"options": ["--repo=2"], "only_here": []}, had=(DATA, SPACE), began=1.5)


def planned(**changes: object) -> Plan:
    words = ("--repo=2", "--set=20261122-105951F", "--type=name", "--target=before", "--target-timeline=3", "--target-action=pause")
    fields = {
        "target": "name:before",
        "repository": 2,
        "backup": "20261122-105951F",
        "timeline": 3,
        "kind": "name",
        "value": "before",
        "options": words,
        "lsn": "0/3000060",
        "time": "",
        "exclusive": False,
        "first_segment": "000000030000000000000002",
        "last_segment": "000000030000000000000003",
        "segments": 2,
        "only_here": (),
        "restore_bytes": 1,
        "wal_bytes": 2,
        "needed_bytes": 3,
        "free_bytes": 4,
        "seconds": None,
        "seconds_from": "",
        "kept": (DATA,),
        "erased": (),
        **changes,
    }
    return Plan(**{name: value for name, value in fields.items() if name in Plan.__dataclass_fields__})


def test_a_plan_of_other_data_that_serves_is_another_plan() -> None:
    assert restore_consent.digest(planned(serving=1)) != restore_consent.digest(planned(serving=2))


CHECK = Check("orders", "select 1", "1")


@pytest.mark.parametrize("phase", [restoring.SAVE, restoring.RESTORE, restoring.PROVE])
def test_new_checks_are_taken_over_until_it_is_proven(phase: str) -> None:
    found = restore_consent.gone_on_with(replace(JOURNAL, phase=phase), replace(ORDER, checks=(CHECK,)))
    assert isinstance(found, Journal)
    assert (found.order.checks, found.phase) == ((CHECK,), phase)


def test_a_paused_recovery_is_proven_again_by_new_checks() -> None:
    paused = replace(JOURNAL, phase=restoring.PROMOTE, order=replace(ORDER, action=restoring.PAUSES))
    found = restore_consent.gone_on_with(paused, replace(ORDER, checks=(CHECK,)))
    assert isinstance(found, Journal)
    assert (found.phase, found.order.action, found.order.checks) == (restoring.PROVE, restoring.PROMOTES, (CHECK,))
    same = restore_consent.gone_on_with(paused, ORDER)
    assert isinstance(same, Journal)
    assert same.phase == restoring.PROMOTE


@pytest.mark.parametrize("phase", [restoring.PROMOTE, restoring.RELEASE, restoring.SETTLE])
def test_checks_that_come_too_late_are_refused(phase: str) -> None:
    found = restore_consent.gone_on_with(replace(JOURNAL, phase=phase), replace(ORDER, checks=(CHECK,)))
    assert isinstance(found, Problem)
    assert found.found == "other checks than before, and a server that is proven"


def test_services_that_were_not_stopped_are_refused_and_what_is_not_said_again_stays() -> None:
    known = replace(JOURNAL, phase=restoring.RESTORE, order=replace(ORDER, services=("app.service",), checks=(CHECK,)))
    late = restore_consent.gone_on_with(known, replace(ORDER, services=("other.service",)))
    assert isinstance(late, Problem)
    assert restore_consent.gone_on_with(known, replace(ORDER, checks=())) == known
    early = restore_consent.gone_on_with(replace(known, phase=restoring.SAVE), replace(ORDER, checks=(), services=("other.service",)))
    assert isinstance(early, Journal)
    assert early.order.services == ("other.service",)


def test_a_journal_is_read_as_it_was_written() -> None:
    elsewhere = replace(HOME, mounts=(DATA,), wal="/wal/main", locations=("/srv/space",), above=("/srv",))
    back = replace(JOURNAL, home=elsewhere, undoes="20261121-080000", returns=(DATA,))
    for journal in (
        JOURNAL,
        back,
        replace(JOURNAL, goal=replace(GOAL, lsn=None)),
        replace(JOURNAL, phase="", outcome="accepted", timeline=4),
    ):
        assert restore_record.parse(json.loads(json.dumps(restore_record.document(journal)))) == journal


def test_a_journal_of_before_is_read_too() -> None:
    older = json.loads(json.dumps(restore_record.document(JOURNAL)))
    for name in ("mounts", "wal", "locations", "above"):
        del older["home"][name]
    del older["returns"]
    assert restore_record.parse(older) == JOURNAL


@pytest.mark.parametrize("spoil", [{"phase": "dance"}, {"order": {}}, {"goal": None}, {"home": "vps1"}, {"further": 1}])
def test_anything_else_is_no_journal(spoil: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        restore_record.parse({**json.loads(json.dumps(restore_record.document(JOURNAL))), **spoil})


@pytest.mark.parametrize(
    "spoil",
    [
        {"home": {"version": ".."}},
        {"home": {"version": "17\n"}},
        {"home": {"cluster": "tmpfiles.d/x"}},
        {"home": {"cluster": "-main"}},
        {"home": {"cluster": "a..b"}},
        {"home": {"stanza": "../x"}},
        {"home": {"stanza": ".x"}},
        {"home": {"start": "f+ /etc/passwd"}},
        {"home": {"start": "auto\nf+ /etc/passwd"}},
        {"home": {"directory": "var/lib"}},
        {"home": {"directory": "/var/lib/../etc"}},
        {"home": {"tablespaces": ["/srv//x"]}},
        {"home": {"wal": "wal"}},
        {"home": {"mounts": ["/"]}},
        {"home": {"locations": [7]}},
        {"home": {"port": "5432; x"}},
        {"had": ["../x"]},
        {"returns": ["x"]},
        {"name": "../../x"},
        {"undoes": "x"},
        {"order": {"services": ["--root=/tmp"]}},
        {"order": {"services": ["a/b.service"]}},
        {"clients": {"services": ["-x"], "pools": [], "trouble": []}},
    ],
)
def test_a_journal_says_nothing_that_leads_root_elsewhere(spoil: dict[str, object]) -> None:
    told = json.loads(json.dumps(restore_record.document(JOURNAL)))
    assert restore_record.parse(told) == JOURNAL
    for key, value in spoil.items():
        told[key] = {**told[key], **value} if isinstance(value, dict) and told[key] else value
    with pytest.raises(ValueError, match=r"^Found the "):
        restore_record.parse(told)


def test_one_phase_follows_the_other_and_the_last_one_accepts() -> None:
    journal, seen = JOURNAL, []
    while journal.is_open:
        seen.append(journal.phase)
        journal = restoring.after(journal, journal.phase, 2.0)
    assert seen == list(restoring.PHASES)
    assert journal.outcome == restoring.ACCEPTED
    assert set(journal.ended) == set(restoring.PHASES)


def test_what_goes_back_by_itself_ends_where_a_repository_is_told() -> None:
    names = list(restoring.PHASES)
    assert restoring.RETURNS_BY_ITSELF == tuple(names[: names.index(restoring.RELEASE)])


def test_old_data_is_kept_beside_itself_tablespaces_too() -> None:
    assert JOURNAL.moves == {DATA: f"{DATA}.kept-20261122-120000", SPACE: f"{SPACE}.kept-20261122-120000"}
    assert replace(JOURNAL, order=replace(ORDER, keep=False)).moves == {}
    assert replace(JOURNAL, had=()).moves == {}


def test_taking_back_names_the_data_of_the_recovery_that_is_taken_back() -> None:
    back = replace(JOURNAL, undoes="20261121-080000")
    assert back.returning == {DATA: f"{DATA}.kept-20261121-080000", SPACE: f"{SPACE}.kept-20261121-080000"}
    assert JOURNAL.returning == {}


def test_at_a_mount_point_everything_lies_within_it() -> None:
    journal = replace(JOURNAL, home=replace(HOME, mounts=(DATA,)))
    assert journal.moves == {DATA: f"{DATA}/.kept-20261122-120000", SPACE: f"{SPACE}.kept-20261122-120000"}
    assert replace(journal, undoes="20261121-080000").returning[DATA] == f"{DATA}/.kept-20261121-080000"
    assert journal.restores_into == f"{DATA}/.restoring-20261122-120000"
    assert replace(journal, order=replace(ORDER, keep=False)).restores_into == DATA
    assert JOURNAL.restores_into == DATA


def test_restored_data_has_wal_of_its_own_where_pg_wal_is_a_link() -> None:
    journal = replace(JOURNAL, home=replace(HOME, wal="/wal/main-20261101-080000"))
    assert journal.wal == "/wal/main-20261122-120000"
    assert replace(journal, order=replace(ORDER, keep=False)).wal == "/wal/main-20261101-080000"
    assert replace(journal, undoes="20261121-080000").wal == "/wal/main-20261101-080000"
    assert JOURNAL.wal == ""


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"free_bytes": 5, "notes": ("other",), "segments": 7}, True),
        ({"repository": 1}, False),
        ({"backup": "20261122-115951F"}, False),
        ({"timeline": 4}, False),
        ({"lsn": "0/3000070"}, False),
        ({"erased": (DATA,), "kept": ()}, False),
    ],
)
def test_the_digest_changes_with_what_whoever_confirms_has_read(changes: dict[str, object], same: bool) -> None:
    assert (restore_consent.digest(planned(**changes)) == restore_consent.digest(planned())) is same


def test_the_end_of_latest_moves_with_each_commit() -> None:
    latest = {"target": "latest", "kind": "standby"}
    assert restore_consent.digest(planned(**latest)) == restore_consent.digest(planned(**latest, lsn="0/9000000"))


def test_consent_is_for_this_cluster_and_for_this_plan() -> None:
    good = restore_consent.digest(planned())
    assert restore_consent.judge_consent(HOME, planned(), "vps1/axiomdb", good, "again") is None
    other = restore_consent.judge_consent(HOME, planned(), "vps2/axiomdb", good, "again")
    assert other is not None
    assert other.sentence() == ("Found the confirmation 'vps2/axiomdb'; expected 'vps1/axiomdb', the cluster that is restored. Next: again")
    changed = restore_consent.judge_consent(HOME, planned(backup="20261122-115951F"), "vps1/axiomdb", good, "again")
    assert changed is not None
    assert f"the plan {good}" in changed.found
    assert "set 20261122-115951F" in changed.expected
    unread = restore_consent.judge_consent(HOME, planned(), "vps1/axiomdb", "", "again")
    assert unread is not None
    assert unread.found == "no plan named"
    assert unread.next_step == "read the plan that this prints, and type what it says: again"


def test_an_open_recovery_goes_on_with_the_same_order_alone_and_confirmed_again() -> None:
    assert restore_consent.judge_open(JOURNAL, replace(ORDER, reason="another word"), "vps1/axiomdb") is None
    other = restore_consent.judge_open(JOURNAL, replace(ORDER, target="latest"), "vps1/axiomdb")
    assert other is not None
    assert "an open recovery to name:before" in other.found
    assert other.next_step == f"to go on with it: {restoring.go_on(JOURNAL)}; to go back: {restoring.go_back(JOURNAL)}"
    assert restore_consent.judge_open(JOURNAL, replace(ORDER, keep=False), "vps1/axiomdb") is not None
    for confirm in ("", "vps2/axiomdb"):
        unsure = restore_consent.judge_open(JOURNAL, ORDER, confirm)
        assert unsure is not None
        assert unsure.expected == "'vps1/axiomdb', the cluster that is restored"


def test_what_takes_a_recovery_back_is_gone_on_with_by_rollback() -> None:
    back = replace(JOURNAL, undoes="20261121-080000", order=replace(ORDER, target="rollback:20261121-080000"))
    assert " rollback --stanza=axiomdb --confirm=vps1/axiomdb" in restoring.go_on(back)
    assert "go back" not in "\n".join(restore_told.lines(back))


@pytest.mark.parametrize(
    ("changes", "kind", "lsn"),
    [
        ({}, "name", "0/3000060"),
        ({"kind": "standby", "options": ("--type=standby",)}, "latest", "0/3000060"),
        ({"kind": "immediate", "options": ("--type=immediate",)}, "immediate", "0/3000060"),
        ({"kind": "time", "lsn": ""}, "time", None),
        ({"kind": "xid", "lsn": ""}, "xid", None),
    ],
)
def test_a_plan_becomes_what_the_server_is_told_and_has_to_show(changes: dict[str, object], kind: str, lsn: str | None) -> None:
    goal = scratch_goal.of_plan(planned(**changes), "axiomdb")
    assert (goal.kind, goal.label, goal.repository, goal.timeline) == (kind, "20261122-105951F", 2, 3)
    assert (str(goal.lsn) if goal.lsn else None) == lsn
    assert goal.expected_timeline == (3 if kind == "latest" else None)
    assert scratch_goal.of_plan(planned(**changes, only_here=("000000030000000000000003",)), "axiomdb").expected_timeline is None


def test_a_recovery_that_is_to_pause_ends_behind_its_proof() -> None:
    paused = replace(ORDER, action=restoring.PAUSES)
    assert restoring.last_phase(paused) == restoring.PROVE
    assert restoring.last_phase(paused, restoring.KEEP) == restoring.KEEP
    assert restoring.last_phase(ORDER) == restoring.SETTLE


def test_no_option_of_the_configuration_reaches_a_recovery_in_place() -> None:
    words = restoring.options(JOURNAL, delta=False)
    assert words[0] == "--repo=2"
    assert "--no-delta" in words
    assert {"--reset-tablespace-map", "--reset-db-include", "--reset-link-map", "--no-link-all"} <= set(words)
    assert "--delta" in restoring.options(JOURNAL, delta=True)


PAUSED = replace(JOURNAL, phase=restoring.PROMOTE, order=replace(ORDER, action=restoring.PAUSES))


def test_only_what_was_to_pause_is_paused() -> None:
    assert restoring.is_paused(PAUSED)
    assert not restoring.is_paused(replace(JOURNAL, phase=restoring.PROMOTE))
    assert not restoring.is_paused(replace(PAUSED, phase=restoring.PROVE))


@pytest.mark.parametrize(
    ("changes", "end", "words"),
    [
        ({"lsn": "0/3000061"}, None, ""),
        ({"lsn": "", "time": "later"}, 200.0, ""),
        ({"lsn": "0/300005F"}, None, "a target ahead of it; name:before lies behind"),
        ({"lsn": ""}, 99.0, "a target ahead of it; name:before lies behind"),
        ({"timeline": 4}, None, "a target there; name:before is in repository 2 on timeline 4"),
        ({"repository": 1}, None, "a target there; name:before is in repository 1 on timeline 3"),
    ],
)
def test_a_paused_recovery_goes_forward_only(changes: dict[str, object], end: float | None, words: str) -> None:
    problem = restore_consent.judge_move(PAUSED, planned(**changes), Lsn.parse("0/3000060"), 100.0, end)
    assert (problem.expected if problem else "") == words


def test_a_target_that_is_moved_restores_nothing_again() -> None:
    goal = replace(GOAL, target="later")
    on = restore_consent.moved(PAUSED, replace(ORDER, target="name:later"), goal, {"options": [], "only_here": ["x"]})
    assert (on.phase, on.goal, on.order.target, on.plan["only_here"]) == (restoring.RECOVER, goal, "name:later", [])
    assert on.moves == PAUSED.moves
