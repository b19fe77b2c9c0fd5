# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a recovery in place refuses, on a host whose data has little room: each trouble is made, the command typed, the trouble ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fleet import DATABASE, STANZA
from lab import Host, Lab, Result, Run
from restores import consent
from scheduling import TOOL

DATA = "/var/lib/postgresql/*/main"
NAME = "name:known"
RESTORE, ROLLBACK = "playbooks/restore.yml", "playbooks/rollback.yml"
STARTED = "select pg_postmaster_start_time()"
# A standby of the same host: it streams, and has a slot.
_STANDBY = """
set -e
copy=/var/tmp/standby && rm -rf $copy
pg_basebackup -D $copy -R -C -S follower -c fast
touch $copy/pg_ident.conf && echo 'local all all trust' > $copy/pg_hba.conf
printf "listen_addresses = ''\\nunix_socket_directories = '$copy'\\narchive_mode = off\\ncluster_name = 'shadow'\\n" > $copy/postgresql.conf
/usr/lib/postgresql/*/bin/pg_ctl -D $copy -l $copy/log -s -w start
for _ in $(seq 100); do
  [ "$(psql -qAtc 'select count(*) from pg_stat_replication')" = 1 ] && exit 0
  sleep 0.1
done
exit 1
"""
_NO_STANDBY = """
/usr/lib/postgresql/*/bin/pg_ctl -D /var/tmp/standby -s -m immediate stop; rm -rf /var/tmp/standby
for _ in $(seq 100); do psql -qAtc "select pg_drop_replication_slot('follower')" && exit 0; sleep 0.1; done
"""
# The server as somebody starts it by hand, whom systemd does not know.
_BY_HAND = """
systemctl stop postgresql@{version}-main
runuser -u postgres -- /usr/lib/postgresql/{version}/bin/pg_ctl -s -w start -D /var/lib/postgresql/{version}/main \\
  -l /var/tmp/by-hand.log -o '-c config_file=/etc/postgresql/{version}/main/postgresql.conf'
"""
_BY_UNIT = """
runuser -u postgres -- /usr/lib/postgresql/{version}/bin/pg_ctl -s -w stop -D /var/lib/postgresql/{version}/main
systemctl start postgresql@{version}-main
"""
# The server follows another one: it is in recovery, and has the signal of a standby.
_FOLLOW = """
systemctl stop postgresql@{version}-main
runuser -u postgres -- touch /var/lib/postgresql/{version}/main/standby.signal
systemctl start postgresql@{version}-main
"""
_LEAD = """
systemctl stop postgresql@{version}-main
rm /var/lib/postgresql/{version}/main/standby.signal
systemctl start postgresql@{version}-main
"""
# Begun and ended by these, both as root.
TROUBLES = {
    "link": ("cd /var/lib/postgresql/*/main && ln -s /etc/hostname own.conf", "rm /var/lib/postgresql/*/main/own.conf"),
    "room": ("dd if=/dev/zero of=/var/lib/postgresql/filler bs=1M status=none || true", "rm /var/lib/postgresql/filler"),
}


@dataclass
class Refusals:
    """What each command said; the start of the server before and after each of them, and whether a journal was there."""

    said: dict[str, Run | Result] = field(default_factory=dict)
    touched: dict[str, tuple[str, str]] = field(default_factory=dict)
    rows: str = ""


class Story:
    """One host with a named moment, and another one of the same stanza in the same inventory."""

    def __init__(self, lab: Lab, host: Host, other: Host) -> None:
        self.lab, self.host, self.other, self.found = lab, host, other, Refusals()
        self.version = host.run("ls /etc/postgresql").stdout.strip()

    @contextmanager
    def trouble(self, begin: str, end: str, user: str = "root") -> Iterator[None]:
        """Something that stands in the way, for a while."""
        self.host.run(begin, user=user)
        try:
            yield
        finally:
            self.host.run(end, user=user)

    def type(self, name: str, *words: str, host: Host | None = None) -> None:
        """One command of the tool, and whether anything moved."""
        on = host or self.host
        before = trace(on)
        self.found.said[name] = on.run([TOOL, *words], check=False)
        self.found.touched[name] = (before, trace(on))

    def play(self, name: str, playbook: str, hosts: list[Host], *words: str, **variables: object) -> None:
        """One playbook, refused."""
        before = trace(self.host)
        self.found.said[name] = self.lab.ansible(hosts, playbook, *words, extra_vars=variables, expect="failure")
        self.found.touched[name] = (before, trace(self.host))


