"""Password policy: length, common passwords, the username. Pure.

After NIST SP 800-63B section 3.1.1 and OWASP ASVS 5.0 section 6.2: 8-128 characters of any kind, not truncated, no
composition rules. Refused are common passwords, also with some digits or punctuation around them, and the user's own
name.
"""

import string
import unicodedata
from functools import cache
from pathlib import Path

from chatterbox.wire.errors import ChatError, Code

MIN_CHARS, MAX_CHARS = 8, 128
"""Counted after normalization, so that every keyboard's form of a password has the same length."""
_MAX_TYPED = 4 * MAX_CHARS
"""No character of NFC is typed as more than four; normalizing longer input could take seconds."""
_COMMON_FILE = Path(__file__).with_name("common_passwords.txt")
_PADDING = string.digits + string.punctuation + " "
_MAX_PADDING = 8
"""A common password with up to this many digits and punctuation characters around it is still common."""
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop", "01234567890")
_LEET = str.maketrans("@4301!5$7", "aaeoiisst")


def normalized(password: str) -> str:
    """`password` as it is hashed: in NFC (RFC 8265 section 4), since keyboards compose accented letters differently."""
    return unicodedata.normalize("NFC", password)


def check(password: str, username: str) -> None:
    """Raise `password_invalid`, with the reason, unless `username` may choose `password`."""
    password = normalized(password) if is_checkable(password) else ""
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise ChatError(Code.PASSWORD_INVALID, f"A password must have {MIN_CHARS}-{MAX_CHARS} characters.")
    if is_common(password):
        raise ChatError(Code.PASSWORD_INVALID, "That password is too common. Choose another.")
    name = normalized(username).casefold()
    rest = password.casefold().replace(name, "")
    if rest != password.casefold() and len(rest) < MIN_CHARS:
        raise ChatError(Code.PASSWORD_INVALID, "That password is too similar to the username. Choose another.")


def is_checkable(password: str) -> bool:
    """Whether an account could have this password in any form; longer input is never normalized or hashed."""
    return len(password) <= _MAX_TYPED


def is_common(password: str) -> bool:
    """Whether `password` is common, a variation of a common one, or a simple pattern.

    >>> is_common("Password123!"), is_common("P@ssw0rd"), is_common("aaaaaaaa"), is_common("correct horse")
    (True, True, True, False)
    """
    folded = password.casefold()
    forms = {folded, folded.strip(_PADDING), folded.lstrip(_PADDING), folded.rstrip(_PADDING)}
    forms = {form for form in forms if form and len(folded) - len(form) <= _MAX_PADDING}
    forms |= {form.translate(_LEET) for form in forms}
    return not forms.isdisjoint(_common_passwords()) or any(map(_is_pattern, forms))


def _is_pattern(text: str) -> bool:
    """Whether `text` repeats one to four characters, or is part of the alphabet, the digits or a keyboard row."""
    if len(text) < 4:
        return False
    repeats = any(text == (text[:period] * len(text))[: len(text)] for period in range(1, min(4, len(text) // 2) + 1))
    return repeats or any(text in row or text in row[::-1] for row in _ROWS)


@cache
def _common_passwords() -> frozenset[str]:
    lines = _COMMON_FILE.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
