# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tool's files on a host: itself, its settings, the schedule, the watch, log rotation; what would change, and the change."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import files, schedule, state
from .files import HEADER, Directory, File
from .finding import ABSENT, Finding, compare_lines
from .jobs import Settings, render_settings
from .problem import Problem, Refusal
from .run import CommandFailed, run
from .schedule import TOOL
from .systems import EXPORTER

CRON = "/etc/cron.d/pgbackrest"
WATCH = "axiomdb-recovery-watch"
METRICS = "/var/lib/axiomdb/metrics"
SERVICE = f"""# {HEADER}
[Unit]
Description=Look for trouble with backups and archiving
ConditionPathExists={TOOL}

[Service]
Type=oneshot
User=postgres
ExecStart={TOOL} watch
TimeoutStartSec=300
RuntimeDirectory=axiomdb
RuntimeDirectoryPreserve=yes
RuntimeDirectoryMode=0750
StandardOutput=null
"""
TIMER = f"""# {HEADER}
# Not a job of cron: it must notice when cron does not run. Each host has its own second: a fleet does not ask its store at once.
[Unit]
Description=Look for trouble with backups and archiving each minute

[Timer]
OnCalendar=*-*-* *:*:20
AccuracySec=1s
RandomizedDelaySec=30
FixedRandomDelay=true

[Install]
WantedBy=timers.target
"""
ROTATION = f"""# {HEADER}
{state.LOGS}/*.log {{
  weekly
  rotate 12
  maxsize 50M
  compress
  delaycompress
  missingok
  notifempty
  su postgres adm
  create 0640 postgres adm
}}
"""
EXPORTER_UNIT = f"{EXPORTER}.service"
EXPORTER_FILE = f"/etc/systemd/system/{EXPORTER_UNIT}.d/axiomdb.conf"
# Debian's unit runs as postgres, who alone can read the repositories. It would listen on every address, and name a
# configuration file that does not exist. Written before the package is installed, which starts it.
EXPORTER_DROP_IN = f"""# {HEADER}
[Service]
ExecStart=
ExecStart=/usr/bin/{EXPORTER} --web.listen-address={{address}}
"""
VERIFY = f'#!/bin/sh\nexec {TOOL} verify "$@" # {HEADER}\n'
_UNITS = ("cron.service", f"{WATCH}.timer")


@dataclass(frozen=True)
class Plan:
    """What differs and what makes it right."""

    directories: tuple[Directory, ...]
    files: tuple[File, ...]
    units: tuple[str, ...]
    findings: tuple[Finding, ...]
    diff: tuple[dict[str, str], ...]
    exporter: bool = False


def judge(settings: Settings, webhook: str, exporter: str = "") -> list[Problem]:
    """Problems that need no look at the host."""
    problems = [problem for job, text in settings.schedules.items() if (problem := schedule.judge(job, text))]
    for job, seconds in settings.overdue_seconds.items():
        if seconds <= 0:
            problems.append(
                Problem(f"{seconds} s after which the {job} job is overdue", "a number above 0", "correct backup_jobs_overdue_seconds")
            )
    if webhook and not re.fullmatch(r"https?://[^\s]+", webhook):
        problems.append(Problem("a webhook that is no address", "https://…, from a vault", "correct recovery_webhook_url"))
    if exporter and not re.fullmatch(r"([\w.-]+|\[[0-9a-fA-F:]+\])?:\d{1,5}", exporter):
        problems.append(
            Problem(f"the exporter's address '{exporter}'", "host:port, such as 127.0.0.1:9854", "correct backup_jobs_exporter_address")
        )
    if not settings.stanzas:
        problems.append(Problem("no stanza", "at least one", "correct backup_jobs_stanzas"))
    return problems


def plan(settings: Settings, webhook: str, tool: bytes, exporter: str = "") -> Plan:
    """Compare what is declared with the host; `exporter` is the address on which it listens. Raises Refusal for what cannot be written."""
    problems = judge(settings, webhook, exporter)
    if problems:
        raise Refusal(*problems)
    wanted = _files(settings, webhook, tool, exporter)
    directories = _directories(settings, exporter)
    findings = [finding for directory in directories for finding in files.directory_findings(directory)]
    diff = files.findings_diff(findings)
    for file in wanted:
        before = files.read(file.path)
        if before != file.content:
            diff.append(files.diff_of(file, _digest if file.path == TOOL else str))
            findings += _content_findings(file, before)
        attributes = files.attribute_findings(file)
        findings += attributes
        diff += files.findings_diff(attributes)
    if not webhook and state.WEBHOOK.exists():
        findings.append(Finding(f"file {state.WEBHOOK}", ABSENT, "present"))
        diff += files.findings_diff(findings[-1:])
    if not exporter and files.read(EXPORTER_FILE) is not None:
        findings.append(Finding(f"unit {EXPORTER_UNIT}", ABSENT, "running"))
        diff += files.findings_diff(findings[-1:])
    units = _stopped(bool(exporter))
    found = [Finding(f"unit {unit}", "running", ABSENT if not _known(unit) else "stopped") for unit in units]
    return Plan(directories, wanted, units, (*findings, *found), (*diff, *files.findings_diff(found)), bool(exporter))


