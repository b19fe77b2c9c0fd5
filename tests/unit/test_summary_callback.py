# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who has the last word of a host on which a drill did not pass: the drill, unless something else ended the run behind it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.axiomdb.recovery.plugins.callback.summary import CallbackModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import verdict
from ansible_collections.axiomdb.recovery.plugins.modules import pgbackrest_verify
from ansible_collections.axiomdb.recovery.plugins.plugin_utils._summary import ended_early, is_told

ROOT = Path(__file__).resolve().parents[2]
HOST = "vps1"
LINE = "DRILL FAILED: vps1/axiomdb: 2 found"
PROBLEMS = ["Found a page that is broken; expected none. Next: look", "Found 1 order; expected 2. Next: correct the check"]
DRILL = {"passed": False, "problems": PROBLEMS, "summary": [LINE], "stanza": "axiomdb"}
VERIFIED = {"msg": f"DRILL FAILED: {' | '.join(PROBLEMS)}"}
UNWRITTEN = {"msg": "There was an issue creating reports/vps1 as requested: Permission denied"}
NOT_KNOWN = "NOT KNOWN: the run ended early on vps1. Read its error above, mend it and run again."


class Run:
    """A run of one host, as Ansible tells it to the callback."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[str] = []
        self.callback = CallbackModule()
        self.failures = 0
        monkeypatch.setattr(self.callback, "get_option", lambda _name: True)
        shown = SimpleNamespace(banner=lambda _text: None, display=lambda text: self.said.extend(text.splitlines()))
        monkeypatch.setattr(self.callback, "_display", shown)

    @staticmethod
    def _event(result: dict[str, Any]) -> Any:
        return SimpleNamespace(host=SimpleNamespace(get_name=lambda: HOST), task=SimpleNamespace(loop=None), result=result)

    def ok(self, result: dict[str, Any]) -> None:
        """A task that did not fail."""
        self.callback.v2_runner_on_ok(self._event(result))

    def failed(self, result: dict[str, Any], *, rescued: bool = False, ignored: bool = False) -> None:
        """A task that failed."""
        self.failures += not rescued and not ignored
        self.callback.v2_runner_on_failed(self._event(result), ignored)

    def end(self, unreachable: int = 0) -> list[str]:
        """The lines behind the name of the host."""
        self.callback.v2_playbook_on_stats(SimpleNamespace(processed=[HOST], failures={HOST: self.failures}, dark={HOST: unreachable}))
        assert self.said.pop(0) == f"{HOST}:"
        return self.said


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that has just begun."""
    return Run(monkeypatch)


def test_the_task_that_fails_the_run_for_a_drill_adds_nothing(run: Run) -> None:
    run.failed({"msg": "no package"}, rescued=True)  # of a lost site that could not be provisioned
    run.ok(DRILL)
    run.failed(VERIFIED)
    assert run.end() == [LINE]


def test_the_role_fails_the_run_for_a_drill_with_all_of_its_problems() -> None:
    (task,) = yaml.safe_load((ROOT / "roles/drill/tasks/verify.yml").read_text())
    assert task["ansible.builtin.fail"]["msg"] == "DRILL FAILED: {{ __drill_ended.problems | join(' | ') }}"


def test_a_drill_that_fails_its_own_task_adds_nothing(run: Run) -> None:
    run.failed({"msg": "whatever it says", **DRILL})
    assert run.end() == [LINE]


def test_a_report_that_could_not_be_written_is_not_hidden_by_the_drill(run: Run) -> None:
    run.ok(DRILL)
    run.failed(UNWRITTEN)
    assert run.end() == [LINE, NOT_KNOWN]


def test_a_host_that_is_not_reached_behind_its_drill_is_not_known(run: Run) -> None:
    run.failed(DRILL, rescued=True)
    assert run.end(unreachable=1) == [LINE, NOT_KNOWN]


def test_what_fails_behind_a_drill_that_was_rescued_is_not_hidden_by_it(run: Run) -> None:
    run.failed(DRILL, rescued=True)
    run.failed({"msg": f"only {PROBLEMS[0]}"})
    assert run.end() == [LINE, NOT_KNOWN]


def test_what_failed_before_a_drill_that_is_run_all_the_same_is_not_hidden_by_it(run: Run) -> None:
    run.failed({"msg": "no route"})
    run.failed(DRILL)
    assert run.end() == [LINE, NOT_KNOWN]


def test_what_is_ignored_ends_no_run(run: Run) -> None:
    run.ok(DRILL)
    run.failed(VERIFIED)
    run.failed({"msg": "no matter"}, ignored=True)
    assert run.end() == [LINE]


def test_a_drill_that_says_nothing_has_no_last_word(run: Run) -> None:
    run.ok({"summary": ["PROTECTED to 14:30"]})
    run.failed({"msg": "refused", "passed": False})
    assert run.end() == ["PROTECTED to 14:30", NOT_KNOWN]


def test_what_was_verified_stands_before_what_protects_the_host(run: Run) -> None:
    read = "  verified     axiomdb in repository 1: 2 backups and 7 WAL segments read, nothing is broken or missing"
    run.ok({"summary": [read], "verdict": "read everything", "summary_is_verdict": False, "stanza": "axiomdb"})
    run.ok({"summary": ["PROTECTED: vps1"], "stanza": "axiomdb"})
    assert run.end() == [read, "PROTECTED: vps1"]


def test_what_repeats_nothing_is_not_told() -> None:
    assert not is_told(VERIFIED, []) and not is_told(VERIFIED, [[]]) and not is_told({}, [PROBLEMS])
    assert is_told(VERIFIED, [["another"], PROBLEMS]) and is_told({"passed": False}, [[]])
    assert not ended_early(0, 0, []) and not ended_early(0, 0, [False]) and ended_early(1, 0, [])


def test_a_verification_that_passed_says_what_was_read_and_is_no_verdict_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    found = verdict.Judgement(7.0, (verdict.Reading(1, 0, 2, 7, files=1204),))
    monkeypatch.setattr(pgbackrest_verify, "refuse_unknown_stanza", lambda _name: None)
    monkeypatch.setattr(pgbackrest_verify, "cluster_of", lambda _wanted: SimpleNamespace(version="17", name="main", port=5432))
    monkeypatch.setattr(pgbackrest_verify.work, "is_standby", lambda _stanza: False)
    monkeypatch.setattr(pgbackrest_verify, "look_in_turn", lambda *_given: found)
    wanted = {"stanza": "axiomdb", "spare": False, "backup_max_age_seconds": 1, "window_days": 0, "inventory_host": HOST}
    told = pgbackrest_verify.act(SimpleNamespace(params=wanted, check_mode=False))
    assert told["summary_is_verdict"] is False and told["verdict"].startswith("read everything in 1 repository")
    assert told["summary"] == verdict.read_lines(found, "axiomdb") != []
