# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guard before every write to a repository: each rule refuses what it is there for, in its own words, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from _recovery.archive import Listing
from _recovery.catalog import Backup, Database, Repository, unreadable
from _recovery.wal import Lsn, Segment
from _recovery.writer import Evidence, Server, is_upgrade, judge_writer, latecomer, took_over
from hypothesis import given
from hypothesis import strategies as st

OURS, FOREIGN = 7512345678901234567, 7599999999999999999
MACHINE, OTHER_MACHINE = "0" * 32, "f" * 32
SHA, OTHER_SHA = "a" * 40, "b" * 40
HISTORY = "1\t0/3000000\tno recovery target specified\n"

SERVER = Server("vps1", "vps1.example", MACHINE, "axiomdb", OURS, "17", 1, Lsn.parse("0/5000100"), 2**24)
ENTRY = Database(1, OURS, "17")
NO_NOTES: Mapping[str, str] = {}
OWN_NOTES = {"axiomdb-host": "vps1", "axiomdb-machine-id": MACHINE}
OTHER_NOTES = {"axiomdb-host": "vps2", "axiomdb-machine-id": OTHER_MACHINE}
BACKUP = Backup("20261122-120000F", "full", 1, 100, 200, "0/3000028", "0/3000138", "000000010000000000000003", False, 1, 1, OWN_NOTES)
REPOSITORY = Repository(1, 0, "ok", "aes-256-cbc", (ENTRY,), (), (BACKUP,))
STOP = "stop the server that must not live, this one or the other; give a copy that is to live its own pgbackrest_stanza"
WRITES = "another server writes to this stanza (axiomdb in repository 1): "


def listing(*names: str, timelines: tuple[int, ...] = (1,), histories: tuple[int, ...] = ()) -> Listing:
    return Listing(dict.fromkeys(names, SHA), frozenset(timelines), frozenset(histories))


ARCHIVE = listing("000000010000000000000003", "000000010000000000000004")


@dataclass(frozen=True)
class Case:
    """One refusal: who asks, what the repository shows, and the three parts of the answer."""

    found: str
    expected: str
    next_step: str = STOP
    server: Server = SERVER
    evidence: Evidence = field(default_factory=lambda: Evidence(REPOSITORY, ARCHIVE))
    takes_over_from: str = ""


def repository(*backups: Backup, entry: Database = ENTRY) -> Repository:
    return replace(REPOSITORY, databases=(entry,), backups=backups)


def foreign_next(host: str) -> str:
    return (
        "choose another pgbackrest_stanza or another repository path; only if this server was made from that cluster by pg_upgrade, type: "
        f"ansible-playbook -i inventory playbooks/stanza.yml -l {host} -e stanza_state=upgraded -e stanza_confirm={host}/axiomdb"
    )


def foreign(entry: Database, *backups: Backup, server: Server = SERVER) -> Case:
    return Case(
        f"a foreign stanza: axiomdb in repository 1 belongs to the cluster with system identifier {entry.system_id} "
        f"(PostgreSQL {entry.version})",
        f"this server's system identifier {server.system_id} (PostgreSQL {server.version})",
        foreign_next("vps1.example"),
        server,
        Evidence(repository(*backups, entry=entry), ARCHIVE),
    )


def taken_by(host: str, machine: str, label: str = BACKUP.label, **more: object) -> Case:
    return replace(
        Case(
            f"{WRITES}its backup {label} was taken by {host} (machine-id {machine})",
            f"this host's machine-id {MACHINE}",
            f"only if {host} is lost for ever and this server takes its place, type the same command again with "
            f"-e wal_archiving_takes_over_from={machine}",
            evidence=Evidence(repository(replace(BACKUP, annotations=OTHER_NOTES)), ARCHIVE),
        ),
        **more,
    )


