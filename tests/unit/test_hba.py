# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Access rules: what opens a door too wide is refused, and no field can become another one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from _recovery import hba
from hypothesis import given
from hypothesis import strategies as st

HEADER = "Written by a test."
OWN = ["local all postgres peer", "local replication postgres peer"]
LOCAL = {"type": "local", "database": "all", "user": "all", "method": "peer"}
HOST = {"type": "host", "database": "all", "user": "all", "address": "10.0.0.0/8", "method": "scram-sha-256"}
TLS = {**HOST, "type": "hostssl"}
CLEAR = ["trust", "password", "md5", "ident"]
SENDS_SECRETS = ["ldap", "radius", "pam", "bsd", "oauth", "cert"]


def model(line: str) -> list[str]:
    """The fields of one line as the server divides it: at blanks, but not within quotes; a comma joins (hba.c, next_field_expand)."""
    fields, current, quoted, joined = [], "", False, False
    for character in line:
        if character == '"':
            quoted = not quoted
        if character in " \t" and not quoted:
            if current and not current.endswith(","):
                fields.append(current)
                current = ""
            joined = current.endswith(",")
            continue
        if character == "#" and not quoted:
            break
        current += character
        joined = False
    assert not quoted, "a quote is never closed"
    assert not joined
    return [*fields, current] if current else fields


# --- what is accepted --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        LOCAL,
        HOST,
        TLS,
        {**LOCAL, "method": "scram-sha-256"},
        {**LOCAL, "method": "peer", "options": "map=admins"},
        {**LOCAL, "method": "reject"},
        {**HOST, "method": "reject"},
        {**HOST, "method": "gss", "options": "include_realm=0"},
        {**HOST, "address": "::1/128"},
        {**HOST, "address": "samenet"},
        {**HOST, "address": ".example.com"},
        {**HOST, "address": "10.0.0.0 255.0.0.0"},
        {**HOST, "database": "app,other", "user": "alice, +admins"},
        {**HOST, "database": "@databases", "user": "/^app_.*$"},
        {**HOST, "database": '"my db"', "user": '"Alice","b c"'},
        {**HOST, "database": "replication", "user": "standby"},
        {**TLS, "method": "cert", "options": "map=people clientcert=verify-full"},
        {**TLS, "method": "ldap", "options": 'ldapserver=ldap.example ldapprefix="cn=" ldapsuffix=", dc=example"'},
        {**TLS, "type": "hostgssenc", "method": "pam"},
        {**TLS, "type": "hostnossl", "method": "reject"},
        {**TLS, "type": "hostnogssenc"},
        {**LOCAL, "address": None, "options": None},
        {**LOCAL, "address": "", "options": ""},
    ],
)
def test_accepted(rule: dict[str, str]) -> None:
    assert hba.judge_rules([rule]) == []
    line = hba.render("", [rule]).splitlines()[-1]
    assert model(line)[:3] == [rule["type"], rule["database"].replace(", ", ","), rule["user"].replace(", ", ",")]


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "found", "expected"),
    [
        ({**HOST, "type": "hosts"}, "the type 'hosts' in rule 1 of postgresql_hba", f"one of {', '.join(hba.TYPES)}"),
        ({**HOST, "type": "HOST"}, "the type 'HOST' in rule 1 of postgresql_hba", f"one of {', '.join(hba.TYPES)}"),
        ({**HOST, "type": "include /etc/passwd\nlocal"}, None, f"one of {', '.join(hba.TYPES)}"),
        ({}, "the type '' in rule 1 of postgresql_hba", f"one of {', '.join(hba.TYPES)}"),
        ({**LOCAL, "address": "127.0.0.1/32"}, "an address in rule 1 of postgresql_hba, which is local", "no address on a Unix socket"),
        ({**HOST, "address": ""}, "no address in rule 1 of postgresql_hba", "an address such as 127.0.0.1/32"),
        ({**HOST, "address": None}, "no address in rule 1 of postgresql_hba", "an address such as 127.0.0.1/32"),
        (
            {**HOST, "address": "0.0.0.0/0 trust"},
            "the address '0.0.0.0/0 trust' in rule 1 of postgresql_hba",
            "one address such as 127.0.0.1/32",
        ),
        ({**HOST, "address": '10.0.0.0/8"'}, "the address '10.0.0.0/8\"' in rule 1 of postgresql_hba", "one address such as 127.0.0.1/32"),
        (
            {**HOST, "user": "all 0.0.0.0/0 trust"},
            "the user 'all 0.0.0.0/0 trust' in rule 1 of postgresql_hba",
            "names separated by commas, with double quotes around spaces",
        ),
        ({**HOST, "user": ""}, "the user '' in rule 1 of postgresql_hba", "names separated by commas, with double quotes around spaces"),
        (
            {**HOST, "user": "alice,"},
            "the user 'alice,' in rule 1 of postgresql_hba",
            "names separated by commas, with double quotes around spaces",
        ),
        (
            {**HOST, "user": '"alice'},
            "the user '\"alice' in rule 1 of postgresql_hba",
            "names separated by commas, with double quotes around spaces",
        ),
        (
            {**HOST, "database": ""},
            "the database '' in rule 1 of postgresql_hba",
            "names separated by commas, with double quotes around spaces",
        ),
        (
            {"type": "local", "user": "all", "method": "peer"},
            "the database '' in rule 1 of postgresql_hba",
            "names separated by commas, with double quotes around spaces",
        ),
        (
            {**HOST, "options": "map=x\\"},
            "the options 'map=x\\' in rule 1 of postgresql_hba",
            "options as name=value that end with the line",
        ),
        (
            {**HOST, "options": 'map="x'},
            "the options 'map=\"x' in rule 1 of postgresql_hba",
            "options as name=value that end with the line",
        ),
        *(
            ({**HOST, key: text}, f"a line break or '#' as {key} in rule 1 of postgresql_hba", "one line without a comment")
            for key in ("database", "user", "address", "options")
            for text in ("a\nhost all all all trust", "a\r", "a # b", '"a#b"', "a\0")
        ),
    ],
)
def test_refused(rule: dict[str, Any], found: str | None, expected: str) -> None:
    problem = hba.judge_rules([rule])[0]
    assert found is None or problem.found == found
    assert problem.expected == expected
    assert problem.next_step == "correct postgresql_hba"


