# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A pooler that serves clients is taken over and changed without cutting them; what only a restart brings is reported, not done."""

from __future__ import annotations

from typing import Any

import pytest
from converged import SITE, Converged, changed_tasks, refusals
from lab import Host, Lab, Result, Run

# The release that lets users go on logging in who are merely gone from the userlist.
pytestmark = pytest.mark.on("forky")
CONFIGURE = "configure | Write PgBouncer's files and bring them in"
ROLES = [f"axiomdb.recovery.{name}" for name in ("postgresql", "pgbouncer")]
PLAY = [{"name": "Pool", "hosts": "all", "gather_facts": False, "become": True, "roles": ROLES}]
HAND_MADE = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends pgbouncer
cat >/etc/pgbouncer/pgbouncer.ini <<'END'
[databases]
axiomdb = host=127.0.0.1 port=5432 user=app password=typed-by-hand
old = host=127.0.0.1
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 6432
unix_socket_dir = /var/run/postgresql
pidfile = /var/run/postgresql/pgbouncer.pid
logfile = /var/log/postgresql/pgbouncer.log
auth_type = md5
auth_file = /etc/pgbouncer/userlist.txt
max_client_conn = 77
END
echo '"gone" "typed-by-hand"' >/etc/pgbouncer/userlist.txt
systemctl restart pgbouncer
"""


def console(host: Host, command: str, port: int = 6432) -> str:
    argv = ["psql", "-XAtw", "-h", "/var/run/postgresql", "-p", str(port), "-U", "pgbouncer", "-d", "pgbouncer", "-c", command]
    return host.run(argv, user="postgres").stdout.rstrip("\n")


def come_in(host: Host, role: str, password: str, port: int = 6432) -> Run:
    argv = ["env", f"PGPASSWORD={password}", "psql", "-XAtw", "-h", "127.0.0.1", "-p", str(port), "-U", role, "-d", "axiomdb"]
    return host.run([*argv, "-c", "select current_user"], check=False)


def process(host: Host) -> str:
    return host.run(["systemctl", "show", "-P", "MainPID", "-P", "ExecMainStartTimestampMonotonic", "pgbouncer"]).stdout


def setting(host: Host, name: str, port: int = 6432) -> str:
    rows = (line.split("|") for line in console(host, "SHOW CONFIG", port).splitlines())
    return next(row[1] for row in rows if row[0] == name)


@pytest.fixture(scope="module")
def by_hand(sandbox: Lab, system: str) -> Host:
    """A host with a pooler that somebody has made, and three roles of which two may come in."""
    roles = [
        {"name": "axiomdb", "password": "{{ sandbox_role_password }}"},
        {"name": "clerk", "password": "first-password"},
        {"name": "gone", "password": "other-password"},
    ]
    host = sandbox.up(f"{system}-pooled", system, postgresql_roles=roles)
    host.run(HAND_MADE)
    return host


@pytest.fixture(scope="module")
def refused(sandbox: Lab, by_hand: Host) -> tuple[Result, bool]:
    """The run that does not declare all of it, and whether it left everything as it was."""
    before = by_hand.tree("/etc/pgbouncer"), process(by_hand)
    result = sandbox.ansible(by_hand, PLAY, expect="failure", extra_vars={"pgbouncer_roles": ["axiomdb", "clerk"]})
    return result, (by_hand.tree("/etc/pgbouncer"), process(by_hand)) == before


@pytest.fixture(scope="module")
def taken_over(sandbox: Lab, by_hand: Host, refused: tuple[Result, bool]) -> tuple[Result, bool]:
    """The run that takes the pooler over, and whether its process is still the same."""
    before = process(by_hand)
    by_hand.run(["sed", "-i", "/^old = /d", "/etc/pgbouncer/pgbouncer.ini"])
    return sandbox.ansible(by_hand, PLAY, "--diff"), process(by_hand) == before


@pytest.fixture(scope="module")
def pooled(sandbox: Lab, by_hand: Host, taken_over: tuple[Result, bool]) -> Host:
    """The same host after the restart that was pending."""
    sandbox.ansible(by_hand, PLAY, "-e", "pgbouncer_restart_allowed=true")
    return by_hand


def test_what_is_not_declared_is_not_taken_away(by_hand: Host, refused: tuple[Result, bool]) -> None:
    result, untouched = refused
    said = refusals(result)[by_hand.name]
    assert "Found the database old in /etc/pgbouncer/pgbouncer.ini; expected every database of this pooler in pgbouncer_databases" in said
    assert "Found the user gone in /etc/pgbouncer/userlist.txt; expected every user of this pooler in pgbouncer_roles" in said
    assert "typed-by-hand" not in result.output
    assert untouched


def test_a_pooler_is_taken_over_without_a_restart(by_hand: Host, taken_over: tuple[Result, bool]) -> None:
    result, same_process = taken_over
    assert same_process
    # The user that the entry forced on every client outlives the entry until then.
    assert "RESTART PENDING on pgbouncer.service: user of database axiomdb (runs with app)." in " ".join(result.output.split())
    kept = by_hand.read("/etc/pgbouncer/pgbouncer.ini.replaced")
    assert "max_client_conn = 77" in kept
    assert "typed-by-hand" not in result.output + by_hand.run("cat /etc/pgbouncer/*").stdout
    assert come_in(by_hand, "gone", "typed-by-hand").rc == 2


def test_after_its_restart_each_client_is_itself(pooled: Host) -> None:
    done = come_in(pooled, "axiomdb", pooled.secret("role-password"))
    assert done.stdout == "axiomdb\n", done.stderr


def test_a_setting_is_reloaded_and_a_port_waits_for_a_restart(sandbox: Lab, pooled: Host) -> None:
    host, before = pooled, process(pooled)
    changed = {"pgbouncer_settings": {"default_pool_size": 7}, "pgbouncer_port": 6433}
    run = sandbox.ansible(host, PLAY, extra_vars=changed)
    assert changed_tasks(run) == [CONFIGURE]
    words = " ".join(run.output.split())
    assert "[WARNING]: RESTART PENDING on pgbouncer.service: listen_port (runs with 6432). Nothing was restarted." in words
    assert (process(host), setting(host, "default_pool_size"), setting(host, "listen_port")) == (before, "7", "6432")

    # By hand: in the file, in the running process, and as a run that was killed before its reload would leave it.
    host.run(["sed", "-i", "s/^pool_mode = .*/pool_mode = session/", "/etc/pgbouncer/pgbouncer.ini"])
    host.run(["chmod", "0440", "/etc/pgbouncer/userlist.txt"])
    check = sandbox.ansible(host, PLAY, check=True, extra_vars=changed)
    assert [(finding["what"], finding["expected"], finding["found"]) for finding in check.findings] == [
        ("setting in /etc/pgbouncer/pgbouncer.ini: [pgbouncer] pool_mode", "transaction", "session"),
        ("mode of /etc/pgbouncer/userlist.txt", "0640", "0440"),
    ]
    run = sandbox.ansible(host, PLAY, extra_vars=changed)
    assert changed_tasks(run) == [CONFIGURE]
    console(host, "SET query_wait_timeout = 5")
    run = sandbox.ansible(host, PLAY, "-e", "pgbouncer_restart_allowed=true", extra_vars=changed)
    assert changed_tasks(run) == [CONFIGURE]
    assert "RESTART PENDING" not in run.output
    assert process(host) != before
    assert (setting(host, "query_wait_timeout", 6433), setting(host, "pool_mode", 6433)) == ("3600", "transaction")
    assert come_in(host, "axiomdb", host.secret("role-password"), 6433).stdout == "axiomdb\n"
    assert sandbox.ansible(host, PLAY, extra_vars=changed).changed == 0


def test_a_new_password_comes_in_and_who_leaves_is_locked_out(sandbox: Lab, pooled: Host) -> None:
    host, port = pooled, int(pooled.read("/etc/pgbouncer/pgbouncer.ini").partition("listen_port = ")[2].split()[0])
    assert come_in(host, "clerk", "first-password", port).rc == come_in(host, "gone", "other-password", port).rc == 0
    before = process(host)
    host.sql("alter role clerk password 'second-password'")
    host.sql("set password_encryption = 'md5'; create role ancient login password 'x'")
    variables: dict[str, Any] = {"pgbouncer_port": port, "pgbouncer_roles": ["axiomdb", "clerk", "ancient"]}
    tasks = [{"name": "Pool", "hosts": "all", "gather_facts": False, "become": True, "roles": ROLES[1:]}]
    run = sandbox.ansible(host, tasks, "--diff", "-vvv", extra_vars=variables)
    assert "NOT IN THE POOLER: Found the role ancient with an MD5 password; expected" in " ".join(run.output.split())
    journal = host.run(["journalctl", "--no-pager", "--all"]).stdout
    assert "pgbouncer_config" in journal, "the modules log what they were called with"
    secrets = ("SCRAM-SHA-256$", "first-password", "other-password", host.secret("role-password"))
    assert [secret for secret in secrets if secret in run.output + journal] == []
    assert process(host) == before
    assert come_in(host, "clerk", "second-password", port).rc == 0
    assert [come_in(host, *who, port).rc for who in (("clerk", "first-password"), ("gone", "other-password"), ("ancient", "x"))] == [
        2,
        2,
        2,
    ]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"pgbouncer_settings": {"server_reset_query_always": True, "verbose": "99999999999999"}},
            "the value '99999999999999' of verbose; expected a whole number",
        ),
        (
            {"pgbouncer_settings": {"pol_mode": "session"}},
            "the unknown setting 'pol_mode'; expected 'pool_mode', which is the nearest name",
        ),
        ({"pgbouncer_databases": [{"name": "absent"}]}, "no database absent on the server; expected it there, as pgbouncer_databases says"),
        ({"pgbouncer_roles": ["absent"]}, "no role absent on the server; expected it there, as pgbouncer_roles says"),
        ({"postgresql_hba": [{"type": "local", "user": "all", "method": "peer"}]}, "a server that answers 'no pg_hba.conf entry for host"),
    ],
)
def test_what_would_lock_clients_out_is_refused(sandbox: Lab, pooled: Host, variables: dict[str, Any], said: str) -> None:
    host = pooled
    before = host.tree("/etc/pgbouncer"), process(host)
    result = sandbox.ansible(host, PLAY, expect="failure", extra_vars=variables)
    assert f"REFUSED, this step wrote nothing. Found {said}" in refusals(result)[host.name]
    assert (host.tree("/etc/pgbouncer"), process(host)) == before


@pytest.mark.on("debian13")
def test_the_newest_controller_builds_the_pooler_only_where_it_is_wanted(sandbox: Lab, converged: Converged) -> None:
    host = converged.twin("with-pooler", pgbouncer_enabled=True)
    assert not host.exists("/etc/pgbouncer")
    run = sandbox.ansible(host, SITE, controller="newest")
    assert changed_tasks(run) == ["install | Install the packages", CONFIGURE]
    assert run.last_line.startswith("PROTECTED")
    assert come_in(host, "axiomdb", converged.secret("role-password")).stdout == "axiomdb\n"
