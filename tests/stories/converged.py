# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One host, provisioned once and watched meanwhile, and cheap copies of it from which each story starts."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from lab import ROOT, Host, Lab, Result
from watch import Watch, files_with, forms, local_files_with, watch

SITE = "playbooks/site.yml"
# What the first host declares. A server that logs every statement would log a password that somebody sent in clear.
VARIABLES: dict[str, Any] = {
    "postgresql_settings": {"work_mem": "8MB", "shared_buffers": "64MB", "log_statement": "all", "log_min_duration_statement": 0},
}
DATA = "/var/lib/postgresql/*/main"
_FAILED = re.compile(r"^fatal: \[(\S+)\]: FAILED! => *\n((?:    .*\n|\n(?=    ))+)", re.MULTILINE)


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
    host = lab.keep(lab.up(f"{system}-vps", system, **VARIABLES))
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


@dataclass(frozen=True)
class Converged:
    """A provisioned host as an image."""

    lab: Lab
    original: Host
    image: str

    def copy(self, name: str, **variables: Any) -> Host:
        """Another machine with the same data, the same secrets and the same declarations."""
        given = {**VARIABLES, "sandbox_secrets": str(self.original.secrets / self.original.name), **variables}
        return self.lab.up(f"{self.original.system}-{name}", self.original.system, image=self.image, **given)

    def twin(self, name: str, **variables: Any) -> Host:
        """The same machine once more: it has the original's machine-id too, and its jobs know its own name in the inventory."""
        host = self.copy(name, **variables)
        host.put("/etc/machine-id", self.original.read("/etc/machine-id"))
        host.run(["sed", "-i", f's/"{self.original.name}"/"{host.name}"/', "/etc/axiomdb/recovery.json"])
        return host

    @property
    def version(self) -> str:
        """PostgreSQL's major version."""
        return self.original.run(["ls", "/etc/postgresql"]).stdout.strip()


def alias(host: Host, name: str, **variables: Any) -> Host:
    """The same host under another name in the inventory: a declaration of its own, tried in the same run as others."""
    given = {"sandbox_secrets": str(host.secrets / host.name), **host.vars, **variables, "ansible_docker_host": host.name}
    return Host(f"{host.name}-{name}", name, host.system, host.secrets, given)


def refusals(result: Result) -> dict[str, str]:
    """What each failed host of a run said, by its name in the inventory; white space is single blanks."""
    said = {name: yaml.safe_load(textwrap.dedent(block))["msg"] for name, block in _FAILED.findall(result.stdout)}
    return {name: " ".join(message.split()) for name, message in said.items()}


def changed_tasks(result: Result) -> list[str]:
    """The names of the tasks that changed something, without their role."""
    blocks = re.split(r"^(?:TASK|RUNNING HANDLER) \[(.*)\] \**$", result.stdout, flags=re.MULTILINE)[1:]
    pairs = zip(blocks[::2], blocks[1::2], strict=True)
    return [name.rpartition(" : ")[2] for name, text in pairs if re.search(r"^changed: ", text, re.MULTILINE)]


def started(host: Host) -> str:
    """When the server was started, with all digits."""
    return host.sql("select extract(epoch from pg_postmaster_start_time())")


def archive_now(host: Host, data: str = DATA) -> str:
    """Write something, close the WAL segment and wait until it is archived; returns the segment's name. `data` is where the data lies."""
    name = host.sql(f"select pg_walfile_name(pg_logical_emit_message(false, 'story', '{host.name}'))")
    host.sql("select pg_switch_wal()")
    host.run(f"timeout 60 bash -c 'until test -e {data}/pg_wal/archive_status/{name}.done; do sleep 0.1; done'")
    return name


def state(host: Host) -> dict[str, Any]:
    """What a refused run must leave as it was: files and packages, the repository, the server's start if there is a server.

    Of a data directory these are the files at its top: a running server changes the others by itself.
    """
    data = host.run("find /var/lib/postgresql -maxdepth 3 -type f ! -name 'postmaster.*'", check=False).stdout.split()
    kept: dict[str, Any] = host.tree("/etc", "/var/lib/pgbackrest", "/var/lib/dpkg", "/root", "/opt", "/usr/local", *data)
    return kept | ({"started": started(host)} if host.exists("/run/postgresql/.s.PGSQL.5432") else {})
