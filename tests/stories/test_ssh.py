# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An unprivileged SSH user with sudo, with and without pipelining: the same runs, no acl for our modules, no secret left behind."""

from __future__ import annotations

import pytest
from connecting import Connected, play
from converged import Converged, changed_tasks
from test_secrecy import SECRETS_FILE

pytestmark = pytest.mark.tier("torture")


@pytest.fixture(scope="module")
def connected(converged: Converged, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Connected]:
    """Both ways, one after the other on one host."""
    return play(converged, str(tmp_path_factory.mktemp("ssh")))


@pytest.mark.parametrize("pipelining", [False, True])
def test_every_playbook_works_and_the_second_run_changes_nothing(connected: dict[bool, Connected], pipelining: bool) -> None:
    results = connected[pipelining].results
    assert results["snapshot"].changed == 1
    assert f"  snapshot     name:pipelining-{pipelining} of " in results["snapshot"].stdout
    assert results["backup"].changed == 1
    assert results["site again"].changed == 0
    assert results["site again"].last_line.startswith("PROTECTED")


def test_pipelining_was_off_and_then_on(connected: dict[bool, Connected]) -> None:
    assert (connected[False].copied, connected[True].copied) == (True, False)


def test_our_modules_need_no_acl(connected: dict[bool, Connected]) -> None:
    without = connected[False]
    assert without.acl == {"snapshot": False, "backup": False, "site": False, "site again": True}
    # The tasks that become postgres are those of community.postgresql; the role gives them what they need.
    assert changed_tasks(without.results["site"]) == ["install | Install the packages"]


@pytest.mark.parametrize("pipelining", [False, True])
def test_no_secret_stays_anywhere_else(connected: dict[bool, Connected], pipelining: bool) -> None:
    assert connected[pipelining].files == [SECRETS_FILE]
    assert connected[pipelining].seen.leaks == []
    assert connected[pipelining].seen.saw("sshd", "debian")
