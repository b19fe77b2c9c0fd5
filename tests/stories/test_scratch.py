# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A copy beside the live server has exactly the rows of its target, does nothing to the host, and never stays."""

from __future__ import annotations

import random

import pytest
from converged import Converged
from scheduling import TOOL
from scratching import HOME, ROWS, SPACE, Source, answer, begin, changed, crash, footprint, make, prepare, wait_for

pytestmark = pytest.mark.xdist_group("copies")

# Where a maker is: at its beginning, at the restore, with a server that recovers, with one that is asked.
MOMENTS = (
    "pgrep -f '[s]cratch make'",
    "pgrep -f '[p]g1-path=.*/data .* restore$'",
    "pgrep -f '[a]xiomdb/scratch/.*/data'",
    "pgrep -f '[p]ostgres: axiomdb-scratch-.*SELECT'",
)
GONE = "! pgrep -f '[p]ostgres: axiomdb-scratch-|[a]xiomdb/scratch/.*/data'"


@pytest.fixture(scope="module")
def source(converged: Converged) -> Source:
    """The live server, prepared once."""
    return prepare(converged)


def words_of(source: Source, target: str) -> list[str]:
    """The words for a target by its name."""
    return {
        "immediate": ["--type=immediate"],
        "name": ["--type=name", "--target=here", f"--lsn={source.point}"],
        "time": ["--type=time", f"--target={source.time}"],
        "xid": ["--type=xid", f"--target={source.xid}"],
        "before-xid": ["--type=xid", f"--target={source.xid}", "--exclusive"],
        "before-lsn": ["--type=lsn", f"--target={source.point}", "--exclusive", f"--lsn={source.point}"],
        "latest": ["--type=latest", f"--lsn={source.end}"],
    }[target]


@pytest.mark.parametrize(
    ("target", "rows"),
    [
        ("immediate", "backed-up"),
        ("name", "backed-up kept"),
        ("time", "backed-up kept"),
        ("xid", "backed-up kept"),
        ("before-xid", "backed-up"),
        ("before-lsn", "backed-up kept"),
        ("latest", "backed-up kept later"),
    ],
)
def test_a_copy_has_the_rows_of_its_target_and_leaves_the_host_as_it_was(system: str, target: str, rows: str, source: Source) -> None:
    before = footprint(source.host)
    found = answer(make(source.host, f"--set={source.label}", *words_of(source, target)))
    assert found["answers"] == [f"{rows}\n"]
    if target in ("name", "before-lsn"):
        assert found["replayed"]["lsn"] == source.point
    assert found["replayed"]["timeline"] == 1
    assert changed(before, footprint(source.host)) == {}
    assert source.host.sql(ROWS, db="axiomdb") == "backed-up kept later unarchived"


def test_what_the_source_would_do_the_copy_does_not(system: str, source: Source) -> None:
    settings = "archive_mode archive_command listen_addresses shared_preload_libraries session_preload_libraries".split()
    asked = [f"select current_setting('{name}')" for name in settings]
    asked += ["select count(*) from pg_subscription", "select count(*) from pg_stat_subscription where pid is not null"]
    asked += ["select pg_is_in_recovery()", "select pg_get_wal_replay_pause_state()"]
    found = answer(make(source.host, *words_of(source, "name"), sql=asked, within="other"))
    assert [text.strip() for text in found["answers"]] == ["off", "(disabled)", "", "", "", "1", "0", "t", "paused"]


def test_one_database_alone_is_restored_when_asked(system: str, source: Source) -> None:
    before = footprint(source.host)
    found = answer(make(source.host, "--database=axiomdb", *words_of(source, "name")))
    assert found["answers"] == ["backed-up kept\n"] and found["notes"] == []
    run = make(source.host, "--database=axiomdb", *words_of(source, "name"), sql=["select 1"], within="other")
    assert run.rc == 1 and "pg_filenode.map" in run.output
    assert changed(before, footprint(source.host)) == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--type=name", "--target=nowhere"], "recovery ended before configured recovery target was reached"),
        (["--type=time", "--target=2099-01-01 00:00:00+00"], "recovery ended before configured recovery target was reached"),
        (["--type=latest", "--lsn=FFFF/0"], "expected WAL up to FFFF/0"),
        (["--type=name", "--target=here", "--lsn=0/1"], "expected exactly 0/1"),
        (["--type=name", "--target=here", "--timeline=7"], "timeline"),
        (["--set=20200101-000000F"], "no such set in repository 1"),
        (["--database=nobodys"], "no database nobodys in the set"),
    ],
)
def test_a_target_that_is_not_there_is_a_sentence_and_leaves_nothing(system: str, words: list[str], said: str, source: Source) -> None:
    before = footprint(source.host)
    run = make(source.host, *words)
    assert run.rc == 1 and said in run.stderr and "Next: " in run.stderr, run.output
    assert changed(before, footprint(source.host)) == {}


