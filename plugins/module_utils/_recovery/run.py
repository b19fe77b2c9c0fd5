# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts commands as the user who may, and turns exit codes into sentences."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LOCK_HELD, CRYPTO = 50, 95
CERTIFICATE = ("the store's certificate is not trusted", "correct ca_certificate in pgbackrest_repositories, or renew the certificate")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# pgBackRest's exit codes that a user meets (source: its src/build/error/error.yaml), and what to type next.
EXIT_CODES = {
    27: ("the configuration is not valid", "pgbackrest help"),
    28: ("the repository belongs to another system identifier or PostgreSQL version", "pgbackrest --stanza={stanza} info"),
    29: ("a value has the wrong format", "pgbackrest help"),
    31: ("an option is not valid here", "pgbackrest help"),
    32: ("an option has a value that is not allowed", "pgbackrest help"),
    37: ("a required option is missing", "pgbackrest help"),
    38: ("PostgreSQL is running", "pg_lsclusters"),
    40: ("a directory that must be empty is not", "pg_lsclusters"),
    44: ("the archive does not belong to this cluster", "pgbackrest --stanza={stanza} info"),
    45: ("the WAL segment is archived already, with other bytes: another server writes here", "pgbackrest --stanza={stanza} info"),
    49: ("the repository host does not answer", "pgbackrest --stanza={stanza} info"),
    50: ("another pgBackRest command holds the lock", "pgrep -a pgbackrest"),
    51: ("the backup information does not belong to this cluster", "pgbackrest --stanza={stanza} info"),
    55: ("a file is missing in the repository", "pgbackrest --stanza={stanza} info"),
    56: ("no primary server was found", "pg_lsclusters"),
    58: ("the timeline or version does not fit", "pgbackrest --stanza={stanza} info"),
    62: ("pgBackRest was told to stop on this host", "sudo -u postgres pgbackrest --stanza={stanza} start"),
    68: ("archive_command does not call pgbackrest", "ansible-playbook playbooks/site.yml"),
    73: ("a path is missing", "pgbackrest --stanza={stanza} info"),
    75: ("there is no such backup set", "pgbackrest --stanza={stanza} info"),
    82: ("a WAL segment did not reach the archive in time", "tail /var/log/pgbackrest/{stanza}-archive-push-async.log"),
    87: ("archiving is off", "ansible-playbook playbooks/site.yml -e postgresql_restart_allowed=true"),
    95: ("the passphrase does not open the repository", "pgbackrest --stanza={stanza} info"),
    103: ("no repository can be used", "pgbackrest --stanza={stanza} info"),
    105: ("access was denied", "ls -l /etc/pgbackrest /var/lib/pgbackrest"),
}


@dataclass(frozen=True)
class Completed:
    """A finished command. `attempted` is its command line, which holds no secret."""

    attempted: str
    code: int
    stdout: str
    stderr: str

    @property
    def detail(self) -> str:
        """What the command said of its failure, without blank lines and time stamps, at most five lines."""
        lines = [line.strip() for line in (self.stderr + "\n" + self.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if "ERROR" in line or "FATAL" in line]
        return " | ".join((errors or lines)[:5])


class CommandFailed(Exception):
    """A command ended in a way that stops us; the text says what was attempted, what happened and what to type next."""

    def __init__(self, completed: Completed, reason: str, next_step: str) -> None:
        detail = f" ({completed.detail})" if completed.detail else ""
        super().__init__(f"Attempted: {completed.attempted}. Found: {reason}{detail}. Next: {next_step}")
        self.completed = completed


def run(argv: Sequence[str], user: str = "", env: Mapping[str, str] | None = None, timeout: float | None = None) -> Completed:
    """Run `argv` with a clean environment, as `user` when we are root. `timeout` is in seconds."""
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(env or {})}
    uid, gid, groups, umask = None, None, None, -1
    if user and os.geteuid() == 0:
        try:
            account = pwd.getpwnam(user)
        except KeyError:
            return Completed(" ".join(argv), 127, "", f"the user {user} does not exist")
        uid, gid, umask = account.pw_uid, account.pw_gid, 0o027
        groups = os.getgrouplist(user, gid)
        environment |= {"HOME": account.pw_dir, "USER": user}
    try:
        done = subprocess.run(
            list(argv),
            env=environment,
            cwd="/",
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
            user=uid,
            group=gid,
            extra_groups=groups,
            umask=umask,
        )
    except FileNotFoundError:
        return Completed(" ".join(argv), 127, "", f"{argv[0]} is not installed")
    except subprocess.TimeoutExpired:
        return Completed(" ".join(argv), 124, "", f"no answer within {timeout:g} s")
    return Completed(" ".join(argv), done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def pgbackrest(stanza: str, command: Sequence[str], options: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Completed:
    """Run one pgBackRest command as postgres; messages go to stderr, so that stdout is the answer alone."""
    scope = [f"--stanza={stanza}"] if stanza else []
    levels = ["--log-level-console=off", "--log-level-stderr=warn"]
    return run(["pgbackrest", *scope, *levels, *options, *command], user="postgres", env=env)


def meaning(completed: Completed) -> tuple[str, str]:
    """What its exit code means, and what to type next. pgBackRest has one code for a passphrase and for a certificate."""
    if completed.code == CRYPTO and "certificate" in completed.detail:
        return CERTIFICATE
    return EXIT_CODES.get(completed.code, (f"exit code {completed.code:03d}", "read the message above"))


def require(completed: Completed, stanza: str = "") -> Completed:
    """Return a command that succeeded. Raises CommandFailed with the meaning of its exit code."""
    if completed.code == 0:
        return completed
    reason, next_step = meaning(completed)
    raise CommandFailed(completed, reason, next_step.format(stanza=stanza))


def pgbackrest_when_free(stanza: str, command: Sequence[str], options: Sequence[str] = (), patience: float = 3600.0) -> Completed:
    """Run a command that needs the lock; wait while another pgBackRest command holds it, at most `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        done = pgbackrest(stanza, command, options)
        if done.code != LOCK_HELD or time.monotonic() > deadline:
            return done
        time.sleep(1)
