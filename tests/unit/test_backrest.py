# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The configuration that is built from a declaration, what is refused of it, and that no secret leaves its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from _recovery import backrest
from _recovery.backrest import RepositorySpec, StanzaSpec
from _recovery.catalog import Database, Repository, unreadable
from _recovery.options import judge_configuration, parse, parse_version, render
from _recovery.problem import Problem, Refusal
from hypothesis import given
from hypothesis import strategies as st

GOOD = "Tq8vXw2Lr0ZpYk5NcB7sHd4M"
CANARY = "canary-77c1-Tq8vXw2Lr0ZpYk5NcB7sHd4M"
PLACEHOLDER = "${BACKREST_CIPHER_PASS}"
REPO = RepositorySpec(1, passphrase=GOOD)
STANZA = StanzaSpec("axiomdb", "/var/lib/postgresql/17/main")
VERSIONS = ["2.45", "2.55.1", "2.60.0"]
NEXT = "openssl rand -hex 32 | tr -d '\\n' | ansible-vault encrypt_string --stdin-name vault_repo1_passphrase"


def build(*repositories: RepositorySpec, version: str = "2.55.1", cores: int = 4, **extra: Any) -> dict[str, dict[str, object]]:
    return backrest.build(repositories or (REPO,), [STANZA], extra, parse_version(version), cores)


# --- what is written ---------------------------------------------------------------------------------------------


def test_the_sections_of_a_plain_declaration() -> None:
    sections = build()
    assert sections["axiomdb"] == {"pg1-path": "/var/lib/postgresql/17/main", "pg1-port": 5432, "pg1-socket-path": "/var/run/postgresql"}
    options = sections["global"]
    assert options["repo1-path"] == "/var/lib/pgbackrest"
    assert options["repo1-cipher-type"] == "aes-256-cbc"
    assert (options["repo1-retention-full-type"], options["repo1-retention-full"]) == ("time", 7)
    assert (options["repo1-bundle"], options["repo1-block"], options["compress-type"]) == (True, True, "zst")
    assert (options["archive-async"], options["start-fast"]) == (True, True)


def test_delta_is_for_backups_alone() -> None:
    sections = build()
    assert sections["global:backup"]["delta"] is True
    assert [section for section, options in sections.items() if "delta" in options] == ["global:backup"]


@pytest.mark.parametrize(("version", "block"), [("2.45", False), ("2.46", True), ("2.55.1", True), ("2.60.0", True)])
def test_block_incremental_only_where_it_is_stable(version: str, block: bool) -> None:
    assert ("repo1-block" in build(version=version)["global"]) == block


@pytest.mark.parametrize("cores", [1, 2, 3, 8, 64])
def test_parallelism_is_said_by_command(cores: int) -> None:
    sections = build(cores=cores)
    for command in ("backup", "restore", "archive-push", "archive-get"):
        processes = sections[f"global:{command}"]["process-max"]
        assert isinstance(processes, int)
        assert 1 <= processes <= max(cores, 1)
    assert "process-max" not in sections["global"]


def test_each_repository_has_its_number() -> None:
    sections = build(REPO, RepositorySpec(12, "s3", "/away", passphrase=GOOD, options={"s3-bucket": "b", "retention-full": 30}))
    assert sections["global"]["repo12-s3-bucket"] == "b"
    assert sections["global"]["repo12-retention-full"] == 30, "what the item says wins"
    assert sections["global"]["repo1-retention-full"] == 7


def test_a_store_that_does_not_answer_does_not_keep_the_others_waiting() -> None:
    away = RepositorySpec(2, "s3", "/away", passphrase=GOOD)
    sections = build(REPO, away)
    assert sections["global:archive-push"]["io-timeout"] == 5
    assert sections["global:backup"]["archive-timeout"] == 300
    assert build(REPO, away, **{"global:archive-push": {"io-timeout": 60}})["global:archive-push"]["io-timeout"] == 60
    for alone in (build(away), build(REPO, RepositorySpec(2, path="/srv/second"))):
        assert "io-timeout" not in alone["global:archive-push"]


