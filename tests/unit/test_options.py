# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pgBackRest's options, judged as the recorded binaries of 2.45, 2.55 and 2.60 judge them, or more strictly for a stated reason."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from _recovery import option_types, vocabulary
from _recovery.option_types import OPTIONS, Option, milliseconds, size_in_bytes
from _recovery.options import (
    Problem,
    Version,
    is_secret,
    judge_configuration,
    judge_option,
    nearest,
    parallelism,
    parse,
    parse_version,
    render,
    setting,
)
from hypothesis import given, settings
from hypothesis import strategies as st

RECORDED = sorted(path for path in (Path(__file__).parent / "recorded").iterdir() if path.is_dir())
V245, V255, V260 = (parse_version(text) for text in ("2.45", "2.55.1", "2.60.0"))

# Values that the binary takes and we do not, by option name and value: the reason is the name of the set.
RELATIVE_PATH_DEPENDS_ON_THE_WORKING_DIRECTORY = {
    (f"{group}1-host-config", value) for group in ("pg", "repo") for value in ("relative", "/a//b")
}
UNIT_OF_TIME_IS_DROPPED_BEFORE_2_53 = re.compile(r"[0-9]+[a-z]+")
# Sizes that pgBackRest compares with the type of the repository: tried on the host before a file is replaced.
DEPENDS_ON_THE_REPOSITORY = {("repo1-storage-upload-chunk-size", "4MiB")}
# Levels that pgBackRest compares with the compress-type: judged with the whole file, as the cases show.
DEPENDS_ON_THE_TYPE = {("compress-level", value) for value in ("-7", "22")}
STRICTER_CASES = {
    "restore option nobody reads": "every restore reads it",
    "unknown section": "nobody reads it",
    "same key twice": "2.45 silently takes the last one",
    "index with a zero": "it is the same repository as without the zero, set twice",
    "old name": "one option, one name",
    "abandoned": "2.60 warns of it",
}


def recorded(name: str) -> list[Any]:
    """One parameter for each version: the version and what was recorded of it."""
    return [pytest.param(parse_version(path.name), json.loads((path / f"{name}.json").read_text()), id=path.name) for path in RECORDED]


def place(option: Option) -> str:
    """A section where the option may stand."""
    if option.name == "delta":
        return "global:backup"
    if option.commands == {"restore"}:
        return "global:restore"
    return "demo" if option.stanza_only else "global"


def refused(section: str, option: str, value: object, version: Version = V255, **how: bool) -> Problem:
    problem = judge_option(section, option, value, version, **how)
    assert problem is not None
    return problem


# What the binaries do


def test_three_versions_are_recorded_in_the_same_files() -> None:
    assert [path.name for path in RECORDED] == ["2.45", "2.55.1", "2.60.0"]
    names = [{file.name for file in path.iterdir()} for path in RECORDED]
    assert names[0] == names[1] == names[2]
    for path in RECORDED:
        for file in path.iterdir():
            assert json.loads(file.read_bytes().decode("ascii"))
            assert len(file.read_bytes()) < 16_000


@pytest.mark.parametrize(("version", "facts"), recorded("options"))
def test_names_by_version(version: Version, facts: dict[str, Any]) -> None:
    assert {name for name, option in OPTIONS.items() if option.since > version} == {name for name in facts["unknown"] if name in OPTIONS}
    assert {name for name, option in OPTIONS.items() if option.stanza_only} == set(facts["stanza"])
    assert {name for name, option in OPTIONS.items() if option.secret and option.since <= version} == set(facts["secret"])
    assert set(facts["command-line"]) <= vocabulary.COMMAND_LINE
    # A file with repo-target-time is taken by 2.54 and later, and then each command that reads it dies.
    assert vocabulary.COMMAND_LINE - {"repo-target-time"} <= {*facts["command-line"], *facts["unknown"]}


@pytest.mark.parametrize(("version", "facts"), recorded("options"))
def test_commands_by_version(version: Version, facts: dict[str, Any]) -> None:
    read = {name: set(commands.split()) for commands, names in facts["commands"].items() for name in names}
    assert {name: set(OPTIONS[name].read_by(version)) for name in read} == read


