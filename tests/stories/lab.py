# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab of the stories: throw-away hosts, and ansible-playbook run on exactly those that a story names."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = ("debian12", "debian13", "forky")
Controller = Literal["default", "newest"]
Expected = Literal["success", "failure", "either"]

_RECAP = re.compile(r"^(\S+)\s+: (ok=\d+\s.*)$", re.MULTILINE)
_LIMIT = 1800  # seconds after which one command of the lab is stuck, not slow
_TREE = """
import hashlib, json, os, stat, sys
def entry(path):
    info = os.lstat(path)
    if stat.S_ISLNK(info.st_mode): content = os.readlink(path)
    elif stat.S_ISREG(info.st_mode): content = hashlib.sha256(open(path, 'rb').read()).hexdigest()
    else: content = ''
    return [stat.filemode(info.st_mode), info.st_uid, info.st_gid, content]
found = {}
for top in sys.argv[1:]:
    if os.path.lexists(top): found[top] = entry(top)
    for directory, folders, files in os.walk(top):
        for name in folders + files: found[os.path.join(directory, name)] = entry(os.path.join(directory, name))
print(json.dumps(found))
"""


class Unexpected(AssertionError):
    """A command of a story ended otherwise than the story expects."""


@dataclass(frozen=True)
class Run:
    """One finished command: its exit code and what it printed."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, stdout first."""
        return self.stdout + self.stderr

    def checked(self) -> Run:
        """Return itself, or raise `Unexpected` if the exit code is not 0."""
        if self.rc:
            raise Unexpected(f"exit code {self.rc} from: {shlex.join(self.argv)}\n{self.output}")
        return self


