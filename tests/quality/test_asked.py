# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The playbooks that recover refuse a misspelt variable before any host is reached: the one of these tests does not exist."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOWHERE = "vps1.invalid,"
# That of a drill's interval is one of the jobs'. Recoveries in place are asked in their own story.
MISSPELT = {
    "rebuild": ("rebuild_lost_hots=vps1", "Found rebuild_lost_hots; expected one of rebuild_stanza, "),
    "drill": ("drill_interval_days=30 drill_kep=true", "Found drill_kep; expected one of drill_kind, "),
}
STRAY = {"rebuild": "rebuild_reason=the site", "drill": "drill_notes=by night"}


def said(root: Path, playbook: str, words: str) -> str:
    """What a run with these words behind -e says; white space is single blanks."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", NOWHERE, f"playbooks/{playbook}.yml", "-e", words]
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")} | {"ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert "unreachable=0" in done.stdout, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("playbook", MISSPELT)
def test_a_misspelt_variable_is_refused(root: Path, playbook: str) -> None:
    words, sentence = MISSPELT[playbook]
    assert f"REFUSED, nothing was done. {sentence}" in said(root, playbook, words)


@pytest.mark.parametrize("playbook", STRAY)
def test_words_that_belong_to_no_variable_are_refused(root: Path, playbook: str) -> None:
    word = STRAY[playbook].split()[-1]
    assert f"REFUSED, nothing was done. Found the words '{word}' behind -e" in said(root, playbook, STRAY[playbook])