@pytest.mark.parametrize(("version", "facts"), recorded("options"))
def test_what_is_only_warned_of_is_refused(version: Version, facts: dict[str, Any]) -> None:
    for name in [*facts["unknown"], *facts["command-line"], *facts["negated"]]:
        for section in ("global", "demo", "global:backup", "demo:restore"):
            assert judge_option(section, name, "y", version), name
    for name in facts["stanza"]:
        assert judge_option("global", name, "1", version)
        assert judge_option("global:backup", name, "1", version)
    for commands, names in facts["commands"].items():
        for command in set(vocabulary.COMMANDS.split()) - set(commands.split()):
            for name in names:
                assert judge_option(f"demo:{command}", name, "1", version), name


@pytest.mark.parametrize(("version", "facts"), recorded("values"))
def test_values_by_version(version: Version, facts: dict[str, dict[str, int]]) -> None:
    for name, rows in facts.items():
        option = OPTIONS[name]
        for value, code in rows.items():
            problem = judge_option(place(option), name, value, version, beta=True, secrets_file=option.secret)
            if (name, value) == ("repo1-storage-verify-tls", "n"):
                assert problem, "a store is always verified"
            elif (name, value) in RELATIVE_PATH_DEPENDS_ON_THE_WORKING_DIRECTORY:
                assert problem
            elif option.kind(version).type == "time" and version < Version(2, 53) and UNIT_OF_TIME_IS_DROPPED_BEFORE_2_53.fullmatch(value):
                assert code == 0
                assert problem
            elif (name, value) in DEPENDS_ON_THE_REPOSITORY | DEPENDS_ON_THE_TYPE:
                assert problem is None
            else:
                assert (problem is not None) == (code != 0), (name, value, code, problem)


@pytest.mark.parametrize(("version", "facts"), recorded("values"))
def test_every_option_has_a_value_that_is_taken_and_most_one_that_is_not(version: Version, facts: dict[str, dict[str, int]]) -> None:
    assert set(facts) == {name for name, option in OPTIONS.items() if option.since <= version}
    free = {"text", "list"}
    for name, rows in facts.items():
        assert 0 in rows.values(), name
        assert any(rows.values()) or OPTIONS[name].kind(version).type in free or name.endswith("1-host-config"), name


@pytest.mark.parametrize(("version", "facts"), recorded("cases"))
def test_whole_files_by_version(version: Version, facts: dict[str, Any]) -> None:
    for title, case in facts.items():
        problems = judge_configuration(case["sections"], version)
        crashed = case["rc"] == 139
        if title in STRICTER_CASES:
            assert problems, title
        else:
            assert bool(problems) == bool(case["said"] or crashed), (title, case, problems)


def test_a_minute_is_a_second_in_245_and_a_zero_index_kills_it() -> None:
    cases = [json.loads((path / "cases.json").read_text()) for path in RECORDED]
    assert [case["one minute is one second"]["rc"] for case in cases] == [32, 55, 55]
    assert [case["index zero"]["rc"] for case in cases] == [139, 31, 31]


# What is said


