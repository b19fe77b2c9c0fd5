# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kills what changes a disk before each of its changes in turn, and says what lies there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHANGES = {os: ("rename", "replace", "mkdir", "rmdir", "symlink", "unlink", "fchown"), shutil: ("copyfile", "copy2")}


class Killed(BaseException):
    """As the kernel would: nothing that runs can catch it."""


@contextmanager
def killing(place: int) -> Iterator[None]:
    """Kill before the change of that number; a place behind the last change kills nothing."""
    seen = [0]

    def fatal(real: Callable[..., Any]) -> Callable[..., Any]:
        def change(*words: Any, **options: Any) -> Any:
            seen[0] += 1
            if seen[0] == place:
                raise Killed
            return real(*words, **options)

        return change

    with pytest.MonkeyPatch.context() as patch:
        for module, names in CHANGES.items():
            for name in names:
                patch.setattr(module, name, fatal(getattr(module, name)))
        yield


def each_kill(make: Callable[[], Any], act: Callable[[Any], object], step: int = 1) -> Iterator[Any]:
    """What `make` has made anew, with `act` killed in it before the first change, the second, and so on to the last.

    `step` goes on by so many changes each time.
    """
    place = 1 - step
    while True:
        place += step
        made = make()
        try:
            with killing(place):
                act(made)
        except Killed:
            yield made
            continue
        assert place > 1, "something was changed at all"
        return


def tree(*tops: Path) -> dict[str, str]:
    """What lies below, by path: a file's text, where a link leads, nothing for a directory."""
    found = {}
    for top in tops:
        for path in (top, *sorted(top.rglob("*"))) if top.is_dir() else ():
            found[str(path)] = f"-> {os.readlink(path)}" if path.is_symlink() else path.read_text("utf-8") if path.is_file() else ""
    return found
