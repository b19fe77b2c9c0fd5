# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A pg_control with another system identifier is one that PostgreSQL's checksum still covers, wherever that lies."""

from __future__ import annotations

import struct

import pytest
from _recovery import control_stand_in
from hypothesis import given
from hypothesis import strategies as st


def test_the_checksum_is_castagnolis() -> None:
    assert control_stand_in.checksum(b"123456789") == 0xE3069283  # the check value of CRC-32C


@given(st.binary(min_size=16, max_size=400).filter(lambda body: len(body) % 4 == 0), st.integers(0, 2**64 - 1))
def test_only_identifier_and_checksum_change(body: bytes, system_id: int) -> None:
    found = body + struct.pack("=I", control_stand_in.checksum(body)) + bytes(1200)
    made = control_stand_in.with_system_id(found, system_id)
    assert len(made) == len(found)
    assert struct.unpack_from("=Q", made)[0] == system_id
    assert control_stand_in.checksum(made[: len(body)]) == struct.unpack_from("=I", made, len(body))[0]
    assert made[8 : len(body)] == body[8:]
    assert made[len(body) + 4 :] == found[len(body) + 4 :]


def test_a_file_without_one_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="without a checksum that fits"):
        control_stand_in.with_system_id(bytes(range(256)) * 32, 1)