@pytest.mark.parametrize(
    ("section", "option", "value", "sentence"),
    [
        ("global", "proces-max", 4, "Found the unknown option 'proces-max' in [global]; expected process-max. Next: write process-max"),
        (
            "global",
            "repo3_retention_full",
            4,
            "Found the unknown option 'repo3_retention_full' in [global]; expected repo3-retention-full. Next: write repo3-retention-full",
        ),
        (
            "global",
            "retention-full",
            4,
            "Found the old name 'retention-full' in [global]; expected repo1-retention-full. Next: write repo1-retention-full",
        ),
        (
            "global",
            "repo2-s3-verify-tls",
            False,
            "Found the old name 'repo2-s3-verify-tls' in [global]; expected repo2-storage-verify-tls. Next: write repo2-storage-verify-tls",
        ),
        ("global", "repo-path", "/x", "Found the old name 'repo-path' in [global]; expected repo1-path. Next: write repo1-path"),
        (
            "global",
            "zzz",
            4,
            "Found the unknown option 'zzz' in [global]; expected an option of pgBackRest 2.55.1. Next: pgbackrest help backup",
        ),
        (
            "main",
            "archive-command",
            "pgbackrest --stanza=main archive-push %p",
            "Found the PostgreSQL setting 'archive-command' in [main]; expected options of pgBackRest only. "
            "Next: take it out, the role wal_archiving sets archive_command",
        ),
        (
            "main",
            "archive_timeout",
            60,
            "Found the PostgreSQL setting 'archive_timeout' in [main]; expected options of pgBackRest only. "
            "Next: take it out, the role wal_archiving sets archive_timeout; pgBackRest's own option is archive-timeout",
        ),
        (
            "main",
            "shared_buffers",
            "1GB",
            "Found the PostgreSQL setting 'shared_buffers' in [main]; expected options of pgBackRest only. "
            "Next: take it out, the role postgresql sets shared_buffers",
        ),
        (
            "main",
            "archive-mode",
            "off",
            "Found 'archive-mode=off' in [main]; expected this option of restore in [global:restore] or [<stanza>:restore]. "
            "Next: move it there, or take it out if you meant PostgreSQL's archive_mode, which the role wal_archiving sets; "
            "elsewhere every restore takes it up",
        ),
        (
            "global",
            "pg1-path",
            "/x",
            "Found 'pg1-path=/x' in [global]; expected it in the section of a stanza. "
            "Next: move it to the section of its stanza, such as [main]",
        ),
        (
            "global",
            "type",
            "full",
            "Found the command-line option 'type' in [global]; expected it on the command line only. "
            "Next: take it out, and type --type with the command that needs it",
        ),
        (
            "global",
            "no-delta",
            True,
            "Found 'no-delta' in [global]; expected delta=n. Next: write delta=n: pgBackRest ignores this form in a file",
        ),
        (
            "global",
            "stop-auto",
            True,
            "Found the abandoned option 'stop-auto' in [global]; expected nothing in its place. "
            "Next: take it out: PostgreSQL 9.6 and later do not need it",
        ),
        (
            "global",
            "delta",
            True,
            "Found 'delta=y' in [global]; expected delta in [global:backup] alone. "
            "Next: move it there: here it makes a restore typed by hand overwrite a full directory without being asked",
        ),
        (
            "global:archive-push",
            "start-fast",
            True,
            "Found 'start-fast=y' in [global:archive-push]; expected it with a command that reads it (backup). "
            "Next: move it to such a section, or take it out",
        ),
        (
            "global:bakup",
            "start-fast",
            True,
            "Found 'start-fast' in [global:bakup]; expected [global:backup]. Next: correct the section: pgBackRest never reads this one",
        ),
        ("global", "repo0-path", "/x", "Found 'repo0-path' in [global]; expected an index from 1 to 256. Next: correct the number"),
        (
            "global",
            "priority",
            10,
            "Found 'priority', which is new in pgBackRest 2.58, in [global]; expected options of pgBackRest 2.55.1, the installed one. "
            "Next: take it out, or install pgBackRest 2.58 or later",
        ),
        (
            "global",
            "repo1-s3-key-type",
            "process",
            "Found 'repo1-s3-key-type=process', which is new in pgBackRest 2.59, in [global]; expected one of shared, auto, web-id. "
            "Next: choose another value, or install pgBackRest 2.59 or later",
        ),
        (
            "global",
            "process-max",
            0,
            "Found 'process-max=0' in [global]; expected a whole number, from 1 to 999. Next: correct the value of process-max",
        ),
        (
            "global",
            "compress-type",
            "zip",
            "Found 'compress-type=zip' in [global]; expected one of none, bz2, gz, lz4, zst. Next: correct the value of compress-type",
        ),
        ("global", "start-fast", "yes", "Found 'start-fast=yes' in [global]; expected y or n. Next: correct the value of start-fast"),
        ("global", "start-fast", [True, False], "Found 'start-fast' 2 times in [global]; expected it once. Next: keep one value"),
        (
            "global",
            "repo1-cipher-pass",
            "kV8mQ2xT7rLp9wZs4nBf",
            "Found the secret 'repo1-cipher-pass' in [global]; expected it in the secrets file conf.d/90-secrets.conf. "
            "Next: move it to the secrets of its repository, from ansible-vault",
        ),
        (
            "global",
            "repo1-path",
            "/x # mine",
            "Found 'repo1-path=/x # mine' in [global]; expected one line of text that does not begin or end with a blank "
            "and has no comment behind it. Next: correct the value",
        ),
    ],
)
def test_sentences(section: str, option: str, value: object, sentence: str) -> None:
    problem = refused(section, option, value)
    assert problem.sentence() == sentence
    assert problem.where == f"[{section}] {option}"


