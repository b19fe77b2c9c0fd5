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
    assert found.files > found.sets


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


# --- the log names what the text only counts --------------------------------------------------------------------------

SHA = "a" * 40
ERROR = "raised from local-1 protocol: zst error: [-20]\n          [FormatError] on 2 retries from 372-15412ms: zst error: [-20]"


def lost(*names: str) -> str:
    return "".join(f"INFO: file missing '{name}'\n" for name in names)


@pytest.mark.parametrize(
    ("log", "named"),
    [
        (f"INFO: invalid checksum '17-1/0000000100000000/000000010000000000000003-{SHA}.zst'\n", "000000010000000000000003"),
        (
            f"P01   INFO: invalid result 17-1/0000000100000000/000000010000000000000003-{SHA}.zst: [29] {ERROR}",
            "000000010000000000000003",
        ),
        (lost("17-1/a", "17-1/b", "17-1/c", "17-1/c"), "a, b, c"),
        (lost("17-1/a", "17-1/b", "17-1/c", "17-1/d", "17-1/e"), "a, b, c and 2 more"),
    ],
)
def test_the_broken_files_are_named(log: str, named: str) -> None:
    begin = "INFO: verify command begin 2.55.1: --log-path=/var/log/pgbackrest\n"
    (clause,) = parse(recorded("2.55.1", "flipped-wal")["stdout"], begin + log).broken
    assert clause == f"1 of 19 WAL segments in the archive 17-1 is not valid (checksum invalid: 1): {named}"


def test_each_file_is_named_with_the_backup_that_it_is_in() -> None:
    text = recorded("2.55.1", "flipped-bundle")["stdout"]
    label = re.search(r"backup: (\S+), status: invalid", text)
    assert label
    (clause,) = parse(
        text, f"INFO: invalid checksum '{label[1]}/bundle/1'\nINFO: invalid checksum '{label[1]}_20261124-050304I/bundle/2'\n"
    ).broken
    assert clause == f"the backup {label[1]} is invalid (checksum invalid: 1): bundle/1"
    assert parse(text, f"INFO: invalid checksum '{label[1]}_20261124-050304I/bundle/2'\n").broken == parse(text).broken
    assert parse(text, "INFO: stanza: axiomdb\n      status: error\n").broken == parse(text).broken
