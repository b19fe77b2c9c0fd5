# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts commands as the user who may, and turns exit codes into sentences."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .problem import playbook

FORMAT, LOCK_HELD, CRYPTO = 29, 50, 95
PIECE = 1 << 20  # bytes of output that are read at once
CERTIFICATE = ("the store's certificate is not trusted", "correct ca_certificate in pgbackrest_repositories, or renew the certificate")
STDERR = "--log-level-stderr="
HELP = "pgbackrest help"
CALM = ("nice", "-n", "10", "ionice", "-c", "3")  # before a command that lets others go first
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# pgBackRest's exit codes that a user meets (source: its src/build/error/error.yaml), and what to type next.
EXIT_CODES = {
    27: ("a configuration that is not valid", playbook("site", "--check --diff")),
    28: ("the repository belongs to another system identifier or PostgreSQL version", "pgbackrest --stanza={stanza} info"),
    29: ("something that is not in its format; expected what pgBackRest can read", playbook("verify")),
    31: ("an option that is not valid here; expected one of this command", HELP),
    32: ("a value that is not allowed; expected one that the option takes", HELP),
    37: ("no value of a required option; expected one", HELP),
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
    68: ("archive_command does not call pgbackrest", playbook("site")),
    73: ("a path is missing", "pgbackrest --stanza={stanza} info"),
    75: ("there is no such backup set", "pgbackrest --stanza={stanza} info"),
    82: ("a WAL segment did not reach the archive in time", "tail /var/log/pgbackrest/{stanza}-archive-push-async.log"),
    87: ("archiving is off", playbook("site", "-e postgresql_restart_allowed=true")),
    95: ("the passphrase does not open the repository", "pgbackrest --stanza={stanza} info"),
    103: ("no repository can be used", "pgbackrest --stanza={stanza} info"),
    105: ("access was denied", "ls -l /etc/pgbackrest /var/lib/pgbackrest"),
}
# What one code for all formats means, by the words of its message.
FORMATS = (
    (
        r"threw error|\b(gz|bz2|lz4|zst) error",
        "bytes that do not unpack; expected those that were written",
        playbook("verify"),
    ),
    (
        "unable to load info file",
        "an info file that says nothing; expected one that the passphrase opens and that nobody has damaged",
        f"to see another cipher_pass: {playbook('site', '--check --diff')}",
    ),
    (
        "provided time|time format|invalid date",
        "a time that pgBackRest does not read; expected one such as 2026-11-22 14:30:00+00",
        "pgbackrest help restore target",
    ),
)
_OPTION = re.compile(r"option '([a-z][a-z0-9-]*)'|'([a-z][a-z0-9-]*)' option")
_INDEX = re.compile(r"^(pg|repo)[0-9]+-")


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


def typed(argv: Sequence[str]) -> str:
    """A command as a person types it: without what lets it wait for others and end with us."""
    words = list(argv)
    if tuple(words[: len(CALM)]) == CALM:
        words = words[len(CALM) :]
        while words and words[0] in ("setpriv", "prlimit"):
            words = words[words.index("--") + 1 :]
    return " ".join(words)


def run(
    argv: Sequence[str],
    user: str = "",
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    descriptors: Sequence[int] = (),
    given: bytes | None = None,
) -> Completed:
    """Run `argv` with a clean environment, as `user` when we are root.

    `timeout` is in seconds; the `descriptors` are its as well, and `given` is what it reads.
    """
    try:
        options = _as_user(user, env)
        if given is not None:
            options = {**options, "input": given}
            del options["stdin"]
        done = subprocess.run(list(argv), capture_output=True, timeout=timeout, check=False, pass_fds=descriptors, **options)
    except _NoSuchUser as error:
        return Completed(typed(argv), 127, "", str(error))
    except FileNotFoundError:
        return Completed(typed(argv), 127, "", f"{argv[0]} is not installed")
    except subprocess.TimeoutExpired:
        return Completed(typed(argv), 124, "", f"no answer within {timeout:g} s")
    return Completed(typed(argv), done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


class _NoSuchUser(Exception):
    """The account as which a command should run does not exist."""


def _as_user(user: str, env: Mapping[str, str] | None) -> dict[str, Any]:
    """How a process is started: clean environment, no input, from the root directory, as `user` when we are root."""
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(env or {})}
    options: dict[str, Any] = {"env": environment, "cwd": "/", "stdin": subprocess.DEVNULL}
    if user and os.geteuid() == 0:
        try:
            account = pwd.getpwnam(user)
        except KeyError:
            raise _NoSuchUser(f"the user {user} does not exist") from None
        environment |= {"HOME": account.pw_dir, "USER": user}
        groups = os.getgrouplist(user, account.pw_gid)
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups, "umask": 0o027}
    return options


