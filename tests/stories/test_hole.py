# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A segment that never reached the archive: nothing after it can be recovered, and no run may call that protected."""

from __future__ import annotations

import pytest
from converged import Converged
from fleet import STANZA
from lab import Lab

pytestmark = pytest.mark.tier("torture")


def test_a_hole_in_the_archive_is_not_called_protected(sandbox: Lab, converged: Converged) -> None:
    host = converged.twin("hole")
    host.sql("alter system set archive_command = '/bin/true'; select pg_reload_conf(); select pg_sleep(1)")
    host.sql("create table lost as select 1; select pg_switch_wal(); select pg_sleep(3)")
    host.sql("alter system reset archive_command; select pg_reload_conf(); select pg_sleep(1)")
    host.run(["pgbackrest", f"--stanza={STANZA}", "check"], user="postgres")
    result = sandbox.ansible(host, "playbooks/site.yml")
    backups = host.run("pgbackrest info --output=json", user="postgres").stdout.count('"label"')
    # Either the run takes a backup that begins after the hole, or it says what cannot be recovered.
    assert backups > 1 or result.last_line.startswith("NOT PROTECTED"), result.stdout
