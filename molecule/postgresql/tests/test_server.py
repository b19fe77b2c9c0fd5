# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The server is as declared, and no other cluster came with the packages."""

from __future__ import annotations

from typing import Any

import pytest


def ask(host: Any, query: str) -> str:
    done = host.run(f'runuser -u postgres -- psql -p 5544 -Atc "{query}"')
    assert done.rc == 0, done.stderr
    return str(done.stdout.strip())


def test_there_is_one_cluster_and_it_runs_on_its_own_unit(host: Any) -> None:
    assert [line.split()[:4] for line in host.run("pg_lsclusters -h").stdout.splitlines()] == [["17", "orders", "5544", "online"]]
    assert host.service("postgresql@17-orders").is_running


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("data_directory", "/srv/orders/data"),
        ("lc_messages", "de_DE.UTF-8"),
        ("data_checksums", "off"),
        ("work_mem", "7MB"),
        ("log_min_duration_statement", "250ms"),
        ("password_encryption", "scram-sha-256"),
    ],
)
def test_a_setting_runs_as_declared(host: Any, setting: str, value: str) -> None:
    assert ask(host, f"show {setting}") == value


def test_roles_have_the_attributes_that_were_declared_and_no_more(host: Any) -> None:
    rows = ask(host, "select rolname, rolcanlogin, rolcreatedb, rolsuper from pg_roles where rolname in ('clerk', 'builder') order by 1")
    assert rows.splitlines() == ["builder|t|t|f", "clerk|t|f|f"]
    assert ask(host, "select left(rolpassword, 13) from pg_authid where rolname = 'clerk'") == "SCRAM-SHA-256"


def test_the_database_belongs_to_its_owner(host: Any) -> None:
    assert ask(host, "select pg_get_userbyid(datdba), datcollate from pg_database where datname = 'orders'") == "clerk|de_DE.UTF-8"


def test_nobody_is_trusted_over_tcp(host: Any) -> None:
    rows = ask(host, "select type, auth_method from pg_hba_file_rules order by line_number")
    assert rows.splitlines() == ["local|peer", "local|peer", "hostssl|scram-sha-256"]
