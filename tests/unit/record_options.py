# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a binary does with each option of a configuration file; a part of record.py.

options.json: the names that it does not know, wants elsewhere or keeps off its command line, and the commands that read the others.
values.json: for each option the exit code by value, 0 for one that it takes. cases.json: what it said of whole files.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from _recovery import vocabulary
from _recovery.option_types import OPTIONS, Kind, Option

PROBE = "/var/tmp/probe.conf"
BASE = {"global": {"repo1-path": "/var/tmp/probe"}, "demo": {"pg1-path": "/var/tmp/absent"}}
# Runs in the container: one process for each probe, all of them over one connection.
AGENT = """
import json, subprocess, sys
for text, command in json.load(sys.stdin):
    open(sys.argv[1], "w").write(text)
    line = ["bash", "-c", f"timeout 10 pgbackrest --config={sys.argv[1]} {command} 2>&1 < /dev/null"]
    done = subprocess.run(line, capture_output=True, text=True, errors="replace")
    print(json.dumps([done.returncode, done.stdout]))
"""
UNKNOWN = ("repo1_path", "archive-command", "archive_mode", "proces-max", "Process-Max", "no-delta", "reset-delta", "repo1-hash")
VALUES = {
    "boolean": "y n Y yes true 1 on",
    "integer": "x 1.0 +1 1k",
    "size": "x 1.5MiB 1024KiB 1m 1mb 64mib",
    "time": "x 5 5s 2m 1.5 500ms 1min",
    "path": "/a relative /a//b /a/",
    "pairs": "a a=b",
    "one-of": "wrong",
    "text": "text",
    "list": "text",
}
S3 = {"repo1-type": "s3", **{f"repo1-s3-{name}": "x" for name in ("bucket", "endpoint", "region", "key", "key-secret", "role")}}
AZURE = {"repo1-type": "azure", "repo1-azure-account": "x", "repo1-azure-container": "x", "repo1-azure-key": "eA=="}
GCS = {"repo1-type": "gcs", "repo1-gcs-bucket": "x", "repo1-gcs-key": "/x"}
SFTP = {
    "repo1-type": "sftp",
    "repo1-sftp-host": "x",
    "repo1-sftp-host-user": "x",
    "repo1-sftp-host-key-hash-type": "sha1",
    "repo1-sftp-host-key-check-type": "none",
    "repo1-sftp-private-key-file": "/x",
}
TLS = {"tls-server-auth": "x=*", "tls-server-ca-file": "/x", "tls-server-cert-file": "/x", "tls-server-key-file": "/x"}
# What must stand beside an option so that the binary looks at its value; the first beginning that fits counts.
BESIDE: list[tuple[str, dict[str, str]]] = [
    ("repo1-s3-process", {**S3, "repo1-s3-key-type": "process"}),
    ("repo1-s3-", S3),
    ("repo1-storage-", S3),
    ("repo1-azure-", AZURE),
    ("repo1-gcs-", GCS),
    ("repo1-sftp-", SFTP),
    ("repo1-host-", {"repo1-host": "x"}),
    ("pg1-host-", {"pg1-host": "x"}),
    ("repo1-block", {"beta": "y", "repo1-bundle": "y", "repo1-block": "y"}),
    ("repo1-bundle-", {"repo1-bundle": "y"}),
    ("repo1-cipher", {"repo1-cipher-type": "aes-256-cbc", "repo1-cipher-pass": "x"}),
    ("tls-server-", TLS),
    ("archive-push-", {"archive-async": "y"}),
    ("spool-path", {"archive-async": "y"}),
]
CASES: list[tuple[str, dict[str, dict[str, object]], str]] = [
    ("unknown", {"demo": {"archive-command": "x"}}, "info"),
    ("restore option in a stanza", {"demo": {"archive-mode": "y"}}, "restore"),
    ("restore option nobody reads", {"demo": {"archive-mode": "y"}}, "info"),
    ("unknown section", {"global:bakup": {"process-max": "2"}}, "backup"),
    ("twice", {"global": {"start-fast": ["y", "n"]}}, "backup"),
    ("twice by old name", {"global": {"retention-full": "2", "repo1-retention-full": "2"}}, "backup"),
    ("same key twice", {"global:restore": {"tablespace-map": ["a=/b", "a=/c"]}}, "restore"),
    ("quoted", {"global": {"start-fast": '"y"'}}, "backup"),
    ("comment behind", {"global": {"start-fast": "y # fast"}}, "backup"),
    ("index zero", {"global": {"repo0-path": "/x"}}, "archive-push x"),
    ("index with a zero", {"global": {"repo02-path": "/x"}}, "archive-push x"),
    ("index too high", {"global": {"repo257-path": "/x"}}, "archive-push x"),
    ("index for none", {"demo": {"pg1-version-force": "15"}}, "archive-push x"),
    ("repository without stable blocks", {"global": {"repo1-bundle": "y", "repo1-block": "y"}}, "backup"),
    ("target time in a file", {"global": {"repo-target-time": "2026-11-22 12:00:00+00"}}, "info"),
    ("old name", {"global": {"retention-full": "2"}}, "backup"),
    ("abandoned", {"global": {"stop-auto": "y"}}, "backup"),
    ("one minute is one second", {"global": {"protocol-timeout": "1m", "db-timeout": "5"}}, "backup"),
    ("timeouts the wrong way round", {"global": {"protocol-timeout": "5", "db-timeout": "5"}}, "backup"),
    *(
        (f"level {level} of {kind}", {"global": {"compress-type": kind, "compress-level": level}}, "backup")
        for kind, ends in vocabulary.LEVELS.items()
        for level in (str(end) for end in (ends[0] - 1, *ends, ends[1] + 1))
    ),
]


