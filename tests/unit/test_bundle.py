# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site bundle says what an empty host lacks, and only the repository's own passphrase opens it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from _recovery import bundle, bundle_seal
from _recovery.bundle import Bundle
from _recovery.bundle_seal import NotOpened
from _recovery.rebuild import Sorted

SYSTEM = 7711944285235987502
FOUND = Bundle(
    "axiomdb",
    "vps1",
    1_800_000_000.0,
    SYSTEM,
    "17",
    "/var/lib/postgresql/17/main",
    (Sorted("app", "the default", "glibc 2.36", ""), Sorted("app", "en-x-icu", "icu libicu72", "")),
    {"pgbackrest": "2.55.1-1", "postgresql-17": "17.5-1"},
    ("/var/lib/postgresql",),
    {"fast": "/srv/fast"},
    {"app": ["plpgsql 1.0", "postgis 3.5.2"]},
    {"app": ["public.orders r base/16384/16385"]},
)
TEXT, PASSPHRASE = json.dumps(bundle.document(FOUND)), "a passphrase of the vault"


@pytest.fixture(scope="module")
def sealed() -> str:
    return bundle_seal.seal(TEXT, PASSPHRASE)


# --- sealed --------------------------------------------------------------------------------------------------------------


def test_what_was_sealed_is_read_again(sealed: str) -> None:
    assert bundle.parse(json.loads(bundle_seal.unseal(sealed, PASSPHRASE))) == FOUND


def test_nothing_of_it_can_be_read_without_the_passphrase(sealed: str) -> None:
    data = base64.b64decode(json.loads(sealed)["data"])
    assert b"orders" not in data
    assert PASSPHRASE not in sealed
    assert sealed != bundle_seal.seal(TEXT, PASSPHRASE), "each has a salt of its own"


def test_its_fingerprint_tells_the_right_passphrase(sealed: str) -> None:
    assert bundle_seal.unseal(sealed, PASSPHRASE)
    for other in (PASSPHRASE + " ", "another passphrase"):
        with pytest.raises(NotOpened, match="not the one with which it was sealed"):
            bundle_seal.unseal(sealed, other)


@pytest.mark.parametrize("part", ["data", "salt", "mac", "fingerprint"])
def test_one_changed_character_is_noticed(sealed: str, part: str) -> None:
    found = json.loads(sealed)
    if part == "data":
        altered = bytearray(base64.b64decode(found[part]))
        altered[20] ^= 1
        found[part] = base64.b64encode(bytes(altered)).decode()
    else:
        found[part] = ("0" if found[part][0] != "0" else "1") + found[part][1:]
    with pytest.raises(NotOpened):
        bundle_seal.unseal(json.dumps(found), PASSPHRASE)


@pytest.mark.parametrize("text", ["", "[]", "{}", "no json", '{"format": 1}'])
def test_another_text_is_no_sealed_one(text: str) -> None:
    with pytest.raises(NotOpened):
        bundle_seal.unseal(text, PASSPHRASE)


def test_a_newer_format_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="format 2"):
        bundle.parse({**bundle.document(FOUND), "format": 2})


# --- judged --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "due"), [(None, True), (1000.0, True), (1000.0 + bundle.DUE - 72000, True), (73000.0 - 1, False), (90000.0, True)]
)
def test_it_is_written_once_a_day(written: float | None, due: bool) -> None:
    assert bundle.is_due(written, 73000.0) == due


def test_one_of_another_cluster_is_foreign() -> None:
    assert bundle.judge_identity(FOUND, "axiomdb", SYSTEM, 2) is None
    problem = bundle.judge_identity(FOUND, "axiomdb", 8, 2)
    assert problem is not None
    assert problem.found == f"a foreign site bundle in repository 2: axiomdb, the system {SYSTEM}, written by vps1"


def test_a_filesystem_that_the_lost_host_had_is_missed() -> None:
    assert bundle.judge_mounts(FOUND, ["/var/lib/postgresql"]) is None
    problem = bundle.judge_mounts(FOUND, [])
    assert problem is not None
    assert problem.found == "nothing mounted on /var/lib/postgresql, where vps1 had data"
    assert problem.next_step.endswith("-e rebuild_mounts=ignored")


def test_text_is_sorted_by_the_same_libraries_or_told() -> None:
    assert bundle.differing(FOUND, ["glibc 2.36", "icu libicu72"]) == []
    assert bundle.differing(FOUND, ["glibc 2.41", "icu libicu72"]) == [Sorted("app", "the default", "glibc 2.36", "glibc 2.41")]
    assert [one.now for one in bundle.differing(FOUND, ["glibc 2.36"])] == [""]
    assert bundle.differing(replace(FOUND, collations=()), []) == []


def test_other_packages_and_extensions_are_told() -> None:
    assert bundle.notes(FOUND, {"pgbackrest": "2.55.1-1"}, 2) == [
        "the site bundle in repository 2 is of vps1",
        "packages: postgresql-17 17.5-1 there, none here",
        "extensions that its databases use: postgis 3.5.2",
    ]
