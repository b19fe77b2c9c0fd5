# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must be refused: declarations, and servers that must not write to a stanza. All are tried in one run of site.yml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from converged import DATA, SITE, Converged, alias, archive_now, refusals, state
from lab import Host, Lab, Result, execute

PLACEHOLDER = "${BACKREST_CIPHER_PASS}"
SECOND = "/var/lib/pgbackrest2"
OWN = {"cipher_pass": "{{ sandbox_cipher_pass }}"}
STRANGE = "7d0c1f35b0a94b2c8e61a4f9d2357be80c6e19af"
VAULT = "Next: openssl rand -hex 32 | tr -d '\\n' | ansible-vault encrypt_string --stdin-name vault_repo{}_passphrase"
SEVERAL = "expected one of at least 20 characters that nobody else knows"
WRITER = "Found another server writes to this stanza (axiomdb in repository 1): "
STOP_ONE = "Next: stop the server that must not live, this one or the other; give a copy that is to live its own pgbackrest_stanza"


@dataclass(frozen=True)
class Case:
    """One refusal: `words` are parts of its message, `variables` a declaration, `scene` the host on which it is made."""

    name: str
    words: tuple[str, ...]
    variables: Mapping[str, Any] = field(default_factory=dict)
    scene: str = "untouched"


OPTIONS = {
    "global": {"compress-typ": "zst", "pg1-path": "/srv/data", "delta": True, "archive-command": "pgbackrest archive-push %p"},
    "axiomdb": {"archive-mode": "y"},
    "global:backup": {"process-max": "many"},
}
DECLARATIONS = (
    Case(
        "placeholder-for-a-new-repository",
        ("Found a placeholder passphrase", "for repository 2; ", SEVERAL, VAULT.format(2)),
        {"pgbackrest_repositories": [OWN, {"path": SECOND, "cipher_pass": PLACEHOLDER, "cipher_pass_published": True}]},
    ),
    Case(
        "missing-for-a-new-repository",
        ("Found a missing passphrase for repository 2", SEVERAL, VAULT.format(2)),
        {"pgbackrest_repositories": [OWN, {"path": SECOND}]},
    ),
    Case(
        "passphrase-of-another",
        (
            "Found repository 1 with the new configuration: the passphrase does not open /var/lib/pgbackrest",
            "expected a configuration with which what exists can be read",
            "Next: correct item 1 of pgbackrest_repositories; the configuration on the host was left as it was",
        ),
        {"pgbackrest_repositories": [{"cipher_pass": STRANGE}]},
    ),
    Case(
        "another-place-for-the-repository",
        (
            "Found repository 1 declared at /var/lib/pgbackrest2; on this host it lies at /var/lib/pgbackrest, with ",
            "expected the same place and passphrase: the old one would be forgotten, and a new, empty repository made",
            "say there replaces: /var/lib/pgbackrest",
        ),
        {"pgbackrest_repositories": [{**OWN, "path": SECOND}]},
    ),
    Case(
        "repository-around-the-data-directory",
        (
            "Found the data directory /var/lib/postgresql/{version}/main inside repository 2 at /var/lib/postgresql",
            "expected them apart: a backup would be of backups. Next: choose another path for repository 2",
        ),
        {"pgbackrest_repositories": [OWN, {**OWN, "path": "/var/lib/postgresql"}]},
    ),
    Case(
        "two-repositories-in-one-place",
        ("Found repository 1 and repository 2 in the same place, /var/lib/pgbackrest", "Next: correct the path of repository 2"),
        {"pgbackrest_repositories": [OWN, OWN]},
    ),
    Case(
        "options",
        (
            "Found the unknown option 'compress-typ' in [global]; expected compress-type. Next: write compress-type",
            "Found 'pg1-path=/srv/data' in [global]; expected it in the section of a stanza. Next: move it to the section of its stanza",
            "Found 'delta=y' in [global]; expected delta in [global:backup] alone. Next: move it there",
            "Found the PostgreSQL setting 'archive-command' in [global]; expected options of pgBackRest only. Next: take it out",
            "Found 'archive-mode=y' in [axiomdb]; expected this option of restore in [global:restore] or [<stanza>:restore]. Next: move it",
            "Found 'process-max=many' in [global:backup]; expected",
            "Next: correct the value of process-max",
        ),
        {"pgbackrest_options": OPTIONS},
    ),
    Case(
        "types-of-the-server",
        (
            "argument 'postgresql_port' is of type str and we were unable to convert to int",
            "Elements value for option 'postgresql_databases' is of type str and we were unable to convert to dict",
        ),
        {"postgresql_port": "the usual one", "postgresql_databases": "axiomdb"},
    ),
    Case(
        "types-of-a-repository",
        ("argument 'retention_full_days' is of type str found in 'pgbackrest_repositories'. and we were unable to convert to int",),
        {"pgbackrest_repositories": [{**OWN, "retention_full_days": "a week"}]},
    ),
    Case(
        "types-of-archiving",
        ("argument 'wal_archiving_timeout_seconds' is of type str and we were unable to convert to int",),
        {"wal_archiving_timeout_seconds": "a minute"},
    ),
    Case(
        "owner-without-a-role",
        (
            "Found the owner nobody_made_me of the database shop, a role that is neither declared nor there",
            "Next: add {name: nobody_made_me} to postgresql_roles, or correct the owner in postgresql_databases",
        ),
        {"postgresql_databases": [{"name": "shop", "owner": "nobody_made_me"}]},
    ),
    Case(
        "trust-over-tcp",
        ("Found the method 'trust' in rule 1 of postgresql_hba (host)", "expected one of scram-sha-256,", "Next: correct postgresql_hba"),
        {"postgresql_hba": [{"type": "host", "address": "10.0.0.0/8", "method": "trust"}]},
    ),
    Case(
        "unknown-setting",
        (
            'Found settings that the server refuses (unrecognized configuration parameter "work_memm" in file',
            "expected settings that it can start with",
            "Next: correct these settings",
        ),
        {"postgresql_settings": {"work_memm": "64MB"}},
    ),
    Case(
        "other-version",
        ("Found postgresql_version '9.6'; expected '{version}', which the packages of", "Next: remove postgresql_version or set it to"),
        {"postgresql_version": "9.6"},
    ),
)
SERVERS = (
    Case(
        "foreign-stanza",
        (
            "Found a foreign stanza: axiomdb in repository 1 belongs to the cluster with system identifier",
            "expected this server's system identifier",
            "Next: choose another pgbackrest_stanza or another repository path;",
            "-e stanza_state=upgraded -e stanza_confirm={host}/axiomdb",
        ),
        scene="foreign",
    ),
    Case(
        "original-went-on",
        (WRITER + "its archive has the WAL segment 00000001", "expected none from 00000001", STOP_ONE),
        scene="behind",
    ),
    Case(
        "copy-was-promoted",
        (WRITER + "its archive has timeline 2; expected none above this server's timeline 1", STOP_ONE),
        scene="left behind",
    ),
    Case(
        "both-were-promoted",
        (WRITER + "its history of timeline 2 says '1 ", "as this server's own says", STOP_ONE),
        scene="promoted too",
    ),
    Case(
        "other-bytes-archived-elsewhere",
        (WRITER + "its WAL segment 00000001", "has the SHA-1", "as in this server's pg_wal", STOP_ONE),
        scene="ahead",
    ),
    Case(
        "other-bytes-waiting",
        (WRITER + "its WAL segment 00000001", "has the SHA-1", "as in this server's pg_wal", STOP_ONE),
        scene="stuck",
    ),
    Case(
        "other-machine",
        (
            WRITER + "its backup",
            "was taken by {original} (machine-id",
            "expected this host's machine-id",
            "Next: only if {original} is lost for ever and this server takes its place, type the same command again with "
            "-e wal_archiving_takes_over_from=",
        ),
    ),
    Case(
        "placeholder-that-opens",
        (
            "Found a placeholder passphrase",
            "for repository 1; ",
            SEVERAL,
            "cipher_pass_published: true beside it",
            VAULT.format(1),
        ),
        {"pgbackrest_repositories": [{"cipher_pass": PLACEHOLDER}]},
        scene="published",
    ),
)


