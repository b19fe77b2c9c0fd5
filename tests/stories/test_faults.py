# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each fault of a repository is found and named where pgbackrest verify ends with 0, and a host that is well is never accused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from converged import Converged
from faulting import FEW, MANY, Faults, declared, play
from lab import SYSTEMS, Lab, Result
from scheduling import TOOL

pytestmark = [pytest.mark.core, pytest.mark.xdist_group("faults")]

FULL, STATUS = f"Type: sudo {TOOL} backup --type=full", f"Type: sudo {TOOL} status"

WRITER = "another server writes to this stanza (axiomdb in repository 1): "
STOP = ". Type: sudo systemctl stop postgresql; that on the server that must not live, this one or the other"


@pytest.fixture(scope="module")
def faults(sandbox: Lab, converged_hosts: dict[str, Converged], request: pytest.FixtureRequest) -> dict[str, Faults]:
    """The story of one host of each system, all at once."""
    here = [item for item in request.session.items if item.path == Path(__file__) and hasattr(item, "callspec")]
    wanted = {item.callspec.params["system"] for item in here}
    checks = max((item.callspec.params.get("checks", FEW) for item in here), default=FEW)
    with ThreadPoolExecutor() as pool:
        systems = sorted(wanted, key=SYSTEMS.index)
        hosts = list(pool.map(lambda system: converged_hosts[system].twin("faults", **declared()), systems))
        sandbox.ansible(hosts, "playbooks/site.yml")
        return dict(zip((host.system for host in hosts), pool.map(lambda host: play(host, checks), hosts), strict=True))


@pytest.mark.parametrize("checks", [pytest.param(FEW), pytest.param(MANY, marks=pytest.mark.tier("torture"))])
def test_a_host_that_is_well_is_never_accused(system: str, checks: int, faults: dict[str, Faults]) -> None:
    story = faults[system]
    assert [run.output for run in story.healthy if run.rc] == []
    assert len(story.healthy) >= checks
    assert story.backups > 0
    assert story.found["well"].verify.rc == 0, story.found["well"].verify.output
    assert story.found["well"].told == ""


def test_a_segment_from_before_the_first_backup_is_harmless(system: str, faults: dict[str, Faults]) -> None:
    found = faults[system].found["early"]
    assert found.verify.rc == 0, found.verify.output
    assert found.told == ""


@pytest.mark.parametrize(
    ("fault", "topics", "said"),
    [
        (
            "middle",
            ["hole 1"],
            f": the WAL segment {{middle}} is missing: no moment from there until the end of set |can be recovered. {STATUS}",
        ),
        ("needed", ["hole 1", "set 1"], f": the WAL segment {{needed}}, which it needs, is missing. {FULL}"),
        ("bundle", ["verify 1"], f"the backup {{full}} is invalid (checksum invalid: 1): |. {FULL}"),
        ("wal", ["verify 1"], f"1 of |WAL segments in the archive |is not valid (|: 1): {{middle}}. {FULL}"),
        ("manifest", ["verify 1"], f"the backup {{full}} is |{FULL}"),
        ("info", ["repository 1", "verify 1"], "No usable backup.info file. Type: sudo -u postgres pgbackrest "),
        (
            "passphrase",
            ["repository 1"],
            "repository 1 |: the passphrase does not open the repository|. Type: sudo -u postgres ",
        ),
        ("unreadable", ["repository 1", "verify 1"], "repository 1 cannot be read: |. Type: "),
        ("old", ["age 1", "age 2"], f"the newest backup in repository 2 is |old. Type: sudo {TOOL} backup"),
        ("archiving", ["archiving"], "archiving fails: repository |. Type: tail /var/log/pgbackrest/axiomdb-archive-push-async.log"),
        ("stopped", ["waiting"], " on this host alone while no server archives. Type: pg_lsclusters"),
        ("another", ["writer 1", "writer 2"], f"{WRITER}its archive has the WAL segment 00000001|{STOP}"),
        (
            "returned",
            ["writer 1", "writer 2"],
            f"{WRITER}the WAL segment 00000001|of timeline 1, which this server has left|{STOP}",
        ),
        (
            "history",
            ["history 1"],
            "repository 1: 00000002.history is missing: nothing of timeline 2 can be recovered. Type: sudo -u postgres pgbackrest "
            "--stanza=axiomdb --no-archive-async archive-push /var/lib/postgresql/|/main/pg_wal/00000002.history",
        ),
        ("behind", ["behind 2"], "repository 2 is behind repository 1: its newest WAL segment is |. Type: sudo -u postgres pgbackrest "),
        ("dropped", ["behind 2"], f"repository 2 lacks the WAL segment |, which PostgreSQL believes archived. {FULL}"),
        ("dropped, and then archived", ["hole 2"], f"are missing: what was committed after set |{FULL}"),
    ],
)
def test_each_fault_is_found_and_named(system: str, faults: dict[str, Faults], fault: str, topics: list[str], said: str) -> None:
    story = faults[system]
    found = story.found[fault]
    assert found.verify.rc == 1, found.verify.output
    assert set(topics) <= set(found.topics), found.verify.output
    for part in said.format(**story.names).split("|"):
        assert part in found.document["text"], found.document["text"]
        assert part in found.status.stdout, found.status.stdout
        assert part in found.told, found.told
    assert found.status.rc == 1
    assert f'axiomdb_recovery_verdict_faults{{stanza="axiomdb"}} {len(found.document["faults"])}\n' in found.metrics


def test_what_is_typed_for_a_lost_history_file_brings_it_back(system: str, faults: dict[str, Faults]) -> None:
    found = faults[system].found["history, and then pushed"]
    assert found.verify.rc == 0, found.verify.output
    assert "history is missing" in found.told


def test_pgbackrest_verify_itself_ends_with_0(system: str, faults: dict[str, Faults]) -> None:
    codes = {fault: found.codes for fault, found in faults[system].found.items()}
    assert codes == dict.fromkeys(codes, {1: 0, 2: 0})


def test_the_playbooks_say_it_too(faults: dict[str, Faults], sandbox: Lab, converged: Converged) -> None:
    host = converged.twin("faults")
    judged: Result = sandbox.ansible(host, "playbooks/verify.yml", expect="failure")
    assert "BROKEN: " in judged.stdout
    assert "what was committed after set " in " ".join(judged.stdout.split())
    told = sandbox.ansible(host, "playbooks/status.yml")
    assert told.changed == 0
    for line in (
        "  recovers     repository 1",
        "  newest full  repository 1",
        "  VERDICT      ",
        "  next job     full at ",
        "  space        repository 1",
    ):
        assert line in told.stdout
