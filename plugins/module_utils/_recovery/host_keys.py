# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An SFTP server that shows another host key than the declared one: which it is, which was expected, and how to see them all.

A server has a key of each type. libssh2, by which pgBackRest reaches it, takes the first type of its own list that the server has: ECDSA
before Ed25519 before RSA, whereas OpenSSH prefers Ed25519. pgBackRest compares the key of that type, and no other.
Source: pgBackRest's src/storage/sftp/storage.c, and hostkey_methods of libssh2.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Mapping

TYPES = "ecdsa,ed25519,rsa"  # as ssh-keyscan calls them, in libssh2's order
_ORDER = ("ecdsa-", "ssh-ed25519", "ssh-rsa")
_DIFFERS = re.compile(r"host \[([0-9a-f]{64})\] and configured fingerprint \([a-z0-9-]+\) \[([0-9a-f]*)\] do not match")
_UNKNOWN = re.compile(r"known hosts failure: '[^']*':? (?:not found|mismatch) in known hosts files")
_LINE = re.compile(r"^(\S+) ((?:ssh|ecdsa)-[a-z0-9@.-]+) ([A-Za-z0-9+/]+=*)(?:\s|$)", re.MULTILINE)


def concerns(message: str) -> bool:
    """Whether pgBackRest says of a repository that its server's host key is not the declared one."""
    return bool(_DIFFERS.search(message) or _UNKNOWN.search(message))


def keys_of(text: str, options: Mapping[str, str]) -> dict[str, str]:
    """The fingerprints by type, in libssh2's order, of the server's lines of known_hosts; ssh-keyscan prints such lines too.

    What is no key, or another server's, is left out. `options` are the repository's, without `repoN-`.
    """
    found = {}
    name, port = options.get("sftp-host", ""), options.get("sftp-host-port", "22")
    for names, kind, key in _LINE.findall(text):
        if not (names.startswith("|") or {name if port == "22" else "", f"[{name}]:{port}"} & set(names.split(","))):
            continue
        try:
            found[kind] = _shown(hashlib.sha256(base64.b64decode(key, validate=True)).digest())
        except ValueError:
            continue
    return dict(sorted(found.items(), key=lambda one: next((at for at, name in enumerate(_ORDER) if one[0].startswith(name)), len(_ORDER))))


def _shown(digest: bytes) -> str:
    """A fingerprint as OpenSSH shows it."""
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def command(options: Mapping[str, str]) -> str:
    """What prints the fingerprint of each key of the server; `options` are the repository's, without `repoN-`."""
    number = options.get("sftp-host-port") or "22"
    port = "" if number == "22" else f"-p {shlex.quote(number)} "
    return f"ssh-keyscan {port}-t {TYPES} {shlex.quote(options.get('sftp-host') or 'HOST')} | ssh-keygen -lf -"


def told(message: str, shown: Mapping[str, str], pinned: Mapping[str, str]) -> str:
    """What was found and expected of a server's host key, in one sentence without its end.

    `shown` are the keys that the server has now, nothing where nobody could ask it; `pinned` are those of the declared known_hosts.
    """
    differs = _DIFFERS.search(message)
    if differs:
        found, expected = _shown(bytes.fromhex(differs[1])), {"": _hex(differs[2])}
    else:
        found, expected = next(iter(shown.values()), "one that nobody could ask for"), dict(pinned)
    of_it = next((kind for kind, one in shown.items() if one == found), "")
    wanted = " and ".join(" ".join(filter(None, (kind, one))) for kind, one in expected.items()) or "none for this host and port"
    text = f"the SFTP server shows its {of_it} key {found}" if of_it else f"the SFTP server shows the host key {found}"
    text += f", by which pgBackRest recognises it, and sftp_host_key has {wanted}"
    own = [kind for kind, one in shown.items() if one in expected.values()]
    if own:
        return f"{text}, which is its {' and '.join(own)} key: the same server, by a key that pgBackRest does not compare"
    return f"{text}, which is none of its keys: it was given new ones, or it is another server" if shown else text


def _hex(text: str) -> str:
    return _shown(bytes.fromhex(text)) if text and len(text) % 2 == 0 else text or "none"