AHEAD = replace(BACKUP, lsn_stop="0/5000101", wal_stop="000000010000000000000005")
SECOND = replace(SERVER, timeline=2, history=HISTORY)
TENTH = replace(SERVER, timeline=10, history=HISTORY)

REFUSED = {
    "unreadable repository": Case(
        "repository 2 unreadable (status 99: the passphrase does not open the repository)",
        "to see what it holds of the stanza axiomdb before anything is written to it",
        "sudo -u postgres pgbackrest --stanza=axiomdb --repo=2 info",
        evidence=Evidence(unreadable(2, "the passphrase does not open the repository"), Listing()),
    ),
    "damaged stanza": Case(
        "repository 1 unreadable (status 3: missing stanza data)",
        "to see what it holds of the stanza axiomdb before anything is written to it",
        "sudo -u postgres pgbackrest --stanza=axiomdb --repo=1 info",
        evidence=Evidence(replace(REPOSITORY, code=3, message="missing stanza data"), ARCHIVE),
    ),
    "foreign stanza": foreign(Database(1, FOREIGN, "17"), replace(BACKUP, annotations=OTHER_NOTES)),
    "foreign stanza without a backup": foreign(Database(1, FOREIGN, "15")),
    "foreign stanza whose backups nobody annotated": foreign(Database(1, FOREIGN, "15"), replace(BACKUP, annotations=NO_NOTES)),
    "older version of another machine": foreign(Database(1, FOREIGN, "15"), replace(BACKUP, annotations=OTHER_NOTES)),
    "same version of this machine": foreign(Database(1, FOREIGN, "17"), BACKUP),
    "newer version of this machine": foreign(Database(1, FOREIGN, "18"), BACKUP),
    "this machine's backup is older than another's": foreign(
        Database(1, FOREIGN, "15"), BACKUP, replace(BACKUP, label="20261123-120000F", stopped=300, annotations=OTHER_NOTES)
    ),
    "this machine's backup is of an entry that another server replaced": foreign(Database(2, FOREIGN, "15"), BACKUP),
    "a new and empty cluster beside the old one": foreign(
        Database(1, FOREIGN, "15"), BACKUP, server=replace(SERVER, lsn=Lsn.parse("0/1500000"))
    ),
    "a new cluster that is just where the old one was": foreign(
        Database(1, FOREIGN, "15"), BACKUP, server=replace(SERVER, lsn=Lsn.parse("0/3000138"))
    ),
    "a backup that does not say where it ends": foreign(Database(1, FOREIGN, "15"), replace(BACKUP, lsn_stop=None)),
    "no machine-id is no machine": foreign(
        Database(1, FOREIGN, "15"),
        replace(BACKUP, annotations={"axiomdb-machine-id": ""}),
        server=replace(SERVER, machine_id=""),
    ),
    "higher timeline": Case(
        f"{WRITES}its archive has timeline 2",
        "none above this server's timeline 1",
        evidence=Evidence(REPOSITORY, listing("000000010000000000000004", timelines=(1, 2))),
    ),
    "higher timeline by its history file alone": Case(
        f"{WRITES}its archive has timeline 11",
        "none above this server's timeline 10",
        server=TENTH,
        evidence=Evidence(REPOSITORY, listing(timelines=(9, 10, 11), histories=(10, 11)), HISTORY),
    ),
    "other history": Case(
        f"{WRITES}its history of timeline 2 says '1 0/4000000 no recovery target specified'",
        "'1 0/3000000 no recovery target specified', as this server's own says",
        server=SECOND,
        evidence=Evidence(REPOSITORY, listing(timelines=(1, 2)), HISTORY.replace("0/3000000", "0/4000000")),
    ),
    "other history in an earlier line": Case(
        f"{WRITES}its history of timeline 3 says '1 0/2000000 before'",
        "'1 0/3000000 no recovery target specified', as this server's own says",
        server=replace(SERVER, timeline=3, history=f"{HISTORY}2\t0/4000000\tsame\n"),
        evidence=Evidence(REPOSITORY, listing(timelines=(1, 2, 3)), "1\t0/2000000\tbefore\n2\t0/4000000\tsame\n"),
    ),
    "longer history": Case(
        f"{WRITES}its history of timeline 3 says '2 0/4000000 more'",
        "'nothing', as this server's own says",
        server=replace(SERVER, timeline=3, history=HISTORY),
        evidence=Evidence(REPOSITORY, listing(timelines=(3,)), f"{HISTORY}2\t0/4000000\tmore\n"),
    ),
    "empty history": Case(
        f"{WRITES}its history of timeline 2 says 'nothing'",
        "'1 0/3000000 no recovery target specified', as this server's own says",
        server=SECOND,
        evidence=Evidence(REPOSITORY, listing(timelines=(2,)), ""),
    ),
    "archive ahead": Case(
        f"{WRITES}its archive has the WAL segment 000000010000000000000006",
        "none from 000000010000000000000005 on, in which this server still writes (LSN 0/5000100)",
        evidence=Evidence(REPOSITORY, listing("000000010000000000000005", "000000010000000000000006")),
    ),
    "archive ahead in the next log": Case(
        f"{WRITES}its archive has the WAL segment 000000010000000100000000",
        "none from 0000000100000000000000FF on, in which this server still writes (LSN 0/FFFFFFFF)",
        server=replace(SERVER, lsn=Lsn.parse("0/FFFFFFFF")),
        evidence=Evidence(REPOSITORY, listing("000000010000000100000000")),
    ),
    "archive ahead on timeline 10": Case(
        f"{WRITES}its archive has the WAL segment 0000000A0000000000000006",
        "none from 0000000A0000000000000005 on, in which this server still writes (LSN 0/5000100)",
        server=TENTH,
        evidence=Evidence(REPOSITORY, listing("0000000A0000000000000006", timelines=(10,))),
    ),
    "archive ahead with segments of 1 MiB": Case(
        f"{WRITES}its archive has the WAL segment 000000010000000000000051",
        "none from 000000010000000000000050 on, in which this server still writes (LSN 0/5000100)",
        server=replace(SERVER, segment_size=2**20),
        evidence=Evidence(REPOSITORY, listing("000000010000000000000051")),
    ),
    "backup ahead": Case(
        f"{WRITES}its backup {AHEAD.label} ends at LSN 0/5000101",
        "no backup that ends after this server's LSN 0/5000100",
        evidence=Evidence(repository(AHEAD), ARCHIVE),
    ),
    "an older backup ahead": Case(
        f"{WRITES}its backup {AHEAD.label} ends at LSN 0/5000101",
        "no backup that ends after this server's LSN 0/5000100",
        evidence=Evidence(repository(AHEAD, replace(BACKUP, label="20261123-120000F", stopped=300)), ARCHIVE),
    ),
    "same segment, other bytes": Case(
        f"{WRITES}its WAL segment 000000010000000000000004 has the SHA-1 {SHA}",
        f"{OTHER_SHA}, as in this server's pg_wal",
        server=replace(SERVER, archived={"000000010000000000000003": SHA, "000000010000000000000004": OTHER_SHA}),
    ),
    "other machine": taken_by("vps2", OTHER_MACHINE),
    "other machine, though a newer backup is not annotated": taken_by(
        "vps2",
        OTHER_MACHINE,
        evidence=Evidence(
            repository(replace(BACKUP, annotations=OTHER_NOTES), replace(BACKUP, label="later", stopped=300, annotations=NO_NOTES)), ARCHIVE
        ),
    ),
    "other machine without a host name": taken_by(
        "another host",
        OTHER_MACHINE,
        evidence=Evidence(repository(replace(BACKUP, annotations={"axiomdb-machine-id": OTHER_MACHINE})), ARCHIVE),
        takes_over_from="another host",
    ),
    "other machine with an empty host name": taken_by(
        "another host",
        OTHER_MACHINE,
        evidence=Evidence(repository(replace(BACKUP, annotations={"axiomdb-machine-id": OTHER_MACHINE, "axiomdb-host": ""})), ARCHIVE),
    ),
    "taking over from a third": taken_by("vps2", OTHER_MACHINE, takes_over_from="vps3"),
    "taking over from half a machine-id": taken_by("vps2", OTHER_MACHINE, takes_over_from=OTHER_MACHINE[:16]),
    "this machine has no machine-id": taken_by(
        "vps2", OTHER_MACHINE, server=replace(SERVER, machine_id=""), expected="this host's machine-id "
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refused(case: Case) -> None:
    problem = judge_writer(case.server, case.evidence, case.takes_over_from)
    assert problem is not None
    assert (problem.found, problem.expected, problem.next_step) == (case.found, case.expected, case.next_step)


@pytest.mark.parametrize("name", [name for name in REFUSED if "machine" not in name and "taking over" not in name])
def test_taking_over_excuses_nothing_but_another_machine(name: str) -> None:
    case = REFUSED[name]
    for lost in ("vps2", OTHER_MACHINE):
        assert judge_writer(case.server, case.evidence, lost) == judge_writer(case.server, case.evidence)


ALLOWED: dict[str, tuple[Server, Evidence, str]] = {
    "its own stanza": (SERVER, Evidence(REPOSITORY, ARCHIVE), ""),
    "a fresh repository": (SERVER, Evidence(Repository(1, 1, "missing stanza path"), Listing()), ""),
    "a stanza without a backup": (SERVER, Evidence(replace(repository(), code=2), Listing()), ""),
    "backups that nobody annotated": (SERVER, Evidence(repository(replace(BACKUP, annotations=NO_NOTES)), ARCHIVE), ""),
    "the segment before this one": (SERVER, Evidence(REPOSITORY, listing("000000010000000000000004")), ""),
    "a position on a segment's boundary": (
        replace(SERVER, lsn=Lsn.parse("0/5000000")),
        Evidence(REPOSITORY, listing("000000010000000000000004")),
        "",
    ),
    "a backup that ends where the server is": (SERVER, Evidence(repository(replace(AHEAD, lsn_stop="0/5000100")), ARCHIVE), ""),
    "a backup without a position": (SERVER, Evidence(repository(replace(AHEAD, lsn_stop=None)), ARCHIVE), ""),
    "a backup on the timeline that this server left": (
        SECOND,
        Evidence(repository(AHEAD), listing("000000010000000000000006", timelines=(1, 2))),
        "",
    ),
    "a lower timeline with later segments": (SECOND, Evidence(REPOSITORY, listing("0000000100000000000000F0")), ""),
    "a lower timeline whose name sorts above in decimal": (TENTH, Evidence(REPOSITORY, listing(timelines=(9,))), ""),
    "its own history": (SECOND, Evidence(REPOSITORY, listing(timelines=(1, 2)), HISTORY), ""),
    "its own history with other white space": (
        SECOND,
        Evidence(REPOSITORY, listing(timelines=(2,)), f"\n{HISTORY.replace(chr(9), '  ')}\r\n\n"),
        "",
    ),
    "a history that waits to be archived": (SECOND, Evidence(REPOSITORY, listing(timelines=(1,))), ""),
    "same segment, same bytes": (replace(SERVER, archived={"000000010000000000000004": SHA}), Evidence(REPOSITORY, ARCHIVE), ""),
    "a segment that the listing does not show": (
        replace(SERVER, archived={"000000010000000000000002": OTHER_SHA}),
        Evidence(REPOSITORY, ARCHIVE),
        "",
    ),
    "a lost machine by its machine-id": (
        SERVER,
        Evidence(repository(replace(BACKUP, annotations=OTHER_NOTES)), ARCHIVE),
        OTHER_MACHINE,
    ),
    "a lost machine by its host name": (SERVER, Evidence(repository(replace(BACKUP, annotations=OTHER_NOTES)), ARCHIVE), "vps2"),
    "a lost machine that was taken over from": (
        SERVER,
        Evidence(repository(replace(BACKUP, annotations=OTHER_NOTES), replace(BACKUP, stopped=300)), ARCHIVE),
        "",
    ),
    "an upgrade on this machine": (SERVER, Evidence(repository(BACKUP, entry=Database(1, FOREIGN, "15")), ARCHIVE), ""),
    "an upgraded stanza with the old cluster's later backups": (
        replace(SERVER, lsn=Lsn.parse("0/1500000")),
        Evidence(
            replace(
                REPOSITORY,
                databases=(Database(1, FOREIGN, "15"), Database(2, OURS, "17")),
                backups=(replace(AHEAD, annotations=OTHER_NOTES),),
            ),
            Listing(),
        ),
        "",
    ),
}


@pytest.mark.parametrize(("server", "evidence", "takes_over_from"), ALLOWED.values(), ids=ALLOWED.keys())
def test_allowed(server: Server, evidence: Evidence, takes_over_from: str) -> None:
    assert judge_writer(server, evidence, takes_over_from) is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("15", "17", True),
        ("9.6", "10", True),
        ("9.6", "17", True),
        ("9.5", "9.6", True),
        ("10", "9.6", False),
        ("17", "17", False),
        ("17", "15", False),
        ("9", "10", True),
        ("99", "100", True),
    ],
)
def test_an_upgrade_goes_to_a_newer_version(old: str, new: str, expected: bool) -> None:
    assert is_upgrade(replace(SERVER, version=new), repository(BACKUP, entry=Database(1, FOREIGN, old))) == expected


