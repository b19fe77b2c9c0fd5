# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Things of which the repository has none. Each is a search; the brackets in a pattern keep it from finding itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CODE = r"\.(ya?ml|py|cfg|toml|j2|sh|ini)$|(^|/)(Makefile|\.ansible-lint|\.yamllint|run|host)$"
YAML = r"\.(ya?ml|j2)$"
CONTENT = rf"^(roles|playbooks)/.*{YAML}"
FACTS = (
    r"distribution|os_family|hostname|fqdn|nodename|machine|architecture|kernel|processor|memtotal|memory|mounts|default_ipv"
    r"|date_time|env|user_id|service_mgr|pkg_mgr|python_version|system|virtualization"
)
SKIPS = (
    r"#\s*noq[a]",
    r"\b(skip|warn|enable)_lis[t]\b",
    r"skip_ansible_lin[t]",
    r"yamllint\s+disabl[e]",
    r"pylint:\s*disabl[e]",
    r"shellcheck\s+disabl[e]",
)
DICE = (
    r"\brandom\.(?!Random\b)\w|\brandom\.Random\(\)",
    r"\bfrom random import",
    r"\buuid\.uuid[14]\(",
    r"\bos\.urandom\(",
    r"\bsecrets\.(token|choice|rand)",
)
HOSTS = (
    r"pypi\.or[g]",
    r"pythonhosted\.or[g]",
    r"npmjs\.(or[g]|co[m])",
    r"(deb|security|ftp|cdn-fastly)\.debian\.or[g]",
    r"(registry|index|hub)[-.\w]*\.docke[r]",
    r"docker\.i[o]/",
    r"(ghcr|quay|gcr)\.i[o]\b",
)


@dataclass(frozen=True)
class Zero:
    """A pattern that no line of the files named by ``where`` may match, and what to do instead."""

    name: str
    pattern: str
    where: str
    instead: str


ZEROS = [
    Zero("ignored errors", r"^\s*-?\s*ignore_(errors|unreachable)\s*:", YAML, "say when a task fails and when it does not"),
    Zero("swallowed failures", r"failed_when\s*:\s*(false|no)\b", YAML, "name the condition of failure"),
    Zero("skipped rules", "|".join(SKIPS), CODE, "mend what the rule found"),
    Zero("ignored types", r"#\s*type:\s*ignor[e]|#\s*mypy:", r"\.py$", "give the value its type"),
    Zero("injected facts", rf"(?<![\w'\"\[.])ansible_({FACTS})\w*", CONTENT, "ansible_facts['x']"),
    Zero("edited files", r"\b(lineinfile|blockinfile|replace)\s*:", CONTENT, "own the whole file"),
    Zero("shells", r"\b(ansible\.builtin\.)?(shell|raw|expect)\s*:", CONTENT, "a module"),
    Zero("latest packages", r"\bstate\s*:\s*lates[t]", YAML, "state: present"),
    Zero("unchecked certificates", r"\bvalidate_certs\s*:\s*(false|no)\b", YAML, "a certificate that is valid"),
    Zero("default passwords", r"(?i)\bchang[e]me\b", CODE, "no value at all, and a refusal that says what is missing"),
    Zero("asking for check mode", r"\bansible_check_mode\b", CONTENT, "skip by what exists on the host"),
    Zero("the inventory in roles", r"\b(groups|hostvars)\s*[\[.]", rf"^roles/.*{YAML}", "hand it to the role as a variable"),
    Zero("dice in YAML", r"\|\s*rando[m]", YAML, "a seed"),
    Zero("dice in tests", "|".join(DICE), r"^tests/.*\.py$", "random.Random(seed)"),
    Zero("registry hosts", rf"(?i)\b({'|'.join(HOSTS)})", ".", "the machine's own configuration"),
    Zero("one machine's paths", r"(?<![\w.*-])/(work|tmp/w|home/\w+|opt/(pypi|wheels))(?![\w-])", ".", "a relative path"),
    Zero("issue numbers", r"(?i)\bissues? #?\d+\b", ".", "the reason itself"),
    Zero(
        "commands without an inventory", r"ansible-playbook(?! -i) +\S*playbooks/", r"^(plugins|roles|playbooks)/|\.md$", "problem.playbook"
    ),
    Zero("conflict markers", r"^(<{7}|>{7})( |$)", ".", "one of the two"),
]


@pytest.mark.parametrize("zero", ZEROS, ids=lambda zero: zero.name)
def test_zero(zero: Zero, root: Path, tracked: list[Path]) -> None:
    hits = []
    for path in tracked:
        if not re.search(zero.where, str(path)):
            continue
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        hits += [
            f"{path}:{number}: {line.strip()[:120]}" for number, line in enumerate(text.splitlines(), 1) if re.search(zero.pattern, line)
        ]
    assert not hits, f"{zero.name}: {len(hits)}, wanted none. Instead: {zero.instead}.\n" + "\n".join(hits)


def test_the_sanity_ignore_files_are_empty(root: Path, tracked: list[Path]) -> None:
    full = [str(path) for path in tracked if path.match("tests/sanity/ignore-*") and (root / path).read_text().strip()]
    assert full == []


def test_no_password_has_a_default(tracked: list[Path], read_yaml: Callable[[Path], Any]) -> None:
    given = []
    for path in tracked:
        if path.match("roles/*/defaults/*.yml"):
            for where, key, value in walk(read_yaml(path)):
                secret = re.search(r"(password|passphrase|cipher_pass|secret|token)$", key)
                if secret and isinstance(value, str) and value and "{{" not in value:
                    given.append(f"{path}: {where}{key}")
    assert given == [], "a secret comes from the vault of whoever runs the playbook"


def test_no_import_of_a_playbook_asks_for_check_mode(tracked: list[Path], read_yaml: Callable[[Path], Any]) -> None:
    asking = []
    for path in tracked:
        if path.match("playbooks/*.yml"):
            for play in read_yaml(path) or []:
                imports = {"import_playbook", "ansible.builtin.import_playbook"} & set(play)
                if imports and "check_mode" in play:
                    asking.append(str(path))
    assert asking == [], "Ansible ignores it there, and writes"


def walk(value: Any, where: str = "") -> list[tuple[str, str, Any]]:
    """Return (where, key, value) for every key at every depth."""
    if isinstance(value, list):
        return [found for number, one in enumerate(value) for found in walk(one, f"{where}{number}.")]
    if not isinstance(value, dict):
        return []
    here = [(where, str(key), one) for key, one in value.items()]
    return here + [found for key, one in value.items() for found in walk(one, f"{where}{key}.")]
