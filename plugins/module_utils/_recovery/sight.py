# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was looked at on a host and in its repositories, for whoever decides what can be recovered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .history import Tree
from .postgres import Cluster
from .reach import Here
from .window import Outlook, Seen


@dataclass(frozen=True)
class Sight:
    """What was looked at. `trees` are by repository; `local` are the segments in pg_wal of the server's timeline, by number.

    `stand_in` is a directory by which pgBackRest knows the cluster where its data directory is not there yet.
    """

    stanza: str
    cluster: Cluster
    here: Here
    outlooks: tuple[Outlook, ...]
    trees: Mapping[int, Tree]
    seen: Seen
    size: int
    local: tuple[int, ...] = ()
    data_directory: str = ""
    stand_in: str = ""
