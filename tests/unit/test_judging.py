# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a verdict comes about: what is seen once is looked for once more, and what an expiry took away is read again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _recovery import ending, judging, repository, state, work
from _recovery.catalog import parse_info
from _recovery.jobs import VERIFY
from _recovery.judging import Sight
from _recovery.picture import failed_verification
from _recovery.postgres import Cluster
from _recovery.run import Completed
from _recovery.summary import Place
from _recovery.verdict import Fault, Judgement, Limits, Reading
from archives import NEW, OLD, Scene
from test_verdict import WITHOUT_5, picture

RECORDED = Path(__file__).parent / "recorded"
LIMITS = Limits(25 * 3600)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited."""
    waited: list[float] = []
    monkeypatch.setattr(judging.time, "sleep", waited.append)
    return waited


def sight(scene: Scene) -> Sight:
    outlook = scene.outlook()
    return Sight(picture(outlook), (outlook,))


def test_a_host_that_is_well_is_looked_at_once(slept: list[float]) -> None:
    assert judging.faults_of(sight(Scene()), pytest.fail, LIMITS) == ()
    assert slept == []


def test_what_is_gone_at_the_second_look_is_not_accused(slept: list[float]) -> None:
    assert judging.faults_of(sight(Scene(WITHOUT_5)), lambda: sight(Scene()), LIMITS) == ()
    assert slept == [judging.PAUSE]


def test_what_is_still_there_is_accused(slept: list[float]) -> None:
    (fault,) = judging.faults_of(sight(Scene(WITHOUT_5)), lambda: sight(Scene(WITHOUT_5)), LIMITS)
    assert fault.topic == "hole 1 000000010000000000000005"


def test_an_expiry_between_two_answers_of_one_look_accuses_nobody(slept: list[float]) -> None:
    half = sight(Scene((6, 7, 8, 9)))  # the catalogue from before it, the archive from after it
    assert judging.faults_of(half, lambda: sight(Scene((6, 7, 8, 9), backups=(NEW,))), LIMITS) == ()


def test_what_verify_read_needs_no_second_look(slept: list[float]) -> None:
    reading = Reading(1, 0, 2, 7, ("the backup X is invalid",))
    (fault,) = judging.faults_of(sight(Scene()), pytest.fail, LIMITS, (reading,))
    assert (fault.found, slept) == ("repository 1: the backup X is invalid", [])


def test_what_verify_read_stands_beside_what_two_looks_saw(slept: list[float]) -> None:
    reading = Reading(1, 0, 2, 7, ("the backup X is invalid",))
    found = judging.faults_of(sight(Scene(WITHOUT_5)), lambda: sight(Scene(WITHOUT_5)), LIMITS, (reading,))
    assert [fault.topic.split()[0] for fault in found] == ["hole", "verify"]


# --- reading ---------------------------------------------------------------------------------------------------------


class Verify:
    """pgbackrest verify and info, in the order of their answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: list[str], sets: list[tuple[str, ...]], busy: bool = False) -> None:
        self.answers, self.sets, self.busy, self.codes = answers, sets, busy, [0]
        self.log = ""
        monkeypatch.setattr(judging, "pgbackrest", self.run)
        monkeypatch.setattr(repository, "look", self.look)

    def run(self, _stanza: str, _command: list[str], options: list[str]) -> Completed:
        assert options == ["--repo=1", "--log-level-stderr=info"]
        return Completed("pgbackrest verify", self.codes[0], self.answers.pop(0), f"{self.log}ERROR: [103]: no valid repository")

    def look(self, _stanza: str, _numbers: list[int], _options: list[str]) -> tuple[Any, ...]:
        labels = self.sets.pop(0)
        found = Scene(backups=tuple(replace(OLD, label=label) for label in labels)).outlook().repository
        return (replace(found, busy=self.busy),)


def text(case: str) -> str:
    return str(json.loads((RECORDED / "2.55.1" / f"verify-{case}.json").read_text(encoding="utf-8"))["stdout"])


def test_a_repository_that_is_whole_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Verify(monkeypatch, [text("clean")], [("A",), ("A",)])
    assert judging.read("axiomdb", 1).broken == ()


def test_damage_is_read_once_and_the_exit_code_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    Verify(monkeypatch, [text("flipped-bundle")], [("A",), ("A",)])
    reading = judging.read("axiomdb", 1)
    assert (reading.code, len(reading.broken)) == (0, 1)


def test_what_verify_only_counts_is_named_by_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    verify = Verify(monkeypatch, [text("flipped-wal")], [("A",), ("A",)])
    verify.log = f"INFO: invalid checksum '17-1/0000000100000000/000000010000000000000003-{'a' * 40}.zst'\n"
    assert judging.read("axiomdb", 1).broken[0].endswith("(checksum invalid: 1): 000000010000000000000003")