@dataclass(frozen=True)
class Judged:
    """The run, the hosts by scene, and their states before and after."""

    result: Result
    hosts: Mapping[str, Host]
    names: Mapping[str, str]
    before: Mapping[str, dict[str, Any]]
    after: Mapping[str, dict[str, Any]]

    def message(self, case: Case) -> str:
        """What the run said of a case."""
        return refusals(self.result).get(self.names[case.name], "")


def judge(lab: Lab, hosts: Mapping[str, Host], cases: Sequence[Case]) -> Judged:
    """Try every case in one run, each as a host of its own in the inventory."""
    aliases = {case.name: alias(hosts[case.scene], case.name, **case.variables) for case in cases}
    before = {scene: state(host) for scene, host in hosts.items()}
    result = lab.ansible(list(aliases.values()), SITE, expect="failure")
    after = {scene: state(host) for scene, host in hosts.items()}
    return Judged(result, hosts, {name: host.name for name, host in aliases.items()}, before, after)


def scenes(converged: Converged) -> dict[str, Host]:
    """The hosts. What changed on the original reaches the others as a repository that they share would bring it."""
    original, version = quiet(converged.twin("original")), converged.version
    hosts = {
        name: quiet(converged.twin(name.replace(" ", "-")))
        for name in ("behind", "left behind", "promoted too", "ahead", "stuck", "foreign", "published")
    }
    hosts["untouched"] = quiet(converged.copy("untouched"))

    # The segments that tell them apart stay in pg_wal, however long the other scenes take.
    hosts["ahead"].sql("alter system set wal_keep_size = '1GB'")
    hosts["ahead"].sql("select pg_reload_conf()")
    archive_now(original)
    newest = archive_now(original)
    while archive_now(hosts["ahead"]) <= newest:
        pass
    for name in ("behind", "ahead", "stuck"):
        share_repository(original, hosts[name])
    fail_to_archive(hosts["stuck"], beyond=newest)
    for host in (original, hosts["promoted too"]):
        promote(host, version)
    for name in ("left behind", "promoted too"):
        share_repository(original, hosts[name])
    hosts["foreign"].run(f"pg_dropcluster --stop {version} main && pg_createcluster {version} main --start")
    encrypt_with_placeholder(hosts["published"])
    quiet(hosts["foreign"])
    return hosts