def execute(argv: Sequence[str], *, stdin: str | None = None, env: Mapping[str, str] | None = None) -> Run:
    """Run one command on this machine, with no terminal and at most half an hour."""
    source: dict[str, Any] = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, env=env, timeout=_LIMIT, **source)
    return Run(tuple(argv), done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Recap:
    """The counts of one host in Ansible's recap."""

    ok: int = 0
    changed: int = 0
    unreachable: int = 0
    failed: int = 0
    skipped: int = 0
    rescued: int = 0
    ignored: int = 0


@dataclass(frozen=True)
class Result:
    """One finished ansible-playbook.

    ``findings`` is the drift list of a check run (host, what, expected, found, …), ``drift`` the whole document.
    """

    run: Run
    recap: Mapping[str, Recap]
    drift: Mapping[str, Any]
    seconds: float

    @property
    def rc(self) -> int:
        """The exit code."""
        return self.run.rc

    @property
    def stdout(self) -> str:
        """What it printed."""
        return self.run.stdout

    @property
    def output(self) -> str:
        """What it printed, warnings and errors too."""
        return self.run.output

    @property
    def last_line(self) -> str:
        """The last line that is not empty: where the verdict stands."""
        return next((line for line in reversed(self.stdout.splitlines()) if line.strip()), "")

    @property
    def findings(self) -> list[dict[str, str]]:
        """The findings of a check run; empty for any other."""
        return list(self.drift.get("findings", []))

    @property
    def changed(self) -> int:
        """How many tasks changed something, over all hosts."""
        return sum(count.changed for count in self.recap.values())


@dataclass(frozen=True)
class Host:
    """One throw-away host.

    ``name`` is its host name, its container and its name in the inventory; ``alias`` is what the story calls it.
    ``vars`` are its own variables in the inventory; they win over those of inventories/sandbox.
    """

    name: str
    alias: str
    system: str
    secrets: Path
    vars: dict[str, Any] = field(default_factory=dict, compare=False)

    def run(self, command: str | Sequence[str], *, check: bool = True, user: str | None = None, stdin: str | None = None) -> Run:
        """Run a command, as root or as `user`. A string is given to bash; raises `Unexpected` on failure if `check`."""
        argv = ["docker", "exec", *(["-i"] if stdin is not None else []), *(["-u", user] if user else []), self.name]
        argv += ["bash", "-c", command] if isinstance(command, str) else command
        run = execute(argv, stdin=stdin)
        return run.checked() if check else run

    def sql(self, query: str, db: str = "postgres") -> str:
        """Run SQL as postgres through the socket; return the rows, fields separated by ``|``, without the last newline."""
        # The one in PATH is Debian's wrapper, which starts Perl each time.
        psql = f"exec $(ls -d /usr/lib/postgresql/*/bin/psql | tail -n 1) -X -A -t -q -v ON_ERROR_STOP=1 -d {shlex.quote(db)} -f -"
        return self.run(psql, user="postgres", stdin=query).stdout.rstrip("\n")

    def exists(self, path: str) -> bool:
        """Whether there is such a path."""
        return self.run(["test", "-e", path], check=False).rc == 0

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return self.run(["cat", path]).stdout

    def put(self, path: str, text: str) -> None:
        """Write a file as a whole, in place: an existing one keeps its mode and owner."""
        self.run(["tee", "--", path], stdin=text)

    def tree(self, *paths: str) -> dict[str, list[Any]]:
        """Return all entries below these paths: mode, user id, group id, and the content's SHA-256 or the link's target."""
        found: dict[str, list[Any]] = json.loads(self.run(["python3", "-", *paths], stdin=_TREE).stdout)
        return found

    def secret(self, name: Literal["cipher-pass", "role-password"]) -> str:
        """Return a secret that the sandbox's variables give to this host."""
        return (self.secrets / self.name / name).read_text(encoding="utf-8").strip()

    @property
    def address(self) -> str:
        """Its IPv4 address, which only this machine and its containers reach."""
        return (
            execute(["docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.name])
            .checked()
            .stdout.strip()
        )

    def stop(self) -> None:
        """Shut it down as `poweroff` would."""
        execute(["docker", "stop", "-t", "60", self.name]).checked()

    def start(self) -> None:
        """Boot it, and wait until systemd has started everything."""
        execute([str(ROOT / "sandbox" / "host"), "up", self.name, self.system]).checked()


class Lab:
    """Hosts and playbook runs of one test session."""

    def __init__(self, directory: Path, *, run: str, prefix: str, seed: int) -> None:
        """Keep everything below `directory`.

        :param run: process id of the test run; its hosts are removed by others once it is dead.
        :param prefix: put before each alias, so that two test processes never share a host.
        :param seed: what the secrets of the hosts are made from.
        """
        self.directory = directory
        self._run, self._prefix, self._seed = run, prefix, seed
        self._hosts: dict[str, Host] = {}
        self._kept: set[str] = set()
        self._images: set[str] = set()
        self._count = 0
        # Half a day from now: no backup of a schedule begins in the middle of a story that is about something else.
        hour = (time.gmtime().tm_hour + 12) % 24
        jobs = {"full": 10, "hourly": 30, "verify": 50}
        self._schedules = {f"backup_jobs_{job}_schedule": f"{minute} {hour} * * *" for job, minute in jobs.items()}

    # --- hosts ---------------------------------------------------------------------------------------------------

    def up(self, name: str, system: str = "debian13", *, image: str | None = None, volume: str = "", **variables: Any) -> Host:
        """Make a bare host, or one from an image of `commit`. The same alias again is the same host.

        :param volume: a path of the image that lies on a filesystem of its own: a directory of an image cannot be renamed.
        :param variables: the host's own variables in the inventory.
        """
        if name not in self._hosts:
            host = Host(f"{self._prefix}-{name}", name, system, self.directory / "secrets", dict(variables))
            self._write_secrets(host)
            options = ["--run", self._run, *(["--image", image] if image else []), *(["--volume", volume] if volume else [])]
            self._hosts[name] = host
            execute([str(ROOT / "sandbox" / "host"), "up", host.name, system, *options]).checked()
        return self._hosts[name]

    def commit(self, host: Host) -> str:
        """Shut a host down and keep it as an image, which outlives this lab: other test processes of the run may start from it, too."""
        image = f"axiomdb-sandbox-run:{host.name}"
        host.stop()
        execute(["docker", "commit", host.name, image]).checked()
        self.down(host)
        return image

    def lose(self, host: Host) -> str:
        """Destroy a host as a fire would; returns an image with its disk as it was at that moment."""
        image = f"axiomdb-sandbox-run:{host.name}-disk"
        execute(["docker", "kill", host.name]).checked()
        execute(["docker", "commit", host.name, image]).checked()
        self._images.add(image)
        self.down(host)
        return image

    def keep(self, host: Host) -> Host:
        """Keep a host that several files of stories use."""
        self._kept.add(host.alias)
        return host

    def clear(self, *, kept: bool = False) -> None:
        """Remove every host that is not kept, or those too: what it does each minute costs the others time."""
        for host in [host for alias, host in self._hosts.items() if kept or alias not in self._kept]:
            self.down(host)

    def down(self, host: Host) -> None:
        """Remove a host."""
        self._hosts.pop(host.alias, None)
        execute([str(ROOT / "sandbox" / "host"), "down", host.name]).checked()

    def close(self) -> None:
        """Remove everything that this lab has made."""
        runs = [execute([str(ROOT / "sandbox" / "host"), "down", host.name]) for host in self._hosts.values()]
        runs += [execute(["docker", "image", "rm", image]) for image in sorted(self._images)]
        self._hosts.clear()
        self._images.clear()
        for run in runs:
            run.checked()

    def _write_secrets(self, host: Host) -> None:
        """Write the host's secrets beforehand, so that they are the same in each run with the same seed."""
        directory = host.secrets / host.name
        directory.mkdir(parents=True, mode=0o700)
        for name in ("cipher-pass", "role-password"):
            text = hashlib.sha256(f"{self._seed} {host.alias} {name}".encode()).hexdigest()[:40]
            _write_private(directory / name, text + "\n")

    # --- playbooks -----------------------------------------------------------------------------------------------

    def ansible(
        self,
        hosts: Host | Sequence[Host],
        playbook: str | list[dict[str, Any]],
        *arguments: str,
        extra_vars: Mapping[str, Any] | None = None,
        check: bool = False,
        controller: Controller = "default",
        expect: Expected = "success",
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run ansible-playbook on exactly these hosts, with the variables of inventories/sandbox and the hosts' own.

        :param playbook: a path in the checkout (``playbooks/site.yml``), a full name (``axiomdb.recovery.site``) or plays.
        :param arguments: options of ansible-playbook, such as ``-vvv``.
        :param extra_vars: given in a private file, never in argv.
        :param check: run with ``--check --diff``.
        :param controller: ``newest`` skips the test where this machine has no newest controller.
        :param expect: raises `Unexpected` if the exit code says otherwise.
        :param env: more environment variables.
        """
        self._count += 1
        directory = self.directory / f"run-{self._count:03}"
        chosen = [hosts] if isinstance(hosts, Host) else list(hosts)
        argv = [str(controller_directory(controller) / "ansible-playbook"), "-i", str(self._inventory(directory, chosen))]
        argv += [self._playbook(directory, playbook), *(["--check", "--diff"] if check else []), *arguments]
        if extra_vars:
            argv += ["-e", f"@{_write_private(directory / 'extra.json', json.dumps(extra_vars))}"]
        drift = directory / "drift.json"
        begun = time.monotonic()
        run = execute(argv, env=self._environment(drift, env))
        seconds = time.monotonic() - begun
        document = json.loads(drift.read_text(encoding="utf-8")) if drift.exists() else {}
        shutil.rmtree(directory)
        self._log(run)
        if (run.rc == 0 and expect == "failure") or (run.rc != 0 and expect == "success"):
            raise Unexpected(f"expected {expect}, got exit code {run.rc} from: {shlex.join(argv)}\n{run.output}")
        return Result(run, _recap(run.stdout), document, seconds)

    def _inventory(self, directory: Path, hosts: Sequence[Host]) -> Path:
        """Write an inventory of these hosts alone, with a copy of the sandbox's own variables."""
        inventory = directory / "inventory"
        shutil.copytree(ROOT / "inventories" / "sandbox" / "group_vars", inventory / "group_vars")
        members = {host.name: {"sandbox_secrets": str(host.secrets / host.name), **self._schedules, **host.vars} for host in hosts}
        systems: dict[str, Any] = {host.system: {"hosts": {h.name: {} for h in hosts if h.system == host.system}} for host in hosts}
        _write_private(inventory / "hosts.yml", json.dumps({"sandbox": {"hosts": members}, **systems}))
        return inventory

    def _playbook(self, directory: Path, playbook: str | list[dict[str, Any]]) -> str:
        if isinstance(playbook, str):
            return playbook
        return str(_write_private(directory / "playbook.yml", json.dumps(playbook)))

    def _environment(self, drift: Path, more: Mapping[str, str] | None) -> dict[str, str]:
        """The environment of a controller: this checkout's configuration, and nothing that the tester has set for Ansible."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "AXIOMDB_"))}
        ours = {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.directory / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "AXIOMDB_DRIFT_FILE": str(drift),
            "LC_ALL": "C.UTF-8",
        }
        return inherited | ours | dict(more or {})

    def _log(self, run: Run) -> None:
        """Keep what a run printed, for the reader of a failed test."""
        logs = self.directory / "logs"
        logs.mkdir(exist_ok=True)
        text = f"$ {shlex.join(run.argv)}\n{run.stdout}\n--- stderr\n{run.stderr}\n--- exit code {run.rc}\n"
        _write_private(logs / f"{self._count:03}.log", text)


def controller_directory(which: Controller) -> Path:
    """Return the directory of a controller's commands: the one of these tests, or the newest."""
    if which == "newest":
        newest = ROOT / ".venv-newest" / "bin"
        if (newest / "ansible-playbook").exists():
            return newest
        if sys.version_info < (3, 13):
            pytest.skip("there is no Python 3.13 on this machine, so no newest controller")
    return Path(sys.executable).parent


def _recap(stdout: str) -> dict[str, Recap]:
    """Read the counts of each host from the recap."""
    pairs = {name: (pair.split("=") for pair in counts.split()) for name, counts in _RECAP.findall(stdout)}
    return {name: Recap(**{key: int(value) for key, value in counts}) for name, counts in pairs.items()}


def _write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path
