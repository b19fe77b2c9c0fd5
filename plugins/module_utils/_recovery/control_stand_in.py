# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A directory that stands in for a data directory which is not there yet: pgBackRest gives WAL only to the cluster that wrote it.

It takes version and system identifier from global/pg_control. One of a new cluster gets the identifier of the lost one.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .postgres import Cluster
from .run import require, run
from .state import FETCHED
from .stepping_down import ids

POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected
FIRST, LAST = 16, 1024  # bytes between which the checksum lies; source: src/include/catalog/pg_control.h


def checksum(data: bytes) -> int:
    """CRC-32C, as PostgreSQL computes it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _bit in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def with_system_id(control: bytes, system_id: int) -> bytes:
    """The bytes of a pg_control with another system identifier. Raises ValueError where its checksum is not found.

    The checksum lies behind what it covers, wherever that ends in this version.
    """
    place = next((end for end in range(FIRST, LAST, 4) if checksum(control[:end]) == struct.unpack_from("=I", control, end)[0]), None)
    if place is None:
        raise ValueError("Found a pg_control without a checksum that fits; expected one of PostgreSQL 15 to 18.")
    covered = struct.pack("=Q", system_id) + control[8:place]
    return covered + struct.pack("=I", checksum(covered)) + control[place + 4 :]


@contextmanager
def stand_in(cluster: Cluster, system_id: int, segment_size: int) -> Iterator[str]:
    """A directory with such a file, which is removed again. Raises CommandFailed or ValueError."""
    path = Path(tempfile.mkdtemp(prefix=FETCHED))
    try:
        shutil.chown(path, *ids("postgres", "postgres"))
        size = f"--wal-segsize={segment_size >> 20}"
        words = [f"{cluster.binaries}/initdb", "--no-sync", "--auth=peer", "--no-locale", "--encoding=UTF8", size, str(path / "new")]
        require(run(words, user="postgres"))
        control = path / "new" / "global" / "pg_control"
        control.write_bytes(with_system_id(control.read_bytes(), system_id))
        yield str(path / "new")
    finally:
        shutil.rmtree(path, ignore_errors=True)
