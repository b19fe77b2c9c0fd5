# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges PgBouncer's settings before they are written: on a reload it falls back to its defaults when one of them is wrong.

Source: SHOW CONFIG of 1.18.0, 1.24.1 and 1.26.1, recorded under tests/unit/recorded_pgbouncer.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from .problem import Problem

Version: TypeAlias = "tuple[int, int]"
Value: TypeAlias = "str | int | float | bool | list[str]"
LARGEST: Final = 2147483647
NEXT: Final = "correct pgbouncer_settings"
BOOLEANS: Final = frozenset(
    "application_name_add_host disable_pqexec log_connections log_disconnections log_pooler_errors log_stats server_fast_close "
    "server_reset_query_always server_round_robin so_reuseport syslog tcp_keepalive".split()
)
INTEGERS: Final = frozenset(
    "default_pool_size listen_backlog listen_port max_client_conn max_db_client_connections max_db_connections max_packet_size "
    "max_prepared_statements max_user_client_connections max_user_connections min_pool_size peer_id pkt_buf reserve_pool_size "
    "sbuf_loopcnt scram_iterations stats_period tcp_defer_accept tcp_keepcnt tcp_keepidle tcp_keepintvl tcp_socket_buffer "
    "tcp_user_timeout verbose".split()
)
SECONDS: Final = frozenset(
    "autodb_idle_timeout cancel_wait_timeout client_idle_timeout client_login_timeout dns_max_ttl dns_nxdomain_ttl "
    "dns_zone_check_period idle_transaction_timeout pool_idle_timeout query_timeout query_wait_notify query_wait_timeout "
    "reserve_pool_timeout server_check_delay server_connect_timeout server_idle_timeout server_lifetime server_login_retry "
    "suspend_timeout transaction_timeout".split()
)
TEXTS: Final = frozenset(
    "admin_users auth_dbname auth_file auth_hba_file auth_ident_file auth_ldap_options auth_query auth_type auth_user "
    "client_tls13_ciphers client_tls_ca_file client_tls_cert_file client_tls_ciphers client_tls_dheparams client_tls_ecdhcurve "
    "client_tls_key_file client_tls_protocols client_tls_sslmode conffile ignore_startup_parameters job_name listen_addr logfile "
    "login_notify_message pidfile pool_mode resolv_conf server_check_query server_reset_query server_tls13_ciphers "
    "server_tls_ca_file server_tls_cert_file server_tls_ciphers server_tls_key_file server_tls_protocols server_tls_sslmode "
    "stats_users syslog_facility syslog_ident track_extra_parameters unix_socket_dir unix_socket_group unix_socket_mode user".split()
)
SETTINGS: Final = BOOLEANS | INTEGERS | SECONDS | TEXTS
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "pool_mode": ("session", "transaction", "statement"),
    "client_tls_sslmode": _SSL_MODES,
    "server_tls_sslmode": _SSL_MODES,
}
# The oldest and newest of the supported releases that know a setting; all of them, where nothing is said.
SINCE: Final[Mapping[str, Version]] = {
    **dict.fromkeys(
        "auth_dbname auth_ident_file cancel_wait_timeout max_db_client_connections max_prepared_statements "
        "max_user_client_connections peer_id track_extra_parameters".split(),
        (1, 24),
    ),
    **dict.fromkeys(
        "auth_ldap_options client_tls13_ciphers login_notify_message pool_idle_timeout query_wait_notify scram_iterations "
        "server_tls13_ciphers transaction_timeout".split(),
        (1, 26),
    ),
}
UNTIL: Final[Mapping[str, Version]] = {"suspend_timeout": (1, 24)}
# Settings that the role writes itself, and where they are declared instead.
_SCRAM = "nothing: clients prove themselves by SCRAM alone, against the file that the role writes"
_FIXED = "nothing: the collection itself needs it as the role writes it"
OWN: Final[Mapping[str, str]] = {
    "listen_addr": "pgbouncer_listen_addresses, which says it",
    "listen_port": "pgbouncer_port, which says it",
    "query_wait_timeout": "pgbouncer_query_wait_timeout_seconds, which says it",
    **dict.fromkeys((name for name in TEXTS if name.startswith("auth_")), _SCRAM),
    **dict.fromkeys(("conffile", "logfile", "pidfile", "unix_socket_dir", "user"), _FIXED),
}
# What may be said of one database; where its server is, the role says.
DATABASE_INTEGERS: Final = frozenset("max_db_connections min_pool_size pool_size reserve_pool".split())
DATABASE_TEXTS: Final = frozenset("application_name client_encoding connect_query datestyle pool_mode timezone".split())
_BOOLEAN_WORDS = {"1": True, "0": False, "yes": True, "no": False, "on": True, "off": False, "true": True, "false": False}


