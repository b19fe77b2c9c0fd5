# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The summary: in each state of a host its last line says whether the host is protected, and nothing in it is a secret."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from _recovery.catalog import Backup, Database, Repository, unreadable
from _recovery.provision import Archiver
from _recovery.spoken import age, human, moment
from _recovery.summary import LATE_SECONDS, STALLED_SECONDS, STOP, Picture, Place, judge, lines, reasons
from _recovery.wal import Lsn
from _recovery.writer import Server
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_795_000_000.0
OURS = 7512345678901234567
SERVER = Server("vps1", "vps1", "0" * 32, "axiomdb", OURS, "17", 1, Lsn.parse("0/5000100"), 2**24)
BACKUP = Backup("20261118-120000F", "full", 1, 0, int(NOW) - 7200, None, None, None, False, 30 * 2**20, 4 * 2**20)
REPOSITORY = Repository(1, 0, "ok", "aes-256-cbc", (Database(1, OURS, "17"),), (), (BACKUP,))
ARCHIVER = Archiver("on", "pgbackrest --stanza=axiomdb archive-push %p", last_segment="000000010000000000000004", last_time=NOW - 30)
LOCAL = Place("posix", "/var/lib/pgbackrest", "aes-256-cbc", False)
AWAY = Place("s3", "/axiomdb", "aes-256-cbc", True)
GOOD = Picture(
    "vps1",
    "axiomdb",
    NOW,
    "ansible-playbook -i inventories/sandbox",
    "Debian 13",
    SERVER,
    "17.6 (17/main, port 5432)",
    True,
    False,
    ARCHIVER,
    (REPOSITORY,),
    {1: AWAY},
)
SITE = "ansible-playbook -i inventories/sandbox playbooks/site.yml -l vps1"
TAIL = "tail /var/log/pgbackrest/axiomdb-archive-push-async.log"
INFO = "sudo -u postgres pgbackrest --stanza=axiomdb info"
NO_BACKUP = replace(REPOSITORY, backups=(), code=2)
LATE = ("000000010000000000000009", NOW - 7200)


def last(picture: Picture) -> str:
    return lines(picture)[-1]


# --- the last line, state by state -------------------------------------------------------------------------------

