"""Password reset codes: signed, so that the operator creates them without the running service. Pure.

A code is 15 bytes in base32: the minute in which it expires, and a MAC (HMAC-SHA256, truncated) over that minute, the
user, and the number of the password that it replaces. It works once, since it changes that number.
"""

import hmac
from typing import NamedTuple

from services.auth.rules.code_text import code_bytes, code_text

VALID_S = 3600
"""How long a code is valid (seconds)."""
_MINUTE_BYTES, _MAC_BYTES = 4, 11
_MINUTE_S = 60


class ReplacedPassword(NamedTuple):
    """The password that a code replaces: the user's id, and how often the password was changed before."""

    user_id: int
    password_number: int


def create_code(key: bytes, replaced: ReplacedPassword, now_s: float) -> str:
    """A code that is valid for `VALID_S`, up to a minute more."""
    minute = (int(now_s + VALID_S) // _MINUTE_S + 1).to_bytes(_MINUTE_BYTES)
    return code_text(minute + _mac(key, minute, replaced))


def is_valid(key: bytes, code: str, replaced: ReplacedPassword, now_s: float) -> bool:
    """Whether `code` was created with `key` for this password and has not expired."""
    raw = code_bytes(code)
    minute, mac = raw[:_MINUTE_BYTES], raw[_MINUTE_BYTES:]
    is_signed = hmac.compare_digest(mac, _mac(key, minute, replaced))
    return is_signed and now_s < int.from_bytes(minute) * _MINUTE_S


def _mac(key: bytes, minute: bytes, replaced: ReplacedPassword) -> bytes:
    message = b"reset %d %d " % replaced + minute
    return hmac.digest(key, message, "sha256")[:_MAC_BYTES]