@pytest.mark.parametrize("option", ["storage-ca-file", "sftp-private-key-file", "sftp-host-key-check-type", "sftp-known-host"])
def test_an_option_that_has_a_field_is_refused_everywhere(option: str) -> None:
    (problem,) = [found for found in judge(replace(REPO, options={option: "/x"})) if option in found.found]
    assert problem.expected.startswith("the field ")
    with pytest.raises(Refusal, match=f"'repo2-{option}' in section 'global' of pgbackrest_options; expected the field "):
        build(**{"global": {f"repo2-{option}": "/x"}})


@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_is_always_verified(version: str) -> None:
    away = RepositorySpec(2, "s3", "/away", passphrase=GOOD, options={"storage-verify-tls": False})
    (problem,) = judge_configuration(build(REPO, away, version=version), parse_version(version))
    assert problem.found == "'repo2-storage-verify-tls=n' in [global]"
    assert "give the authority that signed it as ca_certificate" in problem.next_step


def test_further_options_win_over_the_collections_choices() -> None:
    sections = build(**{"global": {"compress-type": "lz4"}, "axiomdb": {"pg1-port": 5433}, "global:check": {"archive-timeout": 120}})
    assert sections["global"]["compress-type"] == "lz4"
    assert sections["global"]["spool-path"] == "/var/spool/pgbackrest"
    assert sections["axiomdb"]["pg1-port"] == 5433
    assert sections["global:check"] == {"archive-timeout": 120}


def test_a_declaration_is_not_changed_by_building_from_it() -> None:
    extra = {"global": {"compress-type": "lz4"}}
    backrest.build([REPO], [STANZA], extra, parse_version("2.45"), 2)
    assert extra == {"global": {"compress-type": "lz4"}}


@pytest.mark.parametrize("value", ["compress-type=lz4", ["a"], None, 1, CANARY])
def test_a_section_that_is_no_mapping_is_refused_and_not_shown(value: Any) -> None:
    with pytest.raises(Refusal) as caught:
        build(**{"global": value})
    (problem,) = caught.value.problems
    assert problem.found == f"a {type(value).__name__} as section 'global'"
    assert problem.expected == "a mapping of options"
    assert problem.next_step == "correct pgbackrest_options"
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["posix", "cifs"])
def test_what_is_built_is_accepted_by_the_judge_of_that_version(version: str, kind: str) -> None:
    sections = build(REPO, RepositorySpec(2, kind, "/mnt/away", passphrase=GOOD), version=version)
    assert judge_configuration(sections, parse_version(version)) == ()
    assert judge_configuration({"global": dict(backrest.secrets_of([REPO]))}, parse_version(version), secrets_file=True) == ()


@pytest.mark.parametrize("path", ["relative", "/a//b", "/a\nrepo2-path=/b", "/a ", " /a", "", "/a # b", "/a\x85b", "/a\u2028b", "/a\0b"])
def test_a_path_that_would_be_read_otherwise_is_refused_before_it_is_written(path: str) -> None:
    problems = judge_configuration(build(replace(REPO, path=path)), parse_version("2.55.1"))
    assert [problem for problem in problems if "repo1-path" in problem.found]


@pytest.mark.parametrize("path", ["/srv/my backups", "/srv/ü", "/srv/it's", '/srv/"x"', "/srv/#1", "/srv/a=b", "/srv/[x]"])
def test_a_strange_but_legal_path_survives(path: str) -> None:
    sections = build(replace(REPO, path=path))
    assert judge_configuration(sections, parse_version("2.55.1")) == ()
    assert parse(render(sections))["global"]["repo1-path"] == path


paths = st.text(st.sampled_from("/ab ü#=[]'\"\n\r\t\\\u2028"), min_size=1, max_size=8).map(lambda text: f"/{text}")


@given(paths)
def test_a_path_is_refused_or_comes_back_as_it_was(path: str) -> None:
    sections = build(replace(REPO, path=path))
    if not judge_configuration(sections, parse_version("2.55.1")):
        assert parse(render(sections))["global"]["repo1-path"] == path


# --- secrets -----------------------------------------------------------------------------------------------------