STATES: dict[str, tuple[dict[str, Any], str]] = {
    "protected": ({}, "PROTECTED: vps1: each WAL segment is archived and a backup exists."),
    "protected while the host lives": (
        {"places": {1: LOCAL}},
        "PROTECTED, but only while this host lives: vps1: each WAL segment is archived and a backup exists.",
    ),
    "nothing closes a segment": (
        {"archive_timeout": 0},
        "NOT PROTECTED: vps1: archive_timeout is 0: what is committed in a quiet hour waits for a busy one. "
        "Type: ansible-playbook -i inventories/sandbox playbooks/site.yml -l vps1",
    ),
    "the verification failed": (
        {"verification": "repository 1: the backup 20261118-120000F is manifest missing"},
        "NOT PROTECTED: vps1: the last verification failed: repository 1: the backup 20261118-120000F is manifest missing. "
        "Type: sudo /opt/axiomdb/axiomdb-recovery verify",
    ),
    "one of two places is elsewhere": (
        {"places": {1: LOCAL, 2: AWAY}, "repositories": (REPOSITORY, replace(REPOSITORY, number=2))},
        "PROTECTED: vps1: each WAL segment is archived and a backup exists.",
    ),
    "standby": (
        {"standby": True, "archiver": Archiver(), "repositories": ()},
        f"NOT PROTECTED: vps1: a standby, which archives nothing itself; what protects it is its primary. Type: {SITE}",
    ),
    "bare host": ({"server": None}, f"NOT PROTECTED: vps1: nothing is installed yet. Type: {SITE}"),
    "server that is down": (
        {"server": None, "reason": "the server of 17/main does not answer (no\n  socket)"},
        f"NOT PROTECTED: vps1: the server of 17/main does not answer (no socket). Type: {SITE}; where its data is damaged, "
        "what can be recovered: sudo /opt/axiomdb/axiomdb-recovery plan latest",
    ),
    "another server writes": (
        {"writers": {1: "another server writes to this stanza (axiomdb in repository 1): its archive has timeline 2"}, "late": {1: LATE}},
        f"NOT PROTECTED: vps1: another server writes to this stanza (axiomdb in repository 1): its archive has timeline 2. Type: {STOP}",
    ),
    "a lost host is back": (
        {"late": {2: LATE}},
        "NOT PROTECTED: vps1: another server writes to this stanza (axiomdb in repository 2): the WAL segment 000000010000000000000009 "
        f"of timeline 1, which this server has left, arrived 2 hours ago. Type: {STOP}",
    ),
    "a lost host that was stopped again": (
        {"late": {2: (LATE[0], NOW - LATE_SECONDS)}},
        "PROTECTED: vps1: each WAL segment is archived and a backup exists.",
    ),
    "archive_mode off": ({"archiver": Archiver()}, f"NOT PROTECTED: vps1: archive_mode is off. Type: {SITE}"),
    "archive_mode off until a restart": (
        {"archiver": Archiver(), "pending": {"archive_mode": "off"}},
        f"NOT PROTECTED: vps1: archive_mode is off until PostgreSQL is restarted. Type: {SITE} -e postgresql_restart_allowed=true",
    ),
    "archive_mode off, another setting waits": (
        {"archiver": Archiver(), "pending": {"shared_buffers": "128MB"}},
        f"NOT PROTECTED: vps1: archive_mode is off. Type: {SITE}",
    ),
    "another archive_command": (
        {"archiver": replace(ARCHIVER, command="/bin/true")},
        f"NOT PROTECTED: vps1: archive_command does not call pgBackRest. Type: {SITE}",
    ),
    "an archive_command that only mentions pgBackRest": (
        {"archiver": replace(ARCHIVER, command="/bin/true # pgbackrest archive-push")},
        f"NOT PROTECTED: vps1: archive_command does not call pgBackRest. Type: {SITE}",
    ),
    "an archive_library": (
        {"archiver": replace(ARCHIVER, library="basic_archive")},
        f"NOT PROTECTED: vps1: archive_command does not call pgBackRest. Type: {SITE}",
    ),
    "another stanza's archive_command": (
        {"archiver": replace(ARCHIVER, command="pgbackrest --stanza=other archive-push %p")},
        f"NOT PROTECTED: vps1: archive_command does not name the stanza axiomdb. Type: {SITE}",
    ),
    "repository without its mount": (
        {"repositories": (REPOSITORY, unreadable(2, "nothing is mounted on /mnt/backup", "mount /mnt/backup"))},
        "NOT PROTECTED: vps1: repository 2 is unreadable: nothing is mounted on /mnt/backup. Type: mount /mnt/backup",
    ),
    "unreadable repository": (
        {"repositories": (REPOSITORY, unreadable(2, "the passphrase does not open the repository"))},
        f"NOT PROTECTED: vps1: repository 2 is unreadable: the passphrase does not open the repository. Type: {INFO}",
    ),
    "archiving fails": (
        {"archiver": replace(ARCHIVER, last_failed_time=NOW)},
        f"NOT PROTECTED: vps1: archiving fails. Type: {TAIL}",
    ),
    "the spool has an error": (
        {"archiver": replace(ARCHIVER, spool_errors=("[082]",))},
        f"NOT PROTECTED: vps1: archiving fails. Type: {TAIL}",
    ),
    "archiving is stalled": (
        {"archiver": replace(ARCHIVER, waiting=7, oldest_waiting=NOW - STALLED_SECONDS - 1)},
        f"NOT PROTECTED: vps1: 7 WAL segments wait, the oldest for 15 minutes. Type: {TAIL}",
    ),
    "segments wait for a moment": (
        {"archiver": replace(ARCHIVER, waiting=7, oldest_waiting=NOW - STALLED_SECONDS)},
        "PROTECTED: vps1: each WAL segment is archived and a backup exists.",
    ),
    "a segment was dropped": (
        {"behind": (2,)},
        "NOT PROTECTED: vps1: repository 2 lacks the WAL segment 000000010000000000000004, which PostgreSQL believes archived. "
        "Type: sudo -u postgres pgbackrest --stanza=axiomdb --log-level-console=info check",
    ),
    "no backup": ({"repositories": (NO_BACKUP,)}, f"NOT PROTECTED: vps1: repository 1 holds no usable backup. Type: {SITE}"),
    "no stanza": (
        {"repositories": (Repository(1, 1, "missing stanza path"),)},
        f"NOT PROTECTED: vps1: repository 1 holds no usable backup. Type: {SITE}",
    ),
    "a backup with page errors": (
        {"repositories": (replace(REPOSITORY, backups=(replace(BACKUP, error=True),)),)},
        f"NOT PROTECTED: vps1: repository 1 holds no usable backup. Type: {SITE}",
    ),
    "a backup of another cluster": (
        {"repositories": (replace(REPOSITORY, databases=(Database(1, 42, "17"),)),)},
        f"NOT PROTECTED: vps1: repository 1 holds no usable backup. Type: {SITE}",
    ),
    "a hole after the newest backup": (
        {"holes": {2: "000000010000000000000009"}},
        "NOT PROTECTED: vps1: the WAL segment 000000010000000000000009 is missing in repository 2: what was committed after it "
        f"cannot be recovered from there. Type: {SITE.replace('site.yml', 'backup.yml')} -e backup_type=full",
    ),
    "pgbackrest stop": (
        {"archiver": replace(GOOD.archiver, stopped=True)},
        "NOT PROTECTED: vps1: pgBackRest was told to stop on this host. Type: sudo -u postgres pgbackrest --stanza=axiomdb start",
    ),
    "a crash would damage the data": (
        {"unsafe": ["fsync"]},
        f"NOT PROTECTED: vps1: fsync off: a crash of this host damages the data. Type: {SITE}",
    ),
    "one of two repositories has no backup": (
        {"repositories": (REPOSITORY, replace(NO_BACKUP, number=2))},
        f"NOT PROTECTED: vps1: repository 2 holds no usable backup. Type: {SITE}",
    ),
    "no repository": ({"repositories": ()}, f"NOT PROTECTED: vps1: no repository is configured. Type: {SITE}"),
}