def stream(argv: Sequence[str], user: str = "", stanza: str = "") -> Iterator[bytes]:
    """The output of a command in pieces, as they come: for one that may be longer than the memory is large.

    Raises CommandFailed after the last piece when the command did not succeed: what came before it proves nothing then.
    """
    import tempfile

    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(list(argv), stdout=subprocess.PIPE, stderr=errors, **_as_user(user, None))
        except (_NoSuchUser, FileNotFoundError) as error:
            found = f"{argv[0]} is not installed" if isinstance(error, FileNotFoundError) else str(error)
            require(Completed(typed(argv), 127, "", found), stanza)
            return
        with process:
            while process.stdout is not None and (piece := process.stdout.read(PIECE)):
                yield piece
        code = process.returncode
        errors.seek(0)
        require(Completed(typed(argv), code, "", errors.read().decode(errors="replace")), stanza)


def pgbackrest(
    stanza: str,
    command: Sequence[str],
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    given: bytes | None = None,
) -> Completed:
    """Run one pgBackRest command as postgres; messages go to stderr, so that stdout is the answer alone."""
    return run(_words(stanza, command, options), user="postgres", env=env, given=given)


def pgbackrest_stream(stanza: str, command: Sequence[str], options: Sequence[str] = ()) -> Iterator[bytes]:
    """The same for repo-ls, which takes no stanza, in pieces; `stanza` is for what is said of a failure. See stream."""
    return stream(_words("", command, options), "postgres", stanza)


def _words(stanza: str, command: Sequence[str], options: Sequence[str]) -> list[str]:
    scope = [f"--stanza={stanza}"] if stanza else []
    told = [] if any(option.startswith(STDERR) for option in options) else [f"{STDERR}warn"]
    return ["pgbackrest", *scope, "--log-level-console=off", *told, *options, *command]


def meaning(completed: Completed) -> tuple[str, str]:
    """What its exit code means, and what to type next. pgBackRest has one code for a passphrase and for a certificate.

    It has one for all formats, too: the words of the message say of what.
    """
    if completed.code == CRYPTO and "certificate" in completed.detail:
        return CERTIFICATE
    if completed.code < 0:
        return f"it was ended by signal {-completed.code}", "journalctl -k -n 20 shows what the kernel has killed; then type the same again"
    if completed.code == FORMAT:
        of = next(((found, step) for words, found, step in FORMATS if re.search(words, completed.detail)), None)
        if of is not None:
            return of
    found, step = EXIT_CODES.get(completed.code, (f"exit code {completed.code:03d}", "read the message above"))
    return found, _help(completed) if step == HELP else step


def _help(completed: Completed) -> str:
    """The help of the option that a message names, where it names one; an option has an index in its name, and its help none."""
    words = completed.attempted.split()
    after = words[words.index("pgbackrest") + 1 :] if "pgbackrest" in words else []
    command = next((word for word in after if not word.startswith("-")), "")
    named = _OPTION.search(completed.detail)
    option = _INDEX.sub(r"\1-", named[1] or named[2]) if named else ""
    return " ".join(word for word in (HELP, command, option if command else "") if word)


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
        # The same code for a lock that nobody holds, in a directory that is somebody else's.
        if done.code != LOCK_HELD or "Permission denied" in done.detail or time.monotonic() > deadline:
            return done
        time.sleep(1)
