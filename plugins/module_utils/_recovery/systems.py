# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The supported systems and what they ship: the one place that knows package names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .problem import Problem

PUBLIC_LOCALES = ("C", "C.UTF-8", "C.utf8", "POSIX")


@dataclass(frozen=True)
class System:
    """A Debian release with the versions of its own packages, and whether it has one of the exporter for Prometheus."""

    codename: str
    title: str
    postgresql: str
    pgbackrest: str
    pgbouncer: str
    exporter: bool = True


EXPORTER = "prometheus-pgbackrest-exporter"
SYSTEMS = (
    System("bookworm", "Debian 12", "15", "2.45", "1.18.0", exporter=False),
    System("trixie", "Debian 13", "17", "2.55.1", "1.24.1"),
    System("forky", "Debian forky", "18", "2.60.0", "1.26.1"),
)


def find_system(release: dict[str, str]) -> System | None:
    """The supported system that /etc/os-release (as a mapping) describes, or None."""
    if release.get("ID") != "debian":
        return None
    codename = release.get("VERSION_CODENAME", "")
    return next((system for system in SYSTEMS if system.codename == codename), None)


def unsupported(release: dict[str, str]) -> Problem:
    """The refusal of a system whose packages nobody has tried."""
    found = release.get("PRETTY_NAME") or release.get("NAME") or "a system without /etc/os-release"
    titles = ", ".join(system.title for system in SYSTEMS)
    return Problem(found, f"one of {titles}", "take this host out of the play, or install it anew with one of these systems")


def version_problem(system: System, version: str) -> Problem | None:
    """Refuse a PostgreSQL major version that the system's own packages do not have."""
    if version in ("", system.postgresql):
        return None
    return Problem(
        f"postgresql_version '{version}'",
        f"'{system.postgresql}', which the packages of {system.title} have",
        f"remove postgresql_version or set it to '{system.postgresql}'",
    )


def exporter_problem(system: System) -> Problem | None:
    """Refuse the exporter where the system's own packages do not have it."""
    if system.exporter:
        return None
    titles = " or ".join(other.title for other in SYSTEMS if other.exporter)
    return Problem(
        f"backup_jobs_exporter on {system.title}, which has no package {EXPORTER}",
        titles,
        "remove backup_jobs_exporter; the file of backup_jobs_metrics_file has the age of each repository's newest backup there too",
    )


def packages_for(components: Iterable[str], system: System, locale: str = "C.UTF-8") -> tuple[str, ...]:
    """The packages of `postgresql` and `pgbackrest`, in the order in which they are installed."""
    packages: list[str] = []
    for component in components:
        if component == "postgresql":
            packages += ["postgresql-common", f"postgresql-{system.postgresql}", "python3-psycopg2", "acl"]
            packages += [] if locale in PUBLIC_LOCALES else ["locales"]
        elif component == "pgbackrest":
            packages += ["pgbackrest"]
        else:
            raise ValueError(f"Found the component '{component}'; expected postgresql or pgbackrest.")
    return tuple(packages)
