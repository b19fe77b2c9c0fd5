# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings of the tool are read in one place; whoever can do without them does."""

from __future__ import annotations

from pathlib import Path

import pytest
from _recovery import drill_reports, restore_journal, state, status, tool_settings
from _recovery.jobs import Settings, Stanza, render_settings

OTHER = Stanza("axiomdb", "15", "main", 5433)
SETTINGS = Settings("vps1", (OTHER,), {})


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(state, "SETTINGS", tmp_path / "recovery.json")
    return state.SETTINGS


def test_what_root_has_written_is_known_to_all(file: Path) -> None:
    file.write_text(render_settings(SETTINGS, "a test"), encoding="utf-8")
    assert tool_settings.read() == tool_settings.known() == status.settings_of("other", OTHER) == SETTINGS
    assert (drill_reports.own_name(), restore_journal._declared("axiomdb")) == ("vps1", OTHER)
    assert restore_journal._declared("another") is None


@pytest.mark.parametrize("text", [None, "", "[]", "{"])
def test_without_them_each_has_an_answer_but_the_tool(text: str | None, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if text is not None:
        file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(drill_reports.socket, "gethostname", lambda: "here")
    assert tool_settings.known() is None
    assert (drill_reports.own_name(), restore_journal._declared("axiomdb")) == ("here", None)
    assert status.settings_of("vps2", OTHER) == Settings("vps2", (OTHER,), {})
    with pytest.raises((OSError, ValueError)):
        tool_settings.read()
