# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is shown of a configuration that somebody wrote, and how root reads files where others may write."""

from __future__ import annotations

from pathlib import Path

import pytest
from _recovery import files
from _recovery.backrest_files import masked
from _recovery.problem import Refusal


def test_no_secret_of_somebody_elses_file_is_shown() -> None:
    text = "[global]\nrepo1-path=/backup\nrepo1-cipher-pass=hand-made\n# repo2-cipher-pass = once\nrepo1-s3-key-secret = abc\n"
    shown = masked(text)
    assert "repo1-path=/backup" in shown
    assert "repo1-cipher-pass=(hidden)" in shown
    assert not {"hand-made", "once", "abc"} & set(shown.replace("=", " ").split())


def test_root_follows_no_link_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("root only", encoding="utf-8")
    (tmp_path / "ours.conf").symlink_to(tmp_path / "secret")
    with pytest.raises(Refusal, match="a link or a special file in place of"):
        files.read(str(tmp_path / "ours.conf"))
    assert files.read(str(tmp_path / "absent.conf")) is None
