# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every molecule scenario: check on a bare host, converge, check, idempotence, testinfra."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from lab import ROOT, execute

SCENARIOS = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))


@pytest.mark.tier("torture")
@pytest.mark.parametrize("scenario", [pytest.param(name, marks=pytest.mark.xdist_group(f"molecule-{name}")) for name in SCENARIOS])
def test_a_scenario(scenario: str, tmp_path: Path) -> None:
    run = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"AXIOMDB_TEST_RUN": str(run), "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path), "NO_COLOR": "1", "PATH": commands}
    done = execute([str(Path(sys.executable).with_name("molecule")), "test", "-s", scenario], env=os.environ | own)
    assert done.rc == 0, done.output[-12000:]
