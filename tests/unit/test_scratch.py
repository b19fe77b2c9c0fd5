# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scratch copy: where it may be, what is restored into it, and that nothing of it reaches beyond its own directory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from _recovery import scratch, settings
from _recovery.control import Control, parse_control
from _recovery.scratch import MIB, Choice, Goal, Ground, Layout, Source, Wish
from _recovery.wal import Lsn

GIB = 1 << 30
# What pg_controldata of PostgreSQL 15 prints, without the lines that nobody reads here.
PRINTED = """\
pg_control version number:            1300
Database system identifier:           7711944285235987502
Database cluster state:               in archive recovery
pg_control last modified:             Wed Nov 25 03:22:32 2026
Latest checkpoint's REDO location:    0/3000060
Latest checkpoint's REDO WAL file:    000000010000000000000001
Latest checkpoint's TimeLineID:       3
Latest checkpoint's oldestCommitTsXid:0
Backup start location:                0/0
wal_log_hints setting:                off
max_connections setting:              100
max_worker_processes setting:         8
max_wal_senders setting:              10
max_prepared_xacts setting:           7
max_locks_per_xact setting:           64
Bytes per WAL segment:                16777216
Data page checksum version:           0
"""
FLOORS = {
    "max_connections": 100,
    "max_worker_processes": 8,
    "max_wal_senders": 10,
    "max_prepared_transactions": 7,
    "max_locks_per_transaction": 64,
}
CONTROL = Control(7711944285235987502, "in archive recovery", 3, 16 * MIB, True, FLOORS, Lsn.parse("0/3000060"))
LAYOUT = Layout("20261125-031534-77", "/var/lib/axiomdb/scratch/20261125-031534-77")
GOAL = Goal("axiomdb", 2, "20261122-105951F", 3, "name", "before", lsn=Lsn.parse("0/3000060"))
SOURCE = Source("17", CONTROL.system_id, GIB, ("app", "postgres", "other"), CONTROL, {"app": GIB // 4, "other": GIB // 2, "postgres": 7})
GROUND = Ground(False, (), True, 100 * GIB, ("/var/lib/postgresql/17/main", "/var/lib/pgbackrest", "/srv/space"))
WISH = Wish("a drill")


def judged(ground: Ground = GROUND, wish: Wish = WISH, layout: Layout = LAYOUT, choice: Choice | None = None) -> list[str]:
    return [problem.sentence() for problem in scratch.judge(SOURCE, wish, choice or Choice(), layout, ground)]


def test_what_pg_controldata_prints_is_read() -> None:
    assert parse_control(PRINTED) == replace(CONTROL, hints_logged=False)
    assert parse_control(PRINTED.replace("checksum version:           0", "checksum version:           1")).hints_logged
    assert parse_control(PRINTED.replace("wal_log_hints setting:                off", "wal_log_hints setting: on")).hints_logged


@pytest.mark.parametrize("text", ["", "pg_controldata: fatal: could not open", PRINTED.replace("Bytes per WAL segment", "Octets")])
def test_another_text_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^Found a text without .*; expected what pg_controldata prints\.$"):
        parse_control(text)


def test_a_good_place_is_not_refused() -> None:
    assert judged() == []
    assert judged(replace(GROUND, exists=True)) == []


@pytest.mark.parametrize(
    "directory",
    [
        "/var/lib/postgresql/17/main",
        "/var/lib/postgresql/17/main/scratch",
        "/var/lib/postgresql",
        "/var/lib/pgbackrest/copy",
        "/srv/space/copy",
        "/",
        "relative",
        "/srv/../var/copy",
        "/srv/copy/",
        "/srv/it's",
        "/srv/a copy",
        "/srv/50%f",
        "/" + "x" * 90,
    ],
)
def test_a_place_that_is_somebodys_or_that_no_server_can_use_is_refused(directory: str) -> None:
    said = judged(layout=Layout("x", directory))
    assert len(said) == 1 and said[0].startswith("Found ") and "choose another directory" in said[0], said


def test_what_lies_in_a_directory_is_never_touched() -> None:
    said = judged(replace(GROUND, exists=True, entries=("PG_VERSION", "base")))
    assert said == [
        f"Found {LAYOUT.directory} with 2 entries (PG_VERSION, base); expected a directory that is empty or does not exist. "
        "Next: choose another directory"
    ]


def test_a_place_where_postgres_may_not_write_is_refused_with_the_command_that_makes_one() -> None:
    assert judged(replace(GROUND, writable=False))[0].endswith(f"sudo install -d -o postgres -g postgres -m 700 {LAYOUT.directory}")


def test_too_little_space_is_refused_and_what_is_left_out_takes_none() -> None:
    enough = scratch.needed(SOURCE, Choice())
    assert judged(replace(GROUND, free=enough)) == []
    said = judged(replace(GROUND, free=enough - 1))
    assert len(said) == 1 and "free for /var/lib/axiomdb/scratch" in said[0] and "a set of 1.0 GiB" in said[0]
    kept = replace(GROUND, total=40 * GIB, free=enough + GIB)
    assert judged(kept) == [] and "of which 1.0 GiB stay free" in judged(replace(kept, free=enough + GIB - 1))[0]
    some = Choice(("app",))
    assert scratch.needed(SOURCE, some) < enough - GIB // 2
    assert judged(replace(GROUND, free=enough - 1), choice=some) == []


def test_an_unknown_database_is_named_with_those_that_there_are() -> None:
    assert judged(wish=Wish("x", ("app", "postgres"))) == []
    said = judged(wish=Wish("x", ("appp",)))
    assert said == ["Found no database appp in the set; expected one of app, other, postgres. Next: correct the name"]


def test_a_memory_bound_below_what_a_server_needs_is_refused() -> None:
    assert judged(wish=Wish("x", memory=128 * MIB)) == []
    assert "at least 128.0 MiB" in judged(wish=Wish("x", memory=128 * MIB - 1))[0]


def test_some_databases_alone_are_restored_only_where_that_cannot_panic() -> None:
    assert scratch.choose(SOURCE, ("app", "app", "postgres")) == Choice(("app",))
    assert scratch.choose(SOURCE, ()) == scratch.choose(SOURCE, ("postgres",)) == Choice()
    for live, why in (
        (replace(CONTROL, hints_logged=False), "its data checksums are off"),
        (replace(CONTROL, system_id=1), "is not known"),
        (None, "is not known"),
    ):
        choice = scratch.choose(replace(SOURCE, live=live), ("app",))
        assert choice.include == () and why in choice.notes[0] and "PANIC" in choice.notes[0]


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (replace(GOAL, kind="default"), "the kind of target 'default'"),
        (replace(GOAL, target=""), "name with a target"),
        (replace(GOAL, kind="immediate"), "immediate with no further word"),
        (replace(GOAL, exclusive=True), "an exclusive name"),
        (replace(GOAL, kind="latest", target="", lsn=None), "latest without a position"),
        (replace(GOAL, target="a\nrecovery_target_action = 'promote'"), "a line break in the target"),
    ],
)
def test_a_goal_that_no_restore_can_have_is_refused(goal: Goal, said: str) -> None:
    assert said in " ".join(problem.sentence() for problem in scratch.judge_goal(goal))