def test_a_place_that_is_somebodys_or_too_small_is_refused(system: str, source: Source) -> None:
    host = source.host
    host.run("install -d -o postgres -m 700 /srv/occupied /srv/small && touch /srv/occupied/mine")
    host.run("mount -t tmpfs -o size=64m,uid=postgres,mode=700 tmpfs /srv/small")
    before = footprint(host)
    for directory, said in {
        "/srv/occupied": "with 1 entry (mine)",
        "/srv/small": "free for /srv/small",
        "/root/copy": "where postgres may not write",
        f"{SPACE}/copy": f"one apart from {SPACE}",
        "/var/lib/pgbackrest/copy": "one apart from /var/lib/pgbackrest",
        f"{host.sql('show data_directory')}/copy": "one apart from /var/lib/postgresql",
    }.items():
        run = make(host, f"--directory={directory}")
        assert run.rc == 1 and said in run.stderr, run.output
    assert changed(before, footprint(host)) == {} and host.exists("/srv/occupied/mine")
    host.run("umount /srv/small")


def test_a_copy_is_ended_before_it_takes_the_last_of_a_disk(system: str, source: Source) -> None:
    host = source.host
    host.run("install -d -o postgres -m 700 /srv/filling && mount -t tmpfs -o size=640m,uid=postgres,mode=700 tmpfs /srv/filling")
    before = footprint(host)
    maker = begin(host, "--directory=/srv/filling/copy")
    host.run("fallocate -l $(($(df --output=avail -B1 /srv/filling | tail -n 1) - (16 << 20))) /srv/filling/others")
    said = maker.wait()
    assert "left on the disk of /srv/filling/copy" in said and "at least 32.0 MiB, which stays free for the live server" in said
    host.run("rm /srv/filling/others")
    assert changed(before, footprint(host)) == {}
    host.run("umount /srv/filling")


def test_another_directory_that_was_there_stays_and_is_empty(system: str, source: Source) -> None:
    source.host.run("install -d -o postgres -g postgres -m 700 /srv/elsewhere")
    found = answer(make(source.host, "--directory=/srv/elsewhere", *words_of(source, "name")))
    assert found["directory"] == "/srv/elsewhere" and found["answers"] == ["backed-up kept\n"]
    assert source.host.tree("/srv/elsewhere").keys() == {"/srv/elsewhere"}


def test_memory_is_bounded_and_nobody_waits_for_a_copy(system: str, source: Source) -> None:
    maker = begin(source.host, "--memory=256")
    scope = source.host.run("systemctl list-units --plain --no-legend 'axiomdb-scratch-*.scope'").stdout.split()[0]
    assert source.host.run(["systemctl", "show", "-P", "MemoryMax", scope]).stdout.strip() == str(256 << 20)
    pids = source.host.run("pgrep -f '[p]ostgres: axiomdb-scratch-|[a]xiomdb/scratch/.*/data'").stdout.split()
    files = " ".join(f"/proc/{pid}/smaps_rollup" for pid in pids)
    used = source.host.run(f"cat {files} | awk '/^Pss:/ {{n += $2}} END {{print n}}'", user="postgres").stdout
    assert len(pids) > 3 and 0 < int(used) < 256 << 10
    lower = str(min(19, int(source.host.run("ps -o ni= -p 1").stdout) + 10))
    assert {line.split()[0] for line in source.host.run(f"ps -o ni= -p {','.join(pids)}").stdout.splitlines()} == {lower}
    maker.kill()
    maker.wait()
    wait_for(source.host, GONE)
    source.host.run([TOOL, "watch"])


def test_a_query_that_wants_more_memory_than_the_setting_is_refused(system: str, source: Source) -> None:
    before = footprint(source.host)
    hungry = ["select length(repeat('x', 400000000))"]
    assert answer(make(source.host, "--memory=1024", sql=hungry))["answers"] == ["400000000\n"]
    run = make(source.host, "--memory=256", sql=hungry)
    assert run.rc == 1 and "out of memory" in run.output, run.output
    assert changed(before, footprint(source.host)) == {}


