"""Which passwords may be chosen. Pure; after NIST SP 800-63B section 3.1.1 and OWASP ASVS 5.0 section 6.2.

8-128 characters of any kind, none cut off, no rule of composition; but nothing that is guessed first: common
passwords, also with some digits or signs put round them, and one's own username.
"""

import string
import unicodedata
from functools import cache
from pathlib import Path

from chatterbox.wire.errors import ChatError, Code

SHORTEST, LONGEST = 8, 128
_COMMON_FILE = Path(__file__).with_name("common_passwords.txt")
_TRIMMINGS = string.digits + string.punctuation + " "
_MOST_TRIMMINGS = 8
"""A common password stays common with this many digits and signs around it."""
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop", "01234567890")
_LEET = str.maketrans("@4301!5$7", "aaeoiisst")


def prepared(password: str) -> str:
    """`password` as it is hashed: NFC (RFC 8265 section 4), so that keyboards may compose letters as they like."""
    return unicodedata.normalize("NFC", password)


def check(password: str, username: str) -> None:
    """Raise `password_invalid`, with a sentence that says why, unless `username` may choose `password`."""
    if not has_length(password):
        raise ChatError(Code.PASSWORD_INVALID, f"A password has {SHORTEST}-{LONGEST} characters.")
    if is_common(password):
        raise ChatError(Code.PASSWORD_INVALID, "This password is one of those that are guessed first.")
    rest = password.casefold().replace(username.casefold(), "")
    if rest != password.casefold() and len(rest) < SHORTEST:
        raise ChatError(Code.PASSWORD_INVALID, "The password is little more than the username.")


def has_length(password: str) -> bool:
    """Whether any account could have this password; if not, it is never hashed."""
    return SHORTEST <= len(password) <= LONGEST


def is_common(password: str) -> bool:
    """Whether `password` is one of those that are guessed first.

    >>> is_common("Password123!"), is_common("P@ssw0rd"), is_common("aaaaaaaa"), is_common("correct horse")
    (True, True, True, False)
    """
    folded = password.casefold()
    forms = {folded, folded.strip(_TRIMMINGS), folded.lstrip(_TRIMMINGS), folded.rstrip(_TRIMMINGS)}
    forms = {form for form in forms if form and len(folded) - len(form) <= _MOST_TRIMMINGS}
    forms |= {form.translate(_LEET) for form in forms}
    return not forms.isdisjoint(_common()) or any(map(_is_pattern, forms))


def _is_pattern(text: str) -> bool:
    """Whether `text` repeats one to four characters, or runs along the alphabet, the digits or a keyboard row."""
    if len(text) < 4:
        return False
    repeats = any(text == (text[:period] * len(text))[: len(text)] for period in range(1, min(4, len(text) // 2) + 1))
    return repeats or any(text in row or text in row[::-1] for row in _ROWS)


@cache
def _common() -> frozenset[str]:
    lines = _COMMON_FILE.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
