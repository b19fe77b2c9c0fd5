# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a long step is, for a person who waits: share, size, rate, and when it will be over. Pure."""

from __future__ import annotations

from .spoken import human


def line(done: float, whole: float, seconds: float) -> str:
    """So many bytes of so many, after so many seconds. Nothing is foretold before anything was done."""
    share = f"{max(0.0, min(100.0, 100 * done / whole)):.0f} % of {human(whole)}" if whole > 0 else human(done)
    if done <= 0 or seconds <= 0:
        return f"{share} after {seconds:.0f} s"
    rate = done / seconds
    left = max(0.0, whole - done) / rate
    return f"{share} after {seconds:.0f} s, {human(rate)}/s, about {left:.0f} s more"
