# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PgBouncer's two files: what is declared becomes their text, what an existing one says, and how a running pooler differs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import pooler_options
from .pooler_options import Version, text_of
from .problem import Problem

ROOT = "/etc/pgbouncer"
INI, USERS = f"{ROOT}/pgbouncer.ini", f"{ROOT}/userlist.txt"
SOCKET_DIRECTORY = "/var/run/postgresql"
ADMIN = "pgbouncer"  # the name of the console's database and of its user, whom the operating system proves
ABSENT_SETTING = "(default)"
# What Debian's package writes; whoever has these alone has written nothing.
PACKAGED = {
    "logfile": "/var/log/postgresql/pgbouncer.log",
    "pidfile": "/var/run/postgresql/pgbouncer.pid",
    "listen_addr": "localhost",
    "listen_port": "6432",
    "unix_socket_dir": SOCKET_DIRECTORY,
    "auth_type": "md5",
    "auth_file": USERS,
}
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_LINE = re.compile(r"([A-Za-z0-9_.*-]+)\s*=\s*(.*)")
_PAIR = re.compile(r"([a-z_]+)\s*=\s*(?:'((?:[^']|'')*)'|(\S*))")
_USER = re.compile(r'^\s*"((?:[^"]|"")*)"\s+"((?:[^"]|"")*)"', re.MULTILINE)
_SHOWN = {"pool_size": "pool_size", "min_pool_size": "min_pool_size", "pool_mode": "pool_mode", "max_db_connections": "max_connections"}


@dataclass(frozen=True)
class Database:
    """A database as clients name it, and its name on the server."""

    name: str
    target: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Declaration:
    """What the pooler is to be. `server_host` is how it reaches the server: over loopback, where SCRAM proves a role."""

    databases: tuple[Database, ...]
    roles: tuple[str, ...]
    listen_addresses: tuple[str, ...]
    port: int
    server_host: str
    server_port: int
    query_wait_timeout_seconds: int
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """What the console of a running pooler answers: setting → (value, default, changeable), and a row for each database."""

    settings: Mapping[str, tuple[str, str, bool]]
    databases: Mapping[str, Mapping[str, str]]

    @property
    def serves_nobody(self) -> bool:
        """True without a database: nobody but the console's user can be connected, and a restart cuts nobody."""
        return not set(self.databases) - {ADMIN}


def judge(declared: Declaration, version: Version) -> list[Problem]:
    """Every reason why this is not written."""
    problems = pooler_options.judge_settings(declared.settings, version)
    names = [database.name for database in declared.databases]
    for database in declared.databases:
        if not _NAME.fullmatch(database.name) or database.name == ADMIN:
            expected = f"letters, digits and _ . - alone, which PgBouncer reads, and another name than {ADMIN}"
            problems.append(Problem(f"the database name '{database.name}'", expected, "correct pgbouncer_databases"))
        if any(character in database.target for character in "\n\r\0"):
            problems.append(Problem(f"a line break in the name behind {database.name}", "one line", "correct pgbouncer_databases"))
        problems += pooler_options.judge_database_options(database.name, database.options)
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(Problem(f"the database {name} twice", "each name once", "correct pgbouncer_databases"))
    if not names:
        problems.append(Problem("no database", "at least one", "declare postgresql_databases or pgbouncer_databases"))
    if not declared.roles:
        problems.append(Problem("no role", "at least one", "declare postgresql_roles or pgbouncer_roles"))
    for role in declared.roles:
        if not role or any(character in role for character in "\n\r\0"):
            problems.append(Problem(f"the role name {role!r}", "one line", "correct pgbouncer_roles"))
    for what, number in (("pgbouncer_port", declared.port), ("pgbouncer_server_port", declared.server_port)):
        if not 1 <= number <= 65535:
            problems.append(Problem(f"{what} {number}", "a port from 1 to 65535", f"correct {what}"))
    if declared.port == declared.server_port:
        problems.append(Problem(f"port {declared.port} for the pooler and for its server", "two ports", "correct pgbouncer_port"))
    if declared.query_wait_timeout_seconds < 0:
        found = f"pgbouncer_query_wait_timeout_seconds {declared.query_wait_timeout_seconds}"
        problems.append(Problem(found, "seconds, or 0 for no end", "correct pgbouncer_query_wait_timeout_seconds"))
    for address in (*declared.listen_addresses, declared.server_host):
        if not re.fullmatch(r"[^\s,;='\"]+", address):
            problems.append(
                Problem(f"the address '{address}'", "one address", "correct pgbouncer_listen_addresses and pgbouncer_server_host")
            )
    return problems


def settings_of(declared: Declaration) -> dict[str, str]:
    """The section [pgbouncer]: the role's own choices, then what the user adds or overrides."""
    own = {
        "logfile": PACKAGED["logfile"],
        "pidfile": PACKAGED["pidfile"],
        "listen_addr": ",".join(declared.listen_addresses),
        "listen_port": str(declared.port),
        "unix_socket_dir": SOCKET_DIRECTORY,
        "auth_type": "scram-sha-256",
        "auth_file": USERS,
        "pool_mode": "transaction",
        # A recovery pauses the pools for as long as it restores. PgBouncer's 120 s would cut every client that waits through it.
        "query_wait_timeout": str(declared.query_wait_timeout_seconds),
        # JDBC sends it with each connection, and PgBouncer refuses what it does not know.
        "ignore_startup_parameters": "extra_float_digits",
    }
    return own | {name: text_of(value) for name, value in declared.settings.items()}


