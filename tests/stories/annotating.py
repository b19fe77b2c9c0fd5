# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the real `pgbackrest annotate` does to two repositories, with the repository's number and without it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lab import Host

# A stanza of its own in two repositories of its own, beside those of the host: what is broken here is thrown away.
_COPY = """
set -e
top=/var/tmp/annotated && rm -rf $top && mkdir -m 700 -p $top $top/1 $top/2 $top/log $top/lock $top/spool $top/none
cat > $top/conf <<< "[global]
repo1-path=$top/1
repo1-retention-full=9
repo2-path=$top/2
repo2-retention-full=9
log-path=$top/log
lock-path=$top/lock
spool-path=$top/spool
start-fast=y
archive-check=n
[copy]
pg1-path=$(psql -qAtc 'show data_directory')"
call() { pgbackrest --config=$top/conf --config-include-path=$top/none --stanza=copy --log-level-console=off "$@"; }
show() { for number in 1 2; do call --repo=$number --output=json info; echo; done; }
call stanza-create
call --repo=1 --type=full backup
call --repo=2 --type=full backup
show
set=$(basename $top/2/backup/copy/2*F)
call --repo=2 --set=$set --annotation=with=number annotate
show
call --set=$set --annotation=without=number annotate
show
mkdir $top/restored
call --repo=1 --set=$(basename $top/1/backup/copy/2*F) --pg1-path=$top/restored restore && echo 0 || echo $?
call --repo=1 --set=$set --pg1-path=$top/restored restore && echo 0 || echo $?
rm -rf $top
"""


@dataclass(frozen=True)
class Annotated:
    """The sets and their annotations in each repository: at first, and after both ways.

    `restores` are the exit codes of two from repository 1: of the set that it has, and of the one that it lists.
    """

    before: tuple[dict[str, Any], ...]
    with_number: tuple[dict[str, Any], ...]
    without_number: tuple[dict[str, Any], ...]
    restores: tuple[int, ...]


def annotate(host: Host) -> Annotated:
    """Annotate a set of repository 2 both ways. Each command of it said that it succeeded."""
    lines = [line for line in host.run(_COPY, user="postgres").stdout.splitlines() if line.strip()]
    shown = [{backup["label"]: backup.get("annotation", {}) for backup in json.loads(line)[0]["backup"]} for line in lines[:6]]
    return Annotated(tuple(shown[0:2]), tuple(shown[2:4]), tuple(shown[4:6]), tuple(map(int, lines[6:])))
