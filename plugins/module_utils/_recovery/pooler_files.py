# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PgBouncer on a host: what would change, tried by PgBouncer itself before it replaces what is there, and brought in by a reload."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from . import files, host, pooler, pooler_console, postgres
from .files import HEADER, File
from .finding import ABSENT, UNKNOWN, Finding, compare_mappings
from .pooler import INI, USERS, Declaration
from .pooler_console import LOG, UNIT, Console
from .pooler_options import version_of
from .problem import Problem, Refusal
from .run import CommandFailed, run
from .spoken import counted

Sections = Mapping[str, Mapping[str, str]]
# PgBouncer has no command that checks a file. One that names no place to listen at is read to its end, and then this is said.
READ_TO_ITS_END = "nowhere to listen on"
# No command tells whether the userlist was read. A run that is killed before the reload leaves this mode, which the next one finds.
NOT_YET_READ = 0o440


@dataclass(frozen=True)
class Server:
    """What the server says of the declared roles and databases. `verifiers` are those with which a role can come in."""

    verifiers: Mapping[str, str]
    unusable: tuple[Problem, ...]
    absent: tuple[Problem, ...]


@dataclass(frozen=True)
class Plan:
    """What differs and what makes it right. `server` and `users` are None while no server runs that could be asked.

    `idle` says that the running pooler has no database yet, so that a restart cuts nobody.
    """

    declared: Declaration
    installed: str
    sections: Sections
    ini: File
    server: Server | None
    users: File | None
    console: Console | None
    idle: bool
    started: bool
    findings: tuple[Finding, ...]
    diff: tuple[dict[str, str], ...]

    @property
    def stale(self) -> list[File]:
        wanted = [file for file in (self.users, self.ini) if file]
        return [file for file in wanted if files.read(file.path) != file.content or files.attribute_findings(file)]


def judge(declared: Declaration, packaged_version: str) -> str:
    """Raise Refusal for what cannot be written; returns the installed version, empty where there is none.

    `packaged_version` stands in for the installed one on a host that has no PgBouncer yet.
    """
    installed = run(["pgbouncer", "--version"], user="postgres").stdout.partition("\n")[0].removeprefix("PgBouncer ")
    problems = pooler.judge(declared, version_of(installed or packaged_version)) + _undeclared(declared)
    if problems:
        raise Refusal(*problems)
    return installed


def _undeclared(declared: Declaration) -> list[Problem]:
    """Databases and users of somebody else's pooler that the declaration lacks: their clients would be cut."""
    text = files.read(INI) or ""
    if HEADER in text:
        return []
    names, roles = {database.name for database in declared.databases}, set(declared.roles)
    problems = []
    if re.search(r"^\s*%include\b", text, re.MULTILINE):
        expected = "one file, so that every database of this pooler can be compared with the declaration"
        problems.append(
            Problem(f"an %include in {INI}", expected, "put what it includes into the file, or declare it and take the line out")
        )
    for name in pooler.parse(text).get("databases", {}):
        if name not in names:
            expected = "every database of this pooler in pgbouncer_databases: its clients would be cut"
            problems.append(Problem(f"the database {name} in {INI}", expected, "declare it there too, or take it out of the file"))
    for name in pooler.parse_users(files.read(USERS) or ""):
        if name not in roles:
            expected = "every user of this pooler in pgbouncer_roles: its clients would be cut"
            problems.append(Problem(f"the user {name} in {USERS}", expected, "declare it there too, or take it out of the file"))
    return problems


def plan(declared: Declaration, cluster: postgres.Cluster, packaged_version: str) -> Plan:
    """Compare what is declared with the host. Raises Refusal for what cannot be written."""
    installed = judge(declared, packaged_version)
    postgres.refuse_other_server(cluster)
    sections = {"databases": pooler.databases_of(declared), "pgbouncer": pooler.settings_of(declared)}
    ini = File(INI, pooler.render(HEADER, sections), "root", "postgres", 0o640)
    server = _ask_server(declared, cluster)
    users = File(USERS, pooler.render_users(server.verifiers), "root", "postgres", 0o640, secret=True) if server else None
    before = files.read(INI)
    findings, diff = _file_findings(ini, _ini_findings(ini, before))
    if users:
        found = _file_findings(users, _users_findings(users, declared))
        findings, diff = findings + found[0], diff + found[1]
    if installed and before != ini.content:
        _try(sections)
    console, started = pooler_console.find(), _starts_by_itself()
    running = console.look() if console else None
    states = [] if users else [Finding(f"users in {USERS}", ", ".join(declared.roles), _unseen(cluster))]
    if not started:
        states.append(Finding(f"unit {UNIT}", "running", "stopped" if installed else ABSENT))
    if running and before == ini.content:
        unread = pooler.unread(sections, running)
        states += [Finding(f"{name} with which {UNIT} runs", wanted, value) for name, (wanted, value) in unread.items()]
    return Plan(
        declared,
        installed,
        sections,
        ini,
        server,
        users,
        console,
        running is not None and running.serves_nobody,
        started,
        (*findings, *states),
        (*diff, *files.findings_diff(states)),
    )