def test_every_goal_that_a_restore_can_have_is_taken() -> None:
    goals = [GOAL, replace(GOAL, kind="immediate", target=""), replace(GOAL, kind="latest", target="")]
    goals += [replace(GOAL, kind=kind, exclusive=True) for kind in ("lsn", "time", "xid")]
    assert [problem for goal in goals for problem in scratch.judge_goal(goal)] == []


ALWAYS = (
    f"--repo=2 --set=20261122-105951F --pg1-path={LAYOUT.data} --archive-mode=off --no-delta --no-link-all "
    "--reset-db-exclude --reset-link-map --reset-recovery-option --reset-tablespace-map "
    f"--tablespace-map-all={LAYOUT.tablespaces}"
)


@pytest.mark.parametrize("kind", scratch.KINDS)
@pytest.mark.parametrize("include", [(), ("app", "it's")])
def test_a_restore_never_ends_recovery_archives_or_leaves_the_directory(kind: str, include: tuple[str, ...]) -> None:
    goal = replace(GOAL, kind=kind, target="" if kind in ("latest", "immediate") else "x")
    options = scratch.restore_options(goal, Choice(include), LAYOUT)
    assert set(ALWAYS.split()) <= set(options)
    assert [option for option in options if option.startswith("--db-include=")] == [f"--db-include={name}" for name in include]
    assert ("--target-action=pause" in options) == (kind != "latest")
    assert f"--type={'standby' if kind == 'latest' else kind}" in options
    assert ("--target-timeline=3" in options) == (kind != "immediate")
    assert not {"--delta", "--force", "--link-all"} & set(options)


