# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lost site may be brought back only onto an empty host, from repositories that hold it, and while nobody else serves it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from _recovery import rebuild, restore_record, restore_told, restoring
from _recovery.archive import Holdings
from _recovery.catalog import Backup, Database, Repository, unreadable
from _recovery.rebuild import Ground, Holding, Life, Recovered, Sorted, Writer

NOW = 1_800_000_000.0
SYSTEM = 7711944285235987502
AGAIN = "ansible-playbook -i inventory playbooks/rebuild.yml -l vps2"
SIGNED = {"axiomdb-host": "vps1", "axiomdb-machine-id": "a" * 32}
A = Writer("vps1", "a" * 32, "20261122-020001F")


def backup(label: str = "20261122-020001F", stopped: int = 1000, **notes: str) -> Backup:
    segment = "000000010000000000000004"
    return Backup(label, "full", 1, 900, stopped, "0/3000000", "0/4000000", segment, False, 1, 1, {**SIGNED, **notes})


def held(number: int = 1, system: int = SYSTEM, *backups: Backup) -> Repository:
    return Repository(number, 0, "ok", databases=(Database(1, system, "17"),), backups=backups or (backup(),))


def empty(number: int = 1) -> Repository:
    return Repository(number, 1, "missing stanza path")


def refused(*holdings: Holding) -> str:
    return " ".join(one.sentence() for one in rebuild.judge_repositories("axiomdb", "vps2", holdings))


# --- the host ------------------------------------------------------------------------------------------------------------


def test_a_host_without_data_is_rebuilt() -> None:
    assert rebuild.judge_ground(Ground("/data"), "vps2", "axiomdb") is None


@pytest.mark.parametrize("ground", [Ground("/data", data="data in /data"), Ground("/data", running="a server (process 7) on /data")])
def test_a_host_with_data_is_refused(ground: Ground) -> None:
    problem = rebuild.judge_ground(ground, "vps2", "axiomdb")
    assert problem is not None
    assert problem.found == f"{ground.running or ground.data} on vps2"
    assert "playbooks/restore.yml -l vps2" in problem.next_step


# --- the repositories ----------------------------------------------------------------------------------------------------


def test_a_repository_that_holds_the_stanza_is_enough() -> None:
    assert refused(Holding(held(2)), Holding(empty(1))) == ""


def test_nothing_comes_back_from_an_empty_repository() -> None:
    assert refused(Holding(empty(1)), Holding(empty(2))).startswith("Found an empty repository 1 and 2; expected the backups of axiomdb")


def test_nor_from_one_without_a_backup() -> None:
    assert "no backup of axiomdb in repository 1" in refused(Holding(replace(held(1), backups=())))


def test_nor_from_one_that_holds_another_stanza() -> None:
    said = refused(Holding(empty(1), ("billing",)))
    assert "a foreign repository 1: it holds billing, and no stanza axiomdb" in said
    assert "-e pgbackrest_stanza=billing" in said


def test_one_that_cannot_be_read_is_refused_beside_a_good_one() -> None:
    said = refused(Holding(held(1)), Holding(unreadable(2, "the passphrase does not open the repository")))
    assert "repository 2 unreadable: the passphrase does not open the repository" in said
    assert "take it out of pgbackrest_repositories" in said


def test_what_answers_is_named_beside_one_that_is_lost_with_its_region() -> None:
    newest = backup("20261123-020001F", 2000)
    said = refused(Holding(unreadable(1, "no route to host")), Holding(held(2)), Holding(held(3, SYSTEM, newest)))
    assert "where it is lost too, take it out of pgbackrest_repositories, or declare there what takes its place" in said
    assert said.index("repository 3 answers, its newest backup is of 1970-01-01T00:33:20Z") < said.index("repository 2 answers")


@pytest.mark.parametrize(
    ("named", "problem"),
    [(0, ""), (2, ""), (1, "no backup of axiomdb in repository 1; expected one that holds it: 2"), (3, "no repository 3 in pgbackrest_")],
)
def test_the_repository_that_is_named_must_hold_the_stanza(named: int, problem: str) -> None:
    found = rebuild.judge_repositories("axiomdb", "vps2", [Holding(empty(1)), Holding(held(2))], named)
    assert len(found) == bool(problem) and problem in " ".join(one.sentence() for one in found)


