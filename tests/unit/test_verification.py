# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What verify's own text says of damaged repositories, as three versions printed it; the exit code was 0 each time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from _recovery.verification import parse

RECORDED = Path(__file__).parent / "recorded"
VERSIONS = ("2.45", "2.55.1", "2.60.0")
BROKEN = {
    "flipped-bundle": "is invalid (checksum invalid: 1)",
    "flipped-wal": "WAL segments in the archive ",
    "lost-manifest": "is manifest missing",
    "lost-backup-info": "No usable backup.info file",
    "lost-archive-info": "No usable archive.info file",
    "unreadable": "No usable backup.info file",
}


def recorded(version: str, case: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((RECORDED / version / f"verify-{case}.json").read_text(encoding="utf-8"))
    return record


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", BROKEN)
def test_damage_is_found_where_the_exit_code_is_0(version: str, case: str) -> None:
    record = recorded(version, case)
    broken = parse(record["stdout"]).broken
    assert record["rc"] == 0
    assert len(broken) == (2 if case == "unreadable" else 1), broken
    assert BROKEN[case] in broken[0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", ["clean", "lost-wal"])
def test_what_verify_calls_valid_is_not_broken(version: str, case: str) -> None:
    """It does not notice a lost WAL segment: that is computed from the archive's listing, elsewhere."""
    found = parse(recorded(version, case)["stdout"])
    assert found.broken == ()
    assert found.sets >= 2
    assert found.segments >= 3


@pytest.mark.parametrize("text", ["", "stanza: axiomdb\nstatus: ok\n", "stanza: axiomdb\nstatus: error\n"])
def test_an_answer_that_shows_nothing_is_no_proof(text: str) -> None:
    assert parse(text).broken != ()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_in_which_one_kind_of_line_is_missing_is_no_proof(version: str) -> None:
    lines = recorded(version, "clean")["stdout"].splitlines(keepends=True)
    assert parse("".join(line for line in lines if "archiveId" not in line)).broken != ()
    assert parse("".join(line for line in lines if "backup:" not in line)).broken != ()
    assert parse("".join(lines).replace("status: valid", "status: in-progress")).broken != ()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_valid_backup_of_which_not_every_file_is_valid_is_broken(version: str) -> None:
    text, changed = re.subn(r"total files checked: (\d+)", "total files checked: 9\\1", recorded(version, "clean")["stdout"], count=1)
    assert changed == 1
    assert len(parse(text).broken) == 1
