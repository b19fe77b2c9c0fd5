# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Root has something done by a child that is the postgres user, wholly and for good; what it tells and finds comes back as JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import IO, Any

from .confine import end_with_parent
from .problem import Problem, Refusal, Unfinished
from .stepping_down import become

Tell = Callable[[str], None]
USER = "postgres"


def as_postgres(act: Callable[[Tell], Any], tell: Tell) -> Any:
    """What `act` returns, which JSON must be able to say. Raises Refusal with its problems, Unfinished for any other end."""
    if os.geteuid() != 0:
        return act(tell)
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(act, writing)
    os.close(writing)
    try:
        with os.fdopen(reading, encoding="utf-8") as stream:
            return _follow(stream, tell)
    except BaseException:
        os.kill(child, signal.SIGTERM)
        raise
    finally:
        os.waitpid(child, 0)


def _work(act: Callable[[Tell], Any], descriptor: int) -> None:
    """The child's life. It ends here, whatever happens."""
    code = 1
    try:
        # What the child made is removed on its way out.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupted)
        with os.fdopen(descriptor, "w", encoding="utf-8", buffering=1) as stream:
            _say(stream, **_result_of(act, lambda line: _say(stream, told=line)))
        code = 0
    finally:
        os._exit(code)


def _interrupted(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _result_of(act: Callable[[Tell], Any], tell: Tell) -> dict[str, Any]:
    try:
        become(USER)
        end_with_parent()  # afterwards: whoever becomes another user forgets it
        return {"result": act(tell)}
    except Unfinished as failed:
        return {"failed": [asdict(problem) for problem in failed.problems]}
    except Refusal as refusal:
        return {"refused": [asdict(problem) for problem in refusal.problems]}
    except Exception as error:
        return {"failed": [asdict(Problem(f"an error ({error})", "none", "read it, mend its cause, and type the same again"))]}


def _say(stream: IO[str], **words: Any) -> None:
    stream.write(json.dumps(words) + "\n")


def _follow(stream: IO[str], tell: Tell) -> Any:
    for line in stream:
        said = json.loads(line)
        if "told" in said:
            tell(said["told"])
        elif "refused" in said:
            raise Refusal(*(Problem(**one) for one in said["refused"]))
        elif "failed" in said:
            raise Unfinished(*(Problem(**one) for one in said["failed"]))
        else:
            return said["result"]
    raise Unfinished(Problem("a child that ended without a word", "its answer", "see what was killed: journalctl -k"))
