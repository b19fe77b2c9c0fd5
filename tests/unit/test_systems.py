# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which systems are supported, and what their packages are called."""

from __future__ import annotations

import pytest
from _recovery.systems import SYSTEMS, exporter_problem, find_system, packages_for, unsupported, version_problem

BOOKWORM, TRIXIE, FORKY = SYSTEMS


@pytest.mark.parametrize(
    ("codename", "title", "postgresql", "pgbackrest", "pgbouncer"),
    [
        ("bookworm", "Debian 12", "15", "2.45", "1.18.0"),
        ("trixie", "Debian 13", "17", "2.55.1", "1.24.1"),
        ("forky", "Debian forky", "18", "2.60.0", "1.26.1"),
    ],
)
def test_supported_systems(codename: str, title: str, postgresql: str, pgbackrest: str, pgbouncer: str) -> None:
    found = find_system({"ID": "debian", "VERSION_CODENAME": codename})
    assert found is not None
    assert (found.title, found.postgresql, found.pgbackrest, found.pgbouncer) == (title, postgresql, pgbackrest, pgbouncer)


@pytest.mark.parametrize(
    "release",
    [
        {},
        {"ID": "debian"},
        {"ID": "debian", "VERSION_CODENAME": ""},
        {"ID": "debian", "VERSION_CODENAME": "bullseye"},
        {"ID": "debian", "VERSION_CODENAME": "Bookworm"},
        {"ID": "ubuntu", "VERSION_CODENAME": "noble"},
        {"ID": "ubuntu", "VERSION_CODENAME": "bookworm"},
        {"ID": "devuan", "ID_LIKE": "debian", "VERSION_CODENAME": "bookworm"},
        {"VERSION_CODENAME": "bookworm"},
    ],
)
def test_no_other_system_is_taken_for_one_of_them(release: dict[str, str]) -> None:
    assert find_system(release) is None


@pytest.mark.parametrize(
    ("release", "found"),
    [
        ({"PRETTY_NAME": "Ubuntu 24.04 LTS", "NAME": "Ubuntu"}, "Ubuntu 24.04 LTS"),
        ({"NAME": "Alpine Linux"}, "Alpine Linux"),
        ({"PRETTY_NAME": "", "NAME": "X"}, "X"),
        ({}, "a system without /etc/os-release"),
    ],
)
def test_the_refusal_names_what_was_found_and_what_is_supported(release: dict[str, str], found: str) -> None:
    problem = unsupported(release)
    assert problem.found == found
    assert problem.expected == "one of Debian 12, Debian 13, Debian forky"
    assert problem.next_step == "take this host out of the play, or install it anew with one of these systems"


@pytest.mark.parametrize("version", ["", "17"])
def test_the_version_of_the_systems_own_packages(version: str) -> None:
    assert version_problem(TRIXIE, version) is None


@pytest.mark.parametrize("version", ["15", "18", "17.2", "17 ", "latest", "1"])
def test_another_version_is_refused(version: str) -> None:
    problem = version_problem(TRIXIE, version)
    assert problem is not None
    assert problem.found == f"postgresql_version '{version}'"
    assert problem.expected == "'17', which the packages of Debian 13 have"
    assert problem.next_step == "remove postgresql_version or set it to '17'"


def test_packages_of_each_component() -> None:
    assert packages_for(["postgresql"], BOOKWORM) == ("postgresql-common", "postgresql-15", "python3-psycopg2", "acl")
    assert packages_for(["postgresql"], FORKY)[1] == "postgresql-18"
    assert packages_for(["pgbackrest"], TRIXIE) == ("pgbackrest",)
    assert packages_for(["postgresql", "pgbackrest"], TRIXIE)[-1] == "pgbackrest"
    assert packages_for([], TRIXIE) == ()


def test_the_server_comes_after_the_file_that_keeps_it_from_creating_a_cluster() -> None:
    packages = packages_for(["postgresql"], TRIXIE)
    assert packages.index("postgresql-common") < packages.index("postgresql-17")


@pytest.mark.parametrize(
    ("locale", "needed"), [("C.UTF-8", False), ("C", False), ("POSIX", False), ("en_US.UTF-8", True), ("de_DE.utf8", True)]
)
def test_a_locale_of_a_country_needs_the_package_locales(locale: str, needed: bool) -> None:
    assert ("locales" in packages_for(["postgresql"], TRIXIE, locale)) == needed


def test_an_unknown_component_is_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="Found the component 'patroni'; expected postgresql or pgbackrest."):
        packages_for(["postgresql", "patroni"], TRIXIE)


def test_the_exporter_is_refused_where_it_is_not_packaged() -> None:
    problem = exporter_problem(BOOKWORM)
    assert problem is not None
    assert problem.sentence() == (
        "Found backup_jobs_exporter on Debian 12, which has no package prometheus-pgbackrest-exporter; expected Debian 13 or Debian forky."
        " Next: remove backup_jobs_exporter; the file of backup_jobs_metrics_file has the age of each repository's newest backup there too"
    )
    assert [exporter_problem(system) for system in (TRIXIE, FORKY)] == [None, None]
