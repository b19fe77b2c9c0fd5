# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster's configuration without data: what is restored comes into an empty directory.

Debian makes the configuration only together with data. That is made beside, under a name by which it is known as never having
served, and removed; nothing that lies in the data directory itself is ever touched.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from . import aside, aside_within, files, host
from .files import File
from .postgres import Cluster
from .run import require, run
from .stepping_down import ids

NEVER_SERVED = ".never-served"
_DATA = re.compile(r"^\s*data_directory\s*=.*$", re.MULTILINE)
_START = "auto\n"


def configure(cluster: Cluster, directory: str, creation: Sequence[str]) -> None:
    """Make the configuration of a cluster that has none, with an empty data directory. What was killed is gone on with.

    `creation` is the command line that would create the cluster there. Raises CommandFailed.
    """
    beside = f"{directory}{NEVER_SERVED}"
    if not host.cluster_exists(cluster.version, cluster.name):
        aside.remove(beside, ids("postgres", "postgres")[0])
        # It is not to start at a boot before its data is gone.
        words = [beside if word == directory else "disabled" if before == "--start-conf" else word for before, word in _pairs(creation)]
        require(run(words))
    if not Path(directory).exists():
        aside.make(directory, *ids("postgres", "postgres"))
    elif not aside_within.content(directory):
        shutil.chown(directory, "postgres", "postgres")
        os.chmod(directory, 0o700)
    # Whatever the configuration names is there at each moment: the server's own binary judges settings by it.
    if host.data_directory(cluster.version, cluster.name) == beside:
        main = f"{cluster.configuration}/postgresql.conf"
        found = _DATA.sub(f"data_directory = '{directory}'", files.read(main) or "")
        files.write(File(main, found, "postgres", "postgres", 0o644))
    if os.path.isdir(beside):
        # Removed last: whoever was killed before would find nothing to go on with, and a cluster that never starts.
        files.write(File(f"{cluster.configuration}/start.conf", _START, "postgres", "postgres", 0o644))
        aside.remove(beside, ids("postgres", "postgres")[0])


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    """Each word with the one before it."""
    return list(zip(["", *words], words, strict=False))
