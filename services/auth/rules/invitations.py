"""Invitation codes: signed, so that the operator creates them without the running service. Pure.

A code is 15 bytes in base32: a random number, the day on which it expires, and a MAC (HMAC-SHA256, truncated). It needs
no database row until it is used; then its number is stored, so that it works once.
"""

import hmac
from dataclasses import dataclass

from services.auth.rules.code_text import code_bytes, code_text

DAYS = 7
"""Days that a code is valid for."""
NONCE_BYTES = 5
_DAY_BYTES, _MAC_BYTES = 2, 8
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class InvitationCode:
    """A valid code: its random number in hexadecimal, and when it expires (seconds since 1970)."""

    number: str
    expires_s: int


def create_code(key: bytes, nonce: bytes, now_s: float) -> str:
    """A code with this random `nonce` of 5 bytes, valid for at least `DAYS` days."""
    body = nonce + (int(now_s) // _DAY_S + DAYS + 1).to_bytes(_DAY_BYTES)
    return code_text(body + _mac(key, body))


def read_code(key: bytes, code: str, now_s: float) -> InvitationCode | None:
    """What a code says; None if it was not created with `key` or has expired. Case, spaces and hyphens don't matter."""
    raw = code_bytes(code)
    body, mac = raw[: NONCE_BYTES + _DAY_BYTES], raw[NONCE_BYTES + _DAY_BYTES :]
    if not hmac.compare_digest(mac, _mac(key, body)):
        return None
    expires_s = int.from_bytes(body[NONCE_BYTES:]) * _DAY_S
    return InvitationCode(body[:NONCE_BYTES].hex(), expires_s) if now_s < expires_s else None


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")[:_MAC_BYTES]
