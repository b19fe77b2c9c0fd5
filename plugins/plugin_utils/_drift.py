# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turn the task results of a check run into findings, and findings into text and JSON.

Nothing of Ansible is in here: the callback ``drift`` hands over plain dictionaries.
Only what a result itself shows is used, and a result censored by ``no_log`` stays hidden.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 1
HIDDEN = "hidden (no_log)"
NOTHING = "(nothing)"
SHOWN_LINES = 12
_STATE_KEYS = ("name", "path", "dest", "state", "enabled", "mode", "owner", "group")
_SQL_PASSWORD = re.compile(r"(?i)(\bpassword\s+)'(?:[^']|'')*'")


@dataclass(frozen=True)
class Finding:
    """One single thing that differs on one host.

    ``what`` names the thing, ``expected`` is what the playbook wants, ``found`` is what the host has.
    """

    host: str
    task: str
    what: str
    expected: str
    found: str


@dataclass(frozen=True)
class HostResult:
    """What happened on one host: task counts of the run, as Ansible's own recap counts them."""

    ok: int = 0
    changed: int = 0
    skipped: int = 0
    failed: int = 0
    unreachable: int = 0

    @property
    def status(self) -> str:
        """``audited``, or why there is no verdict: ``unreachable``, ``failed``, ``nothing ran``."""
        if self.unreachable:
            return "unreachable"
        if self.failed:
            return "failed"
        return "audited" if self.ok else "nothing ran"


@dataclass
class Audit:
    """Everything that one check run found; `foretold` says that it told what would be done, which is no drift."""

    findings: list[Finding] = field(default_factory=list)
    hosts: dict[str, HostResult] = field(default_factory=dict)
    missed_plays: list[str] = field(default_factory=list)
    foretold: bool = False

    @property
    def complete(self) -> bool:
        """True if every play ran and every host of the run was read to its end."""
        return bool(self.hosts) and not self.missed_plays and all(h.status == "audited" for h in self.hosts.values())


def findings_of(host: str, task: str, result: Mapping[str, Any], *, looped: bool) -> list[Finding]:
    """Return the findings of one task result on one host.

    :param host: inventory name of the host.
    :param task: name of the task; what stands before " | " is left out of ``what``.
    :param result: the result as callbacks see it; a loop has one result per item in ``results``.
    :param looped: whether the task has a loop.
    """
    title = task.rpartition(" | ")[2]
    items = result.get("results")
    if not looped or not isinstance(items, list):
        return _findings_of_one(host, task, title, result)
    found: list[Finding] = []
    for item in items:
        if isinstance(item, Mapping):
            label = item_label(item)
            found += _findings_of_one(host, task, f"{title} ({label})" if label else title, item)
    return found


def is_listed(result: Mapping[str, Any]) -> bool:
    """Whether what a result says is drift; a plan, or what a drill would do, is none, and says so with ``drift_is_listed``."""
    items = result.get("results")
    parts = [one for one in items if isinstance(one, Mapping)] if isinstance(items, list) else []
    return all(one.get("drift_is_listed") is not False for one in (result, *parts))


def item_label(result: Mapping[str, Any]) -> str:
    """Return what names a loop item. A mapping shows its name at most: its other values may be secrets."""
    item = result.get("_ansible_item_label", result.get(str(result.get("ansible_loop_var", "item"))))
    if isinstance(item, Mapping):
        item = next((item[key] for key in ("name", "key", "path", "dest") if isinstance(item.get(key), str)), None)
    return str(item) if isinstance(item, (str, int, float)) else ""


def _findings_of_one(host: str, task: str, what: str, result: Mapping[str, Any]) -> list[Finding]:
    changed = bool(result.get("changed"))
    if not is_listed(result):
        return []
    if "censored" in result:
        return [Finding(host, task, what, HIDDEN, HIDDEN)] if changed else []
    listed = result.get("findings")
    if isinstance(listed, list) and listed:
        return [
            Finding(host, task, *(_text(one.get(key)) for key in ("what", "expected", "found")))
            for one in listed
            if isinstance(one, Mapping)
        ]
    return [Finding(host, task, what, *_describe(result))] if changed else []


