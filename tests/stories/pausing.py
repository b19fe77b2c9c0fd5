# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery that is rehearsed, that pauses, that goes on to a later target, that is shut down, and that loses its power meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field

from fleet import DATABASE, STANZA
from killing import reboot
from lab import Host, Lab, Result, Run
from restores import consent
from scheduling import TOOL

ROWS = "select string_agg(note, ' ' order by number) from kept"
STARTED = "select pg_postmaster_start_time()"
_SERVES = f'psql -X -qAt -d {DATABASE} -c "{ROWS}" 2>/dev/null'
_HELD = f'psql -X -qAt -h /var/lib/axiomdb/{STANZA}/restore/socket -p 65432 -d {DATABASE} -c "{ROWS}" 2>&1'
_PROCESS = f"systemctl show --property=MainPID,ActiveState,ExecMainStartTimestampMonotonic axiomdb-held-{STANZA}.service"
CHECK = f"{DATABASE}:select count(*) from kept={{}}"
NAMES = ("first", "second", "third")


@dataclass
class Paused:
    """Each command by what it was for; the rows that clients and that the operator see after it.

    `looked` is the process of the held server before a plan of a later target, and after it.
    """

    said: dict[str, Run] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    played: Result | None = None
    started: tuple[str, str] = ("", "")
    looked: tuple[str, str] = ("", "")
    left: str = ""


def tell(host: Host, lab: Lab) -> Paused:
    """Three named moments, and what can be done with them."""
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    host.sql("create table kept (number serial primary key, note text)", db=DATABASE)
    for name in NAMES:
        host.sql(f"insert into kept (note) values ('{name}')", db=DATABASE)
        host.run([TOOL, "snapshot", name, "--reason", "a story"])
    host.sql("insert into kept (note) values ('last')", db=DATABASE)
    found = Paused()
    _rehearse(host, lab, found)
    _pause(host, found)
    _shut_down(host, found)
    return found


def _rehearse(host: Host, lab: Lab, found: Paused) -> None:
    before = host.sql(STARTED)
    words = [TOOL, "restore", "name:second", "--rehearse", "--reason", "a story", "--check"]
    found.said["rehearsal"] = host.run([*words, CHECK.format(2)], check=False)
    found.said["failed rehearsal"] = host.run([*words, CHECK.format(3)], check=False)
    found.played = lab.ansible(
        host, "playbooks/restore.yml", extra_vars={"restore_target": "name:first", "restore_rehearse": True, "restore_reason": "a story"}
    )
    found.started = (before, host.sql(STARTED))
    found.left = host.run(
        "ls -d /var/lib/axiomdb/pause.json /var/lib/axiomdb/*/restore /var/lib/axiomdb/*/restore.json /var/lib/axiomdb/scratch/* || true"
    ).stdout


def _type(host: Host, found: Paused, name: str, command: list[str]) -> None:
    found.said[name] = host.run(command, check=False)
    found.clients[name] = host.run(_SERVES, user="postgres", check=False).stdout.strip()
    found.held[name] = host.run(_HELD, user="postgres", check=False).stdout.strip()


def _pause(host: Host, found: Paused) -> None:
    """Stop at the first moment, look, go on to the second, lose the power, and let clients in there."""
    sure = f"--confirm={host.name}/{STANZA}"
    _type(host, found, "pause", consent(host, "name:first", "--action=pause"))
    plan = [TOOL, "restore", "name:second", "--reason", "a story", "--action=pause"]
    before = host.run(_PROCESS).stdout
    found.said["plan"] = host.run(plan, check=False)
    found.looked = (before, host.run(_PROCESS).stdout)
    _type(host, found, "forward", [TOOL, "restore", "name:second", "--reason", "a story", "--action=pause", sure])
    _type(host, found, "backward", [TOOL, "restore", "name:first", "--reason", "a story", "--action=pause", sure])
    reboot(host)
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    _type(host, found, "promote", [TOOL, "restore", "name:second", "--reason", "a story", sure])
    _type(host, found, "back", [TOOL, "rollback", "--reason", "a story", sure])


def _shut_down(host: Host, found: Paused) -> None:
    """The end of the archive, down; then up for a look, then for its clients."""
    sure = f"--confirm={host.name}/{STANZA}"
    _type(host, found, "shutdown", consent(host, "latest", "--action=shutdown"))
    _type(host, found, "up for a look", [TOOL, "restore", "latest", "--reason", "a story", "--action=pause", sure])
    _type(host, found, "down again", [TOOL, "restore", "latest", "--reason", "a story", "--action=shutdown", sure])
    _type(host, found, "promote latest", [TOOL, "restore", "latest", "--reason", "a story", sure])
