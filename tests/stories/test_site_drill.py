# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The loss of a site is drilled on a spare host while the site lives: measured, reported, and nothing of it is written anywhere."""

from __future__ import annotations

import pytest
from converged import Converged
from site_drilling import ROWS, SiteDrill, play
from stores import Stores

pytestmark = [pytest.mark.tier("torture"), pytest.mark.xdist_group("stores")]


@pytest.fixture(scope="module")
def story(system: str, converged: Converged, stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> SiteDrill:
    return play(converged, stores, tmp_path_factory.mktemp("site-reports"))


def test_it_proves_each_rung_of_a_rebuild(system: str, story: SiteDrill) -> None:
    assert story.result is not None and story.result.rc == 0, story.result and story.result.output
    rungs = {rung["name"]: rung["outcome"] for rung in story.report["rungs"]}
    assert next(iter(rungs)) == "provision" and set(rungs.values()) == {"passed"}, rungs
    assert story.report["kind"] == "site" and story.report["spare"]


def test_it_is_measured_from_the_first_package_on(system: str, story: SiteDrill) -> None:
    report = story.report
    phases = {phase["name"]: phase["seconds"] for phase in report["phases"]}
    assert sum(round(1000 * seconds) for seconds in phases.values()) == round(1000 * report["seconds"])
    counted = ("provision", "plan", "restore", "start", "replay", "canary", "checks", "open")
    assert report["rto_seconds"] == pytest.approx(sum(phases[name] for name in counted))
    assert phases["provision"] > 5, "a bare host has no packages"
    assert 0 <= report["rpo_seconds"] < 600 and "by the WAL itself" in str(report["rungs"])


def test_it_is_compared_with_the_objective_of_a_lost_site(system: str, story: SiteDrill) -> None:
    assert story.report["objective"]["scenario"] == "site" and story.report["objective"]["rto_seconds"] == 7200
    assert sorted(name.rpartition(".")[2] for name in story.reports) == ["json", "md", "xml"]


def test_repository_and_primary_are_exactly_as_they_were(system: str, story: SiteDrill) -> None:
    assert len(story.before) > 100
    for then in (story.meanwhile, story.after):
        assert {
            key: (story.before.get(key), then.get(key)) for key in {*story.before, *then} if story.before.get(key) != then.get(key)
        } == {}
    assert any("the drill of a lost site writes nothing into a repository" in remark for remark in story.report["remarks"])


def test_the_kept_site_answers_on_its_own_address_alone(system: str, story: SiteDrill) -> None:
    assert story.asked == str(ROWS)
    assert "15432" in story.report["kept"]


def test_a_rehearsal_never_becomes_an_acceptance(system: str, story: SiteDrill) -> None:
    for what, said in story.refused.items():
        assert "drill_state=absent" in said, (what, said)
    assert "which a drill has left" in story.refused["settle"] and "which a drill has left" in story.refused["site"]
    assert {what: run.rc for what, run in story.typed.items()} == dict.fromkeys(story.typed, 62), "pgBackRest was told to stop here"
    assert story.started is not None and story.started.rc != 0


def test_the_spare_host_is_empty_again(system: str, story: SiteDrill) -> None:
    assert story.gone is not None and "  removed      the rehearsed site in " in story.gone.stdout
    assert story.bare == []
    assert story.left == []


def test_only_one_empty_host_is_drilled_on(system: str, story: SiteDrill) -> None:
    assert "expected one spare host, without data" in " ".join(story.several.split())
    assert "a host without data for axiomdb" in story.on_live