def _unseen(cluster: postgres.Cluster) -> str:
    return UNKNOWN if host.cluster_exists(cluster.version, cluster.name) else ABSENT


def _starts_by_itself() -> bool:
    """True for a unit that runs now and would run after a boot."""
    return all(run(["systemctl", question, "--quiet", UNIT]).code == 0 for question in ("is-active", "is-enabled"))


def _ask_server(declared: Declaration, cluster: postgres.Cluster) -> Server | None:
    """What the server knows of the declared roles and databases, in one query; None for a server that does not run."""
    if host.postmaster(cluster.data_directory) is None:
        return None
    roles, targets = declared.roles, [database.target for database in declared.databases]
    answer = postgres.ask(
        cluster.port,
        "select json_build_object('roles', (select coalesce(json_object_agg(rolname, json_build_array(rolcanlogin, rolpassword)), '{}') "
        f"from pg_authid where rolname in ({_literals(roles)})), 'databases', (select coalesce(json_agg(datname), '[]') "
        f"from pg_database where datname in ({_literals(targets)})))",
    )
    known: dict[str, list[str | None]] = answer["roles"]
    # A role that may not log in at all is no client of a pooler; nothing is to be said of it.
    secrets = {role: known[role][1] for role in roles if role in known and known[role][0]}
    problems = {role: problem for role, secret in secrets.items() if (problem := pooler.unusable(role, secret))}
    missing = [("role", role, "postgresql_roles") for role in roles if role not in known]
    missing += [("database", target, "postgresql_databases") for target in targets if target not in answer["databases"]]
    return Server(
        {role: secret for role, secret in secrets.items() if secret and role not in problems},
        tuple(problems.values()),
        tuple(
            Problem(f"no {kind} {name} on the server", f"it there, as pgbouncer_{kind}s says", f"declare it in {place}")
            for kind, name, place in missing
        ),
    )


