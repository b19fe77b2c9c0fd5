# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a repository elsewhere is reached: which options and files its fields become, and what is refused of them."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from _recovery import access
from _recovery.access import Access
from _recovery.options import judge_configuration, parse_version

# Of an authority that signs nothing; valid for a hundred years.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBmDCCAT+gAwIBAgIUSmaop3DvWnXciN5ddMkRHwQuCaEwCgYIKoZIzj0EAwIw
ITEfMB0GA1UEAwwWQW4gYXV0aG9yaXR5IGZvciB0ZXN0czAgFw0yNjExMjQwODI0
MTRaGA8yMTI2MTAzMTA4MjQxNFowITEfMB0GA1UEAwwWQW4gYXV0aG9yaXR5IGZv
ciB0ZXN0czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBZxOORTM2x1rqgnvzMx
gLA2WonE//51aSNp+In5j+LtYmwmJYYaOw5fpIMRZKHQOQrPFk/ubm+Ef13ZQGxk
UvCjUzBRMB0GA1UdDgQWBBRyw4+yT3jjIiN1iHyWg1mBt1pL2zAfBgNVHSMEGDAW
gBRyw4+yT3jjIiN1iHyWg1mBt1pL2zAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49
BAMCA0cAMEQCIDwXrFLDNmn1pjidaj1/sE8ccQuK/FpRPcHTfiEEHkRqAiBfnNrO
+43I8RdqsNtmvOFMtlNVXFm/ULxnAEjArJ71XA==
-----END CERTIFICATE-----
"""
PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nY2FuYXJ5LTc3YzE=\n-----END OPENSSH PRIVATE KEY-----\n"
HOST_KEY = base64.b64encode(b"\x00\x00\x00\x0bssh-ed25519 a key of a server").decode()
FINGERPRINT = "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(HOST_KEY)).digest()).decode().rstrip("=")
NOTHING = Access()
SFTP = Access(sftp_private_key=PRIVATE_KEY, sftp_host_key=FINGERPRINT)
GIVEN: dict[str, dict[str, object]] = {
    "s3": {"s3-bucket": "b", "s3-endpoint": "e", "s3-region": "r", "s3-key": "k", "s3-key-secret": "s"},
    "azure": {"azure-container": "c", "azure-account": "a", "azure-key": "k"},
    "gcs": {"gcs-bucket": "b", "gcs-key": "/k"},
    "sftp": {"sftp-host": "h", "sftp-host-user": "u"},
    "posix": {},
    "cifs": {},
}


def judge(kind: str, declared: Access = NOTHING, path: str = "/a", **changes: Any) -> list[str]:
    given = {**GIVEN[kind], **{name.replace("_", "-"): value for name, value in changes.items()}}
    return [problem.sentence() for problem in access.judge(2, kind, path, declared, given)]


# --- what is written ---------------------------------------------------------------------------------------------


def test_a_certificate_becomes_a_file_and_the_option_that_names_it() -> None:
    declared = Access(ca_certificate=f"\n  {CERTIFICATE}".replace("\n", "\r\n"))
    assert access.options_of("s3", declared, "/etc/x/repo2-") == {"storage-ca-file": "/etc/x/repo2-ca.crt"}
    assert declared.contents == {"ca.crt": CERTIFICATE}


def test_a_fingerprint_is_written_as_pgbackrest_reads_it() -> None:
    options = access.options_of("sftp", SFTP, "/etc/x/repo3-")
    assert options == {
        "sftp-private-key-file": "/etc/x/repo3-sftp-key",
        "sftp-host-key-hash-type": "sha256",
        "sftp-host-key-check-type": "fingerprint",
        "sftp-host-fingerprint": hashlib.sha256(base64.b64decode(HOST_KEY)).hexdigest(),
    }
    assert set(SFTP.contents) == {"sftp-key"}


def test_lines_of_known_hosts_become_a_file_that_is_held_strictly() -> None:
    declared = Access(
        sftp_private_key=PRIVATE_KEY, sftp_host_key=f"h ssh-ed25519 {HOST_KEY} by hand\n[h]:2222 ecdsa-sha2-nistp256 {HOST_KEY}"
    )
    options = access.options_of("sftp", declared, "/etc/x/repo3-")
    assert (options["sftp-host-key-check-type"], options["sftp-known-host"]) == ("strict", "/etc/x/repo3-known-hosts")
    assert declared.contents["known-hosts"].count("\n") == 2
    assert judge("sftp", declared) == []


def test_without_a_host_key_nobody_is_believed() -> None:
    assert access.options_of("sftp", Access(), "/x")["sftp-host-key-check-type"] == "strict"


@pytest.mark.parametrize("version", ["2.55.1", "2.60.0"])
def test_the_options_are_those_of_pgbackrest(version: str) -> None:
    options = {f"repo2-{name}": value for name, value in access.options_of("sftp", SFTP, "/etc/x/repo2-").items()}
    assert judge_configuration({"global": {"repo2-type": "sftp", **options}}, parse_version(version)) == ()


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", GIVEN)
def test_a_whole_declaration(kind: str) -> None:
    declared = SFTP if kind == "sftp" else Access(ca_certificate=CERTIFICATE) if kind in access.OBJECT_STORES else Access()
    assert judge(kind, declared) == []


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, given in GIVEN.items() for name in given])
def test_what_a_store_cannot_be_reached_without(kind: str, name: str) -> None:
    (sentence,) = judge(kind, SFTP if kind == "sftp" else Access(), **{name: ""})
    assert sentence.startswith(
        f"Found no {name} of repository 2; expected what a store of type {kind} cannot be reached without. Next: add it"
    )


def test_keys_that_the_machine_itself_has_are_not_missed() -> None:
    assert judge("s3", s3_key="", s3_key_secret="", s3_key_type="auto") == []


@pytest.mark.parametrize(
    "text", ["/etc/ssl/ca.crt", "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n", CERTIFICATE + PRIVATE_KEY]
)
def test_a_certificate_that_is_none(text: str) -> None:
    (sentence,) = judge("azure", Access(ca_certificate=text))
    assert sentence.startswith("Found a ca_certificate of repository 2 that is none; expected the certificate of the authority")
    assert "abc" not in sentence


@pytest.mark.parametrize("text", ["~/.ssh/id_ed25519", "ssh-ed25519 AAAA", PRIVATE_KEY[:-10], f"secret {PRIVATE_KEY}"])
def test_a_private_key_that_is_none_is_not_shown(text: str) -> None:
    (sentence,) = judge("sftp", Access(sftp_private_key=text, sftp_host_key=FINGERPRINT))
    assert sentence.startswith("Found an sftp_private_key of repository 2 that is none; expected the text of an OpenSSH private key")
    assert text not in sentence


@pytest.mark.parametrize("text", ["SHA256:abc", "MD5:00:11", f"ssh-ed25519 {HOST_KEY}", "h ssh-ed25519 A", f"h ssh-ed25519 {HOST_KEY}\nx"])
def test_a_host_key_that_is_none(text: str) -> None:
    (sentence,) = judge("sftp", Access(sftp_private_key=PRIVATE_KEY, sftp_host_key=text))
    assert sentence.startswith(
        "Found an sftp_host_key of repository 2 that is neither; expected SHA256:… of 43 characters, or lines of known_hosts"
    )


def test_an_sftp_server_needs_both_keys() -> None:
    key, host_key = judge("sftp")
    assert key.startswith("Found no sftp_private_key of repository 2; expected the private key with which this host logs in there")
    assert host_key.startswith("Found no sftp_host_key of repository 2; expected the server's key as SHA256:… or as lines of known_hosts")
    assert "Next: ssh-keyscan -t ecdsa,ed25519,rsa h | ssh-keygen -lf - ; give the first of its ECDSA, Ed25519 and RSA keys" in host_key


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("posix", "ca_certificate"),
        ("sftp", "ca_certificate"),
        ("s3", "sftp_private_key"),
        ("posix", "sftp_host_key"),
        ("s3", "mount_point"),
    ],
)
def test_a_field_of_another_kind(kind: str, field: str) -> None:
    values = {"ca_certificate": CERTIFICATE, "sftp_private_key": PRIVATE_KEY, "sftp_host_key": FINGERPRINT, "mount_point": "/a"}
    declared = Access(**({**SFTP.__dict__} if kind == "sftp" else {}) | {field: values[field]})
    (sentence,) = judge(kind, declared)
    assert sentence.startswith(f"Found {field} of repository 2, which is of type {kind}; expected it with the type ")


@pytest.mark.parametrize(("path", "point"), [("/mnt/backup", "/mnt/backup"), ("/mnt/backup/a/b", "/mnt/backup")])
def test_a_path_on_its_mount(path: str, point: str) -> None:
    assert judge("posix", Access(mount_point=point), path) == []


@pytest.mark.parametrize(("path", "point"), [("/mnt/backups", "/mnt/backup"), ("/a", "/mnt"), ("/a", "/"), ("/a", "a"), ("/a/b", "/a/")])
def test_a_path_that_is_not_on_its_mount(path: str, point: str) -> None:
    (sentence,) = judge("posix", Access(mount_point=point), path)
    assert sentence.startswith(f"Found mount_point '{point}' of repository 2")