def test_a_killed_maker_takes_its_server_along_and_the_watch_takes_the_rest(system: str, source: Source) -> None:
    before = footprint(source.host)
    maker = begin(source.host)
    maker.kill()
    maker.wait()
    wait_for(source.host, GONE)
    assert "left behind" in source.host.run([TOOL, "scratch", "list"]).stdout
    source.host.run([TOOL, "watch"])
    assert changed(before, footprint(source.host)) == {}


def test_the_next_maker_sweeps_too(system: str, source: Source) -> None:
    before = footprint(source.host)
    maker = begin(source.host)
    maker.kill()
    maker.wait()
    assert "left behind" in make(source.host).checked().stderr
    assert changed(before, footprint(source.host)) == {}


def test_two_copies_at_once_do_not_meet(system: str, source: Source) -> None:
    """From 2.56 on pgBackRest restores a repository once at a time: the second maker says for whom it waits."""
    before = footprint(source.host)
    first = begin(source.host, sleeping=False)
    wait_for(source.host, "pkill -STOP -f '[p]g1-path=.*/data .* restore$'")
    second = begin(source.host, "--reason=second", sleeping=False, output="/tmp/second")
    said = "grep -q 'waits for process' /tmp/second" if system == "forky" else "pgrep -f '[p]ostgres: axiomdb-scratch-.*SELECT'"
    wait_for(source.host, said)
    source.host.run("pkill -CONT -f '[p]g1-path=.*/data .* restore$'")
    wait_for(source.host, "test 2 = $(pgrep -fc '[p]ostgres: axiomdb-scratch-.*SELECT')")
    for maker in (first, second):
        source.host.run(f"kill {maker.process}")
        maker.wait()
    assert changed(before, footprint(source.host)) == {}


def test_a_killed_server_is_told_and_leaves_nothing(system: str, source: Source) -> None:
    before = footprint(source.host)
    maker = begin(source.host)
    maker.kill_server()
    assert "Found a copy whose server died (signal 9)" in maker.wait()
    assert changed(before, footprint(source.host)) == {}


def test_a_maker_that_is_told_to_end_removes_its_copy_itself(system: str, source: Source) -> None:
    before = footprint(source.host)
    maker = begin(source.host)
    source.host.run(f"kill {maker.process}")
    maker.wait()
    assert changed(before, footprint(source.host)) == {}


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.tier("torture"))])
def test_makers_killed_at_any_moment_leave_nothing(system: str, times: int, source: Source, rng: random.Random) -> None:
    """In turn while it looks, restores, recovers and answers; every second removal is killed too, and the next one ends it."""
    before = footprint(source.host)
    for kill in range(times):
        maker = begin(source.host, *words_of(source, "name"), sleeping=False)
        wait_for(source.host, MOMENTS[(kill + 1) % len(MOMENTS)])
        source.host.run(f"sleep {rng.uniform(0, 0.7):.3f}")
        maker.kill()
        maker.wait()
        if kill % 2:
            source.host.run(f"timeout -s KILL {rng.uniform(0.2, 0.9):.3f} {TOOL} scratch sweep", check=False)
        source.host.run([TOOL, "scratch", "sweep"])
        wait_for(source.host, GONE)
        assert changed(before, footprint(source.host)) == {}


def test_a_reboot_leaves_only_what_was_kept(system: str, source: Source) -> None:
    host = source.host
    before = footprint(host, server=False)
    name = answer(make(host, "--keep", *words_of(source, "name")))["name"]
    assert host.run([TOOL, "scratch", "query", name, ROWS, "--in=axiomdb"]).stdout == "backed-up kept\n"
    begin(host)
    crash(host)
    wait_for(host, "runuser -u postgres -- psql -qc 'select 1'")
    host.run("systemctl stop axiomdb-recovery-watch.timer cron")
    host.run("systemctl start axiomdb-recovery-watch.service")
    assert "kept, its server is down" in host.run([TOOL, "scratch", "list"]).stdout
    assert len(host.run(f"ls {HOME}").stdout.split()) == 2
    host.run([TOOL, "scratch", "remove", name])
    after = footprint(host, server=False)
    assert changed(before, after, but=("memory", "runtime", "names")) == {}
