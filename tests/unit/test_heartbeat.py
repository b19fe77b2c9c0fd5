# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server that was started anew is woken by its first heartbeat, and by none of the following ones."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from _recovery import heartbeat, state
from _recovery.jobs import DONE, Stanza
from _recovery.moments import parse_heartbeats

STANZA = Stanza("axiomdb", "17", "main", 5432)


class Server:
    """Answers what a heartbeat asks, and keeps what it was told to do."""

    def __init__(self) -> None:
        self.started, self.woken = "1764190000.25", 0

    def ask(self, _port: int, sql: str, **_more: Any) -> Any:
        if sql == heartbeat.WAKE:
            self.woken += 1
            return True
        if "pg_is_in_recovery" in sql:
            return False
        return {"time": 1764190060.5, "lsn": "0/3000060", "timeline": 1, "started": self.started}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server()
    for name in ("DIRECTORY", "LOGS", "MEMORY"):
        monkeypatch.setattr(state, name, tmp_path / name)
    monkeypatch.setattr(state, "PAUSE", tmp_path / "pause.json")
    monkeypatch.setattr(state, "ids", lambda _user, _group: (os.geteuid(), os.getegid()))
    monkeypatch.setattr(heartbeat, "ask", found.ask)
    return found


def test_a_server_that_was_started_anew_is_woken_once(server: Server) -> None:
    assert [(heartbeat.heartbeat(STANZA).outcome, server.woken) for _beat in range(3)] == [(DONE, 1)] * 3
    server.started = "1764190090.5"
    assert [(heartbeat.heartbeat(STANZA).outcome, server.woken) for _beat in range(2)] == [(DONE, 2)] * 2


def test_its_start_is_none_of_the_heartbeats_own(server: Server) -> None:
    heartbeat.heartbeat(STANZA)
    written = (state.DIRECTORY / "axiomdb" / "heartbeats.jsonl").read_text(encoding="utf-8")
    assert [str(one.lsn) for one in parse_heartbeats(written)] == ["0/3000060"]
    assert "started" not in json.loads(written)


def test_where_nothing_can_be_kept_it_is_woken_each_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_words: object) -> str:
        raise OSError("disk full")

    monkeypatch.setattr(state, "keep", full)
    assert [(heartbeat.heartbeat(STANZA).outcome, server.woken) for _beat in range(2)] == [(DONE, 1), (DONE, 2)]