@pytest.mark.parametrize("kind", hba.TYPES)
@pytest.mark.parametrize("method", [*CLEAR, "", "SCRAM-SHA-256", "scram-sha-256 ", "peer x", "nonsense"])
def test_no_type_takes_a_method_that_proves_nothing(kind: str, method: str) -> None:
    rule = {**(LOCAL if kind == "local" else HOST), "type": kind, "method": method}
    (problem,) = hba.judge_rules([rule])
    assert problem.found == f"the method '{method}' in rule 1 of postgresql_hba ({kind})"
    assert problem.expected.startswith("one of ")
    assert not set(CLEAR) & set(problem.expected.removeprefix("one of ").split(", "))


@pytest.mark.parametrize("kind", [kind for kind in hba.TYPES if kind != "local"])
@pytest.mark.parametrize("method", SENDS_SECRETS)
def test_a_secret_crosses_an_encrypted_connection_or_none(kind: str, method: str) -> None:
    problems = hba.judge_rules([{**HOST, "type": kind, "method": method}])
    assert (problems == []) == (kind == "hostssl" or (kind == "hostgssenc" and method != "cert"))


def test_peer_is_for_the_socket_alone() -> None:
    assert hba.judge_rules([{**HOST, "method": "peer"}])


def test_every_rule_is_judged_and_named_by_its_number() -> None:
    problems = hba.judge_rules([LOCAL, {**HOST, "method": "trust"}, {**HOST, "address": "", "method": "md5"}, {"type": "x"}])
    assert [(problem.found.split(" in ")[-1]) for problem in problems] == [
        "rule 2 of postgresql_hba (host)",
        "no address in rule 3 of postgresql_hba".removeprefix("no address in "),
        "rule 3 of postgresql_hba (host)",
        "rule 4 of postgresql_hba",
    ]


# --- the file ----------------------------------------------------------------------------------------------------


def test_the_whole_file_begins_with_the_collections_own_rules() -> None:
    text = hba.render(HEADER, [LOCAL, {**TLS, "options": "clientcert=verify-ca"}])
    assert text == (
        "# Written by a test.\nlocal all postgres peer\nlocal replication postgres peer\nlocal all all peer\n"
        "hostssl all all 10.0.0.0/8 scram-sha-256 clientcert=verify-ca\n"
    )