def trace(host: Host) -> str:
    """What no refusal may change: the server's start, the pause of the jobs, the journal, the kept data."""
    files = host.run("ls -d /var/lib/axiomdb/pause.json /var/lib/axiomdb/*/restore* /var/lib/postgresql/*/* 2>/dev/null || true").stdout
    return host.sql(STARTED) + " " + " ".join(files.split())


def tell(lab: Lab, host: Host, other: Host) -> Refusals:
    """Everything that is refused, one after the other."""
    for one in (host, other):
        one.run("systemctl stop axiomdb-recovery-watch.timer cron")
    host.sql("create table kept (note text); insert into kept values ('before')", db=DATABASE)
    host.run([TOOL, "snapshot", "known", "--reason", "a story"])
    host.sql("insert into kept values ('after')", db=DATABASE)
    story = Story(lab, host, other)
    _whom(story)
    _what(story)
    _where(story)
    story.found.rows = host.sql("select string_agg(note, ' ' order by note) from kept", db=DATABASE)
    return story.found


def _whom(story: Story) -> None:
    """Which cluster is meant, and whether it is the printed plan that is confirmed."""
    host, other = story.host, story.other
    words = {"restore_target": NAME, "restore_reason": "a story"}
    story.play("two hosts", RESTORE, [host, other], **words, restore_confirm=f"{host.name}/{STANZA}")
    story.play("two hosts back", ROLLBACK, [host, other], rollback_confirm=f"{host.name}/{STANZA}")
    sure = consent(host, NAME)[1:]
    story.type("of another host", *[word.replace(host.name, other.name) for word in sure])
    story.play("another's", RESTORE, [host], **words, restore_confirm=f"{other.name}/{STANZA}", restore_plan=sure[-1].partition("=")[2])
    story.type("no plan", *sure[:-1])
    overwriting = consent(host, NAME, "--keep=none")[1:]
    story.type("no way back", *[word.replace("/no-way-back", "") for word in overwriting])
    latest = consent(host, "latest")[1:]
    host.run([TOOL, "backup", "--type=incr"])
    story.type("a backup in between", *latest)


def _what(story: Story) -> None:
    """The order itself, and where it leads."""
    story.type("no reason", "restore", NAME)
    story.type("unknown name", "restore", "name:known-to-nobody", "--reason", "a story")
    story.type("future", "restore", "time:2126-01-01T00:00:00Z", "--reason", "a story")
    story.type("several", "restore", "name:no", "--reason", "", "--keep=none")
    words = {"restore_target": NAME, "restore_reason": "a story"}
    story.play("misspelt", RESTORE, [story.host], **words, restore_acton="pause")
    story.play("unverified", RESTORE, [story.host], **words, restore_require_verified=True)


def _where(story: Story) -> None:
    """The ground on which it would be done."""
    words = ("restore", NAME, "--reason", "a story")
    with story.trouble(*TROUBLES["link"]):
        story.type("link", *words)
    with story.trouble(*TROUBLES["room"]):
        story.type("room", *words)
    with story.trouble(_STANDBY, _NO_STANDBY, "postgres"):
        story.type("standby", *words)
        story.type("standby detached", *words, "--standbys=detach")
        with story.trouble(*TROUBLES["link"]):
            story.type("all at once", "restore", NAME)
    with story.trouble(_BY_HAND.format(version=story.version), _BY_UNIT.format(version=story.version)):
        story.type("by hand", *words)
    with story.trouble(_FOLLOW.format(version=story.version), _LEAD.format(version=story.version)):
        story.type("of a standby", *words)


def problems(run: Run | Result) -> list[str]:
    """The sentences of a refusal."""
    if isinstance(run, Result):
        return [run.output]
    plan = [line.removeprefix("  PROBLEM      ") for line in run.stdout.splitlines() if line.startswith("  PROBLEM")]
    return plan or run.stderr.splitlines()
