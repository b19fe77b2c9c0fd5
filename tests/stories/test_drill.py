# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A drill proves by a real restore what a recovery would do; fails for the right reason, and names it; and leaves the host as it was."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from converged import Converged
from drilling import (
    CHECKS,
    DELAY,
    LIBRARY,
    NO_SET,
    ODD,
    ROWS,
    UNSEEN,
    Drills,
    damage,
    drill_a_fresh_backup,
    kill_drills,
    leave_it_to_a_spare_host,
    play,
)

ALL = [
    "plan", "repository", "wal", "restore", "start", "replay", "canary", "checks", "open", "catalogue", "amcheck", "dump", "checksums",
]  # fmt: skip


@pytest.fixture(scope="module")
def drills(converged: Converged, tmp_path_factory: pytest.TempPathFactory) -> Drills:
    """The drills of one host of each system."""
    return play(converged, tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="module")
def damaged(drills: Drills) -> Drills:
    """The same host, after what stops a drill at once; its repository is whole again."""
    return damage(drills)


# --- a drill that passes -----------------------------------------------------------------------------------------------


@pytest.mark.core
def test_a_drill_that_passes_has_proven_each_rung_and_says_what_it_measured(system: str, drills: Drills) -> None:
    assert drills.passed is not None and "DRILL PASSED" in drills.passed.stdout
    report = json.loads(drills.report(".json"))
    assert {rung["name"]: rung["outcome"] for rung in report["rungs"]} == dict.fromkeys(ALL, "passed"), drills.passed.stdout
    assert report["format"] == 1 and report["passed"] and report["target"] == "latest"
    assert "as this host remembers it" in report["rungs"][ALL.index("canary")]["text"]
    assert report["rto_seconds"] > 0 and 0 <= report["rpo_seconds"] < 300
    assert report["restored_bytes"] > 1 << 20 and report["rates"]["restore"] > 0


@pytest.mark.core
def test_the_phases_sum_to_the_whole(system: str, drills: Drills) -> None:
    for report in (drills.quiet.report, drills.delayed.report, *drills.found.values()):
        assert sum(round(phase["seconds"] * 1000) for phase in report["phases"]) == round(report["seconds"] * 1000)


@pytest.mark.core
def test_the_report_is_on_the_controller_in_three_forms_and_on_the_host(system: str, drills: Drills) -> None:
    page, suite = drills.report(".md"), ElementTree.fromstring(drills.report(".xml"))
    assert "**PASSED** latest" in page and "- Ada and Grace took part" in page
    assert (suite.get("tests"), suite.get("failures")) == ("15", "0")
    name = json.loads(drills.report(".json"))["name"]
    assert json.loads(drills.host.read(f"/var/lib/axiomdb/axiomdb/drills/{name}.json"))["passed"]
    assert not any(secret in text for secret in drills.secrets for text in drills.reports.values())
    assert drills.passed is not None and drills.passed.last_line.endswith(f"/{drills.host.name}/{name}.md")


@pytest.mark.core
def test_a_check_run_says_what_would_be_drilled_and_does_nothing(system: str, drills: Drills) -> None:
    assert drills.foretold is not None and drills.foretold.changed == 0
    assert "  drills       latest, in a directory of its own" in drills.foretold.stdout
    assert drills.touched["a check"] == {}


@pytest.mark.core
def test_what_was_mistyped_is_refused_and_nothing_is_kept_of_it(system: str, drills: Drills) -> None:
    by_set, by_form, by_repository = drills.mistyped
    assert by_set.splitlines()[-1].startswith(f"REFUSED, nothing was drilled. Found no set {NO_SET} in repository 1; expected one of 20")
    assert "REFUSED, nothing was drilled. Found the target 'tme:yesterday'; expected newest, oldest, random, one of " in by_form
    assert "REFUSED, this step wrote nothing. Found no repository 7 on this host; expected one of 1" in by_repository
    assert drills.touched["a mistype"] == {} and not drills.kept


@pytest.mark.core
def test_the_copy_is_kept_where_the_runbook_asks_it_until_it_is_not_wanted(system: str, drills: Drills) -> None:
    tables, rows = drills.asked.split()
    assert int(tables) > 100 and rows == str(ROWS) == CHECKS[0]["expected"]
    assert drills.refused is not None and drills.refused.rc == 1
    assert "of an earlier drill; expected none that has 127.0.0.1:15432" in drills.refused.stderr
    assert drills.gone is not None and "  removed      the copy " in drills.gone.stdout


