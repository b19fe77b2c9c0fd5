# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A recovery's data is kept, restored, taken back, swapped and released wherever it lies, killed before each change in turn."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import (
    files,
    host,
    kept_inodes,
    restore_data,
    restore_journal,
    restore_look,
    restore_places,
    restore_record,
    restore_run,
    restore_undo,
    restore_wal,
    restoring,
    state,
)
from _recovery.problem import Refusal
from _recovery.restoring import KEEP, QUIET, RESTORE, Journal
from _recovery.scratch_copy import Failed
from kills import Killed, each_kill, killing, tree
from test_restoring import GOAL
from worlds import GROUP, LAYOUTS, NAME, NEW, OWNER, SEGMENT, VERSION, World, give, pgbackrest, put, rows

UNDO = "20261123-080000"


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory that others may pass through too."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o711)
        yield Path(directory)


@pytest.fixture
def lay(ground: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    def make(layout: str, keep: bool = True) -> World:
        world = World(ground, layout, keep)
        monkeypatch.setattr(restore_data, "stream", pgbackrest(world))
        return world.made()

    for module in (restore_places, files):
        monkeypatch.setattr(module, "ids", lambda _user, _group: (OWNER, GROUP))
    monkeypatch.setattr(restore_data, "end_restores", lambda _journal: None)
    monkeypatch.setattr(state, "DIRECTORY", ground / "state")
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    return make


def silent(_line: str) -> None:
    """Tell nobody."""


def forward(world: World) -> World:
    """The phases that move data."""
    restore_data.restore(restore_data.keep(world.journal, silent), silent)
    return world


def back(world: World) -> World:
    restore_places.take_back(world.journal)
    return world


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_set_lies_where_the_data_was_and_the_data_is_whole_aside(layout: str, lay: Callable[..., World]) -> None:
    world = lay(layout)
    journal, wal = world.journal, world.top / "srv" / "wal"
    before = tree(wal)
    forward(world)
    assert rows(world) == ["older rows", "older rows", "", "older rows", "unarchived"]
    kept = Path(journal.moves[str(world.data)])
    assert (kept.parent == world.data) is ("mount" in layout)
    assert (kept / "base/1").read_text("utf-8") == "live rows"
    assert (kept / "pg_wal" / SEGMENT).read_text("utf-8") == "unarchived"
    assert restore_wal.leads_to(str(world.data)) == (f"{wal}-{NAME}" if "linked" in layout else "")
    assert tree(wal) == before, "the kept data's WAL is not touched"
    assert not (world.data / "pg_wal" / "000000010000000000000001").exists(), "no WAL of the old data but what is needed"
    assert set(os.listdir(world.data)) - {"base", "global", "pg_wal", "PG_VERSION"} <= {"lost+found", kept.name}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whoever_is_killed_goes_on(layout: str, lay: Callable[..., World]) -> None:
    world = lay(layout)
    whole = forward(world).tree()
    for killed in each_kill(world.made, forward):
        assert forward(killed).tree() == whole


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whoever_is_killed_goes_back(layout: str, lay: Callable[..., World]) -> None:
    world = lay(layout)
    before = world.tree()
    for killed in each_kill(world.made, forward):
        assert back(killed).tree() == before
        assert restore_places.lost(killed.journal) is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whoever_is_killed_on_the_way_back_goes_back(layout: str, lay: Callable[..., World]) -> None:
    world = lay(layout)
    before = world.tree()
    for killed in each_kill(lambda: forward(world.made()), back):
        assert back(killed).tree() == before
    assert back(world).tree() == before, "once more does no harm"


@pytest.mark.parametrize("layout", ["mount and linked", "plain"])
def test_whoever_is_killed_twice_goes_back(layout: str, lay: Callable[..., World]) -> None:
    world = lay(layout)
    before = world.tree()
    for place in range(2, 60, 9):

        def half(place: int = place) -> World:
            made = world.made()
            try:
                with killing(place):
                    forward(made)
            except Killed:
                return made
            return made

        for killed in each_kill_or_none(half):
            assert back(killed).tree() == before


def each_kill_or_none(make: Callable[[], World]) -> Iterator[World]:
    """Each kill of the way back; a way back that changes nothing cannot be killed."""
    try:
        yield from each_kill(make, back)
    except AssertionError:
        yield back(make())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_without_a_way_back_the_data_is_overwritten_in_its_place(layout: str, lay: Callable[..., World]) -> None:
    world = lay(layout, keep=False)
    whole = forward(world).tree()
    assert rows(world) == ["older rows", "older rows", "live rows in since", "older rows", "unarchived"]
    assert restore_wal.leads_to(str(world.data)) == (str(world.top / "srv" / "wal") if "linked" in layout else "")
    assert not (world.data / "pg_wal" / "000000010000000000000001").exists()
    for killed in each_kill(world.made, forward):
        assert forward(killed).tree() == whole


def test_without_a_way_back_an_empty_place_is_gone_on_with_too(lay: Callable[..., World]) -> None:
    world = lay("plain", keep=False)

    def emptied() -> World:
        world.made()
        shutil.rmtree(world.data)
        shutil.rmtree(world.top / "srv" / "both" / VERSION)
        world.data.mkdir()
        give(world.data)
        return world

    whole = forward(emptied()).tree()
    for killed in each_kill(emptied, forward):
        assert forward(killed).tree() == whole


def test_what_was_whole_is_not_restored_again(lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = lay("mount")
    restore_data.keep(world.journal, silent)
    real, lift, runs = restore_data.stream, restore_data.aside_within.lift, []
    monkeypatch.setattr(restore_data, "stream", lambda *words: (runs.append(words), real(*words))[1])
    monkeypatch.setattr(restore_data.aside_within, "lift", lambda *_words: None)
    restore_data.restore(world.journal, silent)
    assert len(runs) == 1
    monkeypatch.setattr(restore_data.aside_within, "lift", lift)
    monkeypatch.setattr(restore_data, "stream", lambda *_words: pytest.fail("restored once more"))
    restore_data.restore(world.journal, silent)
    assert rows(world)[0] == "older rows"


def test_a_pg_wal_that_is_moved_is_whole_however_often_that_is_killed(tmp_path: Path) -> None:
    def made() -> Path:
        shutil.rmtree(tmp_path / "srv", ignore_errors=True)
        put(tmp_path / "srv" / "data", {"pg_wal/000000010000000000000002": "WAL", "pg_wal/archive_status/": "", "base/1": "rows"})
        put(tmp_path / "srv" / "wal", {"000000010000000000000001": "old WAL"})
        return tmp_path / "srv"

    def link(top: Path) -> None:
        restore_wal.link(str(top / "data"), str(top / "wal"), os.geteuid(), os.getegid())

    link(made())
    whole = tree(tmp_path / "srv")
    assert sorted(os.listdir(tmp_path / "srv" / "wal")) == ["000000010000000000000002", "archive_status"]
    for killed in each_kill(made, link):
        link(killed)
        assert tree(killed) == whole


def test_copies_of_kept_data_in_a_set_are_left_out(lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = lay("mount")
    monkeypatch.setitem(NEW, ".kept-20250101-000000/PG_VERSION", "16")
    put(world.data, {".kept-20250101-000000/PG_VERSION": "17"})
    forward(world)
    assert (world.data / ".kept-20250101-000000/PG_VERSION").read_text("utf-8") == "17"
    assert rows(world)[0] == "older rows"


def accepted(world: World) -> World:
    """A recovery that was accepted, in which rows were written and a tablespace was made since."""
    forward(world.made())
    put(world.data, {"base/2": "rows since the acceptance"})
    put(world.top / "srv" / "later" / VERSION, {"5/1": "rows of later"})
    (world.data / "pg_tblspc").mkdir()
    (world.data / "pg_tblspc" / "7").symlink_to(world.top / "srv" / "later")
    give(world.top / "srv" / "later")
    return world


@pytest.fixture
def undoing(monkeypatch: pytest.MonkeyPatch) -> Callable[[World], Journal]:
    """The journal of the way back after acceptance."""

    def of(world: World) -> Journal:
        found = world.journal

        def kept(_stanza: str) -> list[Journal]:
            return [found] if any(os.path.lexists(path) for path in found.moves.values()) else []

        monkeypatch.setattr(restore_journal, "kept", kept)
        monkeypatch.setattr(restore_undo.restore_phases, "home_now", lambda home: home)
        monkeypatch.setattr(restore_undo.scratch_look, "control_of", lambda _version, _directory: GOAL)
        monkeypatch.setattr(restore_look, "of_others", lambda _home: {})
        return replace(restore_undo.of("axiomdb", "", "the wrong moment"), name=UNDO)

    return of


@pytest.mark.parametrize("layout", LAYOUTS)
def test_after_acceptance_the_kept_data_serves_again_and_the_other_is_kept(
    layout: str, lay: Callable[..., World], undoing: Callable[[World], Journal]
) -> None:
    world = lay(layout)
    before = world.tree()
    journal = undoing(accepted(world))
    serving = world.tree()
    restore_undo.swap(journal, silent)
    assert {path: text for path, text in world.tree().items() if path in before} == before
    kept = Path(journal.moves[str(world.data)])
    assert (kept / "base/2").read_text("utf-8") == "rows since the acceptance"
    for name in ("both", "dropped", "later"):
        assert Path(journal.moves[str(world.top / "srv" / name / VERSION)]).is_dir(), name
    restore_undo.swap_back(journal)
    assert world.tree() == serving
    assert restore_places.lost(journal) is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whoever_is_killed_in_it_goes_on_or_back(layout: str, lay: Callable[..., World], undoing: Callable[[World], Journal]) -> None:
    world = lay(layout)
    journal = undoing(accepted(world))
    serving = world.tree()
    restore_undo.swap(journal, silent)
    swapped = world.tree()
    for killed in each_kill(lambda: accepted(world), lambda _world: restore_undo.swap(journal, silent)):
        restore_undo.swap(journal, silent)
        assert killed.tree() == swapped
    for killed in each_kill(lambda: accepted(world), lambda _world: restore_undo.swap(journal, silent)):
        restore_undo.swap_back(journal)
        assert killed.tree() == serving

    def taken() -> World:
        accepted(world)
        restore_undo.swap(journal, silent)
        return world

    for killed in each_kill(taken, lambda _world: restore_undo.swap_back(journal)):
        restore_undo.swap_back(journal)
        assert killed.tree() == serving


def test_what_came_back_is_not_put_aside(lay: Callable[..., World], undoing: Callable[[World], Journal]) -> None:
    world = lay("plain")
    journal = undoing(accepted(world))
    shutil.rmtree(world.top / "srv" / "both" / VERSION)  # dropped in the last moment
    restore_undo.swap(journal, silent)
    swapped = world.tree()
    restore_undo.swap(journal, silent)
    assert world.tree() == swapped


def test_what_serves_stays_where_nothing_was_swapped(lay: Callable[..., World], undoing: Callable[[World], Journal]) -> None:
    world = lay("plain")
    journal = undoing(accepted(world))
    shutil.rmtree(journal.returning[str(world.top / "srv" / "both" / VERSION)])
    before = world.tree()
    restore_undo.swap_back(journal)
    assert world.tree() == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_released_is_what_was_kept_and_only_that(
    layout: str, lay: Callable[..., World], undoing: Callable[[World], Journal]
) -> None:
    world = lay(layout)
    undoing(accepted(world))
    before = world.tree()
    restore_undo.remove("axiomdb", NAME)
    after, wal = world.tree(), str(world.top / "srv" / "wal")
    gone = set(before) - set(after)
    assert all(f".kept-{NAME}" in path or path == wal or path.startswith(f"{wal}/") for path in gone)
    assert not any(f".kept-{NAME}" in path for path in after)
    assert (wal in gone) is ("linked" in layout)
    assert {path: text for path, text in before.items() if path in after} == after
    for killed in each_kill(lambda: accepted(world), lambda _world: restore_undo.remove("axiomdb", NAME)):
        if killed.tree() != before:
            with pytest.raises(Refusal, match="no global/pg_control in|nothing at|no kept data"):
                undoing(killed)
        restore_undo.remove("axiomdb", NAME)
        assert killed.tree() == after


def test_kept_tablespaces_alone_are_no_way_back_and_are_released(lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = lay("plain")
    journal = accepted(world).journal
    alone = replace(journal, had=tuple(place for place in journal.had if place != str(world.data)))
    shutil.rmtree(journal.moves[str(world.data)])
    monkeypatch.setattr(restore_journal, "kept", lambda _stanza: [alone])
    monkeypatch.setattr(restore_undo.restore_phases, "home_now", lambda home: home)
    with pytest.raises(Refusal, match="Found no global/pg_control in anything that is kept"):
        restore_undo.of("axiomdb", "", "the wrong moment")
    assert restore_undo.remove("axiomdb", NAME) == list(alone.moves.values())


def test_the_wal_of_the_data_that_serves_is_never_released(lay: Callable[..., World], undoing: Callable[[World], Journal]) -> None:
    world = lay("linked")
    undoing(accepted(world))
    (world.data / "pg_wal").unlink()
    (world.data / "pg_wal").symlink_to(world.top / "srv" / "wal")
    restore_undo.remove("axiomdb", NAME)
    assert (world.top / "srv" / "wal").is_dir()


def test_data_that_vanished_meanwhile_is_no_data_that_is_kept(lay: Callable[..., World]) -> None:
    world = lay("plain")
    shutil.rmtree(world.data)
    with pytest.raises(Failed, match="nothing at .*data; expected the old data"):
        restore_data.keep(world.journal, silent)


@pytest.mark.parametrize("layout", ["plain", "mount"])
def test_data_that_is_nowhere_is_missed(layout: str, lay: Callable[..., World]) -> None:
    world = lay(layout)
    for entry in world.data.iterdir():
        if entry.name != "lost+found":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    if layout == "plain":
        world.data.rmdir()
    problem = restore_places.lost(world.journal)
    assert problem is not None
    assert problem.found == f"nothing at {world.data}"
    assert restore_places.there(world.journal.home) == world.journal.home.tablespaces


def stopped(world: World, monkeypatch: pytest.MonkeyPatch, *, links: Sequence[str] = ()) -> Journal:
    """The journal as it is written down when the server is stopped; the data leads to these tablespaces too."""
    monkeypatch.setattr(restore_look, "of_others", lambda _home: {})
    (world.data / "pg_tblspc").mkdir(exist_ok=True)
    for number, name in enumerate(links):
        (world.data / "pg_tblspc" / str(number)).symlink_to(world.top / "srv" / name)
    return replace(restore_look.as_stopped(replace(world.journal, phase=QUIET)), phase=KEEP)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tablespace_that_was_made_while_it_was_open_is_kept_like_the_others(
    layout: str, lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lay(layout)

    def made() -> World:
        world.made()
        for name in ("dropped", "later"):
            put(world.top / "srv" / name / VERSION, {"5/1": f"live rows in {name}"})
            give(world.top / "srv" / name)
        return world

    made()
    journal = stopped(world, monkeypatch, links=["later"])
    before = world.tree()
    restore_data.keep(journal, silent)
    restore_data.restore(replace(journal, phase=RESTORE), silent)
    for name in ("dropped", "later"):
        kept = journal.moves[str(world.top / "srv" / name / VERSION)]
        assert Path(kept, "5/1").read_text("utf-8") == f"live rows in {name}"
    restore_places.take_back(replace(journal, phase=RESTORE))
    assert world.tree() == before
    assert restore_places.lost(journal) is None


def test_what_lies_where_is_looked_at_once_the_server_is_stopped(lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = lay("plain")

    def quiet(journal: Journal, _tell: object) -> Journal:
        put(world.top / "srv" / "dropped" / VERSION, {"5/1": "made in the last moment"})
        return journal

    monkeypatch.setattr(restore_run.restore_phases, "quiet", quiet)
    monkeypatch.setattr(restore_run.restore_clients, "hold", lambda journal, _tell: journal)
    monkeypatch.setattr(restore_look, "of_others", lambda _home: {})
    for acts in (restore_run.ACTS, restore_run.UNDOING):
        (world.made().data / "pg_tblspc").mkdir()
        made = str(world.top / "srv" / "dropped" / VERSION)
        journal = acts[QUIET](replace(world.journal, phase=QUIET), silent)
        assert journal.had == (*world.journal.had, made)
        assert journal.inodes[made] == {"": os.lstat(made).st_ino}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_before_a_restore_has_begun_nothing_at_any_place_is_removed(layout: str, lay: Callable[..., World]) -> None:
    world = lay(layout)

    def made() -> World:
        world.made()
        put(world.top / "srv" / "dropped" / VERSION, {"5/1": "live rows in dropped"})
        give(world.top / "srv" / "dropped")
        return world

    journal, before = replace(world.journal, phase=KEEP), made().tree()
    for killed in each_kill(made, lambda _world: restore_data.keep(journal, silent)):
        restore_places.take_back(journal)
        assert killed.tree() == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_came_about_after_the_way_back_is_not_removed(layout: str, lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = lay(layout)
    journal = stopped(world, monkeypatch)
    restore_data.keep(journal, silent)
    assert not kept_inodes.is_returning(replace(journal, phase=RESTORE))
    restore_data.restore(replace(journal, phase=RESTORE), silent)
    journal = replace(journal, phase="recover")
    assert not kept_inodes.is_returning(journal)
    restore_places.take_back(journal)
    put(world.top / "srv" / "dropped" / VERSION, {"5/1": "made since"})
    give(world.top / "srv" / "dropped")
    before = world.tree()
    assert kept_inodes.is_returning(journal)
    restore_places.take_back(journal)
    assert world.tree() == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_restored_copy_is_not_taken_for_the_old_data(layout: str, lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = lay(layout)
    journal = stopped(world, monkeypatch)
    restore_data.keep(journal, silent)
    journal = replace(journal, phase=RESTORE)
    restore_data.restore(journal, silent)
    assert kept_inodes.missing(journal) is None
    for place, kept in journal.moves.items():
        os.rename(kept, world.top / "elsewhere")
        problem, lost = kept_inodes.missing(journal), restore_places.lost(journal)
        assert problem is not None
        assert lost is not None
        assert place in lost.found.split(" at ")[1].split(", ")
        assert problem.found == f"nothing at {kept}"
        assert f"the old data of {place}, which the recovery {NAME} kept there" in problem.expected
        shutil.copytree(world.top / "elsewhere", kept, symlinks=True)
        other = kept_inodes.missing(journal)
        assert other is not None
        assert other.found == f"another directory at {kept}"
        shutil.rmtree(kept)
        os.rename(world.top / "elsewhere", kept)
    assert kept_inodes.missing(journal) is None
    restore_places.take_back(journal)
    assert restore_places.lost(journal) is None
    assert kept_inodes.missing(journal) is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whoever_is_killed_anywhere_has_its_old_data_somewhere(
    layout: str, lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, now = lay(layout), []

    def made() -> World:
        now[:] = [stopped(world.made(), monkeypatch)]
        return world

    for _killed in each_kill(made, lambda _world: restore_data.keep(now[0], silent)):
        assert kept_inodes.missing(now[0]) is None

    def restored() -> World:
        made()
        restore_data.keep(now[0], silent)
        now[0] = replace(now[0], phase=RESTORE)
        restore_data.restore(now[0], silent)
        return world

    for _killed in each_kill(restored, lambda _world: restore_places.take_back(now[0])):
        assert kept_inodes.missing(now[0]) is None
        restore_places.take_back(now[0])
        assert restore_places.lost(now[0]) is None


def test_kept_data_that_is_gone_serves_no_more(
    lay: Callable[..., World], undoing: Callable[[World], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lay("plain")
    undoing(accepted(world))
    space = world.top / "srv" / "both" / VERSION
    shutil.rmtree(world.journal.moves[str(space)])
    with pytest.raises(Refusal, match=f"nothing at {space}.kept-{NAME}; expected the old data of {space}"):
        restore_undo.of("axiomdb", "", "the wrong moment")


def test_nothing_is_done_below_a_mount_point_on_which_nothing_is_mounted(lay: Callable[..., World]) -> None:
    world = lay("mount")
    with pytest.raises(Refusal, match=f"nothing mounted on {world.data}; expected the filesystem of the data directory"):
        restore_places.refuse_unmounted(world.journal.home)
    restore_places.refuse_unmounted(lay("plain").journal.home)
    restore_places.refuse_unmounted(replace(world.journal.home, mounts=("/proc",)))
    world = lay("linked")
    restore_places.refuse_unmounted(world.journal.home)
    shutil.rmtree(world.top / "srv" / "wal")
    with pytest.raises(Refusal, match=f"nothing at {world.top}/srv/wal; expected the WAL of the data directory"):
        restore_places.refuse_unmounted(world.journal.home)


def test_nor_below_a_filesystem_that_was_mounted_above_it_when_the_recovery_began(
    lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lay("plain")
    top, disk = str(world.top / "srv"), str(world.top / "srv" / "both")
    there = {"/", top, disk}
    monkeypatch.setattr(host, "mounts", lambda: frozenset(there))
    home = replace(world.journal.home, above=restore_places.mounts_above(world.journal.home))
    assert home.above == (top, disk)
    restore_places.refuse_unmounted(home)
    there.discard(disk)
    said = f"Found nothing mounted on {disk}; expected the filesystem that held {disk}/{VERSION}. Next: sudo mount {disk}"
    with pytest.raises(Refusal, match=re.escape(said)):
        restore_places.refuse_unmounted(home)
    there.discard(top)
    said = f"Found nothing mounted on {top} and {disk}; expected the filesystem that held {world.data}. "
    with pytest.raises(Refusal, match=re.escape(f"{said}Next: sudo mount {top}; sudo mount {disk}")):
        restore_places.refuse_unmounted(home)
    assert restore_places.mounts_above(home) == home.above, "what was there is not forgotten"


def test_neither_way_goes_on_there(lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = lay("plain")
    home = replace(world.journal.home, above=(str(world.top / "srv"),))
    journal = restore_journal.save(replace(world.journal, home=home, phase=RESTORE))
    monkeypatch.setattr(restore_run, "ACTS", {RESTORE: lambda *_words: pytest.fail("went on")})
    monkeypatch.setattr(restore_run, "go_back", lambda *_words: pytest.fail("went back"))
    for command in (restore_run.carry_on, restore_run.take_back):
        with pytest.raises(Refusal, match="nothing mounted on .*/srv; expected the filesystem that held .*/srv/data"):
            command(journal, silent)


def test_what_is_kept_on_a_filesystem_that_is_away_is_not_called_gone(lay: Callable[..., World]) -> None:
    world = lay("plain")
    home = replace(world.journal.home, above=(str(world.top / "srv"),))
    restore_journal.save(replace(world.journal, home=home, phase="", outcome=restoring.ACCEPTED))
    for command in (restore_undo.of, restore_undo.remove):
        with pytest.raises(Refusal, match="nothing mounted on .*/srv; expected the filesystem that held"):
            command("axiomdb", NAME, silent)


def serving_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the way back asks of the host is answered without one."""
    monkeypatch.setattr(restore_undo.restore_phases, "home_now", lambda home: home)
    monkeypatch.setattr(restore_undo.scratch_look, "control_of", lambda _version, _directory: GOAL)
    monkeypatch.setattr(restore_look, "of_others", lambda _home: {})


def older(world: World) -> Journal:
    """A recovery that was accepted before the one of the world, and whose data is kept; the newer one is written down, too."""
    home = replace(world.journal.home, wal="", mounts=(), above=(), tablespaces=())
    ended = replace(world.journal, phase="", outcome=restoring.ACCEPTED)
    before = replace(ended, name="20261101-080000", home=home, had=(home.directory,), inodes={})
    put(Path(before.moves[home.directory]), {"global/pg_control": "control"})
    restore_journal.save(before)
    return before


@pytest.mark.parametrize("layout", ["plain", "linked", "mount and linked"])
def test_a_released_recovery_does_not_stand_before_an_older_one(
    layout: str, lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = accepted(lay(layout))
    serving_now(monkeypatch)
    there = {"/", str(world.top / "srv"), str(world.data)}
    monkeypatch.setattr(host, "mounts", lambda: frozenset(there))
    before = older(world)
    home = replace(world.journal.home, above=(str(world.top / "srv"),))
    restore_journal.save(replace(world.journal, home=home, phase="", outcome=restoring.ACCEPTED))
    restore_undo.remove("axiomdb", NAME)
    assert not (world.top / "srv" / "wal").exists() or layout == "plain"
    for _mounted in range(2):
        assert restore_undo.of("axiomdb", "", "the wrong moment").undoes == before.name
        with pytest.raises(Refusal, match=f"no kept data of the recovery {NAME}; expected .*{before.name}"):
            restore_undo.of("axiomdb", NAME, "the wrong moment")
        there.clear()  # the second time: it had left that filesystem before that was taken away
    shutil.rmtree(before.moves[home.directory])
    restore_journal.release(before)
    with pytest.raises(Refusal, match="no kept data of an accepted recovery; expected one whose data is kept: none"):
        restore_undo.of("axiomdb", "", "the wrong moment")


def test_nor_one_that_was_released_before_that_was_written_down(lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = accepted(lay("linked"))
    serving_now(monkeypatch)
    before = older(world)
    restore_journal.save(replace(world.journal, phase="", outcome=restoring.ACCEPTED))
    monkeypatch.setattr(restore_journal, "release", lambda _journal: None)
    restore_undo.remove("axiomdb", NAME)
    assert restore_undo.of("axiomdb", "", "the wrong moment").undoes == before.name
    of_before = {key: value for key, value in restore_record.document(world.journal).items() if key != "released"}
    assert restore_record.parse(of_before) == world.journal


@pytest.mark.parametrize("changes", [{"order": {"keep": False}}, {"undone": True}, {}])
def test_nor_one_that_kept_nothing_or_whose_data_serves_again(
    changes: dict[str, object], lay: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lay("plain")
    serving_now(monkeypatch)
    before = older(world)
    newer = replace(world.journal, home=replace(world.journal.home, above=(str(world.top / "srv"),)), phase="", outcome=restoring.ACCEPTED)
    newer = replace(newer, order=replace(newer.order, keep="order" not in changes))
    restore_journal.save(newer)
    if changes.get("undone"):
        restore_journal.save(replace(newer, name=UNDO, undoes=NAME, home=world.journal.home))
    if changes:
        assert restore_undo.of("axiomdb", "", "the wrong moment").undoes == before.name
    else:
        with pytest.raises(Refusal, match="nothing mounted on .*/srv; expected the filesystem that held"):
            restore_undo.of("axiomdb", "", "the wrong moment")
