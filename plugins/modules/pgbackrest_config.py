#!/usr/bin/python
# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pgBackRest's configuration on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_config
short_description: Writes pgBackRest's configuration as whole files, after judging and trying it
version_added: 0.1.0
description:
  - Writes C(/etc/pgbackrest/pgbackrest.conf) without any secret and C(/etc/pgbackrest/conf.d/90-secrets.conf) for passphrases and keys.
  - Judges each option against the installed version. An unknown, misspelt, misplaced or too new one is refused with the nearest name.
  - Writes certificates and keys of a repository to C(/etc/pgbackrest/repoN-*), which only root and postgres read.
  - Refuses a repository whose O(repositories[].mount_point) has no filesystem on it.
  - Tries a new configuration against each repository before it replaces the old one, and judges by status, not by exit code.
  - Refuses a missing, short or placeholder passphrase for a repository that does not exist yet.
  - Refuses another place, account or passphrase for the number of a repository with backups, unless O(repositories[].replaces) says so.
  - Keeps what opened a repository that is left, its passphrase included, in C(/etc/pgbackrest/replaced), which only root and postgres read.
  - Removes C(/etc/pgbackrest.conf). Options that somebody else wrote are kept beside as C(.replaced), with secrets masked.
options:
  stanzas:
    description: Stanzas and their clusters.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the stanza.
        type: str
        required: true
      version:
        description: Major version of its cluster; empty for the one that the system's packages have.
        type: str
        default: ""
      cluster:
        description: Name of its cluster in Debian's tools.
        type: str
        default: main
      data_directory:
        description: Data directory of its cluster; empty for the one that the cluster has, or Debian's usual one.
        type: str
        default: ""
      port:
        description: Port of its cluster.
        type: int
        default: 5432
      socket_directory:
        description: Directory of the Unix socket.
        type: path
        default: /var/run/postgresql
  repositories:
    description: Repositories in their order.
    type: list
    elements: dict
    required: true
    suboptions:
      number:
        description: The N of C(repoN); by default the place in the list, from 1.
        type: int
      type:
        description: Kind of storage.
        type: str
        choices: [posix, cifs, s3, azure, gcs, sftp]
        default: posix
      path:
        description: Path in that storage.
        type: str
        default: /var/lib/pgbackrest
      cipher_type:
        description: Encryption of the repository.
        type: str
        choices: [aes-256-cbc, none]
        default: aes-256-cbc
      cipher_pass:
        description: The passphrase, from a vault or another lookup.
        type: str
      cipher_pass_published:
        description: Says that a placeholder opens an existing repository, and that this is known.
        type: bool
        default: false
      retention_full_days:
        description: Full backups, and what is needed to recover to any moment since, are kept for this many days.
        type: int
        default: 7
      options:
        description: Further options of the repository, named without C(repoN-).
        type: dict
        default: {}
      secrets:
        description: Further secret options of the repository, named without C(repoN-), such as C(s3-key-secret).
        type: dict
        default: {}
      ca_certificate:
        description:
          - Certificate of the authority that signed the store's, as PEM text, for the types s3, azure and gcs.
          - Empty for an authority that the system trusts. The store's certificate is always verified.
        type: str
        default: ""
      sftp_private_key:
        description: Text of the private key with which this host logs in to an SFTP server, from a vault.
        type: str
        default: ""
      sftp_host_key:
        description:
          - The SFTP server's own key, as its fingerprint V(SHA256:...) or as lines of C(known_hosts). It is always verified.
          - pgBackRest (libssh2) compares one key alone, the first that the server has of ECDSA, Ed25519 and RSA. With a fingerprint, give
            that of this one; C(ssh-keyscan -t ecdsa,ed25519,rsa HOST | ssh-keygen -lf -) prints them all.
          - Lines of C(known_hosts) may name each.
        type: str
        default: ""
      mount_point:
        description: Where the filesystem of a posix or cifs repository is mounted; without it there, nothing is written.
        type: str
        default: ""
      replaces:
        description: Place of the repository that had this number before and is left as it is, as the refusal names it.
        type: str
        default: ""
  options:
    description: Further options by section, such as C(global) or C(global:backup). They win over the collection's choices.
    type: dict
    default: {}
  judge_only:
    description: Only refuse what cannot be written; report and change nothing.
    type: bool
    default: false
extends_documentation_fragment:
  - axiomdb.recovery.recovery
"""

EXAMPLES = r"""
- name: Write the pgBackRest configuration
  axiomdb.recovery.pgbackrest_config:
    stanzas:
      - name: axiomdb
    repositories:
      - cipher_pass: "{{ vault_repo1_passphrase }}"
