# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A standby is not recovered in place: its primary is."""

from __future__ import annotations

from pathlib import Path

import pytest
from _recovery import host, restore_run, restore_standby
from _recovery.postgres import Cluster, NotAnswering
from _recovery.problem import Refusal
from _recovery.restore_run import Consent
from _recovery.restore_standby import Following
from test_restoring import ORDER

CLUSTER = Cluster("17", "main", 5432)


@pytest.mark.parametrize(
    ("seen", "is_one"),
    [
        (Following(), False),
        (Following(standby=True), True),
        (Following(recovery=True), False),
        (Following(recovers=False), False),
        (Following(standby=True, recovers=False), False),
        (Following(standby=True, recovers=True), True),
        (Following(recovers=True), True),
        (Following(recovery=True, recovers=True), False),
    ],
)
def test_a_standby_is_known_by_its_signal_and_by_its_server(seen: Following, is_one: bool) -> None:
    assert (restore_standby.judge(CLUSTER, seen, "latest") is not None) == is_one


def test_the_primary_is_named_with_both_commands() -> None:
    found = restore_standby.judge(CLUSTER, Following(standby=True, recovers=True, sender="db1"), "time:2026-11-22 14:30:00Z")
    assert found is not None
    assert found.found == "a standby, 17/main (standby.signal in /var/lib/postgresql/17/main), which follows db1"
    assert found.expected.startswith("the primary")
    assert "playbooks/restore.yml -l db1 -e 'restore_target=time:2026-11-22 14:30:00Z'; then rebuild this standby" in found.next_step
    unknown = restore_standby.judge(CLUSTER, Following(recovers=True, sender="/var/tmp"), "latest")
    assert unknown is not None and "-l PRIMARY " in unknown.next_step


def test_where_the_primary_is_lost_the_standby_is_promoted_first() -> None:
    rebuild = "ansible-playbook -i inventory playbooks/rebuild.yml -l EMPTY_HOST"
    promote = f"sudo pg_ctlcluster 17 main promote; then type the same again, or {rebuild}"
    runs = restore_standby.judge(CLUSTER, Following(standby=True, recovers=True, sender="db1"), "latest")
    assert runs is not None and runs.next_step.endswith(f"; where the primary is lost: {promote}")
    stopped = restore_standby.judge(CLUSTER, Following(standby=True), "latest")
    started = f"sudo systemctl start postgresql@17-main && {promote}"
    assert stopped is not None and stopped.next_step.endswith(f"; where the primary is lost: {started}")


@pytest.mark.parametrize("answers", [True, False])
def test_a_recovery_of_one_is_refused_before_anything_is_planned(answers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "standby.signal").touch()

    def ask(_port: int, _sql: str) -> object:
        if not answers:
            raise NotAnswering("no server")
        return {"recovers": True, "sender": None}

    monkeypatch.setattr(host, "data_directory", lambda *_words: str(tmp_path))
    monkeypatch.setattr(restore_standby.postgres, "ask", ask)
    monkeypatch.setattr(restore_run.horizon, "look", lambda *_words: pytest.fail("looked further"))
    with pytest.raises(Refusal, match="Found a standby, 17/main .*; expected the primary.*Next: restore the primary"):
        restore_run.propose(ORDER, "axiomdb", CLUSTER, "vps1", Consent())