def test_sentences_about_older_versions() -> None:
    assert refused("global", "repo1-type", "sftp", V245).sentence() == (
        "Found 'repo1-type=sftp', which is new in pgBackRest 2.46, in [global]; expected one of azure, cifs, gcs, posix, s3. "
        "Next: choose another value, or install pgBackRest 2.46 or later"
    )
    assert refused("global", "repo1-block", True, V245).sentence() == (
        "Found 'repo1-block', a beta feature of pgBackRest 2.45, in [global]; expected it from pgBackRest 2.46 on. "
        "Next: take it out, or install pgBackRest 2.46 or later"
    )
    assert refused("global", "archive-timeout", "1m", V245).expected == (
        "seconds from 0.1 to 86400 as a plain number (pgBackRest 2.45 drops a unit: it reads 1m as one second)"
    )


@pytest.mark.parametrize(
    "option", ["repo1-cipher-pass", "repo-cipher-pas", "repo1-s3-key-secrte", "frobnicate", "archive-command", "Repo1-Cipher-Pass"]
)
@pytest.mark.parametrize("section", ["global", "global:nothing", "demo:restore"])
def test_no_sentence_shows_what_may_be_a_secret(section: str, option: str) -> None:
    for value in ("kV8mQ2xT7rLp9wZs4nBf", ["kV8mQ2xT7rLp9wZs4nBf", "x"], "kV8mQ2xT7rLp9wZs4nBf # x", "kV8mQ2xT7rLp9wZs4nBf\n[x]"):
        for secrets_file in (False, True):
            problem = judge_option(section, option, value, V255, secrets_file=secrets_file)
            assert problem is None or "kV8mQ2" not in f"{problem.sentence()} {problem.where}"


# Places


@pytest.mark.parametrize("section", ["global", "main", "global:restore", "main:restore", "global:info"])
@pytest.mark.parametrize("option", ["delta", "force"])
def test_nothing_may_let_a_restore_overwrite_unasked(section: str, option: str) -> None:
    assert judge_option(section, option, True, V260)
    assert judge_option(section, option, False, V260)


def test_delta_for_backups() -> None:
    assert judge_option("global:backup", "delta", True, V245) is None
    assert judge_option("main:backup", "delta", False, V260) is None
    assert judge_option("global:backup", "force", True, V260)


@pytest.mark.parametrize("option", sorted(name for name, option in OPTIONS.items() if option.commands == {"restore"}))
def test_restore_options_only_for_restore(option: str) -> None:
    value = {"archive-mode": "off", "link-all": True}.get(option, {"a": "/b"} if OPTIONS[option].kinds[0].type == "pairs" else "/b")
    for section in ("global", "main", "global:backup"):
        assert judge_option(section, option, value, V255)
    for section in ("global:restore", "main:restore"):
        assert judge_option(section, option, value, V255) is None


@pytest.mark.parametrize("section", ["", ":", ":backup", "main:", "main:backup:x", "a b", "a]b", "global:", "main:Backup"])
def test_sections_that_nobody_reads(section: str) -> None:
    assert judge_option(section, "start-fast", True, V255)


def test_secrets_have_their_own_file() -> None:
    assert judge_option("global", "repo2-s3-key-secret", "x", V245, secrets_file=True) is None
    assert refused("global", "process-max", 2, V245, secrets_file=True).found == "'process-max', which is no secret, in [global]"
    assert judge_configuration({"global": {"repo1-cipher-pass": "a passphrase of its own"}}, V245, secrets_file=True) == ()


@pytest.mark.parametrize(
    ("option", "secret"),
    [
        ("repo1-cipher-pass", True),
        ("repo7-s3-key", True),
        ("repo-cipher-pass", True),
        ("repo-s3-key-secret", True),
        ("cipher-pass", True),
        ("repo1-cipher-passs", True),
        ("my-token", True),
        ("db_password", True),
        ("repo1-azure-account", True),
        ("repo1-path", False),
        ("tls-server-key-file", False),
        ("repo1-s3-key-type", False),
        ("repo1-host-key-file", False),
        ("repo1-s3-kms-key-id", False),
        ("process-max", False),
        ("frobnicate", False),
        ("retention-full", False),
    ],
)
def test_is_secret(option: str, secret: bool) -> None:
    assert is_secret(option) is secret


# Values


