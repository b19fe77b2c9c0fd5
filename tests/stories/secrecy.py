# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A first run of site.yml with eyes on every process, and a look into every file afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from converged import SITE, VARIABLES
from lab import ROOT, Host, Lab, Result
from watch import Watch, files_with, forms, local_files_with, watch


@dataclass(frozen=True)
class FirstRun:
    """The first run of site.yml on a bare host, and where its secrets were seen."""

    host: Host
    result: Result
    on_host: Watch
    on_controller: Watch
    files_on_host: list[str]
    files_on_controller: list[str]
    journal: str

    @property
    def secrets(self) -> list[str]:
        """Every secret in every form."""
        return [form for name in ("cipher-pass", "role-password") for form in forms(self.host.secret(name))]


def provision_watched(lab: Lab, system: str) -> FirstRun:
    """Run site.yml on a bare host, as verbosely as can be, with eyes on every process; then look into every file."""
    host = lab.up(f"{system}-watched", system, **VARIABLES)
    secrets = [form for name in ("cipher-pass", "role-password") for form in forms(host.secret(name))]
    home, temporary = lab.directory / f"{system}-home", lab.directory / f"{system}-tmp"
    home.mkdir()
    temporary.mkdir()
    env = {"HOME": str(home), "TMPDIR": str(temporary)}
    with watch(secrets, host) as on_host, watch(secrets, pause=0.005) as on_controller:
        result = lab.ansible(host, SITE, "--diff", "-vvv", env=env)
    there = files_with(secrets, host)
    here = local_files_with(secrets, lab.directory, ROOT, Path.home() / ".ansible", but=(".git", ".cache", ".venv", ".venv-newest"))
    journal = host.run(["journalctl", "--no-pager", "--all"]).stdout
    return FirstRun(host, result, on_host, on_controller, there, here, journal)