def _content_findings(file: File, before: str | None) -> list[Finding]:
    if before is None:
        return [Finding(f"file {file.path}", "as declared", ABSENT)]
    if file.secret or file.path == TOOL:
        return [Finding(f"content of {file.path}", "as declared", "another")]
    return compare_lines(f"line in {file.path}", file.content.splitlines(), before.splitlines())


def _digest(content: str) -> str:
    return f"sha256 {hashlib.sha256(content.encode('utf-8', 'surrogateescape')).hexdigest()}\n"


def _directories(settings: Settings, exporter: str) -> tuple[Directory, ...]:
    return (
        Directory("/opt/axiomdb"),
        Directory("/opt/axiomdb/scripts"),
        Directory("/etc/axiomdb", "root", "postgres", 0o750),
        Directory(str(state.DIRECTORY), "postgres", "postgres", 0o755),
        Directory(METRICS, "postgres", "postgres", 0o755),
        *(Directory(f"{state.DIRECTORY}/{stanza.name}", "postgres", "postgres", 0o750) for stanza in settings.stanzas),
        Directory(str(state.LOGS), "postgres", "adm", 0o750),
        *([Directory(os.path.dirname(EXPORTER_FILE))] if exporter else []),
    )


def _files(settings: Settings, webhook: str, tool: bytes, exporter: str) -> tuple[File, ...]:
    secret = [File(str(state.WEBHOOK), webhook + "\n", "root", "postgres", 0o640, secret=True)] if webhook else []
    return (
        File(TOOL, tool.decode("utf-8", "surrogateescape"), mode=0o755),
        File("/opt/axiomdb/scripts/verify-backups.sh", VERIFY, mode=0o755),
        File(str(state.SETTINGS), render_settings(settings, HEADER), "root", "postgres", 0o640),
        *secret,
        File(f"/etc/systemd/system/{WATCH}.service", SERVICE),
        File(f"/etc/systemd/system/{WATCH}.timer", TIMER),
        *([File(EXPORTER_FILE, EXPORTER_DROP_IN.format(address=exporter))] if exporter else []),
        File("/etc/logrotate.d/axiomdb", ROTATION),
        File(CRON, schedule.cron_file(settings, HEADER)),
    )


def _stopped(exporter: bool) -> tuple[str, ...]:
    """Units that do not run now or would not run after a boot."""
    units = (*_UNITS, *((EXPORTER_UNIT,) if exporter else ()))
    blocks = run(["systemctl", "show", "--property=ActiveState,UnitFileState", *units]).stdout.split("\n\n")
    good = {"ActiveState=active", "UnitFileState=enabled"}
    return tuple(unit for place, unit in enumerate(units) if set("".join(blocks[place : place + 1]).split()) != good)


def _known(unit: str) -> bool:
    return run(["systemctl", "cat", unit]).code == 0


def apply(planned: Plan) -> None:
    """Make the directories, keep a schedule that somebody else wrote, write what differs, start what does not run."""
    for directory in planned.directories:
        if files.directory_findings(directory):
            files.make(directory)
    stale = [file for file in planned.files if files.read(file.path) != file.content or files.attribute_findings(file)]
    for file in stale:
        if file.path == CRON:
            _keep_schedule()
        files.write(file)
    if str(state.WEBHOOK) not in {file.path for file in planned.files}:
        state.WEBHOOK.unlink(missing_ok=True)
    retired = not planned.exporter and files.read(EXPORTER_FILE) is not None
    if retired and _known(EXPORTER_UNIT):
        _systemctl(["disable", "--now", EXPORTER_UNIT])
        run(["systemctl", "reset-failed", EXPORTER_UNIT])  # it ends with 1 when it is told to; refused where it has not failed
    if retired:
        Path(EXPORTER_FILE).unlink()
    if retired or any(file.path.startswith("/etc/systemd/") for file in stale):
        _systemctl(["daemon-reload"])
    for unit in planned.units:
        # The package of the exporter comes after its settings, and starts it.
        if unit != EXPORTER_UNIT or _known(unit):
            _systemctl(["enable", "--now", unit])
    if any(file.path == EXPORTER_FILE for file in stale) and _known(EXPORTER_UNIT):
        _systemctl(["restart", EXPORTER_UNIT])


def _keep_schedule() -> None:
    """Keep a hand-made schedule beside; cron never runs a file whose name has a dot."""
    text = files.read(CRON)
    if text is not None and HEADER not in text:
        files.write(File(f"{CRON}.replaced", text))


def _systemctl(words: Sequence[str]) -> None:
    done = run(["systemctl", *words], timeout=120)
    if done.code != 0:
        raise CommandFailed(done, "systemd refused", f"journalctl -n 50 -u {words[-1]}")
