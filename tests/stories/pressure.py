# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long somebody on this machine waited for a processor or a disk: by so much a measured time may be longer for no cause of ours."""

from __future__ import annotations

import re
import threading
import time
from bisect import bisect_left, bisect_right
from pathlib import Path
from types import TracebackType

EACH = 0.1  # seconds between two samples
_TOTAL = re.compile(r"^some .* total=(\d+)$", re.MULTILINE)


class Pressure:
    """Samples of what the kernel counts, taken while the body runs. Source: Documentation/accounting/psi.rst."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._totals: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Pressure:
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._over.wait(EACH):
            self._sample()

    def _sample(self) -> None:
        files = [Path("/proc/pressure") / name for name in ("cpu", "io")]
        totals = [_TOTAL.search(file.read_text(encoding="utf-8")) for file in files if file.exists()]
        self._times.append(time.time())
        self._totals.append(sum(int(found[1]) for found in totals if found) / 1e6)

    def stalled(self, begin: float, end: float) -> float:
        """Seconds that were waited between two times, in Unix seconds."""
        first, last = max(0, bisect_right(self._times, begin) - 1), min(len(self._times) - 1, bisect_left(self._times, end))
        return self._totals[last] - self._totals[first]
