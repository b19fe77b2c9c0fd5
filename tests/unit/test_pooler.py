# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PgBouncer's files: what is refused, what is written, and what a running pooler has of it, on recorded SHOW CONFIG answers.

Recorded with: psql --csv -h /var/run/postgresql -p 6432 -U pgbouncer pgbouncer -c 'SHOW CONFIG', on an untouched package.
"""

from __future__ import annotations

import csv
import socket
import struct
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _recovery import pooler, pooler_options
from _recovery.pooler import Database, Declaration, Running
from _recovery.pooler_console import demand
from _recovery.systems import SYSTEMS
from hypothesis import given
from hypothesis import strategies as st

RECORDED = Path(__file__).parent / "recorded_pgbouncer"
VERSIONS = [system.pgbouncer for system in SYSTEMS]
DECLARED = Declaration((Database("shop", "shop"),), ("clerk",), ("127.0.0.1",), 6432, "127.0.0.1", 5432, 3600)
VERIFIER = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"


def config(version: str) -> dict[str, tuple[str, str, bool]]:
    """What an untouched pooler of this release answers."""
    with (RECORDED / f"{version}.csv").open(encoding="utf-8") as stream:
        return {row["key"]: (row["value"], row["default"], row["changeable"] == "yes") for row in csv.DictReader(stream)}


def sections(declared: Declaration) -> dict[str, dict[str, str]]:
    return {"databases": pooler.databases_of(declared), "pgbouncer": pooler.settings_of(declared)}


def running(declared: Declaration, version: str = "1.24.1") -> Running:
    """A pooler that has read exactly this declaration after it was started with it."""
    settings = config(version)
    for name, value in pooler.settings_of(declared).items():
        settings[name] = (value, *settings[name][1:])
    rows = {
        database.name: {"host": declared.server_host, "port": str(declared.server_port), "database": database.target, "pool_size": "20"}
        for database in declared.databases
    }
    return Running(settings, {"pgbouncer": {}, **rows})


def refused(**changes: Any) -> list[str]:
    return [problem.sentence() for problem in pooler.judge(replace(DECLARED, **changes), (1, 24))]


# --- the vocabulary ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_the_known_settings_are_those_of_the_release(version: str) -> None:
    assert pooler_options.known(pooler_options.version_of(version)) == set(config(version))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_default_of_a_release_is_accepted(version: str) -> None:
    own = {name: default for name, (_value, default, _changeable) in config(version).items() if default and name not in pooler_options.OWN}
    assert pooler_options.judge_settings(own, pooler_options.version_of(version)) == []


def test_a_version_is_read_or_refused() -> None:
    assert pooler_options.version_of("PgBouncer 1.24.1") == (1, 24)
    with pytest.raises(ValueError, match=r"^Found 'nonsense'; expected a version"):
        pooler_options.version_of("nonsense")


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"pol_mode": "session"}, "Found the unknown setting 'pol_mode'; expected 'pool_mode', which is the nearest name"),
        ({"max-client-conn": 5}, "Found the unknown setting 'max-client-conn'; expected 'max_client_conn', which is the nearest name"),
        ({"zzz": 1}, "Found the unknown setting 'zzz'; expected a setting that PgBouncer 1.24 has"),
        ({"transaction_timeout": 1}, "Found the unknown setting 'transaction_timeout'; expected "),
        ({"pool_mode": "bogus"}, "Found the value 'bogus' of pool_mode; expected one of session, transaction, statement"),
        ({"default_pool_size": "many"}, "Found the value 'many' of default_pool_size; expected a whole number"),
        ({"verbose": "99999999999999"}, "Found the value '99999999999999' of verbose; expected a whole number up to 2147483647"),
        ({"server_lifetime": "5min"}, "Found the value '5min' of server_lifetime; expected a number of seconds, without a unit"),
        ({"log_stats": "maybe"}, "Found the value 'maybe' of log_stats; expected true or false"),
        ({"stats_users": "a\n[users]"}, "Found a line break or a zero byte in the value of stats_users; expected one line"),
        ({"stats_users": {"a": 1}}, "Found a value of the type dict for stats_users; expected text, a number, a boolean or a list of them"),
        ({"auth_type": "trust"}, "Found 'auth_type' in pgbouncer_settings; expected nothing: clients prove themselves by SCRAM alone"),
        ({"auth_hba_file": "/x"}, "Found 'auth_hba_file' in pgbouncer_settings; expected nothing: clients prove"),
        ({"listen_port": 1}, "Found 'listen_port' in pgbouncer_settings; expected pgbouncer_port, which says it"),
        ({"unix_socket_dir": "/tmp"}, "Found 'unix_socket_dir' in pgbouncer_settings; expected nothing: the collection itself needs it"),
    ],
)
def test_a_setting_that_is_wrong_is_refused(settings: dict[str, Any], sentence: str) -> None:
    (found,) = refused(settings=settings)
    assert found.startswith(sentence)
    assert found.endswith(" Next: correct pgbouncer_settings")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"databases": ()}, "Found no database; expected at least one"),
        ({"databases": (Database("a b", "x"),)}, "Found the database name 'a b'; expected letters, digits and _ . - alone"),
        ({"databases": (Database("*", "x"),)}, "Found the database name '*'"),
        ({"databases": (Database("pgbouncer", "x"),)}, "Found the database name 'pgbouncer'"),
        ({"databases": (Database("a", "x\ny"),)}, "Found a line break in the name behind a"),
        ({"databases": (Database("a", "x"), Database("a", "y"))}, "Found the database a twice; expected each name once"),
        ({"databases": (Database("a", "x", {"password": "secret"}),)}, "Found the unknown setting 'password'; expected one of "),
        ({"databases": (Database("a", "x", {"pool_sze": 1}),)}, "Found the unknown setting 'pool_sze'; expected 'pool_size', which"),
        ({"databases": (Database("a", "x", {"pool_size": "x"}),)}, "Found the value 'x' of pool_size; expected a whole number"),
        ({"roles": ()}, "Found no role; expected at least one"),
        ({"roles": ("a\nb",)}, "Found the role name 'a\\nb'; expected one line"),
        ({"port": 5432}, "Found port 5432 for the pooler and for its server; expected two ports"),
        ({"port": 0}, "Found pgbouncer_port 0; expected a port from 1 to 65535"),
        ({"query_wait_timeout_seconds": -1}, "Found pgbouncer_query_wait_timeout_seconds -1; expected seconds, or 0 for no end"),
        ({"listen_addresses": ("a\nb",)}, "Found the address 'a\nb'; expected one address"),
    ],
)
def test_a_declaration_that_is_wrong_is_refused(changes: dict[str, Any], part: str) -> None:
    (found,) = refused(**changes)
    assert found.startswith(part)
    assert "secret" not in found


def test_all_problems_are_told_at_once() -> None:
    assert len(refused(databases=(), roles=(), settings={"a": 1})) == 3
    assert refused() == []


@pytest.mark.parametrize(
    ("verifier", "kind"), [(None, "no password"), ("", "no password"), ("md5abc", "an MD5 password"), ("x", "unknown")]
)
def test_a_role_without_a_verifier_is_told_in_one_sentence(verifier: str | None, kind: str) -> None:
    problem = pooler.unusable("clerk", verifier)
    assert problem is not None
    assert f"the role clerk with {kind}" in problem.sentence() or "a password of an unknown kind" in problem.sentence()
    assert pooler.unusable("clerk", VERIFIER) is None


# --- writing and reading -----------------------------------------------------------------------------------------


def test_the_whole_file() -> None:
    declared = replace(DECLARED, databases=(Database("shop", "it's"), Database("x", "x", {"pool_size": 5})), settings={"log_stats": False})
    assert pooler.render("a test", sections(declared)) == (
        "; a test\n[databases]\nshop = host=127.0.0.1 port=5432 dbname='it''s'\nx = host=127.0.0.1 port=5432 dbname=x pool_size=5\n\n"
        "[pgbouncer]\nlogfile = /var/log/postgresql/pgbouncer.log\npidfile = /var/run/postgresql/pgbouncer.pid\n"
        "listen_addr = 127.0.0.1\nlisten_port = 6432\nunix_socket_dir = /var/run/postgresql\nauth_type = scram-sha-256\n"
        "auth_file = /etc/pgbouncer/userlist.txt\npool_mode = transaction\nquery_wait_timeout = 3600\n"
        "ignore_startup_parameters = extra_float_digits\nlog_stats = 0\n"
    )


texts = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(texts, texts, max_size=4))
def test_users_are_read_as_they_were_written(users: dict[str, str]) -> None:
    assert pooler.parse_users(pooler.render_users(users)) == users


@given(texts)
def test_a_database_is_read_as_it_was_written(target: str) -> None:
    declared = replace(DECLARED, databases=(Database("shop", target),))
    read = pooler.parse(pooler.render("a test", sections(declared)))["databases"]["shop"]
    assert pooler.connection_of(read) == {"host": "127.0.0.1", "port": "5432", "dbname": target}


def test_secrets_of_somebody_elses_file_are_masked() -> None:
    databases = "a = host=x password=one dbname=a\nb = PASSWORD='two ''x' dbname=b\n;c = password = three\n"
    text = f"[databases]\n{databases}[pgbouncer]\nauth_ldap_options = four\n"
    shown = pooler.without_secrets(text)
    assert not [secret for secret in ("one", "two", "three", "four") if secret in shown]
    assert "dbname=a" in shown
    assert "dbname=b" in shown


def test_debians_own_file_is_nobodys_work() -> None:
    assert pooler.is_packaged({"databases": {}, "users": {}, "pgbouncer": dict(pooler.PACKAGED)})
    assert not pooler.is_packaged({"databases": {"a": "x"}, "pgbouncer": dict(pooler.PACKAGED)})
    assert not pooler.is_packaged({"databases": {}, "pgbouncer": {**pooler.PACKAGED, "max_client_conn": "5"}})


# --- a running pooler --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_one_that_has_read_everything_differs_in_nothing(version: str) -> None:
    assert pooler.unread(sections(DECLARED), running(DECLARED, version)) == {}
    assert pooler.pending_restart(pooler.settings_of(DECLARED), running(DECLARED, version)) == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_an_untouched_one_waits_for_a_restart_that_cuts_nobody(version: str) -> None:
    untouched = Running(config(version), {"pgbouncer": {}})
    assert pooler.pending_restart(pooler.settings_of(DECLARED), untouched) == {"listen_addr": "localhost"}
    assert untouched.serves_nobody
    assert not running(DECLARED, version).serves_nobody
    left = pooler.unread(sections(DECLARED), untouched)
    assert left == {
        "pool_mode": ("transaction", "session"),
        "query_wait_timeout": ("3600", "120"),
        "database shop": ("present", "(absent)"),
    }


def test_a_reload_brings_in_what_may_change_and_only_that() -> None:
    more = replace(DECLARED, port=6433, settings={"default_pool_size": "7", "log_stats": False})
    assert pooler.unread(sections(more), running(DECLARED)) == {"default_pool_size": ("7", "20"), "log_stats": ("0", "1")}
    assert pooler.pending_restart(pooler.settings_of(more), running(DECLARED)) == {"listen_port": "6432"}


def test_a_setting_that_leaves_the_file_waits_too() -> None:
    before = running(replace(DECLARED, settings={"unix_socket_mode": "0700", "so_reuseport": True}))
    settings = {**before.settings, "unix_socket_mode": ("448", "0777", False), "so_reuseport": ("1", "0", False)}
    assert pooler.pending_restart(pooler.settings_of(DECLARED), Running(settings, before.databases)) == {
        "unix_socket_mode": "448",
        "so_reuseport": "1",
    }


def test_a_user_forced_by_somebodys_entry_waits_for_a_restart() -> None:
    before = running(DECLARED)
    rows = {"pgbouncer": {"force_user": "pgbouncer"}, "shop": {**before.databases["shop"], "force_user": "app"}}
    pending = pooler.pending_restart(pooler.settings_of(DECLARED), Running(before.settings, rows))
    assert pending == {"user of database shop": "app"}


def test_databases_that_differ_are_unread() -> None:
    more = replace(DECLARED, server_port=5544, databases=(Database("shop", "shop", {"pool_size": 3}), Database("new", "new")))
    assert pooler.unread(sections(more), running(DECLARED)) == {
        "port of database shop": ("5544", "5432"),
        "pool_size of database shop": ("3", "20"),
        "database new": ("present", "(absent)"),
    }
    other = replace(DECLARED, databases=(Database("new", "new"),))
    assert set(pooler.unread(sections(other), running(DECLARED))) == {"database new", "database shop"}


def test_the_sentence_about_a_restart_names_all_of_it() -> None:
    sentence = pooler.pending_sentence({"listen_port": "6432", "listen_addr": ""})
    assert sentence.startswith("RESTART PENDING on pgbouncer.service: listen_addr (runs with none), listen_port (runs with 6432). Nothing")
    assert sentence.endswith("-e pgbouncer_restart_allowed=true")


# --- what a port demands of a client -----------------------------------------------------------------------------


def answering(answer: bytes) -> int:
    """A server on loopback that has no TLS and gives one client this answer to its name; returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _address = listener.accept()
        with client, listener:
            client.recv(8)
            client.sendall(b"N")
            client.recv(1024)
            client.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (message(b"R", struct.pack("!i", 10) + b"SCRAM-SHA-256\0\0"), "scram"),
        (message(b"R", struct.pack("!i", 0)), "no password at all"),
        (message(b"R", struct.pack("!i", 3)), "a password in clear"),
        (message(b"R", struct.pack("!i", 5) + b"salt"), "an MD5 password"),
        (message(b"R", struct.pack("!i", 7)), "method 7"),
        (message(b"E", b"SFATAL\0C28000\0Mno pg_hba.conf entry\0\0"), "no pg_hba.conf entry"),
        (message(b"N", b"\0"), "an answer of the type b'N'"),
    ],
)
def test_what_a_port_demands(answer: bytes, meaning: str) -> None:
    assert demand("127.0.0.1", answering(answer), "clerk", "shop") == meaning


def test_a_port_that_says_nothing_is_no_answer() -> None:
    port = answering(b"")
    assert demand("127.0.0.1", port, "clerk", "shop").endswith("the connection was closed without an answer")
    assert "refused" in demand("127.0.0.1", port, "clerk", "shop")
