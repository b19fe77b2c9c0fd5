# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is refused before anything is written. Each message is read: what was found, what was expected, what to type next."""

from __future__ import annotations

import json
from typing import Any

import pytest
from converged import SITE, Converged
from lab import Lab
from refusing import DECLARATIONS, PLACEHOLDER, SERVERS, SEVERAL, VAULT, Case, Judged, judge, scenes

pytestmark = pytest.mark.tier("torture")

BARE = (
    Case(
        "placeholder",
        ("Found a placeholder passphrase", "for repository 1; ", SEVERAL, VAULT.format(1)),
        {"pgbackrest_repositories": [{"cipher_pass": PLACEHOLDER}]},
    ),
    Case(
        "missing",
        ("Found a missing passphrase for repository 1", SEVERAL, VAULT.format(1)),
        {"pgbackrest_repositories": [{}]},
    ),
    Case(
        "short",
        ("Found a short passphrase for repository 1", SEVERAL, VAULT.format(1)),
        {"pgbackrest_repositories": [{"cipher_pass": "kf8#pQz2wL"}]},
    ),
)
OWN = {"cipher_pass": "{{ sandbox_cipher_pass }}"}
# What the packages of a system are too old for, or do not have. Nothing is newer than forky's.
TOO_NEW = {
    "debian12": (
        Case(
            "too-new-option",
            (
                "Found 'repo1-block', a beta feature of pgBackRest 2.45, in [global]; expected it from pgBackRest 2.46 on",
                "Next: take it out, or install pgBackRest 2.46 or later",
            ),
            {"pgbackrest_repositories": [{**OWN, "options": {"block": True}}]},
        ),
        Case(
            "too-new-type",
            (
                "Found 'repo1-type=sftp', which is new in pgBackRest 2.46, in [global]; expected one of",
                "Next: choose another value, or install pgBackRest 2.46 or later",
            ),
            {"pgbackrest_repositories": [{**OWN, "type": "sftp"}]},
        ),
        Case(
            "exporter",
            (
                "Found backup_jobs_exporter on Debian 12, which has no package prometheus-pgbackrest-exporter",
                "expected Debian 13 or Debian forky. Next: remove backup_jobs_exporter; ",
            ),
            {"backup_jobs_exporter": True},
        ),
    ),
    "debian13": (
        Case(
            "too-new-option",
            (
                "Found 'archive-push-batch-size', which is new in pgBackRest 2.59, in [global]; expected options of pgBackRest 2.55.1",
                "Next: take it out, or install pgBackRest 2.59 or later",
            ),
            {"pgbackrest_options": {"global": {"archive-push-batch-size": "1GiB"}}},
        ),
    ),
}


@pytest.fixture(scope="module")
def judged(sandbox: Lab, converged: Converged) -> Judged:
    """All cases that need a provisioned host, in one run."""
    return judge(sandbox, scenes(converged), [*DECLARATIONS, *SERVERS])


@pytest.fixture(scope="module")
def judged_bare(sandbox: Lab, system: str) -> Judged:
    """All cases on a bare host, in one run."""
    hosts = {"untouched": sandbox.up(f"{system}-refused", system)}
    return judge(sandbox, hosts, [*BARE, *TOO_NEW.get(system, ())])


def is_refused(judged: Judged, case: Case, **values: str) -> None:
    """Read the message of a case, and count what its host did."""
    recap = judged.result.recap[judged.names[case.name]]
    assert (recap.failed, recap.changed, recap.unreachable) == (1, 0, 0)
    message = judged.message(case)
    for words in case.words:
        expected = words
        for key, value in values.items():
            expected = expected.replace(f"{{{key}}}", value)
        assert expected in message


def nothing_was_written(judged: Judged) -> None:
    """Compare the states of every host."""
    for scene, before in judged.before.items():
        after = judged.after[scene]
        assert {path for path in before | after if before.get(path) != after.get(path)} == set(), scene


@pytest.mark.parametrize("case", [*DECLARATIONS, *SERVERS], ids=lambda case: case.name)
def test_refused(judged: Judged, converged: Converged, case: Case) -> None:
    is_refused(judged, case, version=converged.version, original=converged.name, host=judged.names[case.name])


def test_the_passphrase_of_one_repository_is_not_held_against_another(judged: Judged) -> None:
    missing = next(case for case in DECLARATIONS if case.name == "missing-for-a-new-repository")
    assert "repository 1" not in judged.message(missing)


def test_what_is_refused_writes_nothing(judged: Judged) -> None:
    assert judged.result.rc != 0
    assert judged.result.changed == 0
    nothing_was_written(judged)


def test_a_placeholder_that_opens_a_repository_is_taken_over(sandbox: Lab, judged: Judged) -> None:
    host = judged.hosts["published"]
    before = _backups(host.run(["pgbackrest", "info", "--output=json"], user="postgres").stdout)
    declared = {"pgbackrest_repositories": [{"cipher_pass": PLACEHOLDER, "cipher_pass_published": True}]}
    run = sandbox.ansible(host, SITE, extra_vars=declared)
    summary = run.stdout.partition("SUMMARY *")[2]
    assert "  repository 1 posix /var/lib/pgbackrest, encrypted with a published key\n" in summary
    assert "keep the backups secret: they are encrypted with a published key\n" in summary
    assert run.last_line.startswith("PROTECTED")
    assert _backups(host.run(["pgbackrest", "info", "--output=json"], user="postgres").stdout) == before
    assert len(before) == 1
    # What the file by hand said is kept beside, without its passphrase.
    assert "\nrepo1-cipher-pass=(masked)\n" in host.read("/etc/pgbackrest/pgbackrest.conf.replaced")


@pytest.mark.on("debian12")
def test_refused_on_a_bare_host(judged_bare: Judged, system: str) -> None:
    for case in (*BARE, *TOO_NEW.get(system, ())):
        is_refused(judged_bare, case)


@pytest.mark.on("debian12")
def test_what_is_refused_leaves_a_bare_host_bare(judged_bare: Judged) -> None:
    assert judged_bare.result.rc != 0
    assert judged_bare.result.changed == 0
    nothing_was_written(judged_bare)
    host = judged_bare.hosts["untouched"]
    # dpkg also knows names that other packages merely mention.
    known = host.run(["dpkg-query", "-W", "-f=${db:Status-Status} ${Package}\\n", "postgresql*", "pgbackrest*"], check=False).stdout
    assert [line for line in known.splitlines() if line.startswith("installed ")] == []


@pytest.mark.on("debian12")
def test_an_unsupported_system_is_refused(sandbox: Lab, judged_bare: Judged) -> None:
    bare = judged_bare.hosts["untouched"]
    release = bare.read("/etc/os-release")
    bare.put("/etc/os-release", 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n')
    words = (
        "Found Ubuntu 24.04.3 LTS; expected one of Debian 12, Debian 13, Debian forky",
        "Next: take this host out of the play, or install it anew with one of these systems",
    )
    case = Case("unsupported", words)
    judged = judge(sandbox, {"untouched": bare}, [case])
    bare.put("/etc/os-release", release)
    is_refused(judged, case)
    nothing_was_written(judged)


def _backups(info: str) -> list[str]:
    stanzas: list[dict[str, Any]] = json.loads(info)
    return [backup["label"] for stanza in stanzas for backup in stanza["backup"]]