def probe(host: Any, *probes: tuple[dict[str, dict[str, Any]], str]) -> list[tuple[int, str]]:
    """For each set of options and command: the exit code, and what was said of the options; the command itself gets nowhere."""
    given = [(_text(sections), command if command.startswith("server") else f"--stanza=demo {command}") for sections, command in probes]
    answers = host.text(f"python3 -c {shlex.quote(AGENT)} {PROBE}", stdin=json.dumps(given)).splitlines()
    return [(code, "\n".join(_said(text))) for code, text in map(json.loads, answers)]


def _said(text: str) -> list[str]:
    found = re.findall(r"(?:WARN|ERROR|ASSERT): (?!option '\S+' is not set)(.*)", text)
    return [line for line in found if re.match(r"\[0(29|31|32)\]|configuration file|option|key", line)]


def _text(sections: dict[str, dict[str, Any]]) -> str:
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{name}={item}" for name, value in options.items() for item in (value if isinstance(value, list) else [value])]
    return "\n".join(lines) + "\n"


def record_options(host: Any) -> None:
    """Which names the binary knows, where it wants them, which commands read them, which may not be typed."""
    names = dict.fromkeys(sorted({*OPTIONS, *vocabulary.COMMAND_LINE, *UNKNOWN}), "y")
    commands = vocabulary.COMMANDS.split()
    said = dict(zip(commands, (text for code, text in probe(host, *(({f"global:{name}": names}, name) for name in commands))), strict=True))
    in_global = "\n".join(
        text for code, text in probe(host, *(({"global": names}, name) for name in ("backup", "restore", "archive-push")))
    )

    def warned(text: str, what: str) -> list[str]:
        return sorted(set(re.findall(rf"configuration file contains {what} option '(\S+?)'", text)))

    unknown, typed = warned(said["backup"], "invalid"), warned(said["backup"], "command-line only")
    readers: dict[str, list[str]] = {}
    for name in OPTIONS:
        if name not in unknown:
            read = " ".join(command for command, text in said.items() if f"option '{name}' invalid for section" not in text)
            readers.setdefault(read, []).append(name)
    typing = "for n in " + " ".join(OPTIONS) + "; do pgbackrest --$n=x info 2>&1 | grep -q 'could expose secrets' && echo $n; done; true"
    host.write(
        "options",
        {
            "unknown": unknown,
            "command-line": typed,
            "negated": warned(said["backup"], "(?:negate|reset)"),
            "stanza": warned(in_global, "stanza-only"),
            "secret": host.text(typing).split(),
            "commands": readers,
        },
    )


def record_values(host: Any) -> None:
    """For each option and value: 0 when the binary takes it, else its exit code."""
    unknown = json.loads((host.directory / "options.json").read_text())["unknown"]
    options = [option for option in OPTIONS.values() if option.name not in unknown]
    rows: dict[str, dict[str, int]] = {}
    given = [(option, value, *_value_probe(option, value)) for option in options for value in _values(option.kinds)]
    for (option, value, *_rest), (code, said) in zip(given, probe(host, *((row[2], row[3]) for row in given)), strict=True):
        rows.setdefault(option.name, {})[value] = code if option.name in said or code in (29, 31) else 0
    host.write("values", rows)
    cases = {}
    for title, sections, command in CASES:
        whole = {name: {**BASE.get(name, {}), **sections.get(name, {})} for name in {**BASE, **sections}}
        code, said = probe(host, (whole, command))[0]
        cases[title] = {"sections": sections, "command": command, "rc": code, "said": said}
    host.write("cases", cases)


def _values(kinds: tuple[Kind, ...]) -> list[str]:
    values = " ".join(VALUES[kind.type] for kind in kinds).split()
    for kind in kinds:
        values += list(dict(kind.values))
        for end, step in ((kind.low, -1), (kind.high, 1)):
            match = re.fullmatch(r"(-?[0-9]+)(.*)", end)
            values += [end, f"{int(match[1]) + step}{match[2]}"] if match else []
    return list(dict.fromkeys(values))


def _value_probe(option: Option, value: str) -> tuple[dict[str, dict[str, Any]], str]:
    beside = next((options for beginning, options in BESIDE if option.name.startswith(beginning)), {})
    sections: dict[str, dict[str, Any]] = {name: {**options} for name, options in BASE.items()}
    sections["demo" if "pg1-host" in beside else "global"] |= beside
    sections["demo" if option.stanza_only else "global"][option.name] = value
    command = next(name for name in ("archive-push", "backup", "archive-get", "restore", "server") if name in option.commands)
    return sections, command + {"archive-push": " x", "archive-get": " x y"}.get(command, "")
