# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recoveries of data that cannot simply be renamed: at a mount point with large WAL segments, with pg_wal on another volume; with
tablespaces that were made or dropped since."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from converged import Converged
from fleet import DATABASE, STANZA
from killing import NAME, kill
from lab import Host, Run
from restores import consent, sums
from scheduling import TOOL

MOUNTED, LINKED = "mounted", "linked"
DATA, WAL = "/srv/data", "/srv/wal/main"
# On another disk, so to say: a bind mount is no less a mount point, and takes no memory.
MOUNT = "mkdir -p /srv/disk /srv/data && mount --bind /srv/disk /srv/data && mount --make-rprivate /"
_SEGMENTS = "mkdir -p /etc/postgresql-common/createcluster.d && echo \"initdb_options = '--wal-segsize=64'\""
_LINK = """
set -e
version=$(ls /etc/postgresql)
data=/var/lib/postgresql/$version/main
systemctl stop postgresql@$version-main
install -d -o postgres -g postgres -m 700 /srv/wal
mv $data/pg_wal /srv/wal/main
ln -s /srv/wal/main $data/pg_wal && chown -h postgres: $data/pg_wal
systemctl start postgresql@$version-main
"""
_SPACE = "create tablespace {0} location '/srv/{0}'; create table in_{0} (number serial primary key, note text) tablespace {0};"
_WHERE = """
select string_agg(relname || '@' || coalesce(spcname, 'default'), ' ' order by relname)
from pg_class left join pg_tablespace on pg_tablespace.oid = reltablespace where relkind = 'r' and relnamespace = 'public'::regnamespace
"""
_FIND_KEPT = "find /srv /var/lib/postgresql -maxdepth 4 \\( -name '*.kept-*' -o -name '.re*-2*' -o -name '.keeping-*' \\)"


@dataclass
class Story:
    """What was typed and said, by step, and what every table held then and in which tablespace."""

    host: Host
    rows: dict[str, str] = field(default_factory=dict)
    said: dict[str, Run] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    phases: dict[str, str] = field(default_factory=dict)
    in_the_backup: int = -1
    segments: str = ""

    def look(self, step: str, said: Run | None = None) -> None:
        """Remember how it is now."""
        host = self.host
        self.rows[step] = f"{sums(host)} in {host.sql(_WHERE, db=DATABASE)}"
        self.places[step] = sorted(host.run(_FIND_KEPT).stdout.split())
        self.links[step] = host.run(f"readlink {data(host)}/pg_wal || true").stdout.strip()
        if said is not None:
            self.said[step] = said


def data(host: Host) -> str:
    """The data directory."""
    return host.sql("show data_directory")


def prepare(converged: Converged, layout: str) -> Host:
    """A host whose data lies so."""
    if layout == LINKED:
        host = converged.recoverable(layout)
        host.run(_LINK)
        host.run("until psql -c 'select 1'; do sleep 0.2; done", user="postgres")
    else:
        lab, system = converged.lab, converged.system
        host = lab.up(f"{system}-{layout}", system, postgresql_data_directory=DATA)
        host.run(MOUNT)
        host.run(f"{_SEGMENTS} > /etc/postgresql-common/createcluster.d/20-segments.conf")
        lab.ansible(host, "playbooks/site.yml")
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    return host


def tell(converged: Converged, layout: str) -> Story:
    """Tell it all."""
    host = prepare(converged, layout)
    story = Story(host, segments=host.sql("show wal_segment_size"))
    _make(story, layout)
    for phase in ("keep", "restore"):
        story.phases[phase] = kill(host, phase)
        story.look(f"killed in {phase}", _rollback(host).checked())
    story.look("restored", host.run(consent(host, NAME), check=False))
    label = json.loads(host.run("pgbackrest info --output=json", user="postgres").stdout)[0]["backup"][-1]["label"]
    manifest = host.run(f"pgbackrest --repo=1 repo-get backup/{STANZA}/{label}/backup.manifest", user="postgres").stdout
    story.in_the_backup = manifest.count(".kept-")
    _go_back(story)
    story.said["refused"] = host.run([TOOL, "restore", NAME, "--reason", "a story", "--keep=none"], check=False)
    _release(story)
    _overwrite(story)
    return story


def _make(story: Story, layout: str) -> None:
    """Tables in tablespaces, a moment, and what came after it."""
    host = story.host
    names = ("stays", "dropped") if layout == LINKED else ("stays",)
    host.run(f"install -d -o postgres -g postgres -m 700 {' '.join(f'/srv/{name}' for name in (*names, 'since'))}")
    host.sql("create table kept (number serial primary key, note text)", db=DATABASE)
    for name in names:
        host.sql(_SPACE.format(name), db=DATABASE)
    _write(host, ["kept", *(f"in_{name}" for name in names)], "before")
    host.run([TOOL, "backup", "--type=incr"])
    story.look("target")
    host.run([TOOL, "snapshot", "kept", "--reason", "a story"])
    _write(host, ["kept", "in_stays"], "after")
    if layout == LINKED:
        host.sql("drop table in_dropped; drop tablespace dropped", db=DATABASE)
        host.sql(_SPACE.format("since"), db=DATABASE)
        _write(host, ["in_since"], "after")
    story.look("live")


def _write(host: Host, tables: list[str], note: str) -> None:
    for table in tables:
        host.sql(f"insert into {table} (note) select '{note} ' || i from generate_series(1, 1000) i", db=DATABASE)


def _rollback(host: Host, *words: str) -> Run:
    return host.run([TOOL, "rollback", "--reason", "a story", *words, f"--confirm={host.name}/{STANZA}"], check=False)


def _go_back(story: Story) -> None:
    """Rows are written after the acceptance, and then the old data serves again."""
    _write(story.host, ["kept", "in_stays"], "after the acceptance")
    story.look("back", _rollback(story.host))


def _release(story: Story) -> None:
    """Remove what is kept of every recovery; the server is restarted, so that it shows that nothing of its own is gone."""
    host = story.host
    found = host.run([TOOL, "rollback", "--list"]).stdout
    names = [line.split()[1] for line in found.splitlines() if line.split()[:1] == ["recovery"]]
    story.said["release"] = _rollback(host, f"--release={names[-1]}")
    assert len(names) == 1, found
    host.run("systemctl restart 'postgresql@*'")
    host.run("until psql -c 'select 1'; do sleep 0.2; done", user="postgres")
    story.look("released", story.said["release"])


def _overwrite(story: Story) -> None:
    """Without a way back: killed while the set is restored, and gone on with."""
    host = story.host
    story.phases["overwritten"] = kill(host, "restore", words=("--keep=none",))
    go_on = [TOOL, "restore", NAME, "--keep=none", f"--confirm={host.name}/{STANZA}/no-way-back"]
    story.look("overwritten", host.run(go_on, check=False))
