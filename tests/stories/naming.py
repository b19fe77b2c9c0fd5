# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names that must not become snapshots, moments that cannot be named, and several snapshots at once; all on one host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from converged import DATA, SITE, Converged, alias, refusals
from fleet import DATABASE, STANZA, info
from lab import Expected, Host, Result, Run
from refusing import quiet
from scheduling import REPOSITORIES, TOOL, operations
from snapshots import MIGRATION, ROWS, SNAPSHOT, SUM, copy

KNOWN = "known"
SECOND = "/var/lib/pgbackrest2"
LETTERS = "letters, digits, '.', '_' and '-', the first one a letter or digit. Next: choose a name such as pre-migration-v2.3"
LONG = "expected at most 63, which is what PostgreSQL takes for a restore point. Next: choose a shorter name such as pre-migration-v2.3"
LINE = "expected one line of at most 1000 characters. Next: shorten the reason"
KEYS = "not beginning with axiomdb-. Next: correct snapshot_annotations, such as {branch: main}"
# What was typed, and the whole sentence that it gets.
WORDS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, f"Found no snapshot name; expected {LETTERS.partition('Next')[0]}Next: type such as -e snapshot_name="),
    "quotes": ({"snapshot_name": 'it\'s "x"'}, f"Found the snapshot name 'it\\'s \"x\"'; expected {LETTERS}"),
    "spaces": ({"snapshot_name": "before the release"}, f"Found the snapshot name 'before the release'; expected {LETTERS}"),
    "shell": ({"snapshot_name": "x;touch${IFS}/x`id`"}, f"Found the snapshot name 'x;touch${{IFS}}/x`id`'; expected {LETTERS}"),
    "lines": ({"snapshot_name": "one\ntwo"}, f"Found the snapshot name 'one\\ntwo'; expected {LETTERS}"),
    "unicode": ({"snapshot_name": "vor-Änderung"}, f"Found the snapshot name 'vor-Änderung'; expected {LETTERS}"),
    "option": ({"snapshot_name": "--force"}, f"Found the snapshot name '--force'; expected {LETTERS}"),
    "bytes-64": ({"snapshot_name": "x" * 64}, f"Found a snapshot name of 64 bytes; {LONG}"),
    "characters-10000": ({"snapshot_name": "ü" * 10_000}, f"Found a snapshot name of 20000 bytes; {LONG}"),
    "reason-10000": (
        {"snapshot_name": "reasoned", "snapshot_reason": "r" * 10_000},
        f"Found a snapshot reason of 10000 characters; {LINE}",
    ),
    "annotation-with-equals": (
        {"snapshot_name": "annotated", "snapshot_annotations": {"branch=x": "main"}},
        f"Found the annotation 'branch=x'; expected at most 63 letters, digits, '.', '_' and '-', {KEYS}",
    ),
    "annotation-of-ours": (
        {"snapshot_name": "annotated", "snapshot_annotations": {"axiomdb-snapshot-known": "{}"}},
        f"Found the annotation 'axiomdb-snapshot-known'; expected at most 63 letters, digits, '.', '_' and '-', {KEYS}",
    ),
    # What ansible-playbook makes of -e snapshot_name='pre migration', whose quotes the shell takes.
    "not-quoted-twice": (
        {"snapshot_name": "pre", "_raw_params": "migration"},
        "Found 'migration' after a value that ended before it; expected a value with blanks in quotes of its own. Next: type such as -e ",
    ),
    "known": ({"snapshot_name": KNOWN}, f"Found a snapshot {KNOWN} of "),
}
TOGETHER = {
    "one": {"snapshot_name": "twice", "snapshot_annotations": {"query": "a=b c"}},
    "other": {"snapshot_name": "twice"},
    "left": {"snapshot_name": "left", "snapshot_backup": False},
    "right": {"snapshot_name": "right", "snapshot_backup": False},
}
_BY_HAND = "pgbackrest --stanza={stanza} --repo=1 --type=full --log-level-console=off backup"
_STOP = """
timeout 600 bash -c 'until ls /tmp/pgbackrest/{stanza}*backup*.lock; do sleep 0.05; done'
kill -STOP $(systemctl show -P MainPID by-hand)
"""
_GO_ON = """
timeout 600 bash -c 'until grep -q snapshot /var/lib/axiomdb/{stanza}/lock; do sleep 0.1; done'
date +%s
systemctl kill -s CONT by-hand
"""


