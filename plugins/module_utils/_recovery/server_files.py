# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The server's own files: what would change, judged by the server itself, put back when it does not accept them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import files, hba, host, postgres, settings
from .files import HEADER, File
from .finding import Finding, compare_lines, compare_mappings
from .problem import Problem, Refusal
from .run import run
from .spoken import counted


@dataclass(frozen=True)
class Plan:
    """What differs and which files make it right; `hidden` are settings that ALTER SYSTEM hides."""

    cluster: postgres.Cluster
    exists: bool
    settings_file: File
    hba_file: File | None
    findings: tuple[Finding, ...]
    diff: tuple[dict[str, str], ...]
    hidden: tuple[str, ...]
    unread: bool = False

    @property
    def stale(self) -> list[File]:
        wanted = [self.settings_file, *([self.hba_file] if self.hba_file else [])]
        return [file for file in wanted if files.read(file.path) != file.content or files.attribute_findings(file)]


def plan(
    cluster: postgres.Cluster,
    name: str,
    wanted: Mapping[str, settings.SettingValue],
    rules: Sequence[Mapping[str, str]] | None,
) -> Plan:
    """Compare the declared settings and rules with the files. Raises Refusal for what cannot be written."""
    problems = settings.judge_settings(wanted) + hba.judge_rules(rules or [])
    if problems:
        raise Refusal(*problems)
    exists = host.cluster_exists(cluster.version, cluster.name)
    postgres.refuse_other_server(cluster)
    settings_file = File(f"{cluster.configuration}/conf.d/{name}", settings.render(HEADER, wanted), "postgres", "postgres", 0o644)
    hba_file = None
    findings = _settings_findings(settings_file, wanted)
    if rules is not None:
        hba_file = File(f"{cluster.configuration}/pg_hba.conf", hba.render(HEADER, rules), "postgres", "postgres", 0o640)
        findings += _hba_findings(hba_file)
    diff = [files.diff_of(file) for file in (settings_file, hba_file) if file and files.read(file.path) != file.content]
    attribute_findings = [finding for file in (settings_file, hba_file) if file for finding in files.attribute_findings(file)]
    hidden = tuple(_hidden(cluster, wanted)) if exists else ()
    hidden_findings = [Finding(f"setting {key} in postgresql.auto.conf", "(absent)", value) for key, value in hidden]
    diff += files.findings_diff(attribute_findings + hidden_findings)
    findings += attribute_findings + hidden_findings
    unread = not diff and exists and _is_unread(cluster, [file.path for file in (settings_file, hba_file) if file])
    if unread:
        findings.append(Finding(f"configuration with which {cluster.unit} runs", "as in its files", "read before they changed"))
        diff += files.findings_diff(findings)
    if exists and diff:
        _judge_offline(cluster, settings_file)
    return Plan(cluster, exists, settings_file, hba_file, tuple(findings), tuple(diff), tuple(dict(hidden)), unread)


def _settings_findings(file: File, wanted: Mapping[str, settings.SettingValue]) -> list[Finding]:
    before = files.read(file.path)
    expected = {name: settings.text_of(value) for name, value in wanted.items()}
    if before is None:
        return [Finding(f"file {file.path}", counted(len(expected), "setting"), "(absent)")]
    if before == file.content:
        return []
    found = compare_mappings(f"setting in {file.path}", expected, settings.parse(before))
    return found or [Finding(f"layout of {file.path}", "as written by the collection", "comments or order differ")]


def _hba_findings(file: File) -> list[Finding]:
    before = files.read(file.path)
    if before is None:
        return [Finding(f"file {file.path}", counted(len(hba.rules_of(file.content)), "rule"), "(absent)")]
    if before == file.content:
        return []
    found = compare_lines(f"rule in {file.path}", hba.rules_of(file.content), hba.rules_of(before))
    return found or [Finding(f"layout of {file.path}", "as written by the collection", "comments or spaces differ")]


def _hidden(cluster: postgres.Cluster, wanted: Mapping[str, settings.SettingValue]) -> list[tuple[str, str]]:
    auto = files.read(f"{cluster.data_directory}/postgresql.auto.conf")
    found = settings.parse(auto or "")
    return [(name, found[name]) for name in wanted if name in found]


def _is_unread(cluster: postgres.Cluster, paths: list[str]) -> bool:
    """True when a running server has not read its files since they were written: a run was killed before the reload."""
    if host.postmaster(cluster.data_directory) is None:
        return False
    read = float(postgres.ask(cluster.port, "select extract(epoch from pg_conf_load_time())"))
    return any(os.stat(path).st_mtime > read for path in paths)


def overridden(planned: Plan) -> list[str]:
    """Sentences about declared settings that a later file of somebody else wins over; such a file is not ours to change."""
    if host.postmaster(planned.cluster.data_directory) is None:
        return []
    names = ", ".join(f"'{name}'" for name in settings.parse(planned.settings_file.content))
    rows = postgres.ask(
        planned.cluster.port,
        "select coalesce(json_agg(json_build_array(name, setting, sourcefile, sourceline)), '[]') from pg_file_settings "
        f"where applied and name in ({names}) and sourcefile <> '{planned.settings_file.path}' "
        "and sourcefile not like '%/postgresql.auto.conf'",
    )
    return [
        f"OVERRIDDEN: {source} line {line} says {name} = '{value}' and wins over what is declared. Take that line out, or declare it."
        for name, value, source, line in rows
    ]


