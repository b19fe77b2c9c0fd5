# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds the tool that runs on a host: the engine's own files as one zip archive that Python runs.

The same source gives the same bytes from every Python: files are stored, in order, with a fixed date.
"""

from __future__ import annotations

import io
import pkgutil
import zipfile

PACKAGE = "axiomdb_recovery"
SHEBANG = b"#!/usr/bin/python3\n"
DATE = (2026, 1, 1, 0, 0, 0)
MAIN = f"from {PACKAGE}.cli import main\n\nraise SystemExit(main())\n"


def build() -> bytes:
    """The archive of every module of this package that was shipped to the host."""
    own = __name__.rpartition(".")[0]
    names = sorted(module.name for module in pkgutil.iter_modules(__import__(own, fromlist=["cli"]).__path__))
    sources = {f"{PACKAGE}/{name}.py": _source(own, f"{name}.py") for name in names}
    return pack({"__main__.py": MAIN.encode(), f"{PACKAGE}/__init__.py": b"", **sources})


def _source(package: str, name: str) -> bytes:
    source = pkgutil.get_data(package, name)
    if source is None:
        raise ValueError(f"Found no source of {name} in {package}; expected the module's own payload.")
    return source


def pack(files: dict[str, bytes]) -> bytes:
    """One archive that Python runs."""
    stream = io.BytesIO()
    stream.write(SHEBANG)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, DATE)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, content)
    return stream.getvalue()