def test_declared_values() -> None:
    good: dict[str, dict[str, object]] = {
        "global": {
            "start-fast": True,
            "process-max": 4,
            "log-level-console": False,
            "backup-standby": False,
            "archive-async": "n",
            "archive-timeout": "2m",
            "exclude": ["log/", "junk"],
            "repo1-storage-tag": {"a": "b", "c": 1},
            "spool-path": None,
        },
        "global:restore": {"tablespace-map": {"a": "/b"}, "db-include": "one"},
        "main": {"pg1-path": "/var/lib/postgresql/17/main", "pg1-port": 5432, "pg2-path": "/x", "process-max": "2"},
        "main:archive-push": {"compress-level": 3},
    }
    assert judge_configuration(good, V255) == ()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("process-max", True),
        ("process-max", 1.5),
        ("process-max", ""),
        ("process-max", " 2"),
        ("process-max", "²"),
        ("repo1-path", False),
        ("log-level-console", True),
        ("start-fast", 1),
        ("start-fast", []),
        ("start-fast", {"y": "n"}),
        ("repo1-storage-tag", {"": "b"}),
        ("repo1-storage-tag", ["a=b", "a=c"]),
        ("exclude", ["a", ""]),
        ("exclude", ["a\nb"]),
        ("repo1-path", "/a\n[x]"),
        ("repo1-s3-bucket", "a\tb"),
        ("repo1-s3-bucket", "a\u2028b"),
        ("repo1-s3-bucket", "a #b"),
    ],
)
def test_values_that_would_be_read_otherwise(option: str, value: object) -> None:
    assert judge_option("global", option, value, V255)


def test_sizes_and_times() -> None:
    assert [size_in_bytes(text) for text in ("7", "7b", "1k", "1KB", "1KiB", "2m", "3GiB", "1t", "1PiB")] == [
        7,
        7,
        1024,
        1024,
        1024,
        2 << 20,
        3 << 30,
        1 << 40,
        1 << 50,
    ]
    assert [milliseconds(text) for text in ("7", "7s", "500ms", "2m", "1h", "1D", "1w")] == [
        7000,
        7000,
        500,
        120_000,
        3_600_000,
        86_400_000,
        604_800_000,
    ]
    assert milliseconds("0.5", V245) == 500
    for text in ("", "m", "1.5m", "1 m", "-1", "1kib5"):
        with pytest.raises(ValueError):
            size_in_bytes(text)
        with pytest.raises(ValueError):
            milliseconds(text)


def test_beta_is_read_from_the_file() -> None:
    sections: dict[str, dict[str, object]] = {"global": {"repo1-bundle": True, "repo1-block": True}}
    assert [problem.where for problem in judge_configuration(sections, V245)] == ["[global] repo1-block"]
    assert judge_configuration(sections, parse_version("2.46")) == ()
    sections["global"]["beta"] = True
    assert judge_configuration(sections, V245) == ()
    assert judge_option("global", "repo1-block", False, V245) is None


@pytest.mark.parametrize("level", [[10], [1, 2], "three", True])
def test_a_level_that_is_wrong_is_refused_once(level: object) -> None:
    found = judge_configuration({"global": {"compress-level": level}, "main": {"pg1-path": "/x"}}, V255)
    assert [problem.where for problem in found] == ["[global] compress-level"]


def test_options_that_are_wrong_together() -> None:
    level: dict[str, dict[str, object]] = {"global": {"compress-level": 10}, "main": {"pg1-path": "/x"}}
    assert [problem.sentence() for problem in judge_configuration(level, V255)] == [
        "Found 'compress-level=10' in [global]; expected a level from -1 to 9, because compress-type is gz. "
        "Next: correct compress-level or compress-type"
    ]
    level["global"]["compress-type"] = "zst"
    assert judge_configuration(level, V255) == ()
    level["main:archive-push"] = {"compress-type": "lz4", "compress-level": 13}
    assert [problem.where for problem in judge_configuration(level, V255)] == ["[main:archive-push] compress-level"]
    times: dict[str, dict[str, object]] = {"global": {"db-timeout": "1h"}, "main": {"protocol-timeout": "60m"}}
    assert [problem.found for problem in judge_configuration(times, V255)] == ["'protocol-timeout=60m' in [main]"]
    times["main"]["protocol-timeout"] = "61m"
    assert judge_configuration(times, V255) == ()