@pytest.mark.parametrize(("changes", "line"), STATES.values(), ids=STATES.keys())
def test_the_last_line(changes: dict[str, Any], line: str) -> None:
    picture = replace(GOOD, **changes)
    assert last(picture) == line
    assert judge(picture).protected == line.startswith("PROTECTED")


@pytest.mark.parametrize(("changes", "line"), STATES.values(), ids=STATES.keys())
def test_each_line_is_one_line_and_a_command_stands_at_its_end(changes: dict[str, Any], line: str) -> None:
    text = lines(replace(GOOD, **changes))
    assert all("\n" not in one for one in text)
    if line.startswith("NOT"):
        assert text[-1].rpartition("Type: ")[2] == judge(replace(GOOD, **changes)).command
        assert not [one for one in text[:-1] if "PROTECTED" in one], "nothing above it may comfort"


def test_the_worst_reason_decides() -> None:
    """From the state where everything is wrong, each thing that is put right uncovers the next."""
    picture = replace(
        GOOD,
        server=None,
        archiver=Archiver("off", "/bin/true", waiting=1, oldest_waiting=0.0, last_failed_time=NOW),
        repositories=(unreadable(1, "x"),),
        behind=(1,),
    )
    reasons = [judge(picture).reason]
    for change in (
        {"server": SERVER},
        {"archiver": replace(picture.archiver, mode="on")},
        {"archiver": replace(ARCHIVER, command="pgbackrest --stanza=x archive-push %p", last_failed_time=NOW, oldest_waiting=0.0)},
        {"archiver": replace(ARCHIVER, last_failed_time=NOW, oldest_waiting=0.0, waiting=1)},
        {"repositories": (NO_BACKUP,)},
        {"archiver": replace(ARCHIVER, oldest_waiting=0.0, waiting=1)},
        {"archiver": ARCHIVER},
        {"behind": ()},
        {"repositories": (REPOSITORY,)},
    ):
        picture = replace(picture, **change)
        reasons.append(judge(picture).reason)
    assert [reason.split(",")[0][:45] for reason in reasons] == [
        "nothing is installed yet",
        "archive_mode is off",
        "archive_command does not call pgBackRest",
        "archive_command does not name the stanza axio",
        "repository 1 is unreadable: x",
        "archiving fails",
        "1 WAL segment waits for 20775 days",
        "repository 1 lacks the WAL segment 0000000100",
        "repository 1 holds no usable backup",
        "each WAL segment is archived and a backup exi",
    ]


