# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of an SFTP server that shows another host key than the declared one; messages are pgBackRest 2.55's and 2.60's own."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from _recovery import host_keys_look, repository
from _recovery.backrest import RepositorySpec, judge_look
from _recovery.run import Completed

OPTIONS = {"sftp-host": "store.lab", "sftp-host-port": "22"}
LOOK = "ssh-keyscan -t ecdsa,ed25519,rsa store.lab | ssh-keygen -lf -"
NAMES = ("ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256")
KEYS = {name: f"the key {name}".encode() for name in NAMES}
STRANGE = b"the key of somebody else"


def fingerprint(key: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def lines(*names: str, host: str = "store.lab") -> str:
    return "".join(f"{host} {name} {base64.b64encode(KEYS[name]).decode()} by hand\n" for name in names)


def differs(found: bytes, expected: bytes) -> str:
    hexed = [hashlib.sha256(key).hexdigest() for key in (found, expected)]
    return f"[ServiceError] host [{hexed[0]}] and configured fingerprint (repo-sftp-host-fingerprint) [{hexed[1]}] do not match"


def unknown(what: str = "mismatch in known hosts files: LIBSSH2_KNOWNHOST_CHECK_MISMATCH [1]") -> str:
    return f"[ServiceError] known hosts failure: 'store.lab' {what}: check type [strict]"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What ssh-keyscan prints of the server, and what pgBackRest says of the repository."""
    said = {"scan": f"# store.lab:22 SSH-2.0-OpenSSH_10.0\n{lines(*NAMES)}", "info": ""}
    host_keys_look._scan.cache_clear()
    monkeypatch.setattr(host_keys_look, "run", lambda *_words, **_options: Completed("", 0, said["scan"], ""))
    return said


def looked(server: dict[str, str], monkeypatch: pytest.MonkeyPatch, **options: str) -> repository.Repository:
    """The repository, as a look with pgBackRest shows it."""
    answer = json.dumps([{"name": "axiomdb", "repo": [{"key": 2, "status": {"code": 99, "message": server["info"]}}]}])
    monkeypatch.setattr(repository, "pgbackrest", lambda *_words: Completed("", 0, answer, ""))
    known = {**OPTIONS, **{name.replace("_", "-"): value for name, value in options.items()}}
    monkeypatch.setattr(repository, "configured", lambda _main=None: {2: known})
    return repository.look_inside("axiomdb", [2])[0]


def test_the_same_server_by_a_key_that_is_not_compared(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    ecdsa, ed25519 = KEYS["ecdsa-sha2-nistp256"], KEYS["ssh-ed25519"]
    server["info"] = differs(ecdsa, ed25519)
    found = looked(server, monkeypatch)
    assert found.message == (
        f"the SFTP server shows its ecdsa-sha2-nistp256 key {fingerprint(ecdsa)}, by which pgBackRest recognises it, and sftp_host_key has "
        f"{fingerprint(ed25519)}, which is its ssh-ed25519 key: the same server, by a key that pgBackRest does not compare"
    )
    assert (found.readable, found.remedy) == (False, LOOK)
    spec = RepositorySpec(2, "sftp", "/srv/backups", "aes-256-cbc", "a passphrase of some length")
    problem = judge_look(spec, found)
    assert problem is not None
    assert problem.next_step.endswith(f"was left as it was; what shows the keys of that server: {LOOK}")


def test_a_server_that_has_no_such_key(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    server["info"] = differs(KEYS["ecdsa-sha2-nistp256"], STRANGE)
    said = looked(server, monkeypatch).message
    assert said.endswith(f"has {fingerprint(STRANGE)}, which is none of its keys: it was given new ones, or it is another server")


def test_lines_of_known_hosts_without_the_type_that_is_compared(
    server: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server["info"] = unknown()
    (tmp_path / "known").write_text(lines("ssh-ed25519") + lines("ssh-rsa", host="other.lab"), encoding="utf-8")
    said = looked(server, monkeypatch, sftp_known_host=str(tmp_path / "known")).message
    assert said.startswith(f"the SFTP server shows its ecdsa-sha2-nistp256 key {fingerprint(KEYS['ecdsa-sha2-nistp256'])}, by which")
    assert f"sftp_host_key has ssh-ed25519 {fingerprint(KEYS['ssh-ed25519'])}, which is its ssh-ed25519 key: the same server" in said


def test_lines_of_another_host_or_port_are_none(server: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server["info"] = unknown("not found in known hosts files: LIBSSH2_KNOWNHOST_CHECK_NOTFOUND [2]")
    (tmp_path / "known").write_text(lines(*NAMES), encoding="utf-8")
    server["scan"] = lines(*NAMES, host="[store.lab]:2222")
    found = looked(server, monkeypatch, sftp_known_host=str(tmp_path / "known"), sftp_host_port="2222")
    assert "sftp_host_key has none for this host and port" in found.message
    assert found.remedy == "ssh-keyscan -p 2222 -t ecdsa,ed25519,rsa store.lab | ssh-keygen -lf -"


def test_where_nobody_can_ask_it_the_fingerprints_are_told_alone(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    server["scan"], server["info"] = "nothing\nstore.lab ssh-rsa no=key\n", differs(KEYS["ssh-rsa"], STRANGE)
    shown = f"the SFTP server shows the host key {fingerprint(KEYS['ssh-rsa'])}, by which pgBackRest recognises it"
    assert looked(server, monkeypatch).message == f"{shown}, and sftp_host_key has {fingerprint(STRANGE)}"


def test_anything_else_is_told_as_before_and_nobody_is_asked(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_keys_look, "run", None)
    server["info"] = "[ServiceError] public key authentication failed"
    found = looked(server, monkeypatch)
    assert (found.message, found.remedy) == ("[ServiceError] public key authentication failed", "")
