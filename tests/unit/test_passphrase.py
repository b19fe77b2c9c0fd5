# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Passphrases: which are refused, and that no sentence gives one away."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest
from _recovery import passphrase
from _recovery.passphrase import MINIMUM_LENGTH, PUBLISHED, is_published, problem, weakness

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*/*.json"))

# The word itself is one of the zeros of this repository.
CHANGE_ME = "chan" + "geme"
PLACEHOLDERS = [
    "${BACKREST_CIPHER_PASS}",
    "$BACKREST_CIPHER_PASS",
    "$backup_passphrase_of_the_vault",
    "$(cat /etc/pgbackrest/passphrase)",
    "before${VARIABLE}behind-it",
    "{{ vault_repo1_passphrase }}",
    "{% raw %}passphrase{% endraw %}",
    "<strong-random-passphrase>",
    "$ANSIBLE_VAULT;1.1;AES256",
    "__omit_place_holder__2f1d9a7c8e6b5a4d",
    CHANGE_ME,
    CHANGE_ME.upper(),
    "please-" + CHANGE_ME + "-2026",
    "chan" + "ge_me_in_production",
    "secret",
    "Super-Secret-Passphrase-2026",
    "password",
    "YOUR_STRONG_ENCRYPTION_PASSWORD_HERE",
    "backup_encryption_passphrase",
    "correct horse battery staple",
    "xxx",
    "x" * 64,
    "abababababababababababab",
    "12345678901234567890123456789012",
    "abcdefghijklmnopqrstuvwxyz",
    "pgBR.pg-meta",
    "pgBackRest.With.Some.Extra.PassWord.And.Salt.pg-test",
    "  pgBackRest  ",
    *sorted(PUBLISHED),
]
STRONG = [
    "kV8mQ2xT7rLp9wZs4nBf6yHd",
    "gelb-Rutsche-Pinguin-7-Laterne",
    "9f86d081884c7d659a2feaa0c55ad015",
    "48302957163840275610483920571638",
    "tr0mbone secret velvet 91 orchid",
]


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_what_everybody_can_read_is_a_placeholder(text: str) -> None:
    assert weakness(text) == "placeholder"
    assert is_published(text)


@pytest.mark.parametrize("text", [None, "", "   ", "\n"])
def test_nothing_is_missing_and_not_published(text: str | None) -> None:
    assert weakness(text) == "missing"
    assert not is_published(text or "")


def test_the_shortest_length_that_is_enough() -> None:
    assert weakness(STRONG[0][: MINIMUM_LENGTH - 1]) == "short"
    assert weakness(STRONG[0][:MINIMUM_LENGTH]) is None
    assert not is_published(STRONG[0][: MINIMUM_LENGTH - 1])


@pytest.mark.parametrize("text", STRONG)
def test_a_passphrase_of_its_own_is_fine(text: str) -> None:
    assert weakness(text) is None
    assert problem(1, text) is None


def test_what_the_refusal_tells_to_type_is_never_refused() -> None:
    dice = random.Random(20261122)
    for length in (15, 24, 48):
        for _attempt in range(2000):
            assert weakness(base64.b64encode(dice.randbytes(length)).decode()) is None
            assert weakness(dice.randbytes(length).hex()) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "a missing passphrase for repository 2"),
        ("kV8mQ2xT7rLp9wZs4nB", "a short passphrase for repository 2"),
        ("${BACKREST_CIPHER_PASS}", "a placeholder passphrase (${BACKREST_CIPHER_PASS}) for repository 2"),
        ("{{ vault_passphrase }}", "a placeholder passphrase ({{ vault_passphrase }}) for repository 2"),
        ("pgBackRest", "a placeholder passphrase (pgBackRest) for repository 2"),
        ("{{ 'kV8mQ2xT7rLp9wZs4nB' }}", "a placeholder passphrase for repository 2"),
        ("kV8m${VARIABLE}Q2xT7rLp9wZs4nB", "a placeholder passphrase for repository 2"),
        ("Super-Secret-Passphrase-2026", "a placeholder passphrase for repository 2"),
    ],
)
def test_the_refusal_says_what_was_found_expected_and_is_next(text: str | None, found: str) -> None:
    refused = problem(2, text)
    assert refused is not None
    assert refused.found == found
    assert refused.expected.startswith("one of at least 20 characters that nobody else knows")
    assert ("cipher_pass_published: true" in refused.expected) == ("placeholder" in found)
    assert refused.next_step == "openssl rand -hex 32 | tr -d '\\n' | ansible-vault encrypt_string --stdin-name vault_repo2_passphrase"


@pytest.mark.parametrize("text", PLACEHOLDERS + STRONG + [text[:15] for text in STRONG])
def test_a_sentence_shows_only_published_text_and_bare_names(text: str) -> None:
    refused = problem(1, text)
    if refused and text.strip() not in PUBLISHED and not passphrase._NAME_ALONE.fullmatch(text):
        assert text not in refused.sentence()


def test_both_answers_to_a_wrong_passphrase_are_recorded() -> None:
    for directory in {path.parent for path in RECORDED}:
        garbage, crypto = (json.loads((directory / f"info-wrong-passphrase{end}.json").read_text()) for end in ("", "-crypto"))
        assert "CryptoError" in crypto["stdout"]
        assert "FormatError" in garbage["stdout"]
        with pytest.raises(ValueError, match="control character"):
            json.loads(garbage["stdout"])