def test_two_clusters_under_one_name_are_refused() -> None:
    assert f"foreign repositories: the system {SYSTEM} in repository 1, the system 8 in repository 2" in refused(
        Holding(held(1)), Holding(held(2, 8))
    )


def archive(*timelines: int) -> Holdings:
    return Holdings(1 << 24, {one: ((1, 9),) for one in timelines}, frozenset(timelines) - {1})


@pytest.mark.parametrize(
    ("timeline", "number", "free"), [(1, 1, True), (2, 1, True), (3, 1, True), (1, 2, False), (1, 3, True), (1, 4, False), (2, 4, False)]
)
def test_the_new_timeline_is_in_no_repository_yet(timeline: int, number: int, free: bool) -> None:
    """The server counts on behind the histories of the repository from which it recovers, and of no other."""
    known = {1: archive(1, 2, 3), 2: archive(1), 4: archive(1, 2), 5: Holdings(1 << 24)}
    problem = rebuild.judge_timeline(timeline, number, {**known, 3: archive(1, 2, 3)}, AGAIN)
    assert (problem is None) == free
    if problem is not None:
        assert "timeline 3 in repository 1" in problem.found
        assert f"{AGAIN} -e rebuild_repository=1; or take repository 1 out" in problem.next_step


@pytest.mark.parametrize(
    ("declared", "databases", "problem"),
    [
        (["app"], ("postgres", "app"), False),
        (["app"], ("postgres", "shop"), True),
        (["app"], None, False),
        ([], ("postgres",), False),
    ],
)
def test_a_set_with_none_of_the_declared_databases_is_foreign(
    declared: list[str], databases: tuple[str, ...] | None, problem: bool
) -> None:
    found = rebuild.judge_databases(declared, databases, "repository 1, set F")
    assert (found is not None) == problem
    if found is not None:
        assert found.sentence().startswith("Found a foreign cluster in repository 1, set F: its databases are shop; expected one of app")


# --- the old host --------------------------------------------------------------------------------------------------------


def test_the_writer_is_whoever_took_the_newest_signed_backup() -> None:
    later = backup("20261123-020001F", 2000, **{"axiomdb-host": "vps9", "axiomdb-machine-id": "9" * 32})
    unsigned = replace(backup("20261124-020001F", 3000), annotations={})
    assert rebuild.writer_of([held(1), held(2, SYSTEM, later, unsigned)]) == Writer("vps9", "9" * 32, "20261123-020001F")
    assert rebuild.writer_of([held(1, SYSTEM, unsigned)]) == Writer()


@pytest.mark.parametrize("sign", ["arrived", "heartbeat"])
@pytest.mark.parametrize(("ago", "alive"), [(-30.0, True), (59.0, True), (3599.0, True), (3601.0, False)])
def test_a_host_with_a_fresh_sign_of_life_may_live(sign: str, ago: float, alive: bool) -> None:
    life = replace(Life(A, "000000010000000000000009", repository=2), **{sign: NOW - ago})
    problem = rebuild.judge_old_host(life, "b" * 32, "", NOW, AGAIN)
    assert (problem is not None) == alive
    if problem is not None:
        assert problem.found.startswith("signs that vps1 still lives: its ")
        assert problem.next_step.endswith(f"then {AGAIN} -e rebuild_lost_host=vps1")


@pytest.mark.parametrize("lost", ["vps1", "a" * 32])
def test_it_is_lost_when_somebody_says_so_by_its_name(lost: str) -> None:
    assert rebuild.judge_old_host(Life(A, "seg", NOW, NOW, 2), "b" * 32, lost, NOW, AGAIN) is None


@pytest.mark.parametrize("life", [Life(A, "seg", NOW, NOW, 2), Life(A)])
def test_another_name_says_nothing_of_it(life: Life) -> None:
    problem = rebuild.judge_old_host(life, "b" * 32, "vps7", NOW, AGAIN)
    assert problem is not None
    assert problem.found == "rebuild_lost_host=vps7, and a stanza to which vps1 wrote last (set 20261122-020001F)"


