# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Seals a text with a passphrase: encrypted, then authenticated. The standard library has no AES: the openssl command encrypts.

Three keys are stretched from the passphrase and a salt: one encrypts, one authenticates, and one is the fingerprint, by which a
passphrase is known to be the right one before anything is opened. Keys reach openssl through a pipe alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .jobs import FORMAT
from .run import PATH

CIPHER, STRETCHING = "aes-256-cbc", "scrypt"
COST, BLOCK, LANES = 1 << 15, 8, 1  # 32 MiB of memory, about a tenth of a second
KEY = 32  # bytes
MEMORY = 64 << 20
LONGEST = 1 << 26  # bytes of a bundle that are read


class NotOpened(ValueError):
    """Raised for a sealed text that this passphrase does not open, or that somebody has altered."""


@dataclass(frozen=True)
class Keys:
    """What a passphrase and a salt become."""

    cipher: bytes
    authentication: bytes
    fingerprint: str


def stretch(passphrase: str, salt: bytes) -> Keys:
    """The keys of a passphrase."""
    found = hashlib.scrypt(passphrase.encode(), salt=salt, n=COST, r=BLOCK, p=LANES, maxmem=MEMORY, dklen=3 * KEY)
    return Keys(found[:KEY], found[KEY : 2 * KEY], hashlib.sha256(found[2 * KEY :]).hexdigest())


def seal(text: str, passphrase: str) -> str:
    """The sealed text as one JSON document. Raises OSError or ValueError when openssl cannot be used."""
    salt = os.urandom(16)
    keys = stretch(passphrase, salt)
    data = _openssl(text.encode(), keys.cipher, "-e")
    return json.dumps({**_head(salt, keys), "data": base64.b64encode(data).decode(), "mac": _mac(keys, salt, data)}, sort_keys=True)


def unseal(document: str, passphrase: str) -> str:
    """The text again. Raises NotOpened, before anything is deciphered, for another passphrase or an altered text."""
    found = read(document)
    salt, data = bytes.fromhex(found["salt"]), base64.b64decode(found["data"])
    keys = stretch(passphrase, salt)
    if not hmac.compare_digest(keys.fingerprint, str(found["fingerprint"])):
        raise NotOpened("the passphrase is not the one with which it was sealed")
    if not hmac.compare_digest(_mac(keys, salt, data), str(found["mac"])):
        raise NotOpened("it was altered since it was sealed")
    return _openssl(data, keys.cipher, "-d").decode()


def read(document: str) -> Mapping[str, Any]:
    """The parts of a sealed text. Raises NotOpened for anything else."""
    try:
        found: dict[str, Any] = json.loads(document)
        wanted = {"format": FORMAT, "cipher": CIPHER, "stretching": [STRETCHING, COST, BLOCK, LANES]}
        if {key: found[key] for key in wanted} == wanted and all(isinstance(found[key], str) for key in ("salt", "data", "mac")):
            return found
    except (KeyError, TypeError, ValueError) as error:
        raise NotOpened("it is no sealed text") from error
    raise NotOpened("it is sealed in a way that this version does not know")


def _head(salt: bytes, keys: Keys) -> dict[str, Any]:
    stretching = [STRETCHING, COST, BLOCK, LANES]
    return {"format": FORMAT, "cipher": CIPHER, "stretching": stretching, "salt": salt.hex(), "fingerprint": keys.fingerprint}


def _mac(keys: Keys, salt: bytes, data: bytes) -> str:
    head = json.dumps(_head(salt, keys), sort_keys=True).encode()
    return hmac.new(keys.authentication, head + b"\n" + data, hashlib.sha256).hexdigest()


def _openssl(data: bytes, key: bytes, direction: str) -> bytes:
    """Encrypt or decrypt. The key is strong already, so that openssl need not stretch it again. Raises OSError or ValueError."""
    reader, writer = os.pipe()
    try:
        os.write(writer, key.hex().encode() + b"\n")
    finally:
        os.close(writer)
    words = ["openssl", "enc", direction, f"-{CIPHER}", "-pbkdf2", "-iter", "1", "-md", "sha256", "-pass", f"fd:{reader}"]
    try:
        done = subprocess.run(words, input=data, capture_output=True, check=False, pass_fds=(reader,), env={"PATH": PATH})
    finally:
        os.close(reader)
    if done.returncode != 0:
        raise ValueError(f"openssl ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()[:200]}")
    return done.stdout