def test_what_an_expiry_took_away_meanwhile_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    Verify(monkeypatch, [text("lost-manifest"), text("clean")], [("A", "B"), ("B",), ("B",)])
    assert judging.read("axiomdb", 1).broken == ()


def test_what_an_expiry_is_taking_away_is_read_again_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    Verify(monkeypatch, [text("lost-manifest"), text("clean")], [("A",)] * 3, busy=True)
    assert judging.read("axiomdb", 1).broken == ()
    Verify(monkeypatch, [text("lost-manifest")] * judging.READS, [("A",)] * 4, busy=True)
    assert len(judging.read("axiomdb", 1).broken) == 1


def test_a_whole_repository_whose_sets_change_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Verify(monkeypatch, [text("clean")], [("A",), ("A", "B")])
    assert judging.read("axiomdb", 1).broken == ()


def test_a_verify_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    verify = Verify(monkeypatch, [""], [("A",), ("A",)])
    verify.codes = [103]
    reading = judging.read("axiomdb", 1)
    assert (reading.code, reading.broken) == (103, ("pgbackrest verify ended with 103: ERROR: [103]: no valid repository",))


@pytest.mark.parametrize("version", ["2.45", "2.55.1", "2.60.0"])
def test_a_backup_or_an_expiry_at_work_is_seen(version: str) -> None:
    for case, busy in (("info-lock-held", True), ("info", False)):
        record = json.loads((RECORDED / version / f"{case}.json").read_text(encoding="utf-8"))
        stanza = json.loads(record["stdout"])[0]["name"]
        assert parse_info(record["stdout"], stanza, [1])[0].busy is busy


# --- what is kept ----------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where state files go."""
    for name in ("lib", "run"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(state, "DIRECTORY", tmp_path / "lib")
    monkeypatch.setattr(state, "MEMORY", tmp_path / "run")
    monkeypatch.setattr(state.os, "geteuid", lambda: 1000)
    return tmp_path / "lib"


def test_the_last_verdict_is_kept_with_its_format(kept: Path) -> None:
    assert judging.last("axiomdb") is None
    assert list(kept.iterdir()) == []
    judging.remember("axiomdb", Judgement(7.0, (Reading(1, 0, 2, 7),)))
    assert judging.last("axiomdb") == Judgement(7.0, (Reading(1, 0, 2, 7),))
    assert json.loads((kept / "axiomdb" / "verdict.json").read_text(encoding="utf-8"))["format"] == 1


def test_the_space_of_this_hosts_own_disks_is_watched(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {
        1: Place("posix", str(kept), "none", False),
        2: Place("posix", str(kept), "none", True),
        3: Place("s3", "/x", "none", True),
        4: Place("posix", str(kept / "absent"), "none", False),
    }
    seen = picture(places=places)
    judging.watch_space("axiomdb", seen)
    (sample,) = judging.samples_of("axiomdb")
    assert (sample.repository, sample.time) == (1, seen.now)
    with monkeypatch.context() as patched:
        patched.setattr(state, "keep", pytest.fail)  # nothing is written each minute
        judging.watch_space("axiomdb", replace(seen, now=seen.now + 60))
    assert judging.samples_of("axiomdb") == (sample,)


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ((), ""),
        ((Fault("a", 1, "X is missing", "this"),), "X is missing"),
        ((Fault("a", 1, "X is missing", "this"), Fault("b", 1, "Y is old", "that")), "X is missing, and 1 more"),
    ],
)
def test_every_summary_says_the_first_thing_that_the_last_verification_found(kept: Path, faults: tuple[Fault, ...], said: str) -> None:
    ending.remember("axiomdb", VERIFY, work.end_of(Judgement(7.0, (), faults)), 7.0, 8.0)
    assert failed_verification("axiomdb") == said


# --- the whole verdict -----------------------------------------------------------------------------------------------


def test_a_repository_that_is_not_mounted_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "configured", lambda: {1: {}, 2: {}})
    monkeypatch.setattr(repository, "not_mounted", lambda _numbers: {2: "/mnt/b"})
    monkeypatch.setattr(judging, "read", lambda _stanza, number: Reading(number, 0, 2, 7))
    monkeypatch.setattr(judging, "look", lambda *_arguments: sight(Scene()))
    told: list[str] = []
    found = judging.verify("axiomdb", Cluster("17", "main"), "vps1", LIMITS, told.append)
    assert ([one.repository for one in found.readings], found.faults) == ([1], ())
    assert told == ["repository 1: 2 backups and 7 WAL segments read, 0 problems; pgbackrest verify itself ended with 000"]
