# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges a repository's passphrase: missing, short, or one that everybody can read.

pgBackRest takes any text, replaces nothing in it, and encrypts with what it got: with `${BACKREST_CIPHER_PASS}` in its file
these very characters are the key.
"""

from __future__ import annotations

import re
from typing import Final

from .problem import Problem

MINIMUM_LENGTH: Final = 20
FEWEST_CHARACTERS: Final = 5

# Passphrases of manuals, tutorials and the defaults of other tools, as printed there.
PUBLISHED: Final = frozenset(
    {
        "zWaf6XtpjIVZC5444yXB+cgFDFl7MxGlgkZSaoPvTGirhPygu4jOKOXf9LO4vjfO",  # pgBackRest's user guide and reference
        "zWaf6XtpjIVZC5444yXB...",
        "BeSureToGenerateAndUseASecurePassphrase",  # pgBackRest's reference, for an SFTP key
        "PNaf798o9Sz1RRRRRRRRhH62R1BSQal+lAxpb3ZTAblNPTxC72E1nAcQGVwn40co",  # Percona's article on encrypted repositories
        "pgBackRest",  # Pigsty
        "pgBackRest.MyPass",
        "lab-only-not-a-secret",
    }
)
# Pigsty puts the name of the cluster behind these.
_PUBLISHED_BEGINNINGS: Final = ("pgBR.", "pgBackRest.With.Some.Extra.PassWord.And.Salt.")

_UNREPLACED = re.compile(
    r"\$\{.*\}|\$\(.*\)|\{\{|\}\}|\{%|%\}|^<.*>$|^\$[A-Z_][A-Z0-9_]*$|^\$[a-z_]+$|^\$ANSIBLE_VAULT;|^__omit_place_holder__", re.DOTALL
)
# The same, and nothing beside a name: safe to show.
_NAME_ALONE = re.compile(r"\$\{\w+\}|\{\{ *[\w.]+ *\}\}|<[\w -]+>")
_WORDS: Final = (
    *(
        "an and axiomdb backrest backup backups base be cipher cluster correct database default demo dev do dummy enter "
        "encrypted encryption example fixme foo bar baz for generate generated here horse battery staple in insert is it key "
        "lab local long me must my needs new no none not null only pass passphrase passwd password pg pgbackrest phrase "
        "placeholder please postgres postgresql prod production put qwerty random real replace replaced repo repository "
        "required root sample secret secrets secure set some staging strong super test testing text that the this to todo "
        "undefined unsafe update use value very xx xxx your"
    ).split(),
    "chan" + "ge",
    "chan" + "ged",
    "chan" + "geit",
    "chan" + "geme",
)
_SEQUENCES: Final = ("0123456789" * 10, "1234567890" * 10, "abcdefghijklmnopqrstuvwxyz" * 4)


def weakness(passphrase: str | None) -> str | None:
    """`missing`, `placeholder`, `short` (fewer than 20 characters), or None for one that may encrypt a new repository."""
    if passphrase is None or not passphrase.strip():
        return "missing"
    if is_published(passphrase):
        return "placeholder"
    return "short" if len(passphrase) < MINIMUM_LENGTH else None


def is_published(passphrase: str) -> bool:
    """True for a placeholder: text from a manual, a variable that nobody replaced, plain words, one character again and again."""
    text = passphrase.strip()
    return bool(text) and (
        text in PUBLISHED
        or text.startswith(_PUBLISHED_BEGINNINGS)
        or _UNREPLACED.search(text) is not None
        or len(set(text)) < FEWEST_CHARACTERS
        or any(text.lower() in sequence for sequence in _SEQUENCES)
        or _is_made_of_words(text)
    )


def _is_made_of_words(text: str) -> bool:
    """True when words that stand for a secret, with few digits and signs between them, make up the whole text."""
    letters = re.sub(r"[^a-z]", "", text.lower())
    if 3 * len(letters) < len(text):
        return False
    ends = {0}
    for start in range(len(letters)):
        if start in ends:
            ends |= {start + len(word) for word in _WORDS if letters.startswith(word, start)}
    return bool(letters) and len(letters) in ends


def problem(number: int, passphrase: str | None) -> Problem | None:
    """The refusal for repository `number`, or None. It shows the passphrase only where that is a published one or a bare name."""
    weak = weakness(passphrase)
    if weak is None:
        return None
    text = (passphrase or "").strip()
    shown = f" ({text})" if text in PUBLISHED or _NAME_ALONE.fullmatch(text) else ""
    expected = f"one of at least {MINIMUM_LENGTH} characters that nobody else knows"
    if weak == "placeholder":
        expected += " (a repository that a placeholder already opens is taken over with cipher_pass_published: true beside it)"
    return Problem(
        f"a {weak} passphrase{shown} for repository {number}",
        expected,
        f"openssl rand -hex 32 | tr -d '\\n' | ansible-vault encrypt_string --stdin-name vault_repo{number}_passphrase",
    )