def version_of(text: str) -> Version:
    """Read `PgBouncer 1.24.1` or `1.24.1`. Raises ValueError for anything else."""
    match = re.match(r"(?:PgBouncer )?([0-9]+)\.([0-9]+)", text.strip())
    if match is None:
        raise ValueError(f"Found {text.strip()!r}; expected a version such as 'PgBouncer 1.24.1'. Next: pgbouncer --version")
    return int(match[1]), int(match[2])


def text_of(value: object) -> str:
    """A declared value as PgBouncer reads it."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value).strip()


def known(version: Version) -> frozenset[str]:
    """The settings that this release has."""
    return frozenset(name for name in SETTINGS if SINCE.get(name, version) <= version <= UNTIL.get(name, version))


def judge_settings(settings: Mapping[str, object], version: Version) -> list[Problem]:
    """Every problem of the settings that a user adds to the role's own."""
    problems = []
    for name, value in settings.items():
        if name in OWN:
            problems.append(Problem(f"'{name}' in pgbouncer_settings", OWN[name], NEXT))
        elif name not in known(version):
            problems.append(_unknown(name, known(version), f"a setting that PgBouncer {version[0]}.{version[1]} has", NEXT))
        elif problem := _judge_value(name, value, BOOLEANS, INTEGERS, SECONDS, NEXT):
            problems.append(problem)
    return problems


def judge_database_options(database: str, options: Mapping[str, object]) -> list[Problem]:
    """Every problem of what is said of one database."""
    allowed = DATABASE_INTEGERS | DATABASE_TEXTS
    next_step = f"correct the options of {database} in pgbouncer_databases"
    problems = []
    for name, value in options.items():
        if name not in allowed:
            problems.append(_unknown(name, allowed, f"one of {', '.join(sorted(allowed))}", next_step))
        elif problem := _judge_value(name, value, (), DATABASE_INTEGERS, (), next_step):
            problems.append(problem)
    return problems


def _unknown(name: str, names: Iterable[str], expected: str, next_step: str) -> Problem:
    near = difflib.get_close_matches(str(name).strip().lower().replace("-", "_"), sorted(names), n=1, cutoff=0.7)
    return Problem(f"the unknown setting '{name}'", f"'{near[0]}', which is the nearest name" if near else expected, next_step)


def _judge_value(
    name: str, value: object, booleans: Iterable[str], integers: Iterable[str], seconds: Iterable[str], next_step: str
) -> Problem | None:
    found = f"the value '{value}' of {name}"
    if not all(isinstance(item, str | int | float) for item in (value if isinstance(value, list) else [value])):
        return Problem(f"a value of the type {type(value).__name__} for {name}", "text, a number, a boolean or a list of them", next_step)
    text = text_of(value)
    if any(character in text for character in "\n\r\0"):
        return Problem(f"a line break or a zero byte in the value of {name}", "one line", next_step)
    if name in CHOICES and text not in CHOICES[name]:
        return Problem(found, f"one of {', '.join(CHOICES[name])}", next_step)
    if name in booleans and text.lower() not in _BOOLEAN_WORDS:
        return Problem(found, "true or false", next_step)
    # PgBouncer itself takes a larger number and runs with another one.
    if name in integers and not (re.fullmatch(r"[0-9]{1,10}", text) and int(text) <= LARGEST):
        return Problem(found, f"a whole number up to {LARGEST}", next_step)
    if name in seconds and not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return Problem(found, "a number of seconds, without a unit", next_step)
    return None


def same(name: str, wanted: str, running: str) -> bool:
    """Whether a value in a file is the one that SHOW CONFIG shows. Changeable texts are not compared: PgBouncer rewrites some."""
    if name in BOOLEANS:
        return _BOOLEAN_WORDS.get(wanted.lower()) == _BOOLEAN_WORDS.get(running.lower())
    if name in INTEGERS | SECONDS:
        return float(wanted or 0) == float(running or 0)
    if name == "unix_socket_mode":
        return int(wanted, 8) == int(running)
    return _words(wanted) == _words(running)


def compared(name: str) -> bool:
    """Whether the running value of a changeable setting tells that the file was read."""
    return name in BOOLEANS | INTEGERS | SECONDS or name in CHOICES


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]
