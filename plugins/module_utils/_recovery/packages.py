# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Installs Debian packages, also on a host whose package lists were never fetched."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .host import installed_packages
from .run import CommandFailed, Completed, run

APT = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none"}
LOCK_PATIENCE = "600"  # seconds; a fresh host often runs its own first upgrade


def missing(names: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed completely."""
    installed = installed_packages(names)
    return [name for name in names if name not in installed]


def install(names: Sequence[str]) -> None:
    """Install the packages with their dependencies alone. Raises CommandFailed.

    The lists are fetched when they do not know a package, and once more when they were too old to fetch it.
    """
    if not _all_known(names):
        _fetch_lists()
    elif _install(names).code == 0:
        return
    else:
        _fetch_lists()
    done = _install(names)
    if done.code != 0:
        raise CommandFailed(done, "the packages could not be installed", "apt-get update && apt-get install " + " ".join(names))


def _all_known(names: Sequence[str]) -> bool:
    done = run(["apt-cache", "policy", *names])
    candidates = re.findall(r"^  Candidate: (.+)$", done.stdout, re.MULTILINE)
    return len(candidates) == len(names) and "(none)" not in candidates


def _fetch_lists() -> None:
    done = run(["apt-get", "update", "-q", "-o", f"DPkg::Lock::Timeout={LOCK_PATIENCE}"], env=APT)
    if done.code != 0:
        raise CommandFailed(done, "the package lists could not be fetched", "apt-get update")


def _install(names: Sequence[str]) -> Completed:
    keep = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
    wait = ["-o", f"DPkg::Lock::Timeout={LOCK_PATIENCE}"]
    return run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *keep, *wait, *names], env=APT)
