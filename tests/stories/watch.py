# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks for secrets: in the command line of every process while something runs, and in every file afterwards."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab import Host, execute

# Runs until its input ends. An open /proc/<pid>/cmdline shows the new command after each exec, so one read per process is enough.
_SAMPLER = """
import json, os, resource, sys, threading, time
order = json.loads(sys.stdin.readline())
needles = [needle.encode() for needle in order['needles']]
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
files, known, commands, leaks, rounds = {}, {}, set(), set(), 0
print('ready', flush=True)
while not ended.is_set():
    rounds += 1
    for pid in [name for name in os.listdir('/proc') if name.isdigit() and name != str(os.getpid())]:
        try:
            if pid not in files: files[pid] = os.open('/proc/' + pid + '/cmdline', os.O_RDONLY)
            line = os.pread(files[pid], 1 << 20, 0)
        except OSError:
            line = b''
        if not line:
            if pid in files: os.close(files.pop(pid))
        elif known.get(pid) != line:
            known[pid] = line
            (leaks if any(needle in line for needle in needles) else commands).add(line)
    time.sleep(order['pause'])
def text(line):
    for needle in needles: line = line.replace(needle, b'(the secret)')
    return line.replace(b'\\0', b' ').decode(errors='replace').strip()
print(json.dumps({'rounds': rounds, 'commands': sorted(map(text, commands)), 'leaks': sorted(map(text, leaks))}))
"""


@dataclass
class Watch:
    """What was seen: `leaks` are command lines with a secret in them (masked), `commands` those without. Filled when the watch ends."""

    rounds: int = 0
    commands: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    def saw(self, *words: str) -> bool:
        """Whether one command line had all of these words."""
        return any(all(word in command for word in words) for command in self.commands)


@contextmanager
def watch(needles: Sequence[str], host: Host | None = None, *, pause: float = 0.001) -> Iterator[Watch]:
    """Read every command line on a host, or on this machine, again and again.

    :param needles: what no command line may hold; it is given through stdin.
    :param pause: seconds between two rounds.
    """
    inside = ["docker", "exec", "-i", host.name, "python3"] if host else [sys.executable]
    seen = Watch()
    process = subprocess.Popen([*inside, "-c", _SAMPLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps({"needles": list(needles), "pause": pause}) + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n", "the watch did not begin"
    try:
        yield seen
    finally:
        found = json.loads(process.communicate()[0])
        seen.rounds, seen.commands, seen.leaks = found["rounds"], found["commands"], found["leaks"]


def forms(secret: str) -> list[str]:
    """The secret as it is, in hexadecimal digits, and in base64 at each of the three places where it may begin in a longer text."""
    raw = secret.encode()
    shifted = [base64.b64encode(b"\0" * shift + raw).decode() for shift in range(3)]
    whole = [text[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6] for shift, text in enumerate(shifted)]
    return [secret, raw.hex(), *whole]


def files_with(needles: Sequence[str], host: Host) -> list[str]:
    """All files of a host with one of these texts in them, memory filesystems included."""
    tops = host.run("find / -mindepth 1 -maxdepth 1 ! -name proc ! -name sys").stdout.split()
    return _grep(["docker", "exec", "-i", host.name], needles, tops)


def local_files_with(needles: Sequence[str], *directories: Path, but: Sequence[str] = ()) -> list[str]:
    """The same for directories of this machine; `but` names directories that are left out."""
    tops = [f"--exclude-dir={name}" for name in but] + [str(directory) for directory in directories if directory.exists()]
    return _grep([], needles, tops)


def _grep(inside: Sequence[str], needles: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """A file that vanishes meanwhile makes grep's exit code 2; what it printed still holds."""
    run = execute([*inside, "grep", "-rlaF", "-D", "skip", "-f", "-", *arguments], stdin="\n".join(needles))
    return sorted(run.stdout.splitlines())
