# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stores that do not let a host in, each declared as one more repository of the same host, all in one run of site.yml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from converged import SITE, Converged, alias, refusals, state
from elsewhere import LOCAL, kinds
from lab import Recap
from stores import EXPIRED_PORT, NAME, SILENT_PORT, Stores

STRANGE = "7d0c1f35b0a94b2c8e61a4f9d2357be80c6e19af"
_FAILS = "Found repository 2 with the new configuration: pgBackRest cannot read "
_KEPT = "Next: correct item 2 of pgbackrest_repositories; the configuration on the host was left as it was"
_KEYS = f"what shows the keys of that server: ssh-keyscan -t ecdsa,ed25519,rsa {NAME} | ssh-keygen -lf -"
_TRUST = "the store's certificate is not trusted: unable to verify certificate presented by 'store.lab:"


@dataclass(frozen=True)
class Case:
    """A declaration that is refused, and parts of the sentence."""

    declare: Callable[[Stores], dict[str, Any]]
    words: tuple[str, ...]


CASES: Mapping[str, Case] = {
    "wrong-port": Case(
        lambda stores: stores.s3("/refused", options={"storage-port": 8444}), (_FAILS, "unable to connect to 'store.lab:8444", _KEPT)
    ),
    "silent": Case(
        lambda stores: stores.s3("/refused", options={"storage-port": SILENT_PORT}),
        (_FAILS, f"timeout connecting to 'store.lab:{SILENT_PORT}", _KEPT),
    ),
    "wrong-key": Case(
        lambda stores: stores.s3("/refused", secrets={"s3-key-secret": STRANGE}),
        (_FAILS, "the store answers 403 (Forbidden): SignatureDoesNotMatch", _KEPT),
    ),
    "wrong-bucket": Case(
        lambda stores: stores.s3("/refused", options={"s3-bucket": "nobodys"}),
        (_FAILS, "the store answers 404 (Not Found): NoSuchBucket", _KEPT),
    ),
    "foreign-certificate": Case(
        lambda stores: stores.s3("/refused", ca_certificate=stores.host.read("/srv/tls/foreign.crt")),
        (_FAILS, _TRUST, "unable to get local issuer certificate", _KEPT),
    ),
    "no-authority": Case(lambda stores: stores.s3("/refused", ca_certificate=""), (_FAILS, _TRUST, _KEPT)),
    "expired-certificate": Case(
        lambda stores: stores.s3("/refused", options={"storage-port": EXPIRED_PORT}), (_FAILS, _TRUST, "certificate has expired", _KEPT)
    ),
    "unverified": Case(
        lambda stores: stores.s3("/refused", options={"storage-verify-tls": False}),
        (
            "Found 'repo2-storage-verify-tls=n' in [global]; expected the store's certificate to be verified, always",
            "Next: take it out; give the authority that signed it as ca_certificate of that repository",
        ),
    ),
    "azure-wrong-key": Case(
        lambda stores: stores.azure("/refused", secrets={"azure-key": "c3RyYW5nZSBzdHJhbmdlIHN0cmFuZ2U="}),
        (_FAILS, "the store answers 403", _KEPT),
    ),
    "sftp-wrong-key": Case(
        lambda stores: stores.sftp("/refused", sftp_private_key=stores.host.read("/srv/sftp-other-key")), (_FAILS, "sftp", _KEPT)
    ),
    "sftp-wrong-host-key": Case(
        lambda stores: stores.sftp("/refused", sftp_host_key=f"SHA256:{'A' * 43}"), (_FAILS, "none of its keys", _KEPT)
    ),
    "sftp-other-key-type": Case(
        lambda stores: stores.sftp("/refused", sftp_host_key=stores.fingerprint("ed25519")),
        (_FAILS, "shows its ecdsa-sha2-nistp256 key SHA256:", "which is its ssh-ed25519 key: the same server", _KEPT, _KEYS),
    ),
    "sftp-unknown-host": Case(
        lambda stores: stores.sftp("/refused", sftp_host_key=stores.sftp("/refused")["sftp_host_key"].replace(NAME, "other.lab")),
        (_FAILS, "sftp_host_key has none for this host and port", _KEPT, _KEYS),
    ),
    "not-mounted": Case(
        lambda stores: {"path": "/mnt/absent/a", "mount_point": "/mnt/absent", "cipher_pass": stores.secret("mount")},
        ("Found nothing mounted on /mnt/absent, where repository 2 lies; expected its filesystem there. Next: mount /mnt/absent",),
    ),
}


@dataclass(frozen=True)
class Refused:
    """What the run said of each case, what each did, and the secrets that its output holds."""

    messages: Mapping[str, str]
    recaps: Mapping[str, Recap]
    leaked: list[str]
    changed: set[str]


def cases(system: str) -> list[str]:
    """What can go wrong with the kinds that the system's pgBackRest has."""
    return [name for name in CASES if not name.startswith("sftp") or "sftp" in kinds(system)]


def play(converged: Converged, stores: Stores) -> Refused:
    """Try all of them at once on one host that has a repository of its own."""
    host = converged.twin("unreachable")
    stores.known_to(host)
    stores.go_wrong()
    declared = {name: CASES[name].declare(stores) for name in cases(host.system)}
    aliases = {name: alias(host, name, pgbackrest_repositories=[LOCAL, item]) for name, item in declared.items()}
    before = state(host)
    result = converged.lab.ansible(list(aliases.values()), SITE, "--diff", expect="failure")
    after = state(host)
    said = refusals(result)
    secrets = {text for item in declared.values() for text in (item["cipher_pass"], *item.get("secrets", {}).values())} - {"LABSTOREKEY"}
    keys = {line for item in declared.values() for line in item.get("sftp_private_key", "").splitlines() if "-" not in line}
    return Refused(
        {name: said.get(other.name, "") for name, other in aliases.items()},
        {name: result.recap[other.name] for name, other in aliases.items()},
        sorted(text for text in secrets | keys if len(text) > 12 and text in result.output),
        {path for path in before | after if before.get(path) != after.get(path)},
    )