def _literals(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join("E'" + name.replace("\\", "\\\\").replace("'", "''") + "'" for name in names)


def _file_findings(file: File, content: list[Finding]) -> tuple[list[Finding], list[dict[str, str]]]:
    diff = [files.diff_of(file, pooler.without_secrets)] if content else []
    attributes = files.attribute_findings(file)
    return content + attributes, diff + files.findings_diff(attributes)


def _ini_findings(file: File, before: str | None) -> list[Finding]:
    if before == file.content:
        return []
    expected = _flat(file.content)
    if before is None:
        return [Finding(f"file {file.path}", counted(len(expected), "setting"), ABSENT)]
    found = compare_mappings(f"setting in {file.path}", expected, _flat(pooler.without_secrets(before)))
    return found or [Finding(f"layout of {file.path}", "as written by the collection", "comments or order differ")]


def _flat(text: str) -> dict[str, str]:
    return {f"[{section}] {name}": value for section, pairs in pooler.parse(text).items() for name, value in pairs.items()}


def _users_findings(file: File, declared: Declaration) -> list[Finding]:
    before = files.read(file.path)
    if before == file.content:
        return []
    if before is None:
        return [Finding(f"file {file.path}", ", ".join(declared.roles), ABSENT)]
    expected, found = pooler.parse_users(file.content), pooler.parse_users(before)
    differing = compare_mappings(f"user in {file.path}", expected, found, frozenset({*expected, *found}))
    return differing or [Finding(f"layout of {file.path}", "as written by the collection", "comments or order differ")]


def _try(sections: Sections) -> None:
    """Let PgBouncer itself read the new settings, with nowhere to listen. Raises Refusal with its reasons."""
    directory = files.trial_directory()
    try:
        trial = Path(directory, "pgbouncer.ini")
        nowhere = {"auth_file": "", "pidfile": "", "logfile": "", "listen_addr": "", "unix_socket_dir": ""}
        text = pooler.render(HEADER, {**sections, "pgbouncer": {**sections["pgbouncer"], **nowhere}})
        trial.write_text(text, encoding="utf-8")
        os.chmod(trial, 0o644)
        done = run(["pgbouncer", str(trial)], user="postgres", timeout=30)
    finally:
        shutil.rmtree(directory)
    if READ_TO_ITS_END not in done.stderr:
        reasons = [line.partition("ERROR ")[2] for line in done.stderr.splitlines() if "ERROR " in line]
        said = "; ".join(reasons).replace(str(trial), INI) or done.detail
        raise Refusal(Problem(f"settings that PgBouncer refuses ({said})", "settings that it can start with", "correct pgbouncer_settings"))


def judge_reach(planned: Plan) -> None:
    """Raise Refusal for roles and databases that the server does not have, or that it lets nobody reach from the pooler."""
    if planned.server is None:
        raise postgres.NotAnswering("no server runs whose roles could be read")
    if planned.server.absent:
        raise Refusal(*planned.server.absent)
    declared = planned.declared
    roles = list(planned.server.verifiers)
    said = {
        (database.name, role): pooler_console.demand(declared.server_host, declared.server_port, role, database.target)
        for database in declared.databases
        for role in roles
    }
    problems = []
    for place, (kind, names) in enumerate((("database", [database.name for database in declared.databases]), ("role", roles))):
        for name in names:
            answers = [answer for key, answer in said.items() if key[place] == name]
            if answers and "scram" not in answers:
                found = f"a server that answers '{answers[0]}' to the pooler for the {kind} {name}"
                where = f"{declared.server_host} port {declared.server_port}"
                expected = f"a rule with scram-sha-256 that lets it in at {where}"
                problems.append(Problem(found, expected, "correct postgresql_hba or postgresql_listen_addresses"))
    if problems:
        raise Refusal(*problems)


def apply(planned: Plan) -> None:
    """Keep what somebody else wrote, write what differs, reload a running pooler or start it. Raises CommandFailed."""
    stale = planned.stale
    for file in stale:
        _keep(file.path)
    if planned.users in stale and planned.users and planned.console:
        _lock_out(planned.console, planned.users)
    for file in stale:
        files.write(replace(file, mode=NOT_YET_READ))
    if not planned.started:
        _systemctl("enable", "--now")
        pooler_console.wait_until_up()
    elif stale and not planned.console:
        _systemctl("reload")
    if planned.findings and planned.console:
        _reload(planned, planned.console)
    for file in stale:
        os.chmod(file.path, file.mode)


def _keep(path: str) -> None:
    """Settings that somebody else wrote stay beside the file, as `.replaced`, without secrets. Users and their secrets the server has."""
    text = files.read(path)
    if path != INI or text is None or HEADER in text or pooler.is_packaged(pooler.parse(text)):
        return
    files.write(File(f"{path}.replaced", pooler.without_secrets(text), "root", "postgres", 0o640))


def _lock_out(console: Console, users: File) -> None:
    """Take their secret from users that leave the list, before they leave it: 1.26 lets those who are merely gone go on logging in."""
    kept, before = pooler.parse_users(users.content), pooler.parse_users(files.read(users.path) or "")
    gone = {name: "" for name in before if name not in kept}
    if gone:
        files.write(replace(users, content=pooler.render_users({**kept, **gone})))
        console.require("RELOAD")


def _reload(planned: Plan, console: Console) -> None:
    """Reload, and see that it was read: older releases report a failed reload as done."""
    done = console.require("RELOAD")
    left = pooler.unread(planned.sections, console.look())
    if left:
        names = ", ".join(f"{name} is {value}, not {wanted}" for name, (wanted, value) in left.items())
        raise CommandFailed(done, f"PgBouncer did not read its files ({names})", f"tail {LOG}")


def pending_restart(planned: Plan) -> dict[str, str]:
    """Settings that wait for a restart, with the values that run; empty for a pooler that is down."""
    console = pooler_console.find()
    if console is not None:
        return pooler.pending_restart(planned.sections["pgbouncer"], console.look())
    return {"unix_socket_dir": ""} if planned.started else {}


def restart() -> None:
    """Restart the unit and wait until it answers. Raises CommandFailed."""
    _systemctl("restart")
    pooler_console.wait_until_up()


def _systemctl(*words: str) -> None:
    done = run(["systemctl", *words, UNIT], timeout=300)
    if done.code != 0:
        raise CommandFailed(done, f"the unit {UNIT} did not {words[0]}", f"journalctl -n 50 -u {UNIT}")
