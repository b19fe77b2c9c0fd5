# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pg_hba.conf as one whole file. Over TCP nobody is trusted and no password crosses in clear or as MD5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .problem import Problem

TYPES = ("local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc")
LOCAL_METHODS = ("peer", "scram-sha-256", "reject", "pam", "ldap", "radius", "bsd")
TCP_METHODS = ("scram-sha-256", "reject", "cert", "gss", "sspi", "ldap", "radius", "pam", "bsd", "oauth")
OWN_RULE = {"type": "local", "database": "all", "user": "postgres", "method": "peer"}
REPLICATION_RULE = {"type": "local", "database": "replication", "user": "postgres", "method": "peer"}
_NEXT = "correct postgresql_hba"


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
        allowed = LOCAL_METHODS if kind == "local" else TCP_METHODS
        if method not in allowed:
            problems.append(Problem(f"the method '{method}' in {where} ({kind})", f"one of {', '.join(allowed)}", _NEXT))
        for key in ("database", "user", "address", "options"):
            if any(character in str(rule.get(key) or "") for character in "\n\r#"):
                problems.append(Problem(f"a line break or '#' as {key} in {where}", "one line without a comment", _NEXT))
    return problems


def render(header: str, rules: Sequence[Mapping[str, str]]) -> str:
    """The whole file. The first two rules are the collection's own: it reaches the server as postgres through the socket."""
    lines = [f"# {line}" for line in header.splitlines()]
    own = [OWN_RULE, REPLICATION_RULE]
    lines += [_line(rule) for rule in [*own, *(rule for rule in rules if dict(rule) not in own)]]
    return "\n".join(lines) + "\n"


def _line(rule: Mapping[str, str]) -> str:
    fields = (rule["type"], rule["database"], rule["user"], rule.get("address") or "", rule["method"], rule.get("options") or "")
    return " ".join(field for field in fields if field)


def rules_of(text: str) -> list[str]:
    """The rules of a file, one line each, without comments and with single spaces."""
    lines = (line.split("#", 1)[0].split() for line in text.splitlines())
    return [" ".join(words) for words in lines if words]
