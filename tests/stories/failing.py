# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recoveries that fail: in the check, for want of room, by a damaged set, by a repository that is gone, by one that hangs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from fleet import DATABASE, STANZA
from killing import NAME, ROWS, interfere, served
from lab import Host, Lab, Run
from restores import DATA, by_hand, consent
from scheduling import TOOL

AWAY = "mv /var/lib/pgbackrest /var/lib/pgbackrest.away"
# Nothing is left; or too little for the set, and enough for the server that was there.
FULL = "cd /var/lib/postgresql; dd if=/dev/zero of=filler bs=1M status=none"
LITTLE_ROOM = f"{FULL}; truncate -s -16M filler"
# Whatever fetches WAL stands still, again and again, for longer than anybody is patient.
HANGS = "(timeout 30 sh -c 'while :; do pkill -STOP -f [a]rchive-get; sleep 0.05; done') >/dev/null 2>&1 & sleep 0.5"
# By name: when it begins, what happens then as root, and what ends it.
TROUBLES = {
    "gone before the restore": ("restore", AWAY, "mv /var/lib/pgbackrest.away /var/lib/pgbackrest"),
    "gone before the replay": ("recover", AWAY, "mv /var/lib/pgbackrest.away /var/lib/pgbackrest"),
    "no room for the restore": ("restore", LITTLE_ROOM, "rm /var/lib/postgresql/filler"),
    "no room for the replay": ("recover", FULL, "rm /var/lib/postgresql/filler"),
    "stands still": ("recover", HANGS, "pkill -f '[p]kill -STOP'; pkill -KILL -f 'archive-[g]et'; true"),
}
_FLIP = """
import sys
with open(sys.argv[1], 'r+b') as stream:
    stream.seek(int(sys.argv[2]))
    byte = stream.read(1)
    stream.seek(int(sys.argv[2]))
    stream.write(bytes([byte[0] ^ 1]))
"""


@dataclass(frozen=True)
class Failed:
    """How a recovery ended, what it said, the rows that are served by itself afterwards, whether the data is the same directory."""

    code: int
    said: str
    rows: str
    same: bool
    open: bool


@dataclass
class Failures:
    """Each failure by name; then the other set that was offered, what is kept and how it goes, and data that is overwritten."""

    failed: dict[str, Failed] = field(default_factory=dict)
    no_room: tuple[Failed, str] | None = None
    another: str = ""
    by_another: tuple[str, str] = ("", "")
    listed: str = ""
    by_hand: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    status: str = ""
    unsure: Run | None = None
    released: tuple[bool, bool] = (False, False)
    overwritten: tuple[str, str, Run | None] = ("", "", None)


def tell(host: Host, lab: Lab) -> Failures:
    """All of it, one after the other, on a host that `killing.prepare` has prepared."""
    found = Failures()
    before = inode(host)
    for name, (phase, act, end) in TROUBLES.items():
        found.failed[name] = _interfered(host, name, phase, act, end, before)
    found.no_room = _no_room_at_all(host, before)
    command = consent(host, NAME, "--check", "axiomdb:select count(*) from kept=99")
    found.failed["check"] = _look(host, *_typed(host, command), before)
    _damaged(host, found, before)
    _kept(host, found)
    _overwritten(host, found)
    _by_hand(host, lab, found)
    return found


def _by_hand(host: Host, lab: Lab, found: Failures) -> None:
    """The rows that serve after each way back before an acceptance, and those of a restore by hand."""
    for how in ("itself", "playbook"):
        name = f"back-by-{how}"
        host.run([TOOL, "snapshot", name, "--reason", "a story"])
        host.sql(f"insert into kept (note) values ('{name}')", db=DATABASE)
        if how == "itself":
            assert host.run(consent(host, f"name:{name}", "--check", "axiomdb:select count(*) from kept=99"), check=False).rc == 1
        else:
            host.run(consent(host, f"name:{name}", "--action=pause"))
            sure = {"rollback_confirm": f"{host.name}/{STANZA}", "rollback_reason": "a story"}
            lab.ansible(host, "playbooks/rollback.yml", extra_vars=sure)
        found.by_hand[how] = (served(host), by_hand(host, f"{ROWS};"))


