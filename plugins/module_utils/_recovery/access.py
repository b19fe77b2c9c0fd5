# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a repository that lies elsewhere is reached: its certificate, its keys, its mount. Each becomes an option, a file or a refusal.

pgBackRest verifies a store's certificate unless it is told not to, and an SFTP server's key as it is told; here both are always verified.
Which of a server's keys it looks at is said in host_keys.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from . import host_keys
from .problem import Problem

OBJECT_STORES: Final = ("s3", "azure", "gcs")
# Options without which pgBackRest reaches no such store; below them, the keys that may come from the machine itself instead.
NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "s3": ("s3-bucket", "s3-endpoint", "s3-region"),
    "azure": ("azure-account", "azure-container"),
    "gcs": ("gcs-bucket",),
    "sftp": ("sftp-host", "sftp-host-user"),
}
KEYS: Final[Mapping[str, tuple[str, ...]]] = {"s3": ("s3-key", "s3-key-secret"), "azure": ("azure-key",), "gcs": ("gcs-key",)}
OWN_KEY_TYPES: Final = ("shared", "sas", "service", "token")
# pgBackRest's options that are built from a field, and the field.
FIELDS: Final[Mapping[str, str]] = {
    "storage-ca-file": "ca_certificate",
    "sftp-private-key-file": "sftp_private_key",
    **dict.fromkeys(
        ("sftp-host-fingerprint", "sftp-host-key-check-type", "sftp-host-key-hash-type", "sftp-known-host"),
        "sftp_host_key",
    ),
}
CA, KEY, KNOWN = "ca.crt", "sftp-key", "known-hosts"
_OPTIONS = {CA: "storage-ca-file", KEY: "sftp-private-key-file", KNOWN: "sftp-known-host"}
_FINGERPRINT = re.compile(r"SHA256:([A-Za-z0-9+/]{43})=?")
_KNOWN_HOST = re.compile(r"\S+ (ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?")
_PRIVATE_KEY = re.compile(r"\s*-----BEGIN ([A-Z ]*PRIVATE KEY)-----\n.+\n-----END \1-----\s*", re.DOTALL)


@dataclass(frozen=True)
class Access:
    """What is declared of it, each as text; empty where nothing is declared."""

    ca_certificate: str = ""
    sftp_private_key: str = ""
    sftp_host_key: str = ""
    mount_point: str = ""

    @property
    def contents(self) -> dict[str, str]:
        """The content of each file that it needs, by the end of the file's name."""
        fingerprint = _FINGERPRINT.fullmatch(self.sftp_host_key.strip())
        given = {CA: self.ca_certificate, KEY: self.sftp_private_key, KNOWN: "" if fingerprint else self.sftp_host_key}
        return {name: _lines(text) for name, text in given.items() if text.strip()}


def _lines(text: str) -> str:
    """The text as lines that end as a Unix file's do."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"


def options_of(kind: str, access: Access, path: str) -> dict[str, object]:
    """The options that say how to reach it, without `repoN-`. `path` is the beginning of its files' names."""
    options: dict[str, object] = {_OPTIONS[name]: f"{path}{name}" for name in access.contents}
    if kind == "sftp":
        fingerprint = _FINGERPRINT.fullmatch(access.sftp_host_key.strip())
        options |= {"sftp-host-key-hash-type": "sha256", "sftp-host-key-check-type": "fingerprint" if fingerprint else "strict"}
        if fingerprint:
            options["sftp-host-fingerprint"] = base64.b64decode(f"{fingerprint[1]}=").hex()
    return options


def judge(number: int, kind: str, path: str, access: Access, given: Mapping[str, object]) -> Iterator[Problem]:
    """What is missing, wrong, or of no use for this kind of repository. `given` are its options and secrets, without `repoN-`."""
    of = f"of repository {number}"
    yield from _useless(of, kind, access)
    if access.ca_certificate and not _is_certificate(access.ca_certificate):
        expected = "the certificate of the authority that signed the store's, in PEM and without any private key"
        yield Problem(f"a ca_certificate {of} that is none", expected, "openssl x509 -in ca.crt -noout -subject; give that file's text")
    if access.sftp_private_key and not _PRIVATE_KEY.fullmatch(_lines(access.sftp_private_key)):
        yield Problem(
            f"an sftp_private_key {of} that is none", "the text of an OpenSSH private key, from ansible-vault", "ssh-keygen -t ed25519"
        )
    if kind == "sftp":
        yield from _sftp(of, access, given)
    if access.mount_point:
        yield from _mount(of, path, access.mount_point)
    needed = [*NEEDED.get(kind, ())]
    if kind in KEYS and given.get(f"{kind}-key-type", "service" if kind == "gcs" else "shared") in OWN_KEY_TYPES:
        needed += KEYS[kind]
    if missing := [name for name in needed if given.get(name) in (None, "")]:
        where = "keys and accounts under secrets, the others under options"
        yield Problem(
            f"no {', '.join(missing)} {of}", f"what a store of type {kind} cannot be reached without", f"add it to that item: {where}"
        )


def _useless(of: str, kind: str, access: Access) -> Iterator[Problem]:
    """Fields that another kind of repository has."""
    for field, kinds in {
        "ca_certificate": OBJECT_STORES,
        "sftp_private_key": ("sftp",),
        "sftp_host_key": ("sftp",),
        "mount_point": ("posix", "cifs"),
    }.items():
        if getattr(access, field) and kind not in kinds:
            yield Problem(
                f"{field} {of}, which is of type {kind}", f"it with the type {' or '.join(kinds)}", "take it out, or correct the type"
            )


def _is_certificate(text: str) -> bool:
    if "PRIVATE KEY" in text:
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=_lines(text))
    except (ssl.SSLError, ValueError):
        return False
    return True


def _sftp(of: str, access: Access, given: Mapping[str, object]) -> Iterator[Problem]:
    if not access.sftp_private_key:
        yield Problem(f"no sftp_private_key {of}", "the private key with which this host logs in there", "ssh-keygen -t ed25519")
    shown = {name: str(value) for name, value in given.items() if value}
    look = f"{host_keys.command(shown)} ; give the first of its ECDSA, Ed25519 and RSA keys, once that server itself says the same"
    if not access.sftp_host_key.strip():
        yield Problem(f"no sftp_host_key {of}", "the server's key as SHA256:… or as lines of known_hosts, by which it is recognised", look)
    elif not _FINGERPRINT.fullmatch(access.sftp_host_key.strip()) and not all(
        map(_is_known_host, _lines(access.sftp_host_key).splitlines())
    ):
        yield Problem(f"an sftp_host_key {of} that is neither", "SHA256:… of 43 characters, or lines of known_hosts", look)


def _is_known_host(line: str) -> bool:
    match = _KNOWN_HOST.fullmatch(line)
    if match is None:
        return False
    try:
        return bool(base64.b64decode(line.split()[2], validate=True))
    except binascii.Error:
        return False


def _mount(of: str, path: str, point: str) -> Iterator[Problem]:
    if not point.startswith("/") or point != "/" + "/".join(filter(None, point.split("/"))) or point == "/":
        yield Problem(f"mount_point '{point}' {of}", "the path of a directory below /, without a slash at its end", "correct it")
    elif path != point and not path.startswith(f"{point}/"):
        yield Problem(f"mount_point '{point}' {of}, whose path is {path}", "a path on that mount", "correct the one or the other")


def not_mounted(number: int, point: str) -> Problem:
    """The refusal to write a repository to the disk below its mount point."""
    return Problem(f"nothing mounted on {point}, where repository {number} lies", "its filesystem there", f"mount {point}")