@pytest.mark.parametrize("more", [{}, {"address": None, "options": None}])
def test_an_own_rule_that_is_declared_too_is_written_once(more: dict[str, Any]) -> None:
    assert hba.rules_of(hba.render(HEADER, [{**hba.OWN_RULE, **more}, {**hba.REPLICATION_RULE, **more}, LOCAL])) == [
        *OWN,
        "local all all peer",
    ]


def test_the_order_of_rules_is_kept() -> None:
    rules = [{**HOST, "address": f"10.0.{number}.0/24", "method": "reject"} for number in (3, 1, 2)]
    assert [line.split()[3] for line in hba.rules_of(hba.render(HEADER, rules))[2:]] == ["10.0.3.0/24", "10.0.1.0/24", "10.0.2.0/24"]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", []),
        ("# only a comment\n\n", []),
        ("local\tall   all\tpeer # why", ["local all all peer"]),
        ("host all all ::1/128 scram-sha-256\r\nlocal all all peer", ["host all all ::1/128 scram-sha-256", "local all all peer"]),
    ],
)
def test_the_rules_of_any_file(text: str, rules: list[str]) -> None:
    assert hba.rules_of(text) == rules


plain = st.from_regex(re.compile(r"[a-z_+@/.*^$0-9\\ü-]{1,8}"), fullmatch=True)
quoted = st.from_regex(re.compile(r'"[a-zA-Z ,_]{0,8}"'), fullmatch=True)
name_lists = st.lists(st.one_of(plain, quoted), min_size=1, max_size=3).map(",".join)
kinds = st.sampled_from(hba.TYPES)
anything = st.text(st.sampled_from('ab0. ,"#\\\n\r\t/=\u2028'), max_size=8)


@given(kinds, name_lists, name_lists, st.sampled_from(["10.0.0.0/8", "::1/128", "samehost", "db.example"]))
def test_what_is_written_is_what_the_server_reads(kind: str, database: str, user: str, address: str) -> None:
    rule = {"type": kind, "database": database, "user": user, "method": "scram-sha-256"}
    rule |= {} if kind == "local" else {"address": address}
    assert hba.judge_rules([rule]) == []
    lines = hba.render(HEADER, [rule, {**LOCAL, "method": "reject"}]).removesuffix("\n").split("\n")
    assert model(lines[3]) == list(rule.values())[:3] + ([address] if kind != "local" else []) + ["scram-sha-256"]
    assert lines[4:] == ["local all all reject"]


@given(kinds, anything, anything, anything, anything)
def test_what_is_not_refused_keeps_each_field_in_its_place(kind: str, database: str, user: str, address: str, options: str) -> None:
    rule = {"type": kind, "database": database, "user": user, "address": address, "method": "reject", "options": options}
    if hba.judge_rules([rule]):
        return
    lines = hba.render(HEADER, [rule, LOCAL]).removesuffix("\n").split("\n")
    assert len(lines) == 5
    fields = model(lines[3])
    place = 3 if kind == "local" else 3 + len(address.split())
    assert fields[0] == kind
    assert fields[place] == "reject"
    assert not lines[3].endswith("\\"), "the next rule would be read as part of this one"


@given(st.text())
def test_any_text_has_rules_of_one_line_each(text: str) -> None:
    for rule in hba.rules_of(text):
        assert rule
        assert "\n" not in rule
        assert "#" not in rule


def test_a_file_of_ours_or_of_debian_is_nobodys_work() -> None:
    debian = (
        "# DO NOT DISABLE!\nlocal   all             postgres                                peer\nlocal all all peer\n"
        "host    all             all             127.0.0.1/32            scram-sha-256\nhost all all ::1/128 scram-sha-256\n"
        "local   replication     all                                     peer\nhost replication all 127.0.0.1/32 scram-sha-256\n"
        "host    replication     all             ::1/128                 scram-sha-256\n"
    )
    assert not hba.is_somebodys(debian, HEADER)
    assert not hba.is_somebodys("", HEADER)
    assert not hba.is_somebodys(hba.render(HEADER, [HOST]), HEADER)
    assert hba.is_somebodys(f"{debian}host all all 10.0.0.0/8 scram-sha-256\n", HEADER)
    assert hba.is_somebodys(debian.replace("scram-sha-256", "md5"), HEADER)
