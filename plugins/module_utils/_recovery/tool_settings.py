# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings of the tool on this host, which root has written (see state.SETTINGS)."""

from __future__ import annotations

from contextlib import suppress

from . import state
from .jobs import Settings, parse_settings


def read() -> Settings:
    """What the tool and its jobs are told. Raises OSError where there are no settings, ValueError where they are none."""
    return parse_settings(state.SETTINGS.read_text(encoding="utf-8"))


def known() -> Settings | None:
    """The same for whoever can do without; None where they cannot be read."""
    with suppress(OSError, ValueError):
        return read()
    return None
