# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A whole site comes back: mount point, tablespace, pooler, its own roles and services, and then DNS is told."""

from __future__ import annotations

import pytest
from converged import refusals
from lab import Lab
from placing import DATA
from rebuild_site import EARLY, LATE, SPACE, Site, play
from stores import Stores

pytestmark = [pytest.mark.tier("torture"), pytest.mark.xdist_group("stores")]


@pytest.fixture(scope="module")
def site(system: str, sandbox: Lab, stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return play(sandbox, stores, system, tmp_path_factory.mktemp("site"))


def test_places_that_the_lost_host_had_are_missed(system: str, site: Site) -> None:
    assert f"Found nothing mounted on {DATA}, where {site.lost} had data" in site.said["nothing mounted"]
    assert f"Found the tablespace {SPACE}, where postgres may not write" in site.said["no tablespace"]
    assert f"sudo install -d -o postgres -g postgres -m 700 {SPACE}" in site.said["no tablespace"]


def test_a_first_backup_that_fails_keeps_nobody_out(system: str, site: Site) -> None:
    """The server was accepted: pooler, services and hooks come all the same, and the run fails with what is missing."""
    assert site.unbacked is not None
    assert {name: site.meanwhile[name] for name in ("shop", "pooled", "dns")} == {
        "shop": "active",
        "pooled": "t",
        "dns": "accepted settle",
    }
    said = refusals(site.unbacked)[site.host.name]
    assert said.startswith("FAILED, and the site serves. Found no backup of this host in each repository (")
    assert f"Next: sudo /opt/axiomdb/axiomdb-recovery restore latest --stanza=axiomdb --confirm={site.host.name}/axiomdb" in said
    assert "no backup of this host" in site.meanwhile["trouble"]
    warned = " ".join(site.unbacked.run.stderr.split())
    assert warned.index("NO FIRST BACKUP, and the clients come all the same") < warned.index("HOOK FAILED: till")


def test_one_command_brings_the_site_back(system: str, site: Site) -> None:
    assert site.run is not None
    assert site.run.rc == 0, site.run.output
    assert site.run.last_line == f"PROTECTED: {site.host.name}: each WAL segment is archived and a backup exists."


def test_a_mount_point_is_led_to_another_target_too(system: str, site: Site) -> None:
    assert site.paused == str(EARLY)
    assert site.rows == str(EARLY + LATE)
    assert site.where == "fast"
    assert (site.facts["directory"], site.facts["mounted"], site.facts["left"]) == (DATA, "yes", "")


def test_components_run_before_the_data_and_services_behind_it(system: str, site: Site) -> None:
    assert site.facts["component saw"] == ""
    assert (site.facts["shop"], site.facts["enabled"]) == ("active", "enabled")
    assert (site.facts["pooled"], site.facts["served"]) == ("t", "t"), "its clients come through the pooler with their own password"


def test_dns_is_told_when_the_services_run(system: str, site: Site) -> None:
    assert [told["shop"] for told in site.hooked] == ["active"]
    for told in (*site.dns, *site.hooked):
        assert (told["event"], told["host"], told["stanza"], told["outcome"]) == ("after", site.host.name, "axiomdb", "accepted")
        assert told["recovery"]["timeline"] == 2
    assert len(site.dns) == 1
    assert site.run is not None
    assert "HOOK FAILED: till: exit code 3: no answer" in " ".join(site.run.output.split())


def test_the_same_command_again_changes_no_data(system: str, site: Site) -> None:
    assert site.again is not None
    assert site.again.rc == 0, site.again.output
    assert site.facts["after the second"] == site.rows