def test_an_upgrade_has_another_identifier_a_backup_and_a_stanza() -> None:
    assert not is_upgrade(SERVER, repository(BACKUP, entry=Database(1, OURS, "15")))
    assert not is_upgrade(SERVER, repository(entry=Database(1, FOREIGN, "15")))
    assert not is_upgrade(SERVER, Repository(1, 1, "missing stanza path"))
    assert not is_upgrade(SERVER, repository(replace(BACKUP, annotations=OTHER_NOTES), entry=Database(1, FOREIGN, "15")))


SIZES = [2**exponent for exponent in range(20, 31)]
offsets = st.integers(-(2**31), 2**31)


@given(st.integers(2**31, 2**40), offsets, st.integers(1, 300), st.sampled_from(SIZES))
def test_a_segment_is_ahead_exactly_when_it_does_not_end_before_the_servers_own(
    position: int, offset: int, timeline: int, size: int
) -> None:
    server = replace(SERVER, lsn=Lsn(position), timeline=timeline, segment_size=size)
    archived = Segment.containing(Lsn(position + offset), timeline, size)
    problem = judge_writer(server, Evidence(repository(), listing(archived.name, timelines=(timeline,))))
    assert (problem is not None) == ((position + offset) // size >= position // size)
    if problem:
        assert archived.name in problem.found


@given(st.integers(2**31, 2**40), offsets, st.integers(1, 300), st.integers(1, 300))
def test_a_backup_is_ahead_exactly_when_it_ends_later_on_the_same_timeline(position: int, offset: int, timeline: int, other: int) -> None:
    server = replace(SERVER, lsn=Lsn(position), timeline=timeline)
    end = Lsn(position + offset)
    backup = replace(BACKUP, lsn_stop=str(end), wal_stop=Segment.containing(end, other).name)
    problem = judge_writer(server, Evidence(repository(backup), listing(timelines=(timeline,))))
    assert (problem is not None) == (offset > 0 and other == timeline)


@given(st.integers(1, 2**32 - 1), st.sets(st.integers(1, 2**32 - 1), max_size=5))
def test_a_timeline_above_the_servers_is_always_refused(timeline: int, archived: set[int]) -> None:
    problem = judge_writer(replace(SERVER, timeline=timeline), Evidence(repository(), listing(timelines=tuple(archived))))
    assert (problem is not None) == (max(archived, default=0) > timeline)


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_is_one_line_whose_command_can_be_copied(case: Case) -> None:
    problem = judge_writer(case.server, case.evidence, case.takes_over_from)
    assert problem is not None
    sentence = problem.sentence()
    assert "\n" not in sentence
    assert sentence == f"Found {problem.found}; expected {problem.expected}. Next: {problem.next_step}"
    assert not sentence.endswith(".")


# --- a server that this one has left behind ---------------------------------------------------------------------------

LEFT = replace(SERVER, timeline=2, history=HISTORY)
BEGAN = {"00000002.history": 1000.0}


@pytest.mark.parametrize(
    ("arrived", "late"),
    [
        ({}, None),
        ({"000000010000000000000009": 2000.0}, None),
        (BEGAN, None),
        ({**BEGAN, "000000010000000000000009": 1000.0}, None),
        ({**BEGAN, "000000010000000000000009": 1001.0}, ("000000010000000000000009", 1001.0)),
        ({**BEGAN, "000000010000000000000003": 1001.0}, ("000000010000000000000003", 1001.0)),
        ({**BEGAN, "000000010000000000000002": 1001.0}, None),
        ({**BEGAN, "000000020000000000000009": 1001.0}, None),
        ({**BEGAN, "000000030000000000000003": 1001.0}, ("000000030000000000000003", 1001.0)),
        ({**BEGAN, "00000003.history": 1001.0}, None),
        ({**BEGAN, "000000010000000000000008": 1005.0, "000000010000000000000009": 1002.0}, ("000000010000000000000008", 1005.0)),
    ],
)
def test_a_segment_of_a_timeline_that_was_left_is_late_when_it_is_younger(
    arrived: dict[str, float], late: tuple[str, float] | None
) -> None:
    assert latecomer(LEFT, Evidence(REPOSITORY, ARCHIVE, HISTORY, arrived)) == late


def test_a_fork_at_the_end_of_a_segment_leaves_that_segment_on_the_path() -> None:
    server = replace(LEFT, history=HISTORY.replace("0/3000000", "0/4000000"))
    for name, late in (("000000010000000000000003", False), ("000000010000000000000004", True)):
        assert bool(latecomer(server, Evidence(REPOSITORY, ARCHIVE, HISTORY, {**BEGAN, name: 2000.0}))) is late


def test_a_server_without_a_history_of_its_own_accuses_nobody() -> None:
    evidence = Evidence(REPOSITORY, ARCHIVE, HISTORY, {**BEGAN, "000000010000000000000009": 2000.0})
    assert latecomer(replace(LEFT, history=""), evidence) is None


def test_who_takes_the_place_of_another_has_no_backup_of_its_own_yet() -> None:
    theirs = replace(BACKUP, label="20261123-120000F", stopped=300, annotations=OTHER_NOTES)
    assert not took_over(SERVER, REPOSITORY)
    assert not took_over(SERVER, repository(replace(BACKUP, annotations=NO_NOTES)))
    assert took_over(SERVER, repository(BACKUP, theirs))
    assert not took_over(SERVER, repository(theirs, replace(BACKUP, label="20261124-120000F", stopped=400)))


def test_a_host_that_is_back_reads_who_has_taken_its_place() -> None:
    taken = replace(BACKUP, label="20261123-120000F", stopped=300, annotations=OTHER_NOTES)
    problem = judge_writer(SERVER, Evidence(replace(REPOSITORY, backups=(BACKUP, taken)), listing(timelines=(1, 2))))
    assert problem is not None
    assert problem.found == f"{WRITES}its archive has timeline 2; its newest backup 20261123-120000F was taken by vps2"
