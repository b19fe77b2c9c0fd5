# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A drill proves by a real restore what a recovery would do; fails for the right reason, and names it; and leaves the host as it was."""

from __future__ import annotations

import json
import random
from xml.etree import ElementTree

import pytest
from converged import Converged
from drilling import CHECKS, DELAY, ROWS, Drills, kill_drills, leave_it_to_a_spare_host, play, prepare

ALL = [
    "plan", "repository", "wal", "restore", "start", "replay", "canary", "checks", "open", "catalogue", "amcheck", "dump", "checksums",
]  # fmt: skip


@pytest.fixture(scope="module")
def drills(converged: Converged, tmp_path_factory: pytest.TempPathFactory) -> Drills:
    """The drills of one host of each system."""
    return play(converged, tmp_path_factory.mktemp("reports"))


# --- a drill that passes -----------------------------------------------------------------------------------------------


def test_a_drill_that_passes_has_proven_each_rung_and_says_what_it_measured(system: str, drills: Drills) -> None:
    assert drills.passed is not None and "DRILL PASSED" in drills.passed.stdout
    report = json.loads(drills.report(".json"))
    assert {rung["name"]: rung["outcome"] for rung in report["rungs"]} == dict.fromkeys(ALL, "passed"), drills.passed.stdout
    assert report["format"] == 1 and report["passed"] and report["target"] == "latest"
    assert "as this host remembers it" in report["rungs"][ALL.index("canary")]["text"]
    assert report["rto_seconds"] > 0 and 0 <= report["rpo_seconds"] < 300
    assert report["restored_bytes"] > 1 << 20 and report["rates"]["restore"] > 0


def test_the_phases_sum_to_the_whole(system: str, drills: Drills) -> None:
    for report in (json.loads(drills.report(".json")), *drills.found.values()):
        assert sum(round(phase["seconds"] * 1000) for phase in report["phases"]) == round(report["seconds"] * 1000)


def test_the_report_is_on_the_controller_in_three_forms_and_on_the_host(system: str, drills: Drills) -> None:
    page, suite = drills.report(".md"), ElementTree.fromstring(drills.report(".xml"))
    assert "**PASSED** latest" in page and "- Ada and Grace took part" in page
    assert (suite.get("tests"), suite.get("failures")) == ("14", "0")
    name = json.loads(drills.report(".json"))["name"]
    assert json.loads(drills.host.read(f"/var/lib/axiomdb/axiomdb/drills/{name}.json"))["passed"]
    assert not any(secret in text for secret in drills.secrets for text in drills.reports.values())


def test_a_check_run_says_what_would_be_drilled_and_does_nothing(system: str, drills: Drills) -> None:
    assert drills.foretold is not None and drills.foretold.changed == 0
    assert "  drills       latest, in a directory of its own" in drills.foretold.stdout
    assert drills.touched["a check"] == {}


def test_the_copy_is_kept_where_the_runbook_asks_it_until_it_is_not_wanted(system: str, drills: Drills) -> None:
    tables, rows = drills.asked.split()
    assert int(tables) > 100 and rows == str(ROWS) == CHECKS[0]["expected"]
    assert drills.refused is not None and drills.refused.rc == 1
    assert "of an earlier drill; expected none that has 127.0.0.1:15432" in drills.refused.stderr
    assert drills.gone is not None and "  removed      the copy " in drills.gone.stdout


def test_the_live_server_is_untouched_and_nothing_stays(system: str, drills: Drills) -> None:
    assert {name: found for name, found in drills.touched.items() if found} == {}
    assert drills.scope == str(512 << 20)


def test_the_set_and_the_status_say_that_it_passed(system: str, drills: Drills) -> None:
    (proof,) = drills.annotations
    assert " passed latest in " in proof
    assert "  drill        passed on " in drills.status


# --- drills that fail --------------------------------------------------------------------------------------------------


def test_everything_that_is_broken_is_told_at_once(system: str, drills: Drills) -> None:
    failed = drills.failed("everything")
    assert list(failed) == ["checks", "amcheck", "dump", "checksums"]
    assert f"'{ROWS}' for the check select count(*) from orders; expected '1'" in failed["checks"]
    assert "corrupt btree index axiomdb.public.lacks: heap tuple" in failed["amcheck"] and "lacks matching index tuple" in failed["amcheck"]
    assert "no dump of the database axiomdb" in failed["dump"] and "page" in failed["dump"]
    assert "(page in axiomdb), block 1" in failed["checksums"]


def test_an_index_that_lacks_rows_is_found_by_amcheck_alone(system: str, drills: Drills) -> None:
    assert [name for name, said in drills.failed("everything").items() if "lacks" in said] == ["amcheck"]


def test_a_delay_shows_in_its_phase_and_misses_the_objective_by_name(system: str, drills: Drills) -> None:
    report = drills.found["everything"]
    at, spans = report["began"], {}
    for phase in report["phases"]:
        spans[phase["name"]] = (at, at + phase["seconds"])
        at += phase["seconds"]
    first, last = drills.delayed
    begin, end = spans["restore"]
    assert begin - 2 <= first and last <= end + 2 and DELAY <= last - first < DELAY + 2
    assert end - begin >= DELAY
    assert f"the phase restore took {end - begin:.1f} s of it; expected at most {DELAY - 1} s" in report["problems"][-1]


def test_a_flipped_byte_in_the_set_is_named_by_the_repository_and_by_the_restore(system: str, drills: Drills) -> None:
    failed = drills.failed("flipped")
    assert list(failed) == ["repository", "restore"] and "is invalid (checksum invalid: 1)" in failed["repository"]
    # Where the byte lies decides who sees it first: what unpacks the file, or its checksum.
    assert "checksum" in failed["restore"] or "corruption" in failed["restore"]
    assert drills.found["flipped"]["rto_seconds"] is None


def test_a_missing_segment_is_named_and_nothing_is_restored(system: str, drills: Drills) -> None:
    failed = drills.failed("missing")
    assert list(failed) == ["plan", "wal"]
    assert drills.missing in failed["plan"] and f"the WAL segment {drills.missing} is missing" in failed["wal"]


def test_a_wrong_passphrase_is_named(system: str, drills: Drills) -> None:
    failed = drills.failed("passphrase")
    assert list(failed) == ["plan", "repository"]
    assert all("the passphrase does not open the repository" in said for said in failed.values())


# --- elsewhere, and killed ---------------------------------------------------------------------------------------------


def test_a_killed_drill_leaves_nothing(system: str, converged: Converged, rng: random.Random) -> None:
    host = prepare(converged, "killed-drills")
    assert [{key: value for key, value in kill.items() if key != "phase"} for kill in kill_drills(host, rng, 3)] == [{}] * 3


@pytest.mark.tier("torture")
def test_twenty_killed_drills_leave_nothing(system: str, converged: Converged, rng: random.Random) -> None:
    host = prepare(converged, "killed-drills")
    found = kill_drills(host, rng, 20)
    assert [kill for kill in found if len(kill) > 1] == []


def test_a_spare_host_without_the_cluster_drills_it_too(system: str, drills: Drills) -> None:
    report = leave_it_to_a_spare_host(drills.host)
    assert report["passed"] and report["spare"], report["problems"]
    assert "by the WAL itself" in report["rungs"][ALL.index("canary")]["text"]
    assert any("this host is not the one that writes these backups" in remark for remark in report["remarks"])
