# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A repository on a mount: what the configuration remembers of it, and that the disk below is never taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from _recovery import access, host, repository, scratch_look
from _recovery.run import Completed

ANSWER = [{"name": "axiomdb", "repo": [{"key": key, "status": {"code": 0, "message": "ok"}} for key in (1, 2)]}]


@pytest.fixture
def main_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of a host on which pgBackRest finds both repositories readable."""
    file = tmp_path / "pgbackrest.conf"
    monkeypatch.setattr(repository, "MAIN_FILE", file)
    monkeypatch.setattr(repository, "pgbackrest", lambda *arguments: Completed("pgbackrest info", 0, json.dumps(ANSWER), ""))
    return file


def test_a_mount_is_one_and_a_directory_is_none(tmp_path: Path) -> None:
    assert host.mounted("/proc")
    assert not host.mounted(str(tmp_path))
    assert not host.mounted("/absent")


MOUNTINFO = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /proc rw - proc proc rw
30 21 8:16 / /srv/my\\040data rw,relatime shared:9 master:3 - xfs /dev/sdb rw
31 21 0:44 / /mnt/waits rw - autofs systemd-1 rw,fd=45
32 21 0:45 / /mnt/came rw - autofs systemd-1 rw,fd=46
33 32 8:32 / /mnt/came rw - ext4 /dev/sdc rw
"""


def test_what_is_mounted_is_read_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self, **_words: MOUNTINFO if str(self) == "/proc/self/mountinfo" else "")
    assert host.mounts() == {"/", "/proc", "/srv/my data", "/mnt/came"}
    above = host.mounts_above("/srv/my data/17/main", "/mnt/came", "/mnt/waits/x", "/opt")
    assert above == ("/mnt/came", "/srv/my data")


def test_data_on_a_bound_directory_lies_on_a_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Bound to a directory of the same filesystem: no device differs.
    monkeypatch.setattr(host, "mounted", lambda point: point in ("/", str(tmp_path / "data")))
    assert scratch_look.mount_point(str(tmp_path / "data" / "base")) == str(tmp_path / "data")
    assert scratch_look.mount_point(str(tmp_path / "other")) == ""


def test_the_configuration_remembers_it() -> None:
    text = repository.mount_note(2, "/mnt/my backup") + repository.mount_note(12, "/mnt/b") + "[global]\nrepo1-path=/a\n"
    assert repository.mount_points(text) == {2: "/mnt/my backup", 12: "/mnt/b"}


def test_what_lies_below_a_mount_that_is_gone_is_not_the_repository(main_file: Path) -> None:
    main_file.write_text(repository.mount_note(2, "/mnt/absent") + "[global]\n", encoding="utf-8")
    first, second = repository.look("axiomdb", [1, 2])
    assert first.readable
    assert (second.readable, second.message, second.remedy) == (False, "nothing is mounted on /mnt/absent", "mount /mnt/absent")


def test_what_lies_on_a_mount_is_believed(main_file: Path) -> None:
    main_file.write_text(repository.mount_note(2, "/proc"), encoding="utf-8")
    assert all(found.readable for found in repository.look("axiomdb", [1, 2]))


def test_the_refusal_says_what_to_type() -> None:
    sentence = access.not_mounted(2, "/mnt/backup").sentence()
    assert (
        sentence == "Found nothing mounted on /mnt/backup, where repository 2 lies; expected its filesystem there. Next: mount /mnt/backup"
    )
