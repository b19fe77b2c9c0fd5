# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pg_hba.conf as one whole file. Over TCP nobody is trusted and no password crosses in clear or as MD5."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .problem import Problem

TYPES = ("local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc")
LOCAL_METHODS = ("peer", "scram-sha-256", "reject", "pam", "ldap", "radius", "bsd")
TCP_METHODS = ("scram-sha-256", "reject", "gss", "sspi")
# With these the client sends a password or a token as it is: only where the connection itself is encrypted.
ENCRYPTED_METHODS = {
    "hostssl": (*TCP_METHODS, "cert", "ldap", "radius", "pam", "bsd", "oauth"),
    "hostgssenc": (*TCP_METHODS, "ldap", "radius", "pam", "bsd", "oauth"),
}
OWN_RULE = {"type": "local", "database": "all", "user": "postgres", "method": "peer"}
REPLICATION_RULE = {"type": "local", "database": "replication", "user": "postgres", "method": "peer"}
DEBIAN_RULES = frozenset(
    {
        "local all postgres peer",
        "local all all peer",
        "local replication all peer",
        *(f"host {database} all {address} scram-sha-256" for database in ("all", "replication") for address in ("127.0.0.1/32", "::1/128")),
    }
)
_NEXT = "correct postgresql_hba"
_NAME = r"""(?:[^\s",#]|"[^"#]*")+"""
_NAMES = re.compile(rf"{_NAME}(?:,[ \t]*{_NAME})*")
_ADDRESS = re.compile(r"[^\s\",#]+(?:[ \t]+[0-9a-fA-F.:]+)?")


def judge_rules(rules: Sequence[Mapping[str, str]]) -> list[Problem]:
    """Every reason why these rules are refused."""
    problems = []
    for number, rule in enumerate(rules, 1):
        where = f"rule {number} of postgresql_hba"
        kind, method = rule.get("type") or "", rule.get("method") or ""
        if kind not in TYPES:
            problems.append(Problem(f"the type '{kind}' in {where}", f"one of {', '.join(TYPES)}", _NEXT))
            continue
        if kind == "local" and rule.get("address"):
            problems.append(Problem(f"an address in {where}, which is local", "no address on a Unix socket", _NEXT))
        if kind != "local" and not rule.get("address"):
            problems.append(Problem(f"no address in {where}", "an address such as 127.0.0.1/32", _NEXT))
        allowed = LOCAL_METHODS if kind == "local" else ENCRYPTED_METHODS.get(kind, TCP_METHODS)
        if method not in allowed:
            problems.append(Problem(f"the method '{method}' in {where} ({kind})", f"one of {', '.join(allowed)}", _NEXT))
        problems += _judge_words(where, rule)
    return problems


def _judge_words(where: str, rule: Mapping[str, str]) -> list[Problem]:
    """Refuse what the server would not read as the one field that it stands in: each field ends at a space or a line's end."""
    problems = []
    for key in ("database", "user", "address", "options"):
        text = str(rule.get(key) or "")
        if any(character in text for character in "\n\r\0#"):
            problems.append(Problem(f"a line break or '#' as {key} in {where}", "one line without a comment", _NEXT))
        elif key in ("database", "user") and not _NAMES.fullmatch(text):
            problems.append(Problem(f"the {key} '{text}' in {where}", "names separated by commas, with double quotes around spaces", _NEXT))
        elif key == "address" and text and not _ADDRESS.fullmatch(text):
            problems.append(Problem(f"the address '{text}' in {where}", "one address such as 127.0.0.1/32", _NEXT))
        elif key == "options" and (text.endswith("\\") or text.count('"') % 2):
            problems.append(Problem(f"the options '{text}' in {where}", "options as name=value that end with the line", _NEXT))
    return problems


def render(header: str, rules: Sequence[Mapping[str, str]]) -> str:
    """The whole file. The first two rules are the collection's own: it reaches the server as postgres through the socket."""
    lines = [f"# {line}" for line in header.splitlines()]
    own = [_line(OWN_RULE), _line(REPLICATION_RULE)]
    lines += [*own, *(line for line in map(_line, rules) if line not in own)]
    return "\n".join(lines) + "\n"


def _line(rule: Mapping[str, str]) -> str:
    fields = (rule["type"], rule["database"], rule["user"], rule.get("address") or "", rule["method"], rule.get("options") or "")
    return " ".join(field for field in fields if field)


def rules_of(text: str) -> list[str]:
    """The rules of a file, one line each, without comments and with single spaces."""
    lines = (line.split("#", 1)[0].split() for line in text.split("\n"))
    return [" ".join(words) for words in lines if words]


def is_somebodys(text: str, header: str) -> bool:
    """True for a file that is neither ours nor as Debian's tools made it: somebody's work, which is kept."""
    return header not in text and not set(rules_of(text)) <= DEBIAN_RULES