def _describe(result: Mapping[str, Any]) -> tuple[str, str]:
    """Return (expected, found) of a changed result that lists no findings of its own."""
    queries = result.get("queries")
    if isinstance(queries, list) and queries:
        return "the state after: " + "; ".join(_mask(str(query)) for query in queries), "another state"
    expected: list[str] = []
    found: list[str] = []
    for diff in _diffs(result.get("diff")):
        after, before = _sides(diff)
        expected += after
        found += before
    if expected or found:
        return "\n".join(expected) or NOTHING, "\n".join(found) or NOTHING
    state = ", ".join(f"{key}: {result[key]}" for key in _STATE_KEYS if isinstance(result.get(key), (str, bool)))
    return state or _text(result.get("msg")), "not so (the task shows no difference; was --diff given?)"


def _diffs(diff: object) -> Iterator[Mapping[str, Any]]:
    for one in diff if isinstance(diff, list) else [diff]:
        if isinstance(one, Mapping):
            yield one


def _sides(diff: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the lines of one diff that are only wanted, and those that are only there."""
    prepared = str(diff.get("prepared") or "").strip()
    if prepared:
        return prepared.splitlines(), []
    before, after = diff.get("before"), diff.get("after")
    if isinstance(before, Mapping) or isinstance(after, Mapping):
        return _keys(after, before), _keys(before, after)
    old, new = _mask(str(before or "")).splitlines(), _mask(str(after or "")).splitlines()
    if old == new:
        other = before != after or "dst_binary" in diff or "src_binary" in diff
        return (["other bytes (binary, or white space only)"], []) if other else ([], [])
    lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
    return [x[1:] for x in lines if x[:1] == "+"], [x[1:] for x in lines if x[:1] == "-"]


def _keys(ours: object, theirs: object) -> list[str]:
    """Return ``key: value`` for each key of ``ours`` that ``theirs`` has not, or has with another value."""
    mine = ours if isinstance(ours, Mapping) else {}
    other = theirs if isinstance(theirs, Mapping) else {}
    return [f"{key}: {_text(mine[key])}" for key in mine if key not in other or other[key] != mine[key]]


def _mask(text: str) -> str:
    return _SQL_PASSWORD.sub(r"\1'********'", text)


def _text(value: object) -> str:
    if value is None or value == "":
        return NOTHING
    return value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)


def as_json(audit: Audit) -> str:
    """Return the audit as one JSON document, for machines."""
    hosts = {
        name: {"status": host.status, "findings": sum(f.host == name for f in audit.findings), **asdict(host)}
        for name, host in sorted(audit.hosts.items())
    }
    document = {
        "format": FORMAT,
        "complete": audit.complete,
        "hosts": hosts,
        "findings": [asdict(finding) for finding in audit.findings],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_lines(audit: Audit) -> list[str]:
    """Return the audit as lines for a person: numbered, grouped by host, the count last."""
    lines: list[str] = []
    number = 0
    for host in sorted({finding.host for finding in audit.findings}):
        lines.append(host)
        for finding in audit.findings:
            if finding.host == host:
                number += 1
                lines += _finding_lines(number, finding)
        lines.append("")
    return [*lines, verdict(audit)]


def _finding_lines(number: int, finding: Finding) -> list[str]:
    lines = [f"{number:>4}. {finding.what}"]
    for word, value in (("expected", finding.expected), ("found", finding.found)):
        shown = value.splitlines() or [NOTHING]
        if len(shown) > SHOWN_LINES:
            shown = [*shown[: SHOWN_LINES - 1], f"... and {len(shown) - SHOWN_LINES + 1} lines more"]
        lines.append(f"      {word:<9} {shown[0]}")
        lines += [f"{'':<16}{line}" for line in shown[1:]]
    return lines


def verdict(audit: Audit) -> str:
    """Return the last line. It says "No drift" only of a run that read every host to its end."""
    count = _plural(len(audit.findings), "finding")
    hosts = _plural(len(audit.hosts), "host")
    places = _plural(len({finding.host for finding in audit.findings}), "host")
    if not audit.hosts:
        return "Nothing was audited: no task ran on any host."
    if not audit.complete:
        return f"AUDIT INCOMPLETE: {_reasons(audit)}. So far {count} on {places}."
    if audit.findings:
        return f"{count} on {places}."
    if audit.foretold:
        return f"No drift on {hosts} in what was read. What the run would do was told too, and that is no audit."
    return f"No drift on {hosts}."


def _reasons(audit: Audit) -> str:
    words = {"failed": "failed", "unreachable": "was unreachable", "nothing ran": "had no task to run"}
    reasons = [f"{name} {words[h.status]}" for name, h in sorted(audit.hosts.items()) if h.status in words]
    if audit.missed_plays:
        reasons.append("not run: " + ", ".join(audit.missed_plays))
    return ", ".join(reasons)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
