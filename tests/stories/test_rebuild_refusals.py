# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is not rebuilt, in the words that say why; and a rebuild that is led elsewhere until it is accepted."""

from __future__ import annotations

import re

import pytest
from converged import Converged
from rebuild_refusals import Refused, play
from stores import Stores

pytestmark = [pytest.mark.tier("torture"), pytest.mark.xdist_group("stores")]
SAID = {
    "empty": "Found an empty repository 1; expected the backups of axiomdb",
    "foreign": "Found a foreign repository 2: it holds axiomdb, and no stanza billing",
    "another cluster": "Found a foreign cluster in repository 2, set {set}: its databases are axiomdb; expected one of shop, as declared",
    "unreadable": "repository 2",
    "another name": "Found rebuild_lost_host=somebody, and a stanza to which {lost} wrote last",
    "mounts": "Found nothing mounted on /srv/lost, where {lost} had data; expected the same layout here",
    "libraries": "Found other collation versions: the default of axiomdb by version glibc 1.0, here glibc 2.",
    "altered": "Found the site bundle in repository 2 not opened: it was altered since it was sealed",
    "another passphrase": "Found the site bundle in repository 2 not opened: the passphrase is not the one with which it was sealed",
    "collations": "Found other collation versions: en-x-icu of axiomdb by version 0.1, here ",
    "woken": "signs that {lost} lives: since the rebuild was planned 0000000100000000000000",
    "released": "a repository may know of its timeline already",
}


@pytest.fixture(scope="module")
def story(system: str, converged: Converged, stores: Stores, request: pytest.FixtureRequest) -> Refused:
    return play(converged, stores, request.config.getoption("--seed"))


@pytest.mark.parametrize("what", SAID)
def test_each_refusal_says_why(system: str, what: str, story: Refused) -> None:
    assert SAID[what].format(lost=story.lost, set=story.set) in story.said[what]


def test_nothing_is_restored_by_what_is_refused(system: str, story: Refused) -> None:
    assert story.restored == ""


def test_a_host_with_data_is_left_alone(system: str, story: Refused) -> None:
    assert f"Found a server (process {story.process}) on /var/lib/postgresql/" in story.said["data"]
    assert "-l " in story.said["data"]
    assert story.before == story.after, "nothing was touched"


def test_a_lost_host_that_wakes_up_stops_it_and_what_it_has_archived_comes_too(system: str, story: Refused) -> None:
    assert "then what it has archived is taken over too by: ansible-playbook " in story.said["woken"]
    assert f"-e rebuild_lost_host={story.lost}" in story.said["woken"]
    assert f"-e rebuild_lost_host={story.lost}" in story.status
    assert story.tool is not None
    assert story.tool.rc != 0
    assert "expected a rebuild that is planned anew" in story.tool.output
    assert story.rows["paused"] < story.rows["with what it archived"] == story.rows["woken"]


def test_it_is_led_to_another_target_until_it_is_accepted(system: str, story: Refused) -> None:
    assert story.rows["paused"] > story.rows["earlier"] > 0
    assert story.rows["earlier"] == story.rows["known"], "exactly the rows of the other target"


def test_indexes_are_made_anew_before_anybody_is_let_in(system: str, story: Refused) -> None:
    assert "makes the indexes of axiomdb anew" in story.log
    assert story.log.index("makes the indexes of axiomdb anew") < story.log.index("for its clients")
    assert story.version == "t", "the version is this system's now"


def test_a_spare_host_proves_that_the_vault_opens_the_repository(system: str, story: Refused) -> None:
    assert story.spare is not None
    good, wrong = story.spare
    assert good.rc == 0, good.output
    assert re.search(
        r"the vault opens repository 2: [1-9][0-9]* backups? and [1-9][0-9]* WAL segments read, nothing is broken", good.stdout
    )
    assert wrong.rc != 0
    assert "the passphrase does not open the repository" in " ".join(wrong.output.split())