"""

RETURN = r"""
findings:
  description: What differs from what is declared, one item for each option, directory or file attribute.
  returned: success
  type: list
  elements: dict
  sample: [{what: "option in /etc/pgbackrest/pgbackrest.conf: [global] compress-type", expected: zst, found: gz}]
installed:
  description: The installed version of pgBackRest, empty where there is none.
  returned: success
  type: str
  sample: 2.55.1
left:
  description: One sentence for each repository that is not declared any more, with the file that keeps what opens it.
  returned: success
  type: list
  elements: str
  sample: ["KEPT: repository 1 at /var/lib/pgbackrest is left as it is; what opens it, its passphrase included, is in
    /etc/pgbackrest/replaced/repo1-20261122T143000Z.conf"]
missing:
  description: Packages that it needs and that are not installed.
  returned: success
  type: list
  elements: str
  sample: [pgbackrest]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.axiomdb.recovery.plugins.module_utils._edge import cluster_of, outcome, run_module, this_system
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery import backrest_files, packages, systems
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.access import Access
from ansible_collections.axiomdb.recovery.plugins.module_utils._recovery.backrest import RepositorySpec, StanzaSpec


def act(module: AnsibleModule) -> dict[str, Any]:
    """Plan, and outside check mode apply the plan."""
    wanted, system = module.params, this_system()
    plan = backrest_files.plan(
        [specification(number, item) for number, item in enumerate(wanted["repositories"], 1)],
        [stanza(item) for item in wanted["stanzas"]],
        wanted["options"],
        system.pgbackrest,
    )
    found = {"installed": plan.installed, "missing": packages.missing(systems.packages_for(["pgbackrest"], system))}
    if wanted["judge_only"]:
        return outcome([], left=[], **found)
    if not module.check_mode:
        backrest_files.apply(plan)
        for sentence in plan.left:
            module.warn(sentence)
    return outcome(list(plan.findings), list(plan.diff), left=list(plan.left), **found)


def specification(place: int, item: dict[str, Any]) -> RepositorySpec:
    """A declared repository as the engine knows it."""
    return RepositorySpec(
        item["number"] or place,
        item["type"],
        item["path"],
        item["cipher_type"],
        item["cipher_pass"],
        item["cipher_pass_published"],
        item["retention_full_days"],
        item["options"],
        item["secrets"],
        Access(*(item[name] or "" for name in ("ca_certificate", "sftp_private_key", "sftp_host_key", "mount_point"))),
        item["replaces"] or "",
    )


def stanza(item: dict[str, Any]) -> StanzaSpec:
    """A declared stanza; what is not said of its cluster is taken from the cluster itself."""
    cluster = cluster_of(item)
    return StanzaSpec(item["name"], item["data_directory"] or cluster.data_directory, item["port"], item["socket_directory"])


def main() -> None:
    stanza_options = {
        "name": {"type": "str", "required": True},
        "version": {"type": "str", "default": ""},
        "cluster": {"type": "str", "default": "main"},
        "data_directory": {"type": "str", "default": ""},
        "port": {"type": "int", "default": 5432},
        "socket_directory": {"type": "path", "default": "/var/run/postgresql"},
    }
    repository_options = {
        "number": {"type": "int"},
        "type": {"type": "str", "choices": ["posix", "cifs", "s3", "azure", "gcs", "sftp"], "default": "posix"},
        "path": {"type": "str", "default": "/var/lib/pgbackrest"},
        "cipher_type": {"type": "str", "choices": ["aes-256-cbc", "none"], "default": "aes-256-cbc"},
        "cipher_pass": {"type": "str", "no_log": True},
        "cipher_pass_published": {"type": "bool", "default": False, "no_log": False},
        "retention_full_days": {"type": "int", "default": 7},
        "options": {"type": "dict", "default": {}},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "ca_certificate": {"type": "str", "default": ""},
        "sftp_private_key": {"type": "str", "default": "", "no_log": True},
        "sftp_host_key": {"type": "str", "default": "", "no_log": False},
        "mount_point": {"type": "str", "default": ""},
        "replaces": {"type": "str", "default": ""},
    }
    run_module(
        {
            "stanzas": {"type": "list", "elements": "dict", "required": True, "options": stanza_options},
            "repositories": {"type": "list", "elements": "dict", "required": True, "options": repository_options, "no_log": False},
            "options": {"type": "dict", "default": {}},
            "judge_only": {"type": "bool", "default": False},
        },
        act,
    )


if __name__ == "__main__":
    main()
