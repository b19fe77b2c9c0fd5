# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets stay where they belong: one file that only postgres reads, and the vault of whoever runs the playbook.

The host is provisioned with --diff -vvv, by a server that logs every statement, while every process is watched.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lab import Lab, Result
from secrecy import FirstRun, provision_watched
from watch import files_with, forms, watch

SECRETS_FILE = "/etc/pgbackrest/conf.d/90-secrets.conf"


@pytest.fixture(scope="module")
def watched_run(sandbox: Lab, system: str) -> FirstRun:
    """A bare host on which site.yml ran once, and what was seen meanwhile."""
    return provision_watched(sandbox, system)


def test_the_watch_would_have_seen_a_leak(watched_run: FirstRun) -> None:
    canary = "a-secret-that-somebody-typed"
    leak = f"for attempt in 1 2 3 4 5; do runuser -u postgres -- psql -X -c \"select '{canary}'\"; done"
    with watch([canary], watched_run.host) as there, watch([canary], pause=0.005) as here:
        watched_run.host.run(leak)
    assert any(line.startswith("/usr/lib/postgresql/") for line in there.leaks), there
    assert any(line.startswith("docker") for line in here.leaks), here


def test_no_process_had_a_secret_in_its_command_line(watched_run: FirstRun) -> None:
    assert watched_run.on_host.leaks == []
    assert watched_run.on_controller.leaks == []
    # It did look: the work itself was seen.
    assert watched_run.on_host.saw("apt-get", "install")
    assert watched_run.on_host.saw("pgbackrest", "backup", "--repo=1")
    assert watched_run.on_controller.saw("ansible-playbook", "--diff", "-vvv")


def test_no_output_shows_a_secret(watched_run: FirstRun) -> None:
    assert [form for form in watched_run.secrets if form in watched_run.result.output] == []
    assert "cipher_pass: VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in watched_run.result.output


def test_after_the_run_no_other_file_of_the_host_has_a_secret(watched_run: FirstRun) -> None:
    assert watched_run.files_on_host == [SECRETS_FILE]
    assert watched_run.host.run(["stat", "-c", "%a %U:%G", SECRETS_FILE]).stdout == "640 root:postgres\n"
    assert "LOG:  statement: " in watched_run.host.run("cat /var/log/postgresql/*.log").stdout, "the server logs what it is told"


def test_after_the_run_no_other_file_of_the_controller_has_a_secret(watched_run: FirstRun) -> None:
    own = watched_run.host.secrets / watched_run.host.name
    assert watched_run.files_on_controller == [str(own / "cipher-pass"), str(own / "role-password")]


def test_the_journal_has_no_secret(watched_run: FirstRun) -> None:
    assert "Invoked with" in watched_run.journal, "the modules log what they were called with"
    assert [form for form in watched_run.secrets if form in watched_run.journal] == []


def test_facts_and_registered_answers_have_no_secret(watched_run: FirstRun, ansible: Callable[..., Result]) -> None:
    tasks = [
        {"name": "Ask", "axiomdb.recovery.recovery_host_info": {"components": ["postgresql", "pgbackrest"]}, "register": "host"},
        {"name": "Tell", "axiomdb.recovery.pgbackrest_info": {"stanza": "axiomdb"}, "register": "info"},
        {"name": "Show", "ansible.builtin.debug": {"msg": ["{{ ansible_facts }}", "{{ host }}", "{{ info }}"]}},
    ]
    play = {"name": "Show everything that is known", "hosts": "all", "gather_facts": True, "tasks": tasks}
    shown = ansible(watched_run.host, [play], "-vvv").output
    assert "ansible_distribution" in shown or "distribution:" in shown
    assert "aes-256-cbc" in shown
    assert [form for form in watched_run.secrets if form in shown] == []


def test_files_are_searched_in_every_form(sandbox: Lab, watched_run: FirstRun) -> None:
    canary = "another-secret-that-somebody-kept"
    plain, other, *encoded = forms(canary)
    watched_run.host.run(
        f"cd /dev/shm && printf %s {canary} >plain && printf user:%s {canary} | base64 -w0 >encoded"
        f" && printf x%s {canary} | base64 -w0 >shifted"
    )
    try:
        assert files_with([plain, *encoded], watched_run.host) == ["/dev/shm/encoded", "/dev/shm/plain", "/dev/shm/shifted"]
    finally:
        watched_run.host.run("rm /dev/shm/plain /dev/shm/encoded /dev/shm/shifted")