@pytest.mark.parametrize("version", [15, 16, 17, 18])
@pytest.mark.parametrize("kind", scratch.KINDS)
def test_the_server_has_nothing_of_the_source_but_its_data(kind: str, version: int) -> None:
    goal = replace(GOAL, kind=kind, target="" if kind in ("latest", "immediate") else "x")
    found = scratch.server_settings(goal, WISH, LAYOUT, version, [CONTROL])
    text = {name: settings.text_of(value) for name, value in found.items()}
    expected = {
        "listen_addresses": "",
        "unix_socket_directories": LAYOUT.socket,
        "archive_mode": "off",
        "shared_preload_libraries": "",
        "max_logical_replication_workers": "0",
        "autovacuum": "off",
        "fsync": "off",
        "hot_standby": "on",
        "max_connections": "100",
        "max_prepared_transactions": "7",
    }
    assert {name: text.get(name) for name in expected} == expected
    assert text.get("recovery_target_action") == (None if kind == "latest" else "pause")
    assert text["recovery_target_timeline"] == ("current" if kind == "immediate" else "3")
    assert "--repo=2" in text["restore_command"] and f"--pg1-path={LAYOUT.data}" in text["restore_command"]
    assert ("event_triggers" in text, "io_method" in text) == (version >= 17, version >= 18)
    assert {"archive_command", "primary_conninfo", "restore_command_timeout"} & set(text) == set()


def test_a_setting_that_the_live_server_raised_since_the_backup_is_raised_too() -> None:
    live = replace(CONTROL, floors={**FLOORS, "max_connections": 300})
    assert scratch.server_settings(GOAL, WISH, LAYOUT, 17, [CONTROL, live])["max_connections"] == 300
    few = replace(CONTROL, floors={"max_connections": 2})
    assert scratch.server_settings(GOAL, WISH, LAYOUT, 17, [few])["max_connections"] == 20


def test_the_size_of_segments_does_not_keep_the_server_from_starting() -> None:
    found = scratch.server_settings(GOAL, WISH, LAYOUT, 17, [replace(CONTROL, segment_size=GIB)])
    assert (found["min_wal_size"], found["max_wal_size"]) == ("2048MB", "4096MB")


@pytest.mark.parametrize(("memory", "buffers"), [(128, "16MB"), (512, "64MB"), (100_000, "128MB")])
def test_memory_is_bounded(memory: int, buffers: str) -> None:
    assert scratch.server_settings(GOAL, Wish("x", memory=memory * MIB), LAYOUT, 17, [CONTROL])["shared_buffers"] == buffers
    assert scratch.memory_of_a_process(memory * MIB) + int(buffers[:-2]) * MIB < memory * MIB


def test_a_target_is_quoted_as_postgresql_reads_it() -> None:
    goal = replace(GOAL, target="it's \\ here")
    text = scratch.files(scratch.server_settings(goal, WISH, LAYOUT, 17, [CONTROL]), LAYOUT)[LAYOUT.file("postgresql.conf")]
    assert settings.parse(text)["recovery_target_name"] == "it's \\ here"


def test_nobody_else_is_let_in_and_what_alter_system_said_is_gone() -> None:
    files = scratch.files({}, LAYOUT)
    rules = [line for line in files[LAYOUT.file("pg_hba.conf")].splitlines() if not line.startswith("#")]
    assert rules == ["local all postgres peer"]
    assert [line for line in files[f"{LAYOUT.data}/postgresql.auto.conf"].splitlines() if not line.startswith("#")] == []


def test_a_link_that_leads_out_of_the_copy_is_refused() -> None:
    inside = {f"{LAYOUT.data}/pg_tblspc/16400": f"{LAYOUT.tablespaces}/space"}
    assert scratch.judge_links(LAYOUT, inside) == []
    for target in ("/srv/space", f"{LAYOUT.directory}-2/space"):
        problems = scratch.judge_links(LAYOUT, {**inside, f"{LAYOUT.data}/pg_tblspc/16401": target})
        assert [problem.found for problem in problems] == [f"{LAYOUT.data}/pg_tblspc/16401, which leads to {target}"]


def test_a_copy_recovers_or_follows_but_is_never_a_primary() -> None:
    assert scratch.signal_file(GOAL) == "recovery.signal"
    assert scratch.signal_file(replace(GOAL, kind="latest")) == "standby.signal"


def test_the_spool_of_the_live_server_is_left_alone() -> None:
    options = scratch.restore_options(GOAL, Choice(), LAYOUT)
    assert [word for word in options if word.startswith("--spool-path=")] == [f"--spool-path={LAYOUT.directory}/spool"]