@pytest.mark.core
def test_the_live_server_is_untouched_and_nothing_stays(system: str, drills: Drills) -> None:
    assert {name: found for name, found in drills.touched.items() if found} == {}
    assert drills.scope == str(512 << 20)


@pytest.mark.core
def test_no_worker_of_a_copy_reaches_anybody(system: str, drills: Drills) -> None:
    """Nothing that is preloaded, replicates or archives has a process; and no event trigger was called, or it had left a file."""
    assert drills.workers.splitlines() == ["background writer", "checkpointer", "walwriter"]
    assert not drills.host.exists("/srv/reached")


@pytest.mark.core
def test_the_set_and_the_status_say_that_it_passed(system: str, drills: Drills) -> None:
    (proof,) = drills.annotations
    assert " passed latest in " in proof
    assert "  drill        passed on " in drills.status


# --- drills that fail --------------------------------------------------------------------------------------------------


@pytest.mark.core
def test_everything_that_is_broken_is_told_at_once(system: str, drills: Drills) -> None:
    failed = drills.failed("everything")
    assert list(failed) == ["checks", "amcheck", "dump", "checksums"]
    assert LIBRARY not in failed["checks"], "the copy has preloaded what was asked for"
    assert f"'{ROWS}' for the check select count(*) from orders; expected '1'" in failed["checks"]
    assert f"corrupt btree index {ODD}.public.lacks: heap tuple" in failed["amcheck"] and "lacks matching index tuple" in failed["amcheck"]
    assert failed["dump"].startswith("Found no dump of the database axiomdb") and "page" in failed["dump"] and ODD not in failed["dump"]
    assert "(page in axiomdb), block 1" in failed["checksums"]


@pytest.mark.core
def test_an_index_that_lacks_rows_is_found_by_amcheck_alone(system: str, drills: Drills) -> None:
    assert [name for name, said in drills.failed("everything").items() if "lacks" in said] == ["amcheck"]


# --- a quarter later ---------------------------------------------------------------------------------------------------


@pytest.mark.core
def test_a_delay_shows_in_its_phase_and_nowhere_else(system: str, drills: Drills) -> None:
    quiet, delayed = drills.quiet, drills.delayed
    assert quiet.report["set"] == delayed.report["set"] and delayed.report["rungs"][-1]["outcome"] == "passed"
    # Phases meet and do not overlap, and the whole wait lies in one of them.
    begin, end = delayed.spans["restore"]
    assert begin - 1 <= delayed.began and delayed.waited <= end + 1 and DELAY <= delayed.waited - delayed.began < DELAY + 1
    # Nor is another one longer or shorter than without the wait, but for what the machine had others do in the longer of the two.
    for name, seconds in delayed.seconds.items():
        more = seconds - quiet.seconds[name] - (delayed.waited - delayed.began if name == "restore" else 0)
        others = (delayed if more > 0 else quiet).stalled[name]
        assert abs(more) - others <= 2, (name, seconds, quiet.seconds[name], others)


@pytest.mark.core
def test_a_missed_objective_is_told_with_the_phase_that_took_most_of_it(system: str, drills: Drills) -> None:
    report = drills.delayed.report
    took = {phase["name"]: phase["seconds"] for phase in report["phases"]}
    assert [problem.partition(". Next: ")[0] for problem in report["problems"]] == [
        f"objective missed: found an RTO of {report['rto_seconds']:.1f} s, the phase restore took {took['restore']:.1f} s of it; "
        f"expected at most {DELAY - 1} s for point_in_time",
        f"objective missed: found an RPO of {report['rpo_seconds']:.0f} s: the newest heartbeat that was recovered is so old; "
        f"expected at most {UNSEEN - 100} s for point_in_time",
    ]
    assert {rung["name"]: rung["outcome"] for rung in report["rungs"]} == dict.fromkeys(ALL, "passed")


