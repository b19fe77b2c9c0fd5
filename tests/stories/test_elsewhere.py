# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Repositories elsewhere, in real stores: each with its own passphrase and retention, and each enough to restore from."""

from __future__ import annotations

import pytest
from converged import Converged
from elsewhere import KINDS, Mixed, kinds, play
from fleet import info
from stores import Stores

NUMBERS = {kind: number for number, kind in enumerate(KINDS, 2)}

pytestmark = [pytest.mark.tier("torture"), pytest.mark.xdist_group("stores")]


def needs(system: str, kind: str) -> None:
    if kind not in kinds(system):
        pytest.skip(f"pgBackRest of {system} has no {kind}")


@pytest.fixture(scope="module")
def mixed(converged: Converged, stores: Stores) -> Mixed:
    return play(converged, stores)


def test_the_host_is_protected_against_its_own_loss(system: str, mixed: Mixed) -> None:
    assert mixed.first.last_line == f"PROTECTED: {mixed.host.name}: each WAL segment is archived and a backup exists."


@pytest.mark.parametrize("kind", KINDS)
def test_a_backup_reaches_each_store(system: str, kind: str, mixed: Mixed) -> None:
    needs(system, kind)
    assert mixed.backup.rc == 0, mixed.backup.output
    assert f" in repository {NUMBERS[kind]}" in mixed.backup.stdout
    sets = [backup["type"] for stanza in info(mixed.host) for backup in stanza["backup"] if backup["database"]["repo-key"] == NUMBERS[kind]]
    assert sets == ["full", "diff"]


def test_every_store_is_read_and_valid(system: str, mixed: Mixed) -> None:
    assert mixed.verify.rc == 0, mixed.verify.output
    assert f"read everything in {len(kinds(system)) + 1} repositories: " in mixed.verify.stdout
    assert "nothing is broken or missing" in mixed.verify.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_from_each_store_has_the_rows(system: str, kind: str, mixed: Mixed) -> None:
    needs(system, kind)
    assert mixed.copies[NUMBERS[kind]] == [mixed.rows, "id", "note"]
    assert mixed.rows.startswith("500|")


def test_the_second_run_changes_nothing(system: str, mixed: Mixed) -> None:
    assert mixed.second.changed == 0, mixed.second.stdout


def test_secrets_are_in_files_that_only_root_and_postgres_read(system: str, mixed: Mixed) -> None:
    assert [secret for secret in mixed.secrets if secret in mixed.first.output] == []
    assert "/etc/pgbackrest/repo2-ca.crt" in mixed.first.stdout, "its diff was shown"
    files = mixed.host.run("stat -c '%a %U:%G %n' /etc/pgbackrest/repo*").stdout.splitlines()
    assert {line.rpartition(" ")[0] for line in files} == {"640 root:postgres"}