def test_secrets_have_a_file_of_their_own() -> None:
    away = RepositorySpec(2, "s3", "/a", passphrase=GOOD + "2", secrets={"s3-key": "k", "s3-key-secret": CANARY})
    secrets = backrest.secrets_of([REPO, away])
    assert secrets == {"repo1-cipher-pass": GOOD, "repo2-cipher-pass": GOOD + "2", "repo2-s3-key": "k", "repo2-s3-key-secret": CANARY}
    text = render(build(REPO, away))
    assert GOOD not in text
    assert CANARY not in text


def test_a_repository_without_encryption_has_no_passphrase() -> None:
    assert backrest.secrets_of([replace(REPO, cipher="none")]) == {}
    assert backrest.secrets_of([replace(REPO, passphrase=None)]) == {}


def test_a_configuration_is_tried_with_secrets_in_the_environment() -> None:
    assert backrest.environment_of({"repo1-cipher-pass": GOOD, "repo12-s3-key-secret": "x"}) == {
        "PGBACKREST_REPO1_CIPHER_PASS": GOOD,
        "PGBACKREST_REPO12_S3_KEY_SECRET": "x",
    }


def test_a_secret_that_is_a_number_is_text_in_the_environment() -> None:
    number: Any = 12345
    assert backrest.environment_of(backrest.secrets_of([RepositorySpec(1, cipher="none", secrets={"s3-key": number})])) == {
        "PGBACKREST_REPO1_S3_KEY": "12345"
    }


# --- what is refused of a declaration ----------------------------------------------------------------------------


def judge(*repositories: RepositorySpec, stanzas: tuple[StanzaSpec, ...] = (STANZA,)) -> list[Problem]:
    return backrest.judge_declaration(repositories, stanzas)


def test_a_good_declaration() -> None:
    options = {"s3-bucket": "b", "s3-endpoint": "store.example", "s3-region": "eu"}
    away = RepositorySpec(2, "s3", "/a", passphrase=GOOD, options=options, secrets={"s3-key": "k", "s3-key-secret": CANARY})
    assert judge(REPO, away, stanzas=(STANZA, replace(STANZA, name="other-1.b_c"))) == []


@pytest.mark.parametrize(
    ("spec", "found", "expected", "next_step"),
    [
        (
            replace(REPO, options={"cipher-pass": CANARY}),
            "'cipher-pass' under options of repository 1",
            "the field cipher_pass of the same item",
            "move it there",
        ),
        (
            replace(REPO, secrets={"cipher-pass": CANARY}),
            "'cipher-pass' under secrets of repository 1",
            "the field cipher_pass of the same item",
            "move it there",
        ),
        (
            replace(REPO, options={"cipher-type": "none"}),
            "'cipher-type' under options of repository 1",
            "the field cipher_type of the same item",
            "move it there",
        ),
        (replace(REPO, options={"path": "/x"}), "'path' under options of repository 1", "the field path of the same item", "move it there"),
        (replace(REPO, options={"type": "s3"}), "'type' under options of repository 1", "the field type of the same item", "move it there"),
        (
            replace(REPO, options={"s3-key-secret": CANARY}),
            "the secret option 's3-key-secret' under options of repository 1",
            "secrets under 'secrets' of the same item, which go to a file that only postgres reads",
            "move it there, from ansible-vault",
        ),
        (
            replace(REPO, secrets={"s3-key-secret": ""}),
            "no value of 's3-key-secret' under secrets of repository 1",
            "a secret, from ansible-vault or another lookup",
            "define it",
        ),
        (replace(REPO, number=0), "repository number 0", "a number from 1 to 256", "correct pgbackrest_repositories"),
        (replace(REPO, number=-1), "repository number -1", "a number from 1 to 256", "correct pgbackrest_repositories"),
        (replace(REPO, number=257), "repository number 257", "a number from 1 to 256", "correct pgbackrest_repositories"),
    ],
)
def test_refused_of_a_repository(spec: RepositorySpec, found: str, expected: str, next_step: str) -> None:
    assert judge(spec) == [Problem(found, expected, next_step)]