@pytest.mark.core
def test_the_page_of_the_quarter_says_what_got_worse_and_by_how_much(system: str, drills: Drills) -> None:
    quiet, delayed = drills.quiet.report, drills.delayed.report
    first, second = (datetime.fromtimestamp(one["began"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for one in (quiet, delayed))
    then, now = ({phase["name"]: phase["seconds"] for phase in one["phases"]} for one in (quiet, delayed))
    rates = quiet["rates"]["restore"], delayed["rates"]["restore"]
    lines = drills.page.splitlines()
    begin = lines.index("## What got worse")
    assert lines[begin : begin + 9] == [
        "## What got worse",
        "",
        f"Compared with the drill of {first}:",
        "",
        _more("the RTO", quiet["rto_seconds"], delayed["rto_seconds"], first),
        _more("the phase restore", then["restore"], now["restore"], first),
        f"- restore ran at {_human(rates[1])}/s; it was {_human(rates[0])}/s on {first}, {100 * (1 - rates[1] / rates[0]):.0f} % less",
        f"- the RPO is {delayed['rpo_seconds']:.0f} s; it was {quiet['rpo_seconds']:.0f} s on {first}, "
        f"{delayed['rpo_seconds'] - quiet['rpo_seconds']:.0f} s more",
        "",
    ]
    assert UNSEEN <= delayed["rpo_seconds"] < UNSEEN + 60
    quarter = [line.split(" | ")[:2] for line in lines if line.startswith(f"| {first}") or line.startswith(f"| {second}")]
    assert quarter == [[f"| {second}", "FAILED"], [f"| {first}", "passed"]]


def _more(what: str, then: float, now: float, when: str) -> str:
    return f"- {what} took {now:.1f} s; it was {then:.1f} s on {when}, {100 * (now - then) / then:.0f} % more"


def _human(size: float) -> str:
    return f"{size / 1024:.1f} KiB" if size < 1 << 20 else f"{size / (1 << 20):.1f} MiB"


@pytest.mark.core
def test_the_status_tells_when_no_drill_has_passed_for_the_interval(system: str, drills: Drills) -> None:
    late = "  trouble      no drill has passed for 92 days; one each 92 days is asked for. Type: sudo /opt/axiomdb/axiomdb-recovery drill"
    assert late not in drills.due["before"] and "the next one is due by " in drills.due["before"]
    assert late in drills.due["due"] and "the next one WAS DUE on " in drills.due["due"]


# --- what stops at once ------------------------------------------------------------------------------------------------


@pytest.mark.core
def test_a_flipped_byte_in_the_set_is_named_by_the_repository_and_by_the_restore(system: str, damaged: Drills) -> None:
    failed = damaged.failed("flipped")
    assert list(failed) == ["repository", "restore"] and "is invalid (checksum invalid: 1)" in failed["repository"]
    # Where the byte lies decides who sees it first: what unpacks the file, or its checksum.
    assert "checksum" in failed["restore"] or "corruption" in failed["restore"]
    assert damaged.found["flipped"]["rto_seconds"] is None


@pytest.mark.core
def test_a_missing_segment_is_named_and_nothing_is_restored(system: str, damaged: Drills) -> None:
    failed = damaged.failed("missing")
    assert list(failed) == ["plan", "wal"]
    assert damaged.missing in failed["plan"] and f"the WAL segment {damaged.missing} is missing" in failed["wal"]


@pytest.mark.core
def test_a_wrong_passphrase_is_named(system: str, damaged: Drills) -> None:
    failed = damaged.failed("passphrase")
    assert list(failed) == ["plan", "repository"]
    assert all("the passphrase does not open the repository" in said for said in failed.values())


@pytest.mark.core
def test_drills_that_stop_at_once_leave_the_host_as_it_was(system: str, damaged: Drills) -> None:
    assert damaged.touched["failures at once"] == {}


@pytest.mark.core
def test_no_secret_is_in_a_command_or_in_a_file_that_others_read(system: str, damaged: Drills) -> None:
    assert damaged.watched.leaks == [] and damaged.watched.saw("pgbackrest", "restore")
    assert damaged.files == ["/etc/pgbackrest/conf.d/90-secrets.conf"]


# --- elsewhere, and killed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.tier("torture"))])
def test_killed_drills_leave_nothing(system: str, kills: int, damaged: Drills, rng: random.Random) -> None:
    found = kill_drills(damaged.host, rng, kills)
    assert len(found) == kills and [kill for kill in found if len(kill) > 1] == []


def test_a_drill_right_after_a_backup_has_an_rpo_by_the_end_of_its_set(system: str, damaged: Drills) -> None:
    report = drill_a_fresh_backup(damaged.host)
    assert report["passed"], report["problems"]
    assert report["rpo_by"] == "the end of the set" and 0 <= report["rpo_seconds"] < 300


def test_a_spare_host_without_the_cluster_drills_it_too(system: str, damaged: Drills) -> None:
    report = leave_it_to_a_spare_host(damaged.host)
    assert report["passed"] and report["spare"], report["problems"]
    assert "by the WAL itself" in report["rungs"][ALL.index("canary")]["text"]
    assert any("this host is not the one that writes these backups" in remark for remark in report["remarks"])