def test_what_waits_on_a_server_that_is_down_is_told_beside_it() -> None:
    down = replace(GOOD, server=None, archiver=Archiver(waiting=3, oldest_waiting=NOW - 120))
    server, queue = reasons(down)
    assert (server.topic, queue.topic) == ("server", "waiting")
    assert (queue.reason, queue.command) == ("3 WAL segments wait on this host alone while no server archives", "pg_lsclusters")
    assert "  archiving    no server archives, 3 waiting, the oldest for 2 minutes" in lines(down)
    assert [one.topic for one in reasons(replace(down, archiver=Archiver()))] == ["server"]


def test_another_writer_is_told_once_for_each_repository() -> None:
    seen = replace(GOOD, writers={1: "another server"}, late={1: LATE, 2: LATE})
    assert [one.topic for one in reasons(seen)] == ["writer 1", "writer 2"]


# --- the lines above it ------------------------------------------------------------------------------------------


def test_the_whole_summary_of_a_protected_host() -> None:
    assert lines(GOOD) == [
        "  system       Debian 13",
        f"  PostgreSQL   17.6 (17/main, port 5432), system identifier {OURS}, data checksums on",
        "  archiving    on, last segment 000000010000000000000004, 30 s ago, 0 waiting",
        "  repository 1 s3 /axiomdb, aes-256-cbc",
        "               stanza axiomdb: 1 backup, newest full 20261118-120000F, 2 hours old",
        f"               30.0 MiB of database, 4.0 MiB in the repository; oldest ended {moment(NOW - 7200)}",
        "  protects     against dropped tables, bad migrations and damaged files",
        "               back to which moments: sudo /opt/axiomdb/axiomdb-recovery status",
        "  next         ansible-playbook -i inventories/sandbox playbooks/drill.yml -l vps1",
        "PROTECTED: vps1: each WAL segment is archived and a backup exists.",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"checksums": False},
            "  PostgreSQL   17.6 (17/main, port 5432), system identifier {ours}, data checksums OFF: damaged pages are not noticed",
        ),
        ({"places": {1: LOCAL}}, "  does not     NOT PROTECTED AGAINST LOSS OF THIS HOST: no repository lies elsewhere"),
        ({"places": {}}, "  does not     NOT PROTECTED AGAINST LOSS OF THIS HOST: no repository lies elsewhere"),
        ({"places": {}}, "  repository 1 not configured"),
        (
            {"places": {1: replace(AWAY, published=True)}},
            "  does not     keep the backups secret: they are encrypted with a published key",
        ),
        ({"places": {1: replace(AWAY, published=True)}}, "  repository 1 s3 /axiomdb, encrypted with a published key"),
        ({"places": {1: replace(AWAY, cipher="none")}}, "  repository 1 s3 /axiomdb, NOT ENCRYPTED"),
        ({"archiver": Archiver()}, "  archiving    OFF"),
        ({"archiver": replace(ARCHIVER, last_segment=None, last_time=None)}, "  archiving    on, last segment none yet, 0 waiting"),
        (
            {"archiver": replace(ARCHIVER, last_failed_time=NOW, waiting=3, oldest_waiting=NOW - 120)},
            "  archiving    FAILING, last segment 000000010000000000000004, 30 s ago, 3 waiting, the oldest for 2 minutes",
        ),
        ({"repositories": (unreadable(1, "no route"),)}, "               UNREADABLE: no route"),
        ({"repositories": (NO_BACKUP,)}, "               stanza axiomdb: no backup yet"),
        (
            {"repositories": (replace(REPOSITORY, backups=(replace(BACKUP, stopped=0), replace(BACKUP, kind="incr", label="I"))),)},
            "               stanza axiomdb: 2 backups, newest incr I, 2 hours old",
        ),
        (
            {"pending": {"shared_buffers": "16384", "archive_mode": "off"}},
            "  RESTART      archive_mode waits for a restart; the server still runs with 'off'. Nothing was restarted.",
        ),
        (
            {"pending": {"shared_buffers": "16384"}},
            "               ansible-playbook -i inventories/sandbox playbooks/site.yml -l vps1 -e postgresql_restart_allowed=true",
        ),
        ({"system": ""}, "  system       not supported"),
    ],
)
def test_lines(changes: dict[str, Any], line: str) -> None:
    assert line.format(ours=OURS) in lines(replace(GOOD, **changes))


