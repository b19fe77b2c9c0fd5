# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Talks to a running PgBouncer through its console, and asks a port what it demands of a client."""

from __future__ import annotations

import csv
import io
import re
import socket
import ssl
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from .pooler import ADMIN, Running
from .run import CommandFailed, Completed, run
from .sql import client

UNIT = "pgbouncer.service"
LOG = "/var/log/postgresql/pgbouncer.log"
SASL = 10
_SSL_REQUEST = 80877103
_PROTOCOL = 196608


@dataclass(frozen=True)
class Console:
    """Where the socket of a running pooler is; its port is the one with which it was started, whatever its file says now."""

    directory: str
    port: int

    def command(self, sql: str, timeout: float = 60.0) -> Completed:
        """One command, as postgres: the operating system proves who asks. `timeout` is in seconds."""
        argv = [client(), "-X", "-w", "--csv", "-h", self.directory, "-p", str(self.port), "-U", ADMIN, "-d", ADMIN, "-c", sql]
        return run(argv, user="postgres", env={"PGCONNECT_TIMEOUT": "10"}, timeout=timeout)

    def typed(self, sql: str) -> str:
        """The same for a person."""
        return f'sudo -u postgres psql -h {self.directory} -p {self.port} -U {ADMIN} -d {ADMIN} -c "{sql}"'

    def require(self, sql: str) -> Completed:
        """The same. Raises CommandFailed."""
        done = self.command(sql)
        if done.code != 0:
            raise CommandFailed(done, "the console of PgBouncer did not accept it", f"tail {LOG}")
        return done

    def look(self) -> Running:
        """What the pooler has read. Raises CommandFailed."""
        settings, databases = _rows(self.require("SHOW CONFIG")), _rows(self.require("SHOW DATABASES"))
        return Running(
            {row["key"]: (row["value"], row["default"], row["changeable"] == "yes") for row in settings},
            {row["name"]: row for row in databases},
        )


def _rows(done: Completed) -> list[dict[str, str]]:
    return [dict(row) for row in csv.DictReader(io.StringIO(done.stdout))]


def find() -> Console | None:
    """The console of the unit's own process, by the socket on which that listens; None when it does not run or has none."""
    process = run(["systemctl", "show", "-P", "MainPID", UNIT]).stdout.strip()
    if process in ("", "0"):
        return None
    # As postgres: in a container not even root looks into another user's process.
    open_files = run(["find", f"/proc/{process}/fd", "-printf", "%l\\n"], user="postgres").stdout.split()
    sockets = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()
    for fields in map(str.split, sockets[1:]):
        match = re.fullmatch(r"(/.+)/\.s\.PGSQL\.([0-9]+)", fields[7]) if len(fields) > 7 else None
        if match and f"socket:[{fields[6]}]" in open_files:
            return Console(match[1], int(match[2]))
    return None


def wait_until_up(patience: float = 20.0) -> Console:
    """Wait until the console answers. Raises CommandFailed after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        console = find()
        answer = console.command("SHOW VERSION") if console else run(["systemctl", "is-active", UNIT])
        if console and answer.code == 0:
            return console
        if time.monotonic() > deadline:
            raise CommandFailed(answer, f"the console of PgBouncer did not answer within {patience:g} s", f"journalctl -n 50 -u {UNIT}")
        time.sleep(0.1)


def demand(host: str, port: int, user: str, database: str, patience: float = 5.0) -> str:
    """What a server or pooler says to a client that has sent nothing but its name: `scram`, or its refusal as text.

    The connection ends there: no password is needed, none is sent, and nobody is logged in.
    """
    try:
        with _connect(host, port, patience) as plain:
            if not host.startswith("/"):
                plain.sendall(struct.pack("!ii", 8, _SSL_REQUEST))
            if host.startswith("/") or plain.recv(1) != b"S":
                return _greet(plain, user, database)
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain) as encrypted:
                return _greet(encrypted, user, database)
    except OSError as error:
        return f"{host}:{port}: {error.strerror or error}"


def _connect(host: str, port: int, patience: float) -> socket.socket:
    """A connection to an address, or to the socket in a directory."""
    if not host.startswith("/"):
        return socket.create_connection((host, port), timeout=patience)
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(patience)
    stream.connect(f"{host}/.s.PGSQL.{port}")
    return stream


def _greet(stream: socket.socket, user: str, database: str) -> str:
    pairs = b"\0".join(text.encode() for text in ("user", user, "database", database)) + b"\0\0"
    stream.sendall(struct.pack("!ii", 8 + len(pairs), _PROTOCOL) + pairs)
    kind, size = struct.unpack("!ci", _exactly(stream, 5))
    body = _exactly(stream, size - 4)
    if kind == b"E":
        fields = {field[:1]: field[1:].decode(errors="replace") for field in body.split(b"\0") if field}
        return fields.get(b"M", "an error without a message")
    if kind != b"R":
        return f"an answer of the type {kind!r}"
    method = struct.unpack("!i", body[:4])[0]
    return {SASL: "scram", 0: "no password at all", 3: "a password in clear", 5: "an MD5 password"}.get(method, f"method {method}")


def _exactly(stream: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = stream.recv(size - len(found))
        if not part:
            raise OSError("the connection was closed without an answer")
        found += part
    return found