def databases_of(declared: Declaration) -> dict[str, str]:
    """The section [databases]. No user or password: each client's own SCRAM keys open the server's connection too."""
    return {
        database.name: " ".join(
            f"{key}={_quoted(value if isinstance(value, str) else text_of(value))}"
            for key, value in {
                "host": declared.server_host,
                "port": declared.server_port,
                "dbname": database.target,
                **database.options,
            }.items()
        )
        for database in declared.databases
    }


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_.:/-]+", text) else "'" + text.replace("'", "''") + "'"


def render(header: str, sections: Mapping[str, Mapping[str, str]]) -> str:
    """The whole file."""
    blocks = ["\n".join([f"[{name}]", *(f"{key} = {value}".rstrip() for key, value in pairs.items())]) for name, pairs in sections.items()]
    return f"; {header}\n" + "\n\n".join(blocks) + "\n"


def parse(text: str) -> dict[str, dict[str, str]]:
    """Sections and their pairs, as PgBouncer reads them; the last one of a name counts."""
    sections: dict[str, dict[str, str]] = {}
    pairs: dict[str, str] = {}
    for line in map(str.strip, text.split("\n")):
        if line.startswith("["):
            pairs = sections.setdefault(line.strip("[]").strip(), {})
        elif not line.startswith((";", "#")) and (match := _LINE.fullmatch(line)):
            pairs[match[1]] = match[2].strip()
    return sections


def render_users(verifiers: Mapping[str, str]) -> str:
    """The userlist, which has no comments: a SCRAM verifier for each role, never a password."""
    return "".join(f'"{_doubled(name)}" "{_doubled(verifiers[name])}"\n' for name in sorted(verifiers))


def _doubled(text: str) -> str:
    return text.replace('"', '""')


def parse_users(text: str) -> dict[str, str]:
    return {name.replace('""', '"'): secret.replace('""', '"') for name, secret in _USER.findall(text)}


def without_secrets(text: str) -> str:
    """Somebody's pgbouncer.ini as it may be shown and kept."""
    masked = re.sub(r"(?i)(password\s*=\s*)('(?:[^']|'')*'|\S+)", r"\1(hidden)", text)
    return re.sub(r"(?im)^([;#\s]*auth_ldap_options\s*=).*$", r"\1 (hidden)", masked)


def is_packaged(sections: Mapping[str, Mapping[str, str]]) -> bool:
    """True for a file that says nothing but what Debian's package writes."""
    others = [pairs for name, pairs in sections.items() if name != "pgbouncer"]
    own = sections.get("pgbouncer", {})
    return not any(others) and all(PACKAGED.get(name) == value for name, value in own.items())


def unusable(role: str, verifier: str | None) -> Problem | None:
    """Why a role that exists cannot come in through the pooler; None for one with a SCRAM verifier."""
    if verifier is not None and verifier.startswith("SCRAM-SHA-256$"):
        return None
    kind = "no password" if not verifier else "an MD5 password" if verifier.startswith("md5") else "a password of an unknown kind"
    return Problem(
        f"the role {role} with {kind}",
        "one that the server stores as SCRAM-SHA-256; until then it cannot come in through PgBouncer",
        "declare its password in postgresql_roles, or leave it out of pgbouncer_roles",
    )


def unread(sections: Mapping[str, Mapping[str, str]], running: Running) -> dict[str, tuple[str, str]]:
    """Name → (in the file, running) of everything that a reload would bring into a running pooler."""
    found = {}
    for name, wanted in sections["pgbouncer"].items():
        value, _default, changeable = running.settings.get(name, (wanted, "", False))
        if changeable and pooler_options.compared(name) and not pooler_options.same(name, wanted, value):
            found[name] = (wanted, value)
    databases = {name: connection_of(text) for name, text in sections["databases"].items()}
    for name in sorted({*databases, *running.databases} - {ADMIN}):
        wanted_row, row = databases.get(name), running.databases.get(name)
        if wanted_row is None or row is None:
            found[f"database {name}"] = (_presence(wanted_row), _presence(row))
            continue
        columns = {"host": "host", "port": "port", "dbname": "database", **{key: _SHOWN[key] for key in wanted_row if key in _SHOWN}}
        for key, column in columns.items():
            if wanted_row[key] != row.get(column):
                found[f"{key} of database {name}"] = (wanted_row[key], row.get(column) or ABSENT_SETTING)
    return found


def _presence(row: Mapping[str, str] | None) -> str:
    return "(absent)" if row is None else "present"


def connection_of(text: str) -> dict[str, str]:
    """The pairs of one connection string."""
    return {key: quoted.replace("''", "'") or plain for key, quoted, plain in _PAIR.findall(text)}


def pending_restart(settings: Mapping[str, str], running: Running) -> dict[str, str]:
    """What no reload changes and what differs, with the values that run.

    A user that somebody's entry of a database forced on every client stays after the entry is gone, in each supported release.
    """
    forced = {f"user of database {name}": row.get("force_user", "") for name, row in running.databases.items() if name != ADMIN}
    return {
        name: value
        for name, (value, default, changeable) in running.settings.items()
        if not changeable and not pooler_options.same(name, settings.get(name, default), value)
    } | {name: user for name, user in forced.items() if user}


def pending_sentence(pending: Mapping[str, str]) -> str:
    names = ", ".join(f"{name} (runs with {value or 'none'})" for name, value in sorted(pending.items()))
    return (
        f"RESTART PENDING on pgbouncer.service: {names}. Nothing was restarted. When a restart suits you, which cuts every client of "
        "the pooler, type the same command again with -e pgbouncer_restart_allowed=true"
    )
