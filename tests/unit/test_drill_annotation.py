# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A set that says that it was drilled tells every host how long a recovery takes; what a host has measured itself comes first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from _recovery import drill_annotation, drill_document, drill_history, drill_run, horizon, measuring, rates, state
from _recovery.catalog import Backup, Repository
from _recovery.postgres import Cluster, NotAnswering
from _recovery.rates import Rate, Rates
from _recovery.spoken import moment
from archives import NEW, NOW, OLD, Scene
from drilled import ended

DAY = 86400.0
AT = float(int(NOW))


def noted(backup: Backup, proof: str) -> Backup:
    return replace(backup, annotations={**backup.annotations, drill_annotation.ANNOTATION: proof})


def repository(*backups: Backup) -> Repository:
    return Scene(backups=backups).outlook().repository


PROOF = drill_annotation.annotation(ended(NOW, took={"restore": 40000}))[drill_annotation.ANNOTATION]
NOTED = Rates(Rate(1 << 30, 40.0, AT, f"the drill of set {NEW.label}"), Rate(1 << 26, 2.0, AT, f"the drill of set {NEW.label}"))


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(state.os, "geteuid", lambda: 1000)


def test_what_a_drill_has_measured_is_read_from_its_annotation() -> None:
    assert PROOF == "2026-11-22T12:00:30Z passed latest in 46s: restored 1073741824 B in 40.0s, replayed 67108864 B in 2.0s"
    assert drill_annotation.rates_of([repository(OLD, noted(NEW, PROOF))]) == NOTED


def test_a_host_that_has_drilled_nothing_is_told_what_its_sets_say_of_a_drill() -> None:
    later = drill_annotation.annotation(ended(NOW + DAY))[drill_annotation.ANNOTATION]
    proof = drill_annotation.told([repository(noted(OLD, later)), repository(noted(NEW, PROOF))])
    said = f"set {OLD.label} of repository 1 was drilled on another host, or before a rebuild: passed on 2026-11-23T12:00:30Z, RTO 7 s"
    assert proof == said and drill_annotation.told([repository(OLD, noted(NEW, "passed"))]) == ""
    first, second = drill_history.lines(drill_history.Last(), 92, NOW, proof=proof)
    assert first.startswith("  drill        no recovery was ever drilled on this host. ") and second == f"               {said}"
    assert proof not in "".join(drill_history.lines(drill_history.last([drill_document.document(ended(NOW))], NOW), 92, NOW, proof=proof))


def test_the_newest_drill_counts_whatever_its_set_is() -> None:
    later = drill_annotation.annotation(ended(NOW + DAY))[drill_annotation.ANNOTATION]
    found = drill_annotation.rates_of([repository(noted(OLD, later)), repository(noted(NEW, PROOF))])
    assert found.restore is not None and found.restore.what == f"the drill of set {OLD.label}"


def test_an_annotation_without_rates_tells_of_the_whole() -> None:
    found = drill_annotation.rates_of([repository(noted(NEW, "2026-11-22T12:00:30Z passed time:2026-11-22T11:30:00Z in 90s"))])
    assert found == Rates(Rate(NEW.size, 90.0, AT, f"the drill of set {NEW.label}"))


@pytest.mark.parametrize(
    "text", ["", "passed", "2026-13-22T12:00:30Z passed latest in 7s", f"{PROOF} more", "now passed latest in 7s", "2026Z passed x in -1s"]
)
def test_what_cannot_be_read_tells_nothing(text: str) -> None:
    assert drill_annotation.rates_of([repository(noted(NEW, text))]) == Rates()


def test_a_host_without_a_history_takes_what_the_set_says_and_one_with_its_own() -> None:
    held = [repository(noted(NEW, PROOF))]
    assert measuring.known("axiomdb") == Rates() and measuring.known("axiomdb", held) == NOTED
    state.path("axiomdb", "rates.json")
    measuring.remember("axiomdb", measuring.RESTORE, 100, 2.0, "the recovery one")
    own = measuring.known("axiomdb", held)
    assert own.restore is not None and own.restore.what == "the recovery one" and own.replay == NOTED.replay


def test_a_plan_on_another_host_says_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_port: int) -> None:
        raise NotAnswering("nobody")

    monkeypatch.setattr(horizon.repository, "configured", lambda: {1: {}})
    monkeypatch.setattr(horizon.host, "pgbackrest_version", lambda: "2.55")
    monkeypatch.setattr(horizon.postgres, "state", silent)
    monkeypatch.setattr(horizon.repository, "look", lambda *_given: (repository(noted(NEW, PROOF)),))
    monkeypatch.setattr(horizon, "_archive", lambda _stanza, one, size: (one, Scene().outlook().holdings, horizon.Tree()))
    monkeypatch.setattr(horizon.stopped, "segment_size", lambda _cluster: 0)
    monkeypatch.setattr(horizon.stopped, "left_behind", lambda _cluster: None)
    seen = horizon.look("axiomdb", Cluster("17", "main", 5432))
    assert seen.here.rates == NOTED
    seconds, source = rates.expected(1 << 30, 1 << 26, seen.here.rates)
    assert seconds == rates.AROUND + 42.0 and source.endswith(
        f"by the drill of set {NEW.label} of 2026-11-22T12:00:30Z: in 40.0 s 1.0 GiB restored, in 2.0 s 64.0 MiB of WAL replayed"
    )


def test_a_drill_is_known_by_its_begin_and_only_what_passed_tells_how_long_it_takes() -> None:
    def known(**failed: str) -> Rates:
        one = ended(NOW, failed=failed)
        (state.DIRECTORY / one.stanza / measuring.FILE).unlink(missing_ok=True)
        drill_run.remember(one)
        return measuring.known(one.stanza)

    whole = known()
    assert whole.restore is not None and whole.replay is not None and whole.restore.source == f"the drill of {moment(NOW)}"
    assert known(dump="none", checks="another") == whole
    assert known(replay="not there") == known(start="no server") == Rates(whole.restore) and known(restore="a broken file").restore is None
