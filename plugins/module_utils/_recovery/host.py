# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What exists on this host: release, packages, clusters. Reads files and asks dpkg; changes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from .run import run

CLUSTERS = Path("/etc/postgresql")


def os_release() -> dict[str, str]:
    """/etc/os-release as a mapping; empty when there is none."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value.strip().strip("\"'") for key, equals, value in pairs if equals}


def machine_id() -> str:
    """systemd's machine-id, 32 hexadecimal digits, or an empty string."""
    try:
        return Path("/etc/machine-id").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def cores() -> int:
    return len(os.sched_getaffinity(0))


def mounted(point: str) -> bool:
    """Whether a filesystem is mounted on this directory. Looking at it lets an automounter mount it first."""
    try:
        os.stat(point)
    except OSError:
        pass
    return point in mounts()


def mounts() -> frozenset[str]:
    """The directories on which a filesystem is mounted; an automounter that waits is none. Source: proc_pid_mountinfo(5)."""
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    rows = (line.partition(" - ") for line in text.splitlines())
    return frozenset(_unescaped(row[0].split(" ")[4]) for row in rows if not row[2].startswith("autofs "))


def mounts_above(*paths: str) -> tuple[str, ...]:
    """The mount points on the way to these paths, themselves included and the root left out; the outermost first."""
    ways = {str(one) for path in paths for one in (Path(path), *Path(path).parents)} - {"/"}
    return tuple(sorted(point for point in ways if mounted(point)))


def _unescaped(path: str) -> str:
    """A path of /proc/self/mountinfo, which writes blanks and backslashes as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def installed_packages(names: Sequence[str]) -> dict[str, str]:
    """Versions of those packages that are installed completely."""
    if not names:
        return {}
    done = run(["dpkg-query", "-W", "-f=${db:Status-Status} ${Package} ${Version}\\n", *names])
    rows = (line.split(" ") for line in done.stdout.splitlines())
    return {row[1]: row[2] for row in rows if len(row) == 3 and row[0] == "installed"}


def pgbackrest_version() -> str:
    """The installed version such as `2.45`, or an empty string."""
    done = run(["pgbackrest", "version"], user="postgres")
    match = re.match(r"pgBackRest (\S+)", done.stdout)
    return match[1] if match else ""


def locales() -> tuple[str, ...]:
    """Locales that this host has, as `locale -a` spells them."""
    return tuple(run(["locale", "-a"]).stdout.split())


def has_locale(wanted: str, available: Sequence[str]) -> bool:
    """Compare as glibc does: en_US.UTF-8 and en_US.utf8 are the same locale."""
    return _normal(wanted) in {_normal(name) for name in available}


def _normal(locale: str) -> str:
    return locale.lower().replace("-", "")


def cluster_exists(version: str, name: str) -> bool:
    return (CLUSTERS / version / name / "postgresql.conf").is_file()


def conf_value(path: Path, key: str) -> str:
    """The value of a setting in one postgresql.conf, or an empty string. Includes are not followed."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    values = re.findall(rf"^\s*{key}\s*=\s*'?([^'#\n]*)'?", text, re.MULTILINE)
    return values[-1].strip() if values else ""


def data_directory(version: str, name: str) -> str:
    """The data directory that Debian's configuration names."""
    return conf_value(CLUSTERS / version / name / "postgresql.conf", "data_directory")


def data_paths(directory: str) -> dict[str, str]:
    """The real paths of what a server writes, by what a person calls it; what lies within its data directory is not named."""
    real, tablespaces = os.path.realpath(directory), f"{directory}/pg_tblspc"
    found = {f"pg_wal of {directory}": os.path.realpath(f"{directory}/pg_wal")}
    for name in sorted(os.listdir(tablespaces)) if os.path.isdir(tablespaces) else ():
        found[f"the tablespace {name} of {directory}"] = os.path.realpath(f"{tablespaces}/{name}")
    outside = {what: path for what, path in found.items() if not path.startswith(f"{real}/")}
    return {f"the data directory {directory}": real, **outside}


def postmaster(directory: str) -> tuple[int, int] | None:
    """Process id and port of the server that runs on this data directory, or None.

    What a power cut has left names a process that may be anything now.
    """
    try:
        lines = Path(directory, "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid, port = int(lines[0]), int(lines[3])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return None
    return (pid, port) if b"postgres" in command and _works_in(pid, directory) else None


def _works_in(pid: int, directory: str) -> bool:
    """Whether a process works in this directory, as a server does in its data; who may not look believes it."""
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", directory)
    except PermissionError:
        return True
    except OSError:
        return False