def test_every_problem_is_told_at_once() -> None:
    sections = {"global": {"proces-max": 2, "delta": True}, "main": {"archive-command": "x", "compress-level": 99}}
    assert [problem.where for problem in judge_configuration(sections, V255)] == [
        "[global] proces-max",
        "[global] delta",
        "[main] archive-command",
        "[main] compress-level",
    ]


def test_setting_follows_the_order_of_pgbackrest() -> None:
    sections: dict[str, dict[str, object]] = {
        "global": {"process-max": 1},
        "global:backup": {"process-max": 2},
        "main": {"process-max": 3},
        "main:backup": {"process-max": 4},
    }
    found = []
    while any(sections.values()):
        section, value = setting(sections, "main", "backup", "process-max")
        found.append(value)
        sections[section].clear()
    assert found == [4, 3, 2, 1]
    assert setting(sections, "main", "backup", "process-max") == ("", None)


# Names, versions, files


@pytest.mark.parametrize(
    ("name", "version", "meant"),
    [
        ("proces-max", V245, "process-max"),
        ("process_max", V245, "process-max"),
        ("--process-max", V245, "process-max"),
        ("repo3-retention-ful", V245, "repo3-retention-full"),
        ("hardlink", V245, "repo1-hardlink"),
        ("jobs", V245, "process-max"),
        ("repo-type", V245, "repo1-type"),
        ("pg-path", V245, "pg1-path"),
        ("compresstype", V245, "compress-type"),
        ("repo1-sftp-hst", V245, None),
        ("repo1-sftp-hst", V255, "repo1-sftp-host"),
        ("zzz", V260, None),
    ],
)
def test_nearest(name: str, version: Version, meant: str | None) -> None:
    assert nearest(name, version) == meant


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("pgBackRest 2.45", (2, 45, 0)),
        ("pgBackRest 2.55.1\n", (2, 55, 1)),
        ("2.60.0", (2, 60, 0)),
        ("2.45-1", (2, 45, 0)),
        ("2.61.0dev", (2, 61, 0)),
    ],
)
def test_versions(text: str, version: tuple[int, int, int]) -> None:
    assert parse_version(text) == version
    assert parse_version(text) < Version(2, 100)


@pytest.mark.parametrize("text", ["", "pgBackRest", "2", "P00  ERROR: [031]", "version 2.45", "2.45.1.2"])
def test_text_that_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="pgbackrest version"):
        parse_version(text)


def test_parallelism_leaves_room_for_postgresql() -> None:
    assert parallelism(1) == {"backup": 1, "restore": 1, "archive-push": 1, "archive-get": 1}
    assert parallelism(2) == {"backup": 1, "restore": 2, "archive-push": 1, "archive-get": 1}
    assert parallelism(8) == {"backup": 4, "restore": 8, "archive-push": 4, "archive-get": 4}
    assert parallelism(64) == {"backup": 8, "restore": 32, "archive-push": 4, "archive-get": 4}
    assert parallelism(0) == parallelism(1)
    for cores in range(1, 200):
        sections = {f"global:{command}": {"process-max": count} for command, count in parallelism(cores).items()}
        assert judge_configuration(sections, V245) == ()


def test_render_is_always_in_the_same_order() -> None:
    sections: dict[str, dict[str, object]] = {
        "main": {"pg1-port": 5432, "pg1-path": "/x"},
        "main:backup": {"process-max": 3},
        "global:restore": {"db-include": ["b", "a"], "tablespace-map": {"t": "/t"}},
        "global:backup": {"delta": True},
        "empty": {"start-fast": None},
        "global": {"repo10-path": "/c", "repo2-path": "/b", "repo1-path": "/a", "start-fast": False, "log-level-console": False},
    }
    text = (
        "[global]\nlog-level-console=off\nrepo1-path=/a\nrepo2-path=/b\nrepo10-path=/c\nstart-fast=n\n\n"
        "[global:backup]\ndelta=y\n\n[global:restore]\ndb-include=b\ndb-include=a\ntablespace-map=t=/t\n\n"
        "[main]\npg1-path=/x\npg1-port=5432\n\n[main:backup]\nprocess-max=3\n"
    )
    assert render(sections) == text
    assert render(dict(reversed(sections.items()))) == text
    assert render({}) == ""