def apply(planned: Plan) -> None:
    """Write what is stale, after the server accepted it; reload a running server. Raises Refusal and puts the old files back."""
    stale = planned.stale
    running = host.postmaster(planned.cluster.data_directory) is not None
    kept = {file.path: _keep(file.path) for file in stale}
    for file in stale:
        _keep_somebodys(kept[file.path])
        files.write(file)
    try:
        if running and planned.hba_file in stale:
            _judge_rules(planned)
    except (Refusal, postgres.NotAnswering):
        for path, old in kept.items():
            _put_back(path, old)
        raise
    for name in planned.hidden if running else ():
        _reset(planned, name)
    if running and (stale or planned.hidden or planned.unread):
        postgres.reload(planned.cluster.port)


def _keep(path: str) -> File | None:
    text, found = files.read(path), files.attributes(path)
    return None if text is None else File(path, text, found["owner"], found["group"], int(found["mode"], 8))


def _keep_somebodys(old: File | None) -> None:
    """Access rules that somebody wrote by hand stay beside the file, as `.replaced`."""
    if old is not None and old.path.endswith("pg_hba.conf") and hba.is_somebodys(old.content, HEADER):
        files.write(replace(old, path=f"{old.path}.replaced"))


def _put_back(path: str, old: File | None) -> None:
    if old is None:
        Path(path).unlink(missing_ok=True)
    else:
        files.write(old)


def _judge_offline(cluster: postgres.Cluster, new: File) -> None:
    """Let the server's own binary read the whole configuration with the new file in place of the old one."""
    directory = files.trial_directory()
    try:
        trial, included = Path(directory, "postgresql.conf"), Path(directory, os.path.basename(new.path))
        included.write_text(new.content, encoding="utf-8")
        trial.write_text(_with_file(cluster, new, str(included)), encoding="utf-8")
        for path in (trial, included):
            os.chmod(path, 0o644)
        argv = [f"{cluster.binaries}/postgres", "-D", cluster.data_directory, "-c", f"config_file={trial}", "-C", "port"]
        done = run(argv, user="postgres", timeout=30)
    finally:
        shutil.rmtree(directory)
    if done.code != 0:
        reasons = [line.partition("LOG:")[2].strip() for line in done.stderr.splitlines() if "LOG:" in line]
        said = "; ".join(reason.replace(str(included), new.path) for reason in reasons) or done.detail
        raise Refusal(Problem(f"settings that the server refuses ({said})", "settings that it can start with", "correct these settings"))


def _with_file(cluster: postgres.Cluster, new: File, replacement: str) -> str:
    """Debian's postgresql.conf with the files of conf.d named one by one, ours by its replacement."""
    directory = os.path.dirname(new.path)
    paths = sorted({*(str(path) for path in Path(directory).glob("*.conf")), new.path})
    includes = "\n".join(f"include '{replacement if path == new.path else path}'" for path in paths)
    main = files.read(f"{cluster.configuration}/postgresql.conf") or ""
    return re.sub(r"^\s*include_dir\s*=?\s*'conf\.d'.*$", lambda match: includes, main, flags=re.MULTILINE)


def _judge_rules(planned: Plan) -> None:
    errors = postgres.ask(
        planned.cluster.port,
        "select coalesce(json_agg(json_build_array(line_number, error)), '[]') from pg_hba_file_rules where error is not null",
    )
    if errors:
        said = "; ".join(f"line {line}: {error}" for line, error in errors)
        raise Refusal(Problem(f"access rules that the server refuses ({said})", "rules that it can read", "correct postgresql_hba"))


def _reset(planned: Plan, name: str) -> None:
    done = postgres.psql(planned.cluster.port, f"alter system reset {name}")
    if done.code != 0:
        raise postgres.NotAnswering(done.detail)


def pending_restart(planned: Plan) -> dict[str, str]:
    """Settings that wait for a restart, with the values that run; empty for a server that is down."""
    if host.postmaster(planned.cluster.data_directory) is None:
        return {}
    found: dict[str, str] = postgres.ask(
        planned.cluster.port, "select coalesce(json_object_agg(name, current_setting(name)), '{}') from pg_settings where pending_restart"
    )
    return found


def pending_sentence(planned: Plan, pending: Mapping[str, str]) -> str:
    names = ", ".join(f"{name} (runs with {value})" for name, value in sorted(pending.items()))
    return (
        f"RESTART PENDING on {planned.cluster.unit}: {names}. Nothing was restarted. When a restart suits you, type the same "
        "command again with -e postgresql_restart_allowed=true"
    )


def restart(planned: Plan) -> None:
    """Restart the cluster's own unit and wait until it answers."""
    postgres.systemctl("restart", planned.cluster)
    postgres.wait_until_ready(planned.cluster)
