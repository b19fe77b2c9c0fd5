# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a recovery makes is told from data by its name alone."""

from __future__ import annotations

import pytest
from _recovery import kept_names

NAME = "20261122-120000"


def test_kept_data_lies_beside_its_place_or_within_a_mount_point() -> None:
    assert kept_names.kept("/data", NAME, within=False) == "/data.kept-20261122-120000"
    within = kept_names.kept("/data", NAME, within=True)
    assert within == "/data/.kept-20261122-120000"
    assert kept_names.is_within("/data", within)
    assert not kept_names.is_within("/data", "/data.kept-20261122-120000")
    assert kept_names.other(within, kept_names.RETURNING) == "/data/.returning-20261122-120000"


@pytest.mark.parametrize("state", ["kept", "keeping", "returning", "restoring", "restored"])
def test_what_a_recovery_makes_is_told_by_its_name(state: str) -> None:
    assert kept_names.is_ours(f".{state}-{NAME}")
    assert kept_names.is_kept(f".{state}-{NAME}") is (state == "kept")


@pytest.mark.parametrize("entry", ["base", "PG_VERSION", ".kept", ".kept-mine", f"kept-{NAME}", f".kept-{NAME}.old", f".other-{NAME}"])
def test_anything_else_is_data(entry: str) -> None:
    assert not kept_names.is_ours(entry)


def test_the_wal_of_restored_data_lies_beside_the_old_one() -> None:
    assert kept_names.wal_beside("/wal/main", NAME) == f"/wal/main-{NAME}"
    assert kept_names.wal_beside("/wal/main-20250101-000000", NAME) == f"/wal/main-{NAME}"
    assert kept_names.wal_beside("", NAME) == ""
