# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL settings: what is written is read back, by us and by a slow model of the server's own reader."""

from __future__ import annotations

from typing import Any

import pytest
from _recovery.settings import SettingValue, judge_settings, parse, render, text_of
from hypothesis import example, given
from hypothesis import strategies as st

HEADER = "Written by a test.\nSecond line."
HOSTILE = [
    "",
    " ",
    "'",
    "''",
    "\\",
    "\\'",
    "'\\",
    "\\\\''",
    "a # b",
    "#",
    "x' \nport = '1",
    "it's 100% \\n",
    "\\047; drop",
    "\t",
    "ü, 中, 🐘",
    "\u2028\u2029\x85\x0b\x0c\x1c",
    "pgbackrest --stanza=axiomdb archive-push %p",
    '"$user", public',
]
names = st.from_regex(r"[a-z_][a-z0-9_]{0,10}(\.[a-z_][a-z0-9_]{0,10})?", fullmatch=True)
texts = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]))
values = st.one_of(texts, st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.lists(texts, max_size=3))


def model(text: str) -> list[tuple[str, str]]:
    """What the server makes of a file of ours, character by character (PostgreSQL, src/backend/utils/misc/guc-file.l)."""
    found: list[tuple[str, str]] = []
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("#"):
            continue
        name, separator, rest = line.partition(" = '")
        assert separator, line
        value, index = "", 0
        while rest[index] != "'" or rest[index + 1 : index + 2] == "'":
            if rest[index] in "\\'":
                index += 1
            value, index = value + rest[index], index + 1
        assert index == len(rest) - 1, f"something follows the closing quote: {rest[index:]}"
        found.append((name, value))
    return found


# --- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "on"),
        (False, "off"),
        (0, "0"),
        (-1, "-1"),
        (0.9, "0.9"),
        ("256MB", "256MB"),
        ("", ""),
        ([], ""),
        (["localhost"], "localhost"),
        (["localhost", "10.0.0.1"], "localhost,10.0.0.1"),
        ([1, 2], "1,2"),
    ],
)
def test_values_as_the_server_reads_them(value: Any, text: str) -> None:
    assert text_of(value) == text


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["shared_buffers", "wal_level", "pg_stat_statements.track", "_x", "a1.b2"])
@pytest.mark.parametrize("value", [*(text for text in HOSTILE if "\n" not in text), True, 1, 1.5, [], ["a", 1]])
def test_a_name_and_a_value_that_stand_in_one_line_are_accepted(name: str, value: SettingValue) -> None:
    assert judge_settings({name: value}) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "Shared_Buffers",
        "1st",
        "a b",
        "a=b",
        "a'b",
        "a#b",
        "wal_level\n",
        "wal_level\nport",
        "a.b.c",
        "a.",
        ".a",
        "a-b",
        "ü",
        "a.1",
        "include '/x'",
    ],
)
def test_another_name_is_refused(name: str) -> None:
    (problem,) = judge_settings({name: "x"})
    assert problem.found == f"the setting name '{name}'"
    assert problem.expected == "a PostgreSQL parameter in lower case"
    assert problem.next_step == "correct this setting"


@pytest.mark.parametrize("name", [1, True, None])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    assert len(judge_settings({name: "x"})) == 1


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "NoneType"), ({}, "dict"), ({"a": 1}, "dict"), ([None], "list"), ([["a"]], "list"), (["a", {"b": 1}], "list"), (b"x", "bytes")],
)
def test_a_value_of_another_type_is_refused(value: Any, kind: str) -> None:
    (problem,) = judge_settings({"work_mem": value})
    assert problem.found == f"a value of the type {kind} for work_mem"
    assert problem.expected == "text, a number, a boolean or a list of them"
    assert problem.next_step == "correct this setting"


@pytest.mark.parametrize("value", ["a\nb", "\n", "a\r", "a\0b", ["a", "b\n"]])
def test_a_value_that_does_not_stand_in_one_line_is_refused_and_not_shown(value: SettingValue) -> None:
    (problem,) = judge_settings({"archive_command": value})
    assert problem.found == "a line break or a zero byte in the value of archive_command"
    assert problem.expected == "one line"


def test_all_problems_are_told_at_once() -> None:
    assert len(judge_settings({"A": 1, "b": None, "c": "x\ny", "d": "fine"})) == 3


# --- writing and reading -----------------------------------------------------------------------------------------


def test_the_whole_file() -> None:
    text = render(HEADER, {"port": 5432, "archive_mode": True, "search_path": "'$user'", "data": "a\\b", "listen_addresses": []})
    assert text == (
        "# Written by a test.\n# Second line.\nport = '5432'\narchive_mode = 'on'\nsearch_path = '''$user'''\ndata = 'a\\\\b'\n"
        "listen_addresses = ''\n"
    )
    assert render("", {}) == "\n"


@given(st.dictionaries(names, values, max_size=5))
@example({"a": "\\'", "b": ["'", "\\"]})
def test_what_is_written_is_what_the_server_and_we_read(settings: dict[str, SettingValue]) -> None:
    assert judge_settings(settings) == []
    text = render(HEADER, settings)
    expected = {name: text_of(value) for name, value in settings.items()}
    assert dict(model(text)) == expected
    assert len(model(text)) == len(settings)
    assert parse(text) == expected


@pytest.mark.parametrize("value", [text for text in HOSTILE if "\n" not in text])
def test_hostile_values_survive(value: str) -> None:
    text = render(HEADER, {"before": 1, "archive_command": value, "after": 2})
    assert parse(text) == {"before": "1", "archive_command": value, "after": "2"}
    assert model(text) == [("before", "1"), ("archive_command", value), ("after", "2")]


@given(st.dictionaries(st.text(), st.one_of(values, st.text(), st.none()), max_size=3))
def test_what_is_not_refused_makes_one_line_each(settings: dict[str, Any]) -> None:
    if not judge_settings(settings):
        assert len(model(render(HEADER, settings))) == len(settings)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("\n\n  # comment\n#port = 1\n", {}),
        ("port = 5433", {"port": "5433"}),
        ("port=5433", {"port": "5433"}),
        ("port 5433", {"port": "5433"}),
        ("  Port\t=\t5433   # why", {"port": "5433"}),
        ("port = '5433' # why", {"port": "5433"}),
        ("port = 5432\nport = 5433\n", {"port": "5433"}),
        ("port = 5432\r\nport = 5433\r\n", {"port": "5433"}),
        ("a = 'it''s'", {"a": "it's"}),
        ("a = 'it\\'s'", {"a": "it's"}),
        ("a = 'x\\\\''y'", {"a": "x\\'y"}),
        ("a = 'x\\ty\\047\\q'", {"a": "x\ty'q"}),
        ("a = '# no comment' # one", {"a": "# no comment"}),
        ("a = ''", {"a": ""}),
        ("pg_stat_statements.track = all", {"pg_stat_statements.track": "all"}),
        ("a = 'never closed", {"a": "'never closed"}),
        ("= 5\n!\n", {}),
        # As ALTER SYSTEM writes it.
        (
            "# Do not edit this file manually!\n# It will be overwritten.\narchive_command = '/bin/true ''%p'''\n",
            {"archive_command": "/bin/true '%p'"},
        ),
    ],
)
def test_files_of_somebody_else(text: str, found: dict[str, str]) -> None:
    assert parse(text) == found


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert all(name == name.lower() for name in parse(text))
