# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Beside a command that waits for WAL, a child as postgres pushes it past repositories that are away. It ends with the command."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from . import state
from .push_past import Sender, push_past
from .stepping_down import become

USER = "postgres"
EACH = 3.0  # seconds between two looks
LAST = 10.0  # seconds for the file that is being pushed when the command ends
LOG = "backup.log"
PIPE = 3  # the child's only descriptor beside the standard ones


@contextmanager
def pushing_past(sender: Sender) -> Iterator[None]:
    """Push past repositories that are away for as long as the body runs; where there is one repository, nothing is."""
    if len(sender.repositories) < 2:
        yield
        return
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _work(sender, reading)
    os.close(reading)
    try:
        yield
    finally:
        os.close(writing)
        _see_off(child)


def _work(sender: Sender, reading: int) -> None:
    """The child's life: until nobody holds the other end of the pipe any more."""
    try:
        signal.signal(signal.SIGTERM, _interrupted)
        _keep_only(reading)
        if os.geteuid() == 0:
            become(USER)
        go_on(sender, lambda seconds: not select.select([PIPE], [], [], seconds)[0])
    finally:
        os._exit(0)


def go_on(sender: Sender, goes_on: Callable[[float], bool]) -> None:
    """Look again and again, as long as it goes on. An error is told once and ends it: what waits is pushed later all the same."""
    try:
        while goes_on(EACH):
            done = push_past(sender, goes_on)
            if done:
                state.log(LOG, f"{sender.stanza}: {done}")
    except Exception as error:
        state.log(LOG, f"{sender.stanza}: nothing is pushed past repositories that are away: {error}")


def _interrupted(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _keep_only(reading: int) -> None:
    """No lock, pipe or terminal of the parent's."""
    silence = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(silence, standard)
    os.dup2(reading, PIPE)
    os.closerange(PIPE + 1, os.sysconf("SC_OPEN_MAX"))


def _see_off(child: int) -> None:
    """Wait for the child, and end it where a repository keeps it."""
    deadline = time.monotonic() + LAST
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
            return
        time.sleep(0.02)