def quiet(host: Host) -> Host:
    """Let no segment be closed by the clock: what a scene archives does not depend on how long it takes."""
    host.sql("alter system set archive_timeout = 0")
    host.sql("select pg_reload_conf()")
    return host


def share_repository(source: Host, target: Host) -> None:
    """Give `target` the repository as `source` has it now."""
    target.run("rm -rf /var/lib/pgbackrest/*")
    pipe = 'set -o pipefail; docker exec "$1" tar -C /var/lib -c pgbackrest | docker exec -i "$2" tar -C /var/lib -x'
    execute(["bash", "-c", pipe, "bash", source.name, target.name]).checked()


def fail_to_archive(host: Host, beyond: str) -> None:
    """Close segments up to the first one `beyond` those that are archived already, with other bytes.

    pgBackRest refuses the earlier ones and pushes that one all the same; wait until it has done both. From 2.59 on it pushes in
    batches, and what follows a refused one in its batch waits too.
    """
    name = ""
    while name <= beyond:
        name = host.sql("select pg_walfile_name(pg_logical_emit_message(false, 'story', 'not archived'))")
        host.sql("select pg_switch_wal()")
    out = "/var/spool/pgbackrest/archive/axiomdb/out"
    pushed = "" if host.system == "forky" else f"test -e {out}/{name}.ok && "
    host.run(f"timeout 120 bash -c 'until {pushed}ls {out}/*.error; do sleep 0.1; done'")


def promote(host: Host, version: str) -> None:
    """Make the server a standby of nobody, and a primary on the next timeline."""
    host.run(f"cd {DATA} && touch standby.signal && chown postgres: standby.signal && systemctl restart postgresql@{version}-main")
    host.sql("select pg_promote()")
    archive_now(host)


def encrypt_with_placeholder(host: Host) -> None:
    """Make the repository anew by hand, as a manual has it whose variable nobody replaced."""
    host.run("rm -rf /var/lib/pgbackrest/* /etc/pgbackrest/conf.d/90-secrets.conf")
    lines = ["[global]", "repo1-path=/var/lib/pgbackrest", "repo1-retention-full=7", "repo1-cipher-type=aes-256-cbc"]
    lines += [f"repo1-cipher-pass={PLACEHOLDER}", "start-fast=y", "", "[axiomdb]", f"pg1-path={host.sql('show data_directory')}", ""]
    host.put("/etc/pgbackrest/pgbackrest.conf", "\n".join(lines))
    for command in ("stanza-create", "backup"):
        host.run(["pgbackrest", "--stanza=axiomdb", "--log-level-console=off", command], user="postgres")