@pytest.mark.parametrize("value", ["a\nb", "a\r", "a\x00b", " a", "a ", "", "a\u2028b"])
def test_render_refuses_what_would_become_another_line(value: str) -> None:
    for sections in ({"global": {"repo1-cipher-pass": value}}, {"global": {value: "secretvalue"}}, {value: {"start-fast": "y"}}):
        with pytest.raises(ValueError, match="without line breaks") as error:
            render(sections)
        assert not value.strip() or value not in str(error.value) or value.strip() == "a"


def test_parse_reads_as_pgbackrest_does() -> None:
    text = (
        "before=a section\n# comment\n [global] \n  process-max = 2 \nrepo1-path=/a#b # c\n\n#start-fast=y\nno equals\n=x\nempty=\n"
        "[main]\nexclude=a\nexclude=b\nexclude=c\n[global]\ncipher=a=b\n"
    )
    assert parse(text) == {
        "global": {"process-max": "2", "repo1-path": "/a#b # c", "cipher": "a=b"},
        "main": {"exclude": ("a", "b", "c")},
    }
    assert parse("") == {}
    assert parse("[global\nx=1\n\x00\udcff=[") == {"global": {"x": "1", "\x00\udcff": "["}}


def test_a_file_with_a_repeated_option_is_refused() -> None:
    problems = judge_configuration(parse("[global]\nstart-fast=y\nstart-fast=n\n"), V255)
    assert [problem.found for problem in problems] == ["'start-fast' 2 times in [global]"]


WORD = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
NAME = WORD.filter(lambda text: "=" not in text and text[0] not in "[#")
SECTION = WORD.filter(lambda text: "]" not in text)
VALUE = WORD | st.lists(WORD, min_size=2, max_size=3).map(tuple)


@given(st.dictionaries(SECTION, st.dictionaries(NAME, VALUE, min_size=1, max_size=4), max_size=4))
@settings(derandomize=True, deadline=None)
def test_what_is_rendered_is_read_again(sections: dict[str, dict[str, object]]) -> None:
    text = render(sections)
    assert parse(text) == sections
    assert render(parse(text)) == text


@given(st.text(max_size=200))
@settings(derandomize=True, deadline=None)
def test_whatever_was_read_can_be_written(text: str) -> None:
    sections = parse(text)
    judge_configuration(sections, V255)
    judge_configuration(sections, V245, secrets_file=True)
    if re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029]", words_of(sections)):
        with pytest.raises(ValueError, match="that needs more than a line"):
            render(sections)
    else:
        assert parse(render(sections)) == {name: options for name, options in sections.items() if options}


def words_of(sections: dict[str, dict[str, Any]]) -> str:
    """All names and values of a file, as they are."""
    words = [[section, *options, *(one for value in options.values() for one in ([value] if isinstance(value, str) else value))]
             for section, options in sections.items()]  # fmt: skip
    return "".join(word for line in words for word in line)


@given(st.sampled_from(sorted(OPTIONS)), st.text(max_size=12) | st.integers() | st.booleans() | st.none() | st.floats())
@settings(derandomize=True, deadline=None)
def test_judging_never_fails_and_what_passes_can_be_written(name: str, value: object) -> None:
    option = OPTIONS[name]
    sections = {place(option): {name: value}}
    if not judge_configuration(sections, V260, secrets_file=option.secret):
        assert parse(render(sections)).get(place(option), {}).keys() <= {name}


# The vocabulary itself


def test_the_vocabulary_is_consistent() -> None:
    names = [line.split()[0] for line in vocabulary.TABLE.splitlines() if line and not line.startswith("[")]
    assert len(names) == len(set(names)) == len(OPTIONS)
    commands = set(vocabulary.COMMANDS.split())
    for option in OPTIONS.values():
        assert option.commands <= commands
        assert {kind.type for kind in option.kinds} <= {"boolean", "integer", "size", "time", "text", "path", "list", "pairs", "one-of"}
        assert [kind.since for kind in option.kinds] == sorted(kind.since for kind in option.kinds)
        assert option.since >= option_types.OLDEST
    for new in [*vocabulary.OUTDATED.values(), *vocabulary.MEANT.values()]:
        assert new in OPTIONS or new == ""
    assert not {*vocabulary.OUTDATED, *vocabulary.MEANT, *vocabulary.COMMAND_LINE} & set(OPTIONS)
    for last, options, changes in vocabulary.EARLIER_COMMANDS:
        assert parse_version(last) in (V245, Version(2, 55))
        assert set(options.split()) <= set(OPTIONS)
        assert {change[1:] for change in changes.split()} <= commands