@dataclass(frozen=True)
class Marks:
    """What a refused snapshot leaves as it was: restore points in the WAL, entries and backups of each repository, their files."""

    points: list[str]
    entries: dict[int, dict[str, Any]]
    backups: dict[tuple[int, str], int]  # when each ended
    files: Mapping[str, list[Any]]


@dataclass(frozen=True)
class Played:
    """Each step of the story: what was answered, and the marks before and after it."""

    host: Host
    known: Result
    words: Result
    checked: Result
    together: Result
    waited_until: float
    finished: Mapping[str, float]
    rows: str
    copied: list[str]
    troubles: Mapping[str, tuple[int, str]]
    marks: Mapping[str, tuple[Marks, Marks]]

    def said(self, result: Result, name: str) -> str:
        """What a run said of one of the declarations."""
        return refusals(result).get(f"{self.host.name}-{name}", "")


class Story:
    """The host, and what was seen on it so far."""

    def __init__(self, converged: Converged) -> None:
        """Provision it with two repositories and one snapshot; no segment is closed by the clock."""
        self.lab, self.host = converged.lab, converged.twin("named")
        self.lab.ansible(self.host, SITE, extra_vars={"pgbackrest_repositories": REPOSITORIES})
        quiet(self.host)
        self.host.sql("alter system set wal_keep_size = '1GB'; select pg_reload_conf()")
        self.since = self.host.sql("select pg_current_wal_lsn()")
        self.marks: dict[str, tuple[Marks, Marks]] = {}
        self.troubles: dict[str, tuple[int, str]] = {}
        self.known = self.module({"name": KNOWN, "reason": "it is = 'known'"})

    def tool(self, *arguments: str) -> Run:
        """Run the tool on the host."""
        return self.host.run([TOOL, *arguments], check=False)

    def module(self, wanted: Mapping[str, Any], expect: Expected = "success") -> Result:
        """Use the module without the role, and print its result; as JSON where it is expected to succeed."""
        given = {"stanza": STANZA, "inventory_host": self.host.name, **wanted}
        tasks = [
            {"name": "Take it", "axiomdb.recovery.pgbackrest_snapshot": given, "register": "taken"},
            {"name": "Show it", "ansible.builtin.debug": {"var": "taken"}},
        ]
        play = {"name": "Name this moment", "hosts": "all", "gather_facts": False, "become": True, "tasks": tasks}
        env = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"} if expect == "success" else {}
        return self.lab.ansible(self.host, [play], expect=expect, env=env)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Look before and after."""
        before = marks(self.host, self.since)
        yield
        self.marks[name] = (before, marks(self.host, self.since))

    def run(self, declarations: Mapping[str, Mapping[str, Any]], *, check: bool = False) -> Result:
        """Ask for several snapshots in one run."""
        hosts = [alias(self.host, name, **given) for name, given in declarations.items()]
        return self.lab.ansible(hosts, SNAPSHOT, expect="failure", check=check)

    def trouble(self, name: str, begin: str, end: str, *arguments: str) -> None:
        """Break something, ask for a snapshot of that name, mend it."""
        with self.step(name):
            self.host.run(begin)
            run = self.tool("snapshot", name, *arguments)
            self.troubles[name] = run.rc, run.output.strip()
            self.host.run(end)


def play(converged: Converged) -> Played:
    """The whole story."""
    story = Story(converged)
    host = story.host
    with story.step("words"):
        words = story.run({name: given for name, (given, _said) in WORDS.items()})
    with story.step("checked"):
        checked = story.run({"fresh": {"snapshot_name": "fresh"}, "known": {"snapshot_name": KNOWN}}, check=True)
    host.sql(ROWS, db=DATABASE)
    rows = host.sql(SUM, db=DATABASE)
    with story.step("together"):
        together, until = during_a_backup(story)
    finished = {entry["target"].partition(":")[2]: seconds(entry["time"]) for entry in operations(host) if entry["operation"] == "snapshot"}
    host.sql(MIGRATION, db=DATABASE)
    copied = copy(host, 2, entries(host)[2]["left"])
    break_things(story)
    return Played(host, story.known, words, checked, together, until, finished, rows, copied, story.troubles, story.marks)


def during_a_backup(story: Story) -> tuple[Result, float]:
    """Ask for four snapshots while a backup that somebody typed stands still; it goes on when the first of them has its turn."""
    hand = _BY_HAND.format(stanza=STANZA)
    story.host.run(f"systemd-run -q --unit=by-hand --uid=postgres --collect {hand}\n{_STOP.format(stanza=STANZA)}")
    with ThreadPoolExecutor() as pool:
        until = pool.submit(story.host.run, _GO_ON.format(stanza=STANZA))
        return story.run(TOGETHER), float(until.result().stdout)


def break_things(story: Story) -> None:
    """One trouble after the other. Only the last two are not mended."""
    wait = "timeout 60 bash -c 'until psql -qAtc \"select {} from pg_stat_archiver\" | grep -q t; do sleep 0.1; done'"
    push = f"pgbackrest --stanza={STANZA} archive-push %p"
    # A segment without anything in it is not closed.
    close = "select pg_switch_wal() from pg_logical_emit_message(false, 'story', 'close')"
    steps = ("alter system set archive_command = '{}'", "select pg_reload_conf()", "select pg_sleep(0.5)", close)
    command = "psql -q " + " ".join(f'-c "{step}"' for step in steps)
    failing = wait.format("last_failed_time > coalesce(last_archived_time, to_timestamp(0))")
    good = command.format(push) + " && " + wait.format("last_archived_time > coalesce(last_failed_time, to_timestamp(0))")
    as_postgres = "su postgres -s /bin/bash <<'END'\n{}\nEND"

    story.trouble("unreadable", f"chmod 000 {SECOND}", f"chmod 750 {SECOND}")
    story.trouble("not-pushed", as_postgres.format(command.format("false")), as_postgres.format(good))
    story.trouble(
        "push-fails", as_postgres.format(f"{command.format(push + ' && false')} && {failing}"), as_postgres.format(good)
    )  # fmt: skip
    archive = f"{SECOND}/archive/{STANZA}"
    with story.step("never-arrives"):
        story.host.run(f"chmod -R u-w {archive}")
        result = story.module({"name": "never-arrives", "backup": False, "timeout": 15}, "failure")
        story.troubles["never-arrives"] = result.rc, refusals(result)[story.host.name]
        story.host.run(f"chmod -R u+w {archive}")
        story.host.run(as_postgres.format(good))
    for name, arguments in (("alone", ["--without-backup"]), ("with-backup", [])):
        with story.step(f"never-arrives {name}"):
            run = story.tool("snapshot", "never-arrives", *arguments)
            story.troubles[f"never-arrives {name}"] = run.rc, run.output.strip()
    catalogue = f"{SECOND}/backup/{STANZA}"
    story.trouble("half", f"chmod u-w {catalogue}", f"chmod u+w {catalogue}", "--without-backup")
    story.trouble(
        "no-set", f"mkdir {SECOND}/away && mv {catalogue}/2* {SECOND}/away", f"mv {SECOND}/away/* {catalogue}", "--without-backup"
    )
    data = story.host.sql("show data_directory")
    unit = story.host.run("systemctl list-units --plain --no-legend 'postgresql@*'").stdout.split()[0]
    ready = wait.format("true")
    standby = f"touch {data}/standby.signal && chown postgres: {data}/standby.signal && systemctl restart {unit}"
    story.trouble("standby", f"{standby} && {as_postgres.format(ready)}", f"rm {data}/standby.signal")


def marks(host: Host, since: str) -> Marks:
    """Look at the WAL and at both repositories."""
    dump = f"/usr/lib/postgresql/*/bin/pg_waldump -p {DATA}/pg_wal -r XLOG -s {since} 2>/dev/null"
    points = host.run(f"{dump} | sed -n 's/.*desc: RESTORE_POINT //p'").stdout.split()
    found = [backup for stanza in info(host) for backup in stanza["backup"]]
    backups = {(backup["database"]["repo-key"], backup["label"]): int(backup["timestamp"]["stop"]) for backup in found}
    return Marks(points, entries(host), backups, host.tree(f"/var/lib/pgbackrest/backup/{STANZA}", f"{SECOND}/backup/{STANZA}"))


def seconds(moment: str) -> float:
    """A time of the operations log as Unix seconds."""
    return datetime.fromisoformat(moment).timestamp()


def entries(host: Host) -> dict[int, dict[str, Any]]:
    """The catalogue of each repository: entries by name, each with the label of its set."""
    found: dict[int, dict[str, Any]] = {1: {}, 2: {}}
    for backup in (backup for stanza in info(host) for backup in stanza["backup"]):
        for key, value in backup.get("annotation", {}).items():
            if key.startswith("axiomdb-snapshot-"):
                entry = {"label": backup["label"], **json.loads(value)}
                found[backup["database"]["repo-key"]][key.removeprefix("axiomdb-snapshot-")] = entry
    return found