def test_a_secret_without_a_value_is_refused() -> None:
    nothing: Any = None
    assert [problem.found for problem in judge(replace(REPO, secrets={"s3-key": nothing}))] == [
        "no value of 's3-key' under secrets of repository 1"
    ]


def test_a_placeholder_is_refused_until_it_is_said_to_be_known() -> None:
    (problem,) = judge(replace(REPO, passphrase=PLACEHOLDER))
    assert problem.found == f"a placeholder passphrase ({PLACEHOLDER}) for repository 1", "a bare name is no secret"
    assert problem.expected.startswith(
        "one of at least 20 characters that nobody else knows (a repository that a placeholder already opens"
    )
    assert problem.next_step == NEXT
    assert judge(replace(REPO, passphrase=PLACEHOLDER, published=True)) == []
    assert judge(replace(REPO, passphrase=PLACEHOLDER, cipher="none")) == []


def test_what_is_there_twice_and_what_is_not_there() -> None:
    problems = judge(REPO, REPO, REPO, replace(REPO, number=2), stanzas=(STANZA, STANZA))
    assert [(problem.found, problem.expected) for problem in problems] == [
        ("repository number 1 twice", "each number once"),
        ("the stanza axiomdb twice", "each stanza once"),
    ]
    (problem,) = judge()
    assert (problem.found, problem.expected) == ("no repository", "at least one item in pgbackrest_repositories")


def test_all_problems_are_told_at_once() -> None:
    problems = judge(replace(REPO, number=0, passphrase=PLACEHOLDER, options={"path": "x"}), stanzas=(replace(STANZA, name="a b"),))
    assert len(problems) == 4


@pytest.mark.parametrize("name", ["axiomdb", "a", "A1", "main-17", "my_db.2", "9"])
def test_stanza_names(name: str) -> None:
    assert backrest.judge_stanza(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "a/b",
        "../archive",
        ".",
        "..",
        ".hidden",
        "-x",
        "--config=/tmp/x",
        "global",
        "global:backup",
        "a:backup",
        "a'b",
        'a"b',
        "a;reboot",
        "$(reboot)",
        "`reboot`",
        "a%p",
        "a#b",
        "a\n",
        "a]\n[b",
        "a\\b",
        "ä",
        "a*",
        "all",
        "global",
        "metrics",
        "pause.json",
        "scratch",
    ],
)
def test_a_stanza_name_that_a_shell_a_path_or_a_section_reads_otherwise_is_refused(name: str) -> None:
    problem = backrest.judge_stanza(name)
    assert problem is not None
    assert problem.found == f"the stanza name '{name}'"
    assert problem.expected.startswith("letters, digits, '-', '_' and '.', the first one a letter or digit, and none of all, global, ")
    assert problem.next_step == "correct pgbackrest_stanza"
    assert judge(REPO, stanzas=(replace(STANZA, name=name),)) == [problem]


@given(st.text(max_size=12))
def test_an_accepted_stanza_name_is_one_plain_word(name: str) -> None:
    if backrest.judge_stanza(name) is None:
        assert name.isascii()
        assert not set(name) & set(" /:'\"`$%#;&|<>()[]{}*?!~=\\\n\r\t\0")
        assert not name.startswith(("-", "."))


# --- passphrases -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("passphrase", "published", "may_exist", "weakness"),
    [
        (GOOD, False, False, None),
        (GOOD, False, True, None),
        (None, False, False, "missing"),
        (None, False, True, "missing"),
        ("", True, True, "missing"),
        ("short-Tq8v", False, False, "short"),
        ("short-Tq8v", False, True, None),
        (PLACEHOLDER, False, False, "placeholder"),
        (PLACEHOLDER, False, True, "placeholder"),
        (PLACEHOLDER, True, False, "placeholder"),
        (PLACEHOLDER, True, True, None),
        ("chan" + "geme", True, False, "placeholder"),
    ],
)
def test_a_weak_passphrase_only_opens_what_exists(passphrase: str | None, published: bool, may_exist: bool, weakness: str | None) -> None:
    problem = backrest.judge_passphrase(replace(REPO, passphrase=passphrase, published=published), may_exist)
    if weakness is None:
        assert problem is None
        return
    assert problem is not None
    shown = f" ({PLACEHOLDER})" if passphrase == PLACEHOLDER else ""
    assert problem.found == f"a {weakness} passphrase{shown} for repository 1"
    assert problem.expected.startswith("one of at least 20 characters that nobody else knows")
    assert problem.next_step == NEXT


