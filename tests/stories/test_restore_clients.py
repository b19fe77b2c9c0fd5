# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""While a cluster is recovered in place its pooled clients wait and see no error, its services rest, and whoever must know is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clients import Told, give_up, hold_a_transaction, hooks, kill_a_pause, play, prepare
from converged import refusals
from lab import Lab

pytestmark = [pytest.mark.tier("torture"), pytest.mark.xdist_group("clients")]
GOOD = {"name": "shop", "url": "http://127.0.0.1:8080/health", "contains": "up"}
BAD = {"name": "till", "url": "http://127.0.0.1:8080/nowhere", "timeout": 2}
LIVES = {"shop": "active", "bench": "active", "web": "active", "paused": "0"}


@pytest.fixture(scope="module")
def told(sandbox: Lab, system: str, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """One host: a pause that is killed, a recovery that a hook forbids, one that goes back by itself, and one that succeeds."""
    host = sandbox.up(f"clients-{system}", system, pgbouncer_enabled=True)
    sandbox.ansible(host, "playbooks/site.yml")
    told = prepare(host, Path(tmp_path_factory.mktemp("hooks")))
    kill_a_pause(told)
    forbids = [{"name": "change board", "command": ["sh", "-c", "echo not today; exit 3"], "required": True}]
    asked = hooks(told)
    play(sandbox, told, "forbidden", {**asked, "restore_hooks_before": [*forbids, *asked["restore_hooks_before"]]}, expect="failure")
    give_up(sandbox, told)
    hold_a_transaction(host)
    wrong = [{"name": "orders", "sql": "select 1", "expected": "2"}]
    play(sandbox, told, "returned", hooks(told, restore_checks=wrong), expect="failure")
    right = [{"name": "migrations", "sql": "select 1", "expected": "1"}]
    watched = {"restore_http_checks": [GOOD, BAD], "restore_watch_minutes": 1, "restore_checks": right}
    play(sandbox, told, "restored", hooks(told, **watched))
    return told


def live(told: Told, name: str) -> None:
    """The clients work, and none of them has ever seen an error."""
    seen = told.clients[name]
    assert {key: seen[key] for key in LIVES} == LIVES
    assert seen["errors"] == ""
    assert int(seen["rows of shop"]) > 3
    assert int(seen["rows of bench"]) > 3


def test_a_pause_outlives_whoever_asked_for_it(system: str, told: Told) -> None:
    assert told.paused == (137, "1", "0")


def test_a_plan_says_who_waits_and_what_is_not_asked_for(system: str, told: Told) -> None:
    text = told.said["restored planned"].stdout
    assert "note         PgBouncer pauses axiomdb: clients wait at most 3600 s" in text
    assert "note         shop.service is stopped meanwhile" in text
    assert "open         Notify stakeholders of the downtime" in text


def test_a_hook_that_is_required_forbids_and_nothing_is_stopped(system: str, told: Told) -> None:
    said = refusals(told.said["forbidden"])[told.host.name]
    assert said.startswith("REFUSED, nothing was stopped. Found the hook change board, which is required, failed: exit code 3;")
    assert "playbooks/rollback.yml" in said
    for name in ("forbidden", "given up"):
        assert told.started[name][0] == told.started[name][1]
        live(told, name)
    assert [one["event"] for one in told.hooked["forbidden"]] == ["after"], "no other hook came before, and those after always come"


def test_clients_wait_and_see_no_error(system: str, told: Told) -> None:
    assert told.started["restored"][0] != told.started["restored"][1]
    live(told, "restored")


def test_a_recovery_that_goes_back_lets_them_go_on(system: str, told: Told) -> None:
    assert told.started["returned"][0] != told.started["returned"][1]
    live(told, "returned")
    assert told.said["returned"].stdout.count("Recover to the target") == 1, "what went back is not begun anew"
    assert "is not at rest" in told.host.read("/var/log/axiomdb/restore.log")
    after = told.hooked["returned"][-1]
    assert (after["event"], after["outcome"], after["shop"]) == ("after", "returned", "active")
    assert "for the check orders" in after["recovery"]["trouble"]
    assert "FAILED       Verify connectivity" in told.said["returned"].stdout


def test_hooks_are_told_the_plan_and_the_outcome_in_this_order(system: str, told: Told) -> None:
    before, after = told.hooked["restored"]
    assert (before["event"], before["shop"], before["plan"]["target"]) == ("before", "active", "name:before-the-mistake")
    assert (after["event"], after["shop"], after["outcome"]) == ("after", "active", "accepted")
    here = [json.loads(line) for line in (told.files / "hooked").read_text(encoding="utf-8").splitlines() if line]
    assert [one["event"] for one in here] == ["before", "after"]
    assert here[0]["plan"] == before["plan"]


def test_services_rest_meanwhile(system: str, told: Told) -> None:
    log = told.host.read("/var/log/axiomdb/restore.log")
    order = [log.rindex(word) for word in ("stops shop.service", "pauses axiomdb in PgBouncer", "stops the server of")]
    order += [log.rindex(word) for word in ("clients of axiomdb go on", "started shop.service")]
    assert order == sorted(order)


def test_what_an_endpoint_answers_is_told_and_undoes_nothing(system: str, told: Told) -> None:
    text = " ".join(told.said["restored"].output.split())
    assert "Found 404 from the endpoint till; expected 200. Next: curl -i http://127.0.0.1:8080/nowhere" in text
    assert "Nothing was undone. To go back, type: ansible-playbook" in text
    assert told.said["restored"].last_line.startswith("PROTECTED")


def test_the_checklists_are_told_with_their_results(system: str, told: Told) -> None:
    lines = [" ".join(line.split()) for line in told.said["restored"].stdout.splitlines()]
    for words in (
        "done Identify the restore point name:before-the-mistake",
        "done Notify stakeholders of the downtime before on the host, before here",
        "done Verify connectivity the server answers, on timeline",
        "not asked Check table counts restore_checks",
        "done Run application health checks shop.service, axiomdb in PgBouncer",
        "done Verify recent migrations migrations",
        "FAILED Test critical endpoints Found 404",
        "done Monitor error rates 1 minutes, nothing found",
        "done Update the status page after on the host, after here",
        "done Document the outcome /var/log/axiomdb/operations.jsonl",
    ):
        assert [line for line in lines if line.startswith(words)], words