def test_a_published_key_of_an_unencrypted_repository_encrypts_nothing() -> None:
    text = "\n".join(lines(replace(GOOD, places={1: replace(AWAY, cipher="none", published=True)})))
    assert "published" not in text


STALE = replace(GOOD, repositories=(replace(REPOSITORY, backups=(replace(BACKUP, stopped=int(NOW) - 90001),)),))


def test_nobody_is_told_to_take_a_backup_where_each_repository_has_a_fresh_full_one() -> None:
    def asks(*repositories: Repository) -> bool:
        (command,) = [line for line in lines(replace(GOOD, repositories=repositories)) if line.startswith("  next  ")]
        assert "playbooks/backup.yml" in command or command == f"  next         {GOOD.command} playbooks/drill.yml -l vps1"
        return "playbooks/backup.yml" in command

    small = replace(BACKUP, kind="incr", label="I")
    (stale,) = STALE.repositories
    assert not asks(REPOSITORY) and not asks(REPOSITORY, replace(REPOSITORY, number=2))
    assert asks(stale) and asks(REPOSITORY, replace(stale, number=2))
    assert asks(replace(stale, backups=(*stale.backups, small))) and asks(replace(REPOSITORY, backups=(small,)))


def test_on_a_host_with_several_stanzas_the_next_command_says_of_which() -> None:
    assert f"  next         {GOOD.command} playbooks/backup.yml -l vps1 -e backup_type=full" in lines(STALE)
    several = lines(replace(STALE, several=True))
    assert f"  next         {GOOD.command} playbooks/backup.yml -l vps1 -e pgbackrest_stanza=axiomdb -e backup_type=full" in several


def test_on_the_host_itself_the_next_command_is_the_hosts_own() -> None:
    tool = "sudo /opt/axiomdb/axiomdb-recovery backup --type=full"
    assert f"  next         {tool}" in lines(replace(STALE, here=True))
    assert f"  next         {tool} --stanza=axiomdb" in lines(replace(STALE, here=True, several=True))
    drill = "  next         sudo /opt/axiomdb/axiomdb-recovery drill"
    assert drill in lines(replace(GOOD, here=True)) and f"{drill} --stanza=axiomdb" in lines(replace(GOOD, here=True, several=True))
    assert f"  next         {GOOD.command} playbooks/drill.yml -l vps1 -e pgbackrest_stanza=axiomdb" in lines(replace(GOOD, several=True))


@pytest.mark.parametrize(("server", "topic"), [(GOOD.server, "recovery"), (None, "server")])
def test_an_open_recovery_is_the_first_reason_and_nothing_else_is_to_be_typed(server: Server | None, topic: str) -> None:
    found = replace(GOOD, server=server, reason="the server of 17/main does not answer", recovery=("recovery 1 is open", "go on"))
    assert lines(found)[-1] == "NOT PROTECTED: vps1: recovery 1 is open. Type: go on"
    assert [one.topic for one in reasons(found)] == [topic]


def test_every_setting_that_waits_is_named_once_and_in_order() -> None:
    text = [line for line in lines(replace(GOOD, pending={"b": "2", "a": "1"})) if "RESTART" in line]
    assert [line.split()[1] for line in text] == ["a", "b"]