def _interfered(host: Host, name: str, phase: str, act: str, end: str, before: str) -> Failed:
    command = consent(host, NAME, *(["--patience=5"] if name == "stands still" else []))
    code, said = interfere(host, command, phase, act)
    host.run(end)
    return _look(host, code, said, before)


def _no_room_at_all(host: Host, before: str) -> tuple[Failed, str]:
    """Somebody else takes every byte: not even the old server starts on its data; the rows when there is room again."""
    code, said = interfere(host, consent(host, NAME), "restore", FULL)
    found = _look(host, code, said, before)
    host.run("rm /var/lib/postgresql/filler; systemctl start postgresql@$(ls /etc/postgresql)-main")
    host.run("for _ in $(seq 100); do pg_isready -q && exit; sleep 0.1; done", user="postgres")
    return found, served(host)


def _typed(host: Host, command: list[str]) -> tuple[int, str]:
    run = host.run(command, check=False)
    return run.rc, run.output


def _look(host: Host, code: int, said: str, before: str) -> Failed:
    journal = json.loads(host.run(f"cat /var/lib/axiomdb/{STANZA}/restore.json").stdout)
    return Failed(code, said, served(host), inode(host) == before, not journal["outcome"])


def inode(host: Host) -> str:
    """The directory that is served."""
    return host.run(f"stat -c %i {DATA}").stdout


def _damaged(host: Host, found: Failures, before: str) -> None:
    """A byte of the largest file of the full backup below the chosen set is another one."""
    planned = json.loads(host.run([TOOL, "restore", NAME, "--reason", "a story", "--json"]).stdout)
    top = f"/var/lib/pgbackrest/backup/{STANZA}/{planned['backup'][:16]}"
    size, file = host.run(f"find {top} -type f -printf '%s %p\\n' | sort -n | tail -n 1").stdout.split()
    flip = ["python3", "-c", _FLIP, file, str(int(size) // 2)]
    host.run(flip)
    found.failed["damaged"] = _look(host, *_typed(host, consent(host, NAME)), before)
    offered = re.search(r"Another set leads there too: \S+ \S+ restore '(\S+)'", found.failed["damaged"].said)
    if offered:
        found.another = offered[1]
        run = host.run(consent(host, found.another), check=False)
        found.by_another = (run.output, served(host))
    host.run(flip)


def _kept(host: Host, found: Failures) -> None:
    """What an accepted recovery keeps is listed, warned of, and removed by whoever says so."""
    found.listed = host.run([TOOL, "rollback", "--list"]).stdout
    found.status = host.run([TOOL, "status"], check=False).stdout
    name = re.search(r"recovery     (\S+) of", found.listed)
    kept = re.search(r"kept         (\S+)", found.listed)
    assert name and kept, found.listed
    found.unsure = host.run([TOOL, "rollback", f"--release={name[1]}"], check=False)
    was = host.exists(kept[1])
    host.run([TOOL, "rollback", f"--release={name[1]}", f"--confirm={host.name}/{STANZA}"])
    found.released = (was, host.exists(kept[1]))


def _overwritten(host: Host, found: Failures) -> None:
    """Without a way back, and with a confirmation that says so."""
    host.run([TOOL, "backup", "--type=incr"])
    run = host.run(consent(host, NAME, "--keep=none"), check=False)
    beside = host.run("ls -d /var/lib/postgresql/*/*").stdout
    back = host.run([TOOL, "rollback", f"--confirm={host.name}/{STANZA}"], check=False)
    found.overwritten = (run.output, f"{served(host)} | {beside}", back)
