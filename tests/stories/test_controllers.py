# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The oldest supported controller and the newest one tell and do the same."""

from __future__ import annotations

from typing import Any

import pytest
from converged import Converged
from drifting import Story, findings, play
from lab import ROOT, Controller, Result, controller_directory, execute

# Every file of the collection that Python runs, under its full name, as Ansible's own loader finds it.
_IMPORT = """
import importlib, pathlib, sys
from ansible.utils.collection_loader import _collection_finder as finder
finder._AnsibleCollectionFinder(paths=[sys.argv[1]])._install()
root = pathlib.Path(sys.argv[2])
names = ['.'.join(path.relative_to(root).with_suffix('').parts) for path in sorted(root.glob('plugins/**/*.py'))]
for name in names: importlib.import_module('ansible_collections.axiomdb.recovery.' + name.removesuffix('.__init__'))
print(len(names))
"""


@pytest.mark.parametrize("controller", ["default", "newest"])
def test_every_plugin_imports_without_a_warning(controller: Controller) -> None:
    python = str(controller_directory(controller) / "python")
    run = execute([python, "-W", "error", "-c", _IMPORT, str(ROOT / ".collections"), str(ROOT)])
    assert (run.rc, run.stderr) == (0, "")
    assert int(run.stdout) > 20


@pytest.mark.tier("torture")
def test_both_find_do_and_say_the_same(drift_story: Story, converged: Converged) -> None:
    controller_directory("newest")
    other = play(converged, "newest", "newest")
    for here, there in ((drift_story.check, other.check), (drift_story.run, other.run), (drift_story.again, other.again)):
        assert _told(here, drift_story) == _told(there, other)
    assert len(other.check.findings) == 5
    assert other.mended_tasks == drift_story.mended_tasks
    assert other.after_run == other.pristine


def _told(result: Result, story: Story) -> dict[str, Any]:
    """What a run told, without the name of the host."""
    listed = [{**finding, "host": "it"} for finding in findings(result)]
    return {"recap": list(result.recap.values()), "findings": listed, "warnings": _warnings(result, story)}


def _warnings(result: Result, story: Story) -> list[str]:
    return [line.replace(story.host.name, "it") for line in result.output.splitlines() if "WARNING" in line or "DEPRECATION" in line]
