# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One host of each system, provisioned side by side: what they are before, and what a run has made of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from lab import Host, Lab, Result

T = TypeVar("T")

STANZA = "axiomdb"
DATABASE = "axiomdb"
HEADER = "axiomdb.recovery"  # stands in the first line of each file that the collection writes
# What a check run must not touch: configuration with accounts and cron, data, backups, and what apt and root's own files say.
UNTOUCHED = (
    *("/etc", "/opt", "/srv", "/root", "/home", "/usr/local", "/var/spool", "/var/lib/dpkg", "/var/lib/apt/lists"),
    *("/var/lib/postgresql", "/var/lib/pgbackrest", "/var/lib/axiomdb"),
    *("/var/log/postgresql", "/var/log/pgbackrest", "/var/log/axiomdb"),
)
# Below these, directories are pgBackRest's own.
CONTENTS = ("/var/lib/pgbackrest/", "/var/spool/pgbackrest/", "/var/log/pgbackrest/")
# Objects of a fresh cluster have smaller numbers: FirstNormalObjectId of PostgreSQL's source.
FIRST_OWN_OBJECT = 16384


@dataclass(frozen=True)
class Snapshot:
    """A host at one moment: all packages, those asked for by name, the watched files, the files with our header."""

    packages: str
    manual: frozenset[str]
    files: Mapping[str, list[Any]]
    written: frozenset[str]

    @classmethod
    def of(cls, host: Host) -> Snapshot:
        """Look at a host."""
        written = host.run(f"grep -rlsF {HEADER} /etc /opt /var/lib/axiomdb || true").stdout
        manual = host.run(["apt-mark", "showmanual"]).stdout
        return cls(host.run(["dpkg", "-l"]).stdout, frozenset(manual.split()), host.tree(*UNTOUCHED), frozenset(written.split()))

    def changes(self, later: Snapshot) -> dict[str, tuple[object, object]]:
        """What differs later: by path its entry before and after; packages by their line of dpkg."""
        old, new = self.packages.splitlines(), later.packages.splitlines()
        packages = {line: (line in old, line in new) for line in sorted({*old} ^ {*new})}
        paths = sorted({*self.files} | {*later.files})
        return packages | {
            path: (self.files.get(path), later.files.get(path)) for path in paths if self.files.get(path) != later.files.get(path)
        }


@dataclass(frozen=True)
class Checked:
    """A check run on bare hosts, and the hosts by system just before and just after it."""

    result: Result
    before: Mapping[str, Snapshot]
    after: Mapping[str, Snapshot]


@dataclass(frozen=True)
class Server:
    """What a run without changes leaves alone: the server's process, the watched files, the backups."""

    started: str
    files: Mapping[str, list[Any]]
    backups: tuple[str, ...]

    @classmethod
    def of(cls, host: Host) -> Server:
        """Look at a provisioned host."""
        labels = tuple(backup["label"] for stanza in info(host) for backup in stanza["backup"])
        files = host.tree("/etc", "/opt", "/root", "/usr/local", "/var/spool/cron", "/var/lib/dpkg")
        return cls(host.sql("select pg_postmaster_start_time()"), files, labels)


@dataclass(frozen=True)
class Repeated:
    """A run or a check run on provisioned hosts, and their servers by system just before and just after it."""

    result: Result
    before: Mapping[str, Server]
    after: Mapping[str, Server]


class Fleet:
    """The hosts by system. A run of a playbook takes all of them at once."""

    def __init__(self, lab: Lab, systems: Sequence[str]) -> None:
        """Boot one bare host of each system."""
        self._lab = lab
        with ThreadPoolExecutor() as pool:
            self.hosts = dict(zip(systems, pool.map(lambda system: lab.keep(lab.up(f"fleet-{system}", system)), systems), strict=True))

    def __getitem__(self, system: str) -> Host:
        return self.hosts[system]

    def each(self, act: Callable[[Host], T]) -> dict[str, T]:
        """Do the same on each host at once; the answers by system."""
        with ThreadPoolExecutor() as pool:
            return dict(zip(self.hosts, pool.map(act, self.hosts.values()), strict=True))

    def site(self, *, check: bool = False, **variables: Any) -> Result:
        """Run playbooks/site.yml with more variables. The stories judge how it ended."""
        return self.play("playbooks/site.yml", check=check, **variables)

    def play(self, playbook: str | list[dict[str, Any]], *, check: bool = False, **variables: Any) -> Result:
        """Run any playbook on all of them."""
        return self._lab.ansible(list(self.hosts.values()), playbook, check=check, expect="either", extra_vars=variables)

    def check(self) -> Checked:
        """Run it with --check --diff on bare hosts, and look at everything before and after."""
        before = self.each(Snapshot.of)
        return Checked(self.site(check=True), before, self.each(Snapshot.of))

    def repeat(self, *, check: bool = False) -> Repeated:
        """Run it on provisioned hosts, whose servers write all the time, and look at the rest before and after."""
        before = self.each(Server.of)
        return Repeated(self.site(check=check), before, self.each(Server.of))


def info(host: Host) -> list[dict[str, Any]]:
    """What pgBackRest says of the repositories of a host: a list of stanzas."""
    stanzas: list[dict[str, Any]] = json.loads(host.run("pgbackrest info --output=json", user="postgres").stdout)
    return stanzas


def named(result: Result, host: Host) -> dict[str, set[str]]:
    """The names in the findings of one host, by kind: the first word of each. A directory's owner and mode belong to its name."""
    names: dict[str, set[str]] = defaultdict(set)
    for finding in result.findings:
        if finding["host"] == host.name:
            kind, space, name = finding["what"].partition(" ")
            names[kind].add(f"{name} {finding['expected']}" if kind == "directory" else name)
    return names


def made(host: Host, bare: Snapshot) -> dict[str, set[str]]:
    """What a run has made of a bare host, by the same kinds and as the host itself tells it."""
    now = Snapshot.of(host)
    clusters = (line.split() for line in host.run(["pg_lsclusters", "--no-header"]).stdout.splitlines())
    units = host.run(
        "systemctl list-units --state=active --plain --no-legend 'postgresql@*' cron.service 'axiomdb*.timer'"
    ).stdout.splitlines()
    stanzas = info(host)
    return {
        "package": set(now.manual - bare.manual),
        "file": set(now.written - bare.written),
        "directory": _directories(host, bare, now),
        "cluster": {f"{fields[0]}/{fields[1]} in {fields[5]}" for fields in clusters},
        "unit": {line.split()[0] for line in units},
        "role": set(host.sql(f"select rolname from pg_roles where oid >= {FIRST_OWN_OBJECT}").split()),
        "database": set(host.sql(f"select datname from pg_database where oid >= {FIRST_OWN_OBJECT}").split()),
        "stanza": {stanza["name"] for stanza in stanzas},
        "full": {f"backup of {stanza['name']}" for stanza in stanzas for backup in stanza["backup"] if backup["type"] == "full"},
    }


def _directories(host: Host, bare: Snapshot, now: Snapshot) -> set[str]:
    """New directories of the collection and of pgBackRest, with owner, group and mode; not those that pgBackRest fills itself."""
    watched = {**now.files, **host.tree("/var/lib/axiomdb", *(path.rstrip("/") for path in CONTENTS))}
    new = [path for path, entry in watched.items() if path not in bare.files and entry[0].startswith("d")]
    ours = [path for path in new if ("pgbackrest" in path or "axiomdb" in path) and not path.startswith(CONTENTS)]
    return set(host.run(["stat", "-c", "%n %U:%G 0%a", *ours]).stdout.splitlines()) if ours else set()
