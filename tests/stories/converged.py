# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One host of each system, provisioned once in a test run, and cheap copies of it from which each story starts."""

from __future__ import annotations

import fcntl
import json
import re
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from lab import Host, Lab, Result

SITE = "playbooks/site.yml"
# What the host declares. A server that logs every statement would log a password that somebody sent in clear.
VARIABLES: dict[str, Any] = {
    "postgresql_settings": {"work_mem": "8MB", "shared_buffers": "64MB", "log_statement": "all", "log_min_duration_statement": 0},
}
DATA = "/var/lib/postgresql/*/main"
_FAILED = re.compile(r"^fatal: \[(\S+)\]: FAILED! => *\n((?:    .*\n|\n(?=    ))+)", re.MULTILINE)


@dataclass(frozen=True)
class Converged:
    """A provisioned host as an image. `name` is its name in the inventory of the run that built it, `secrets` the directory of them all."""

    lab: Lab
    system: str
    name: str
    secrets: Path
    image: str
    machine_id: str
    version: str

    def copy(self, name: str, *, volume: str = "", **variables: Any) -> Host:
        """Another machine with the same data, the same secrets and the same declarations."""
        given = {**VARIABLES, "sandbox_secrets": str(self.secrets / self.name), **variables}
        return self.lab.up(f"{self.system}-{name}", self.system, image=self.image, volume=volume, **given)

    def twin(self, name: str, *, volume: str = "", **variables: Any) -> Host:
        """The same machine once more: it has the original's machine-id too, and its jobs know its own name in the inventory."""
        host = self.copy(name, volume=volume, **variables)
        host.put("/etc/machine-id", self.machine_id + "\n")
        host.run(["sed", "-i", f's/"{self.name}"/"{host.name}"/', "/etc/axiomdb/recovery.json"])
        return host

    def recoverable(self, name: str, **variables: Any) -> Host:
        """The same machine once more, and its data directory can be renamed, as a recovery in place does."""
        return self.twin(name, volume="/var/lib/postgresql", **variables)

    def secret(self, name: Literal["cipher-pass", "role-password"]) -> str:
        """Return a secret that the copies have in common."""
        return (self.secrets / self.name / name).read_text(encoding="utf-8").strip()


def converge(lab: Lab, systems: Sequence[str], record: Path) -> dict[str, Converged]:
    """Provision one host of each system and keep its image; `record` is where the other test processes of this run find them."""
    with record.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            record.write_text(json.dumps(_images(lab, systems)), encoding="utf-8")
    images = json.loads(record.read_text(encoding="utf-8"))
    return {image["system"]: Converged(**{**image, "lab": lab, "secrets": Path(image["secrets"])}) for image in images}


def _images(lab: Lab, systems: Sequence[str]) -> list[dict[str, str]]:
    """Build them all in one run of site.yml."""
    with ThreadPoolExecutor() as pool:
        hosts = list(pool.map(lambda system: lab.up(f"{system}-vps", system, **VARIABLES), systems))
        lab.ansible(hosts, SITE)
        return list(pool.map(lambda host: _image(lab, host), hosts))


def _image(lab: Lab, host: Host) -> dict[str, str]:
    found = {
        "system": host.system,
        "name": host.name,
        "secrets": str(host.secrets),
        "machine_id": host.read("/etc/machine-id").strip(),
        "version": host.run(["ls", "/etc/postgresql"]).stdout.strip(),
    }
    return found | {"image": lab.commit(host)}


def small_disk(host: Host, size: str) -> None:
    """Let the server go on with a small filesystem for all of its data, such as ``500m``.

    The server's own unit is stopped too: a stop of postgresql.service alone returns while the server still writes, and a copy
    of that moment would write again the WAL that was archived after it.
    """
    host.run(
        "systemctl stop postgresql 'postgresql@*' && cp -a /var/lib/postgresql /srv/before"
        f" && mount -t tmpfs -o size={size},mode=755 data /var/lib/postgresql"
        " && cp -a /srv/before/. /var/lib/postgresql && rm -r /srv/before && systemctl start postgresql"
    )


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
