# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a recovery in place refuses, each in a sentence and before anything is touched: the server goes on as it was."""

from __future__ import annotations

import pytest
from converged import Converged, small_disk
from fleet import STANZA
from lab import Lab
from restore_refusals import Refusals, problems, tell

pytestmark = pytest.mark.xdist_group("kills")
# What each refusal says at least; {host} is the one that is refused, {other} the other one, {version} its PostgreSQL.
SAID = {
    "two hosts": ["Found the hosts {host}, {other}; expected one.", "Next: the same command with -l {host}, or with -l {other}"],
    "two hosts back": ["Found the hosts {host}, {other}; expected one.", "Next: the same command with -l {host}, or with -l {other}"],
    "of another host": ["Found the confirmation '{other}/{stanza}'; expected '{host}/{stanza}', the cluster that is restored. Next: sudo "],
    "another's": ["Found the confirmation '{other}/{stanza}'; expected '{host}/{stanza}', the cluster that is restored. Next: "],
    "no plan": ["Found no plan named; expected ", "which is what would happen now: repository 1, set "],
    "no way back": ["Found the confirmation '{host}/{stanza}'; expected '{host}/{stanza}/no-way-back'"],
    "a backup in between": ["Found the plan ", "which is what would happen now: repository 1, set "],
    "no reason": ["Found no reason; expected why this is done", "with your own words for WHY, type: ", " --reason=WHY"],
    "misspelt": ["Found restore_acton; expected one of ", "Next: correct the name"],
    "unknown name": ["Found no snapshot known-to-nobody", "Next: type "],
    "future": ["Found the time 2126-01-01T00:00:00Z, which is in the future", "Next: type time:"],
    "unverified": ["which no verification has found good; expected a verified set"],
    "link": ["Found /var/lib/postgresql/{version}/main/own.conf, a link to "],
    "room": ["free", "Next: df -h"],
    "standby": [
        "the standby shadow, the replication slot follower; expected nobody who follows this server",
        "add restore_standbys=detach",
    ],
    "of a standby": [
        "Found a standby, {version}/main (standby.signal in /var/lib/postgresql/{version}/main); expected the primary",
        "Next: restore the primary: ansible-playbook -i inventory playbooks/restore.yml -l PRIMARY -e restore_target=name:known; then ",
    ],
    "by hand": ["Found the process ", "which systemd did not start as postgresql@{version}-main.service, on /var/lib/postgresql/"],
}


@pytest.fixture(scope="module")
def refused(sandbox: Lab, converged: Converged) -> tuple[str, str, str, Refusals]:
    """A host whose data has half a gigabyte, another one of the same stanza, and everything that was refused."""
    host, other = converged.twin("without-room"), converged.twin("another")
    small_disk(host, "500m")
    return host.name, other.name, converged.version, tell(sandbox, host, other)


@pytest.mark.parametrize("name", SAID)
def test_it_says_what_it_found_what_it_expected_and_what_to_type(name: str, refused: tuple[str, str, str, Refusals]) -> None:
    host, other, version, found = refused
    said = found.said[name]
    assert said.rc != 0, said.output
    for part in SAID[name]:
        text = part.format(host=host, other=other, version=version, stanza=STANZA)
        assert text in said.output, (text, said.output)


@pytest.mark.parametrize("name", SAID)
def test_nothing_was_touched(name: str, refused: tuple[str, str, str, Refusals]) -> None:
    before, after = refused[3].touched[name]
    assert before == after


def test_all_problems_are_said_at_once(refused: tuple[str, str, str, Refusals]) -> None:
    assert len(problems(refused[3].said["all at once"])) == 3, "the reason, the link, and who follows"


def test_a_standby_that_may_lose_its_primary_is_no_problem(refused: tuple[str, str, str, Refusals]) -> None:
    said = refused[3].said["standby detached"]
    assert said.rc == 0, said.output
    assert "To do it, type:" in said.output
    assert "--standbys=detach" in said.output


def test_every_row_is_there(refused: tuple[str, str, str, Refusals]) -> None:
    assert refused[3].rows == "after before"