def test_nothing_secret_is_in_any_summary() -> None:
    """What a summary is made of holds no secret; the archiver's own texts, which may quote a command, are not repeated."""
    canary = "canary-5e1d-secret"
    archiver = replace(ARCHIVER, command=f"pgbackrest --stanza=axiomdb archive-push %p {canary}", spool_errors=(canary,))
    for changes in (state[0] for state in STATES.values()):
        assert canary not in "\n".join(lines(replace(GOOD, **{"archiver": archiver, **changes})))


pictures = st.builds(
    Picture,
    st.just("vps1"),
    st.just("axiomdb"),
    st.just(NOW),
    server=st.sampled_from([None, SERVER]),
    standby=st.booleans(),
    archiver=st.builds(
        Archiver,
        st.sampled_from(["on", "off", "always"]),
        st.sampled_from([ARCHIVER.command, "", "/bin/true"]),
        st.sampled_from(["", "x"]),
        st.sampled_from([None, "000000010000000000000004"]),
        st.one_of(st.none(), st.floats(0, NOW * 2)),
        st.one_of(st.none(), st.floats(0, NOW * 2)),
        st.integers(0, 3),
        st.one_of(st.none(), st.floats(0, NOW * 2)),
    ),
    repositories=st.lists(st.sampled_from([REPOSITORY, NO_BACKUP, unreadable(2, "x")]), max_size=3).map(tuple),
    places=st.dictionaries(st.integers(1, 2), st.sampled_from([LOCAL, AWAY])),
    pending=st.dictionaries(st.sampled_from(["archive_mode", "port"]), st.just("x")),
    reason=st.text(),
    behind=st.sampled_from([(), (1,)]),
)


@given(pictures)
def test_in_any_state_the_last_line_alone_tells_and_agrees_with_the_judgement(picture: Picture) -> None:
    text = lines(picture)
    assert text[-1].startswith("PROTECTED" if judge(picture).protected else "NOT PROTECTED: ")
    assert len(text[-1].splitlines()) == 1
    assert not [line for line in text[:-1] if line.startswith(("PROTECTED", "NOT PROTECTED"))]
    if judge(picture).protected and not picture.standby:
        assert picture.archiver.uses_pgbackrest
        assert picture.repositories
        assert all(repository.usable_backups(OURS) for repository in picture.repositories)


# --- times and sizes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 minute"),
        (119, "1 minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "1 hour"),
        (86399, "23 hours"),
        (86400, "1 day"),
        (172800, "2 days"),
        (NOW, "20775 days"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (2**30, "1.0 GiB"),
        (2**50, "1024.0 TiB"),
        (2**60, "1048576.0 TiB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert human(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "1970-01-01T00:00:00Z"), (1795000000, "2026-11-18T11:06:40Z"), (1.9, "1970-01-01T00:00:01Z")]
)
def test_moments_are_in_utc_as_a_target_takes_them(seconds: float, text: str) -> None:
    assert moment(seconds) == text


def test_the_last_segment_is_one_also_when_a_backups_label_was_archived_last() -> None:
    picture = replace(GOOD, archiver=replace(GOOD.archiver, last_segment="000000010000000000000002.00000028.backup"))
    assert any("last segment 000000010000000000000002," in line for line in lines(picture))


def test_snapshots_that_are_not_shown_are_counted() -> None:
    entry = '{"lsn": "0/5000098", "timeline": 1, "time": "2026-11-24T02:05:0%dZ"}'
    catalogue = {f"axiomdb-snapshot-s{number}": entry % number for number in range(7)}
    text = lines(replace(GOOD, repositories=(replace(REPOSITORY, backups=(replace(BACKUP, annotations=catalogue),)),)))
    shown = [line for line in text if line.startswith("  snapshot ")]
    assert [line.split()[1] for line in shown] == ["name:s6", "name:s5", "name:s4", "name:s3", "name:s2"]
    assert "               and 2 older. Type: sudo /opt/axiomdb/axiomdb-recovery snapshots" in text
