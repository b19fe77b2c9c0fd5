# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host as most VPSs are reached: over SSH, as a user who is nobody until sudo makes root of him; with pipelining and without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from converged import SITE, Converged, alias
from lab import Host, Result, execute
from snapshots import SNAPSHOT
from watch import Watch, files_with, forms, watch

USER = "debian"
BACKUP = "playbooks/backup.yml"
HOME = f"/home/{USER}"


@dataclass(frozen=True)
class Connected:
    """The runs of one way to connect. `copied` says whether Ansible copied its modules into the user's directory."""

    results: Mapping[str, Result]
    acl: Mapping[str, bool]
    copied: bool
    seen: Watch
    files: list[str]


def open_door(host: Host, directory: str) -> dict[str, Any]:
    """Give the host a user with sudo and a key; the variables with which Ansible connects as that user."""
    key = f"{directory}/key"
    execute(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "story", "-f", key]).checked()
    public = execute(["cat", f"{key}.pub"]).stdout
    host.run(f"useradd -m -s /bin/bash {USER} && install -d -m 700 -o {USER} -g {USER} {HOME}/.ssh")
    host.run(["install", "-m", "600", "-o", USER, "-g", USER, "/dev/stdin", f"{HOME}/.ssh/authorized_keys"], stdin=public)
    host.run(["install", "-m", "440", "/dev/stdin", f"/etc/sudoers.d/{USER}"], stdin=f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    host_key = host.read("/etc/ssh/ssh_host_ed25519_key.pub")
    execute(["tee", f"{directory}/known"], stdin=f"{host.address} {host_key}").checked()
    return {
        "ansible_connection": "ansible.builtin.ssh",
        "ansible_host": host.address,
        "ansible_user": USER,
        "ansible_ssh_private_key_file": key,
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={directory}/known -o IdentitiesOnly=yes -F /dev/null",
    }


def play(converged: Converged, directory: str) -> dict[bool, Connected]:
    """Snapshot, backup and two runs of site.yml without pipelining, on a host that has lost the acl package; then with it."""
    host = converged.twin("ssh")
    door = alias(host, "door", **open_door(host, directory))
    host.run("dpkg --purge --force-depends acl")
    # What jobs of the host are called is not this story's: the same host has another name here.
    host.run(["sed", "-i", f's/"{host.name}"/"{door.name}"/', "/etc/axiomdb/recovery.json"])
    return {pipelining: _connect(converged, host, door, pipelining) for pipelining in (False, True)}


def _connect(converged: Converged, host: Host, door: Host, pipelining: bool) -> Connected:
    secrets = [form for name in ("cipher-pass", "role-password") for form in forms(converged.secret(name))]
    env = {"ANSIBLE_PIPELINING": str(pipelining)}
    host.run(f"rm -rf {HOME}/.ansible")
    results, acl = {}, {}
    with watch(secrets, host) as seen:
        for name, playbook in (("snapshot", SNAPSHOT), ("backup", BACKUP), ("site", SITE), ("site again", SITE)):
            acl[name] = host.exists("/usr/bin/setfacl")
            results[name] = converged.lab.ansible(door, playbook, extra_vars={"snapshot_name": f"pipelining-{pipelining}"}, env=env)
    return Connected(results, acl, host.exists(f"{HOME}/.ansible/tmp"), seen, files_with(secrets, host))