def test_signs_of_this_very_machine_are_no_other_hosts() -> None:
    assert rebuild.judge_old_host(Life(A, "seg", NOW, NOW, 2), "a" * 32, "", NOW, AGAIN) is None


@pytest.mark.parametrize(("name", "alive"), [("vps1", False), ("vps2", True)])
def test_but_of_another_host_made_from_the_same_image_they_are(name: str, alive: bool) -> None:
    problem = rebuild.judge_old_host(Life(A, "seg", NOW, NOW, 2), "a" * 32, "", NOW, AGAIN, name)
    assert (problem is not None) == alive


def test_an_unsigned_writer_may_live_too() -> None:
    problem = rebuild.judge_old_host(Life(Writer(), "seg", NOW - 5, None, 2), "b" * 32, "", NOW, AGAIN)
    assert problem is not None
    assert "an unknown host still lives: its WAL segment seg reached repository 2 5 s ago" in problem.found
    assert rebuild.judge_old_host(Life(Writer(), "seg", NOW - 5, None, 2), "b" * 32, "unknown", NOW, AGAIN) is None


# --- collations ----------------------------------------------------------------------------------------------------------


def test_other_collation_versions_are_refused_with_the_way_out() -> None:
    assert rebuild.judge_collations([], AGAIN) is None
    problem = rebuild.judge_collations([Sorted("app", "en-x-icu", "153.88", "153.120")], AGAIN)
    assert problem is not None
    assert problem.found == "other collation versions: en-x-icu of app by version 153.88, here 153.120"
    assert problem.next_step.endswith(f"{AGAIN} -e rebuild_reindex=true")


# --- what is told --------------------------------------------------------------------------------------------------------


def test_the_report_says_what_is_lost_at_most() -> None:
    known = rebuild.remembered(Life(A, "000000010000000000000009", NOW + 12, NOW - 20, 2))
    lines = rebuild.report(Recovered("latest", "0/A000000", NOW + 0.25, known))
    assert lines == [
        "  recovered    up to LSN 0/A000000; its newest commit is of 2027-01-15T08:00:00.250000Z",
        "  heartbeat    the newest in the archive is of 2027-01-15T07:59:40.000000Z",
        "  lost         every commit of vps1 after 2027-01-15T08:00:00.250000Z, and none before: nothing later can be recovered",
        "  last sign    its last WAL segment 000000010000000000000009 reached repository 2 at 2027-01-15T08:00:12Z, 11 s after that commit",
    ]


def test_a_target_leaves_out_what_was_asked_for() -> None:
    lines = rebuild.report(Recovered("name:before", "0/A000000", None))
    assert "  lost         every commit of the lost host behind name:before, as it was asked for" in lines
    assert "no commit is known in what was replayed" in lines[0]


def test_a_rebuild_has_nothing_to_go_back_to() -> None:
    order = restoring.Order("latest", "the host is lost", rebuild=True, lost="a" * 32)
    home = restoring.Home("axiomdb", "17", "main", 5432, "/data", "vps2", SYSTEM)
    goal = restoring.Goal("axiomdb", 2, "20261122-020001F", 1, "latest")
    journal = restoring.Journal("20261122-120000", order, home, goal, {"options": []}, recovered={"host": "vps1", "commit": 1.5})
    assert restore_record.parse(restore_record.document(journal)) == journal
    assert [line for line in restore_told.lines(journal) if line.startswith("  go back")] == [
        "  go back      to nothing: this host had no data before; until it is accepted, another rebuild_target"
    ]


def test_what_comes_behind_an_accepted_rebuild_is_gone_on_with() -> None:
    order = restoring.Order("latest", "the host is lost", rebuild=True)
    home = restoring.Home("axiomdb", "17", "main", 5432, "/data", "vps2", SYSTEM)
    goal = restoring.Goal("axiomdb", 2, "20261122-020001F", 1, "latest")
    known = restoring.Journal("20261122-120000", order, home, goal, {}, phase="", outcome=restoring.ACCEPTED)
    assert rebuild.is_done(known, "latest")
    assert not rebuild.is_done(known, "name:before")
    assert not rebuild.is_done(replace(known, outcome=""), "latest")
    assert not rebuild.is_done(replace(known, order=replace(order, rebuild=False)), "latest")
