# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The configuration is as declared, holds no secret, and pgBackRest itself reads it without a word of warning."""

from __future__ import annotations

from typing import Any

import pytest

MAIN = "/etc/pgbackrest/pgbackrest.conf"
SECRETS = "/etc/pgbackrest/conf.d/90-secrets.conf"


def test_pgbackrest_reads_it_without_a_warning(host: Any) -> None:
    done = host.run("runuser -u postgres -- pgbackrest --stanza=orders --log-level-console=warn info")
    assert done.rc == 0
    assert "WARN" not in done.stdout + done.stderr
    assert "missing stanza path" in done.stdout


@pytest.mark.parametrize(
    "line",
    ["repo1-path=/var/lib/pgbackrest", "repo2-path=/srv/second", "repo2-retention-full=31", "repo2-bundle-size=40MiB", "[orders]"],
)
def test_a_line_is_there(host: Any, line: str) -> None:
    assert line in host.file(MAIN).content_string.splitlines()


def test_the_secrets_stand_in_their_own_file_alone(host: Any) -> None:
    assert "cipher-pass" not in host.file(MAIN).content_string
    secrets = host.file(SECRETS)
    assert (secrets.user, secrets.group, secrets.mode) == ("root", "postgres", 0o640)
    assert secrets.content_string.count("-cipher-pass=") == 2


def test_the_packages_own_file_is_gone(host: Any) -> None:
    assert not host.file("/etc/pgbackrest.conf").exists


@pytest.mark.parametrize("path", ["/var/lib/pgbackrest", "/srv/second", "/var/spool/pgbackrest", "/var/log/pgbackrest"])
def test_a_directory_is_open_to_postgres_alone(host: Any, path: str) -> None:
    directory = host.file(path)
    assert (directory.user, directory.group, directory.mode) == ("postgres", "postgres", 0o750)


def test_no_cluster_was_made(host: Any) -> None:
    assert not host.file("/etc/postgresql").exists or host.file("/etc/postgresql").listdir() == []