def test_no_passphrase_is_needed_without_encryption() -> None:
    assert backrest.judge_passphrase(replace(REPO, cipher="none", passphrase=None), False) is None


# --- a look with the new configuration ---------------------------------------------------------------------------


@pytest.mark.parametrize("found", [Repository(1, 0, "ok", databases=(Database(1, 1, "17"),)), Repository(1, 1, "missing stanza path")])
def test_a_repository_that_can_be_read_is_no_problem(found: Repository) -> None:
    assert backrest.judge_look(REPO, found) is None


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("the passphrase does not open the repository", "the passphrase does not open /var/lib/pgbackrest"),
        ("access was denied", "pgBackRest cannot read /var/lib/pgbackrest"),
    ],
)
def test_a_repository_that_cannot_be_read_is_refused(message: str, cause: str) -> None:
    problem = backrest.judge_look(REPO, unreadable(1, message))
    assert problem is not None
    assert problem.found == f"repository 1 with the new configuration: {cause} (status 99: {message})"
    assert problem.expected == "a configuration with which what exists can be read"
    kept = "correct item 1 of pgbackrest_repositories; the configuration on the host was left as it was"
    lost = "; where that one is lost with its region, declare in its item what takes its place"
    assert problem.next_step == (kept if "passphrase" in message else f"{kept}{lost}")


def test_a_damaged_stanza_is_refused_too() -> None:
    problem = backrest.judge_look(REPO, Repository(1, 3, "missing stanza data"))
    assert problem is not None
    assert "pgBackRest cannot read /var/lib/pgbackrest (status 3: missing stanza data)" in problem.found


@pytest.mark.parametrize("kind", ["CryptoError", "FormatError"])
def test_a_wrong_passphrase_is_called_so_in_both_ways_in_which_it_shows(kind: str) -> None:
    problem = backrest.judge_look(REPO, unreadable(1, f"[{kind}] unable to load info file '/r/backup.info': garbage"))
    assert problem is not None
    assert "the passphrase does not open /var/lib/pgbackrest (status 99: the passphrase does not open the repository" in problem.found
    assert "garbage" not in problem.found


# --- no secret in any sentence -----------------------------------------------------------------------------------

JUDGES: list[Callable[[RepositorySpec], list[Problem | None]]] = [
    lambda spec: list(judge(spec)),
    lambda spec: [backrest.judge_passphrase(spec, exists) for exists in (True, False)],
    lambda spec: [backrest.judge_look(spec, unreadable(1, "the passphrase does not open the repository"))],
    lambda spec: list(judge_configuration(build(spec), parse_version("2.45"))),
    lambda spec: list(judge_configuration({"global": dict(backrest.secrets_of([spec]))}, parse_version("2.45"), secrets_file=True)),
]


@pytest.mark.parametrize(
    "spec",
    [
        replace(REPO, passphrase=CANARY[:12]),
        replace(REPO, passphrase=f"${{{CANARY}}}"),
        replace(REPO, passphrase=f"{CANARY}\nrepo2-path=/x"),
        replace(REPO, passphrase=f" {CANARY} # "),
        replace(REPO, secrets={"cipher-pass": CANARY, "s3-key-secret": f"{CANARY}\n", "unknown": CANARY}),
        replace(REPO, options={"cipher-pass": CANARY, "s3-key-secret": CANARY, "s3-token": CANARY, "azure-key": f"{CANARY}\n"}),
        replace(REPO, number=0, secrets={"path": CANARY, "s3-key": f"{CANARY}#"}),
    ],
)
def test_no_sentence_holds_a_secret(spec: RepositorySpec) -> None:
    problems = [problem for judged in JUDGES for problem in judged(spec) if problem]
    assert problems
    for problem in problems:
        assert CANARY[:12] not in problem.sentence()
