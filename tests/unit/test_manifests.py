# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup whose manifest is gone is no backup, wherever its repository lies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from _recovery import repository
from pictures import repository as held

FOUND = held(1, 300.0, 200.0, 100.0)
OLD, MIDDLE, NEW = (backup.label for backup in FOUND.backups)


class Store:
    """What repo-ls prints: every directory, and a manifest in those that are not in `without`."""

    def __init__(self, *without: str) -> None:
        self.without = without
        self.asked: list[str] = []

    def read(self, _stanza: str, _number: int, *command: str) -> str:
        path = command[-1]
        if path == "backup/axiomdb":
            return json.dumps({label: {"type": "path"} for label in (OLD, MIDDLE, NEW)})
        label = path.rpartition("/")[2]
        self.asked.append(label)
        return json.dumps({} if label in self.without else {"backup.manifest": {"type": "file"}})


def lost() -> list[str]:
    return [backup.label for backup in repository.without_lost_backups("axiomdb", FOUND).backups if backup.lost]


def configure(monkeypatch: pytest.MonkeyPatch, store: Store, **options: str) -> None:
    monkeypatch.setattr(repository, "configured", lambda: {1: options})
    monkeypatch.setattr(repository, "_read", store.read)


def test_on_a_disk_of_this_host_every_manifest_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    configure(monkeypatch, store, path=str(tmp_path))
    for label in (OLD, MIDDLE, NEW):
        (tmp_path / "backup" / "axiomdb" / label).mkdir(parents=True)
        (tmp_path / "backup" / "axiomdb" / label / "backup.manifest").touch()
    assert lost() == []
    (tmp_path / "backup" / "axiomdb" / OLD / "backup.manifest").unlink()
    assert lost() == [OLD]
    assert store.asked == [], "no command for what lies here"


@pytest.mark.parametrize(("without", "asked"), [((), [NEW]), ((NEW,), [NEW, MIDDLE]), ((NEW, MIDDLE, OLD), [NEW, MIDDLE, OLD])])
def test_in_a_store_the_newest_that_can_be_restored_is_found(
    without: tuple[str, ...], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(*without)
    configure(monkeypatch, store, type="s3", path="/axiomdb")
    assert set(lost()) == set(without)
    assert store.asked == asked
