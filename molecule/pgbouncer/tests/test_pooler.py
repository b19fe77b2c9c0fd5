# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clients come in by SCRAM alone and share a server connection; postgres reaches the console; no password lies in any file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

# Two clients at once, one transaction of each, and one of the first again.
TWO_CLIENTS = """
import psycopg2
clients = [psycopg2.connect("host=127.0.0.1 port=6432 user=clerk dbname=orders") for _ in range(2)]
for client in (*clients, clients[0]):
    with client, client.cursor() as cursor:
        cursor.execute("select pg_backend_pid(), txid_current()")
        print(*cursor.fetchone())
"""
PAUSED = """
set -e
console() { runuser -u postgres -- psql -XAtq -h /var/run/postgresql -p 6432 -U pgbouncer pgbouncer -c "$1"; }
console 'PAUSE'
psql -XAtw -h 127.0.0.1 -p 6432 -U clerk orders -c 'select 42' & client=$!
until console 'SHOW CLIENTS' | grep -q '^C|clerk|orders|.*waiting'; do sleep 0.1; done
kill -0 $client
echo waits
console 'RESUME'
wait $client
"""


def secret(role: str) -> str:
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], role).read_text(encoding="utf-8").strip()


def come_in(host: Any, role: str, password: str, database: str = "orders", place: str = "127.0.0.1") -> Any:
    """Ask one question through the pooler, as the user nobody."""
    words = "runuser -u nobody -- env PGPASSWORD=%s psql -XAtw -h %s -p 6432 -U %s -d %s -c 'select current_user, current_database()'"
    return host.run(words, password, place, role, database)


@pytest.mark.parametrize("place", ["127.0.0.1", "/var/run/postgresql"])
def test_the_right_password_opens(host: Any, place: str) -> None:
    done = come_in(host, "clerk", secret("clerk"), place=place)
    assert (done.rc, done.stdout) == (0, "clerk|orders\n"), done.stderr


def test_names_with_quotes_and_blanks_work(host: Any) -> None:
    done = come_in(host, "o'brien", secret("obrien"), "two-words")
    assert (done.rc, done.stdout) == (0, "o'brien|two words\n"), done.stderr


@pytest.mark.parametrize("place", ["127.0.0.1", "/var/run/postgresql"])
@pytest.mark.parametrize(("role", "password"), [("clerk", "wrong"), ("clerk", ""), ("builder", "x"), ("postgres", "x"), ("pgbouncer", "x")])
def test_nobody_else_comes_in(host: Any, role: str, password: str, place: str) -> None:
    for database in ("orders", "pgbouncer"):
        done = come_in(host, role, password, database, place)
        assert done.rc == 2, done.stdout
        assert any(reason in done.stderr for reason in ("authentication failed", "no password supplied", "not allowed")), done.stderr


def test_two_clients_share_one_server_connection(host: Any) -> None:
    done = host.run("PGPASSWORD=%s python3 -c %s", secret("clerk"), TWO_CLIENTS)
    assert done.rc == 0, done.stderr
    backends, transactions = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert len(set(backends)) == 1
    assert len(set(transactions)) == 3


def test_postgres_reaches_the_console_and_a_client_waits_through_a_pause(host: Any) -> None:
    done = host.run("PGPASSWORD=%s bash -c %s", secret("clerk"), PAUSED)
    assert (done.rc, done.stdout) == (0, "waits\n42\n"), done.stderr


def test_no_file_has_a_password(host: Any) -> None:
    text = host.file("/etc/pgbouncer/userlist.txt").content_string
    assert [line.split('" "')[0] for line in text.splitlines()] == ['"clerk', "\"o'brien"]
    assert all('" "SCRAM-SHA-256$' in line for line in text.splitlines())
    # The journal is searched by a story: here it has the commands of these tests, passwords and all.
    places = "/etc /var/log/postgresql /var/lib/postgresql"
    for role in ("clerk", "obrien"):
        assert host.run(f"grep -rlF -e %s {places}", secret(role)).stdout == ""
    found = host.run(f"grep -rlF -e %s {places}", "SCRAM-SHA-256$4096").stdout
    assert "/etc/pgbouncer/userlist.txt" in found.split(), "the search finds what there is"


@pytest.mark.parametrize("path", ["/etc/pgbouncer/pgbouncer.ini", "/etc/pgbouncer/userlist.txt"])
def test_only_postgres_reads_the_files(host: Any, path: str) -> None:
    file = host.file(path)
    assert (file.user, file.group, file.mode) == ("root", "postgres", 0o640)


def test_it_listens_on_loopback_alone_and_also_after_a_boot(host: Any) -> None:
    assert {socket for socket in host.socket.get_listening_sockets() if socket.endswith(":6432")} == {"tcp://127.0.0.1:6432"}
    assert host.service("pgbouncer").is_running
    assert host.service("pgbouncer").is_enabled


def test_nothing_of_the_packages_file_was_kept(host: Any) -> None:
    assert host.run("ls /etc/pgbouncer").stdout.split() == ["pgbouncer.ini", "userlist.txt"]
