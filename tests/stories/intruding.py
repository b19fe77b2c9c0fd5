# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A second server with the data of a host's own one, which archives into the same stanza: a lost host that is back."""

from __future__ import annotations

from dataclasses import dataclass

from converged import DATA, archive_now
from fleet import STANZA
from lab import Host
from scheduling import REPOSITORIES

_ARCHIVE = f"pgbackrest --stanza={STANZA} --pg1-path={{data}} --no-archive-async archive-push %p"
_START = (
    '/usr/lib/postgresql/{version}/bin/pg_ctl -D {data} -l {data}/log -w -o "-c config_file=/etc/postgresql/{version}/main/postgresql.conf '
    "-c data_directory={data} -c port=5499 -c unix_socket_directories=/tmp -c listen_addresses= -c external_pid_file= "
    "-c archive_timeout=0 -c archive_command='{archive}'\" start"
)
_WRITE = (
    "psql -X -q -A -t -v ON_ERROR_STOP=1 -h /tmp -p 5499 -c 'select pg_switch_wal()'"
    " -c \"select pg_walfile_name(pg_logical_emit_message(true, 'story', 'elsewhere'))\" -c 'select pg_switch_wal()'"
)


@dataclass(frozen=True)
class Intruder:
    """Its directory lies beside that of the host's own server; on another machine it would be the same one."""

    host: Host
    version: str

    @classmethod
    def of(cls, host: Host) -> Intruder:
        """Copy the data while the server is stopped."""
        version = host.run(["ls", "/etc/postgresql"]).stdout.strip()
        archive_now(host)
        host.run(f"systemctl stop postgresql@{version}-main && cp -a /var/lib/postgresql/{version}/main /var/lib/postgresql/{version}/lost")
        host.run(f"systemctl start postgresql@{version}-main")
        return cls(host, version)

    @property
    def data(self) -> str:
        return f"/var/lib/postgresql/{self.version}/lost"

    def archive(self) -> None:
        """Run for as long as it takes to archive two segments."""
        command = _START.format(version=self.version, data=self.data, archive=_ARCHIVE.format(data=self.data))
        self.host.run(command, user="postgres")
        for _segment in range(2):
            self._write()
        self.host.run(f"/usr/lib/postgresql/{self.version}/bin/pg_ctl -D {self.data} -m fast -w stop", user="postgres")

    def _write(self) -> None:
        name = self.host.run(_WRITE, user="postgres").stdout.splitlines()[1]
        self.host.run(f"timeout 60 bash -c 'until test -e {self.data}/pg_wal/archive_status/{name}.done; do sleep 0.1; done'")

    def promote_the_other(self) -> None:
        """The host's own server goes on, on the next timeline; its repositories are a second older than what comes next."""
        host = self.host
        host.run(f"cd {DATA} && touch standby.signal && chown postgres: standby.signal && systemctl restart postgresql@{self.version}-main")
        host.sql("select pg_promote()")
        archive_now(host)
        for number in range(len(REPOSITORIES)):
            place = f"/var/lib/pgbackrest{number + 1 if number else ''}/archive/{STANZA}/*/00000002.history"
            host.run(f"timeout 60 bash -c 'until test $(date +%s) -gt $(stat -c %Y {place}); do sleep 0.1; done'")

    def remove(self) -> None:
        """Take it away."""
        self.host.run(["rm", "-rf", self.data])
