"""Megolm sessions that somebody made up from one that exists."""

import os

from client.encryption.sessions.base64_text import from_base64, to_base64

_INDEX_BYTES = slice(1, 5)
_RATCHET_BYTES = slice(5, 133)


def other_ratchet(exported: str, index: int | None = None) -> str:
    """An exported session with the id of `exported`, which opens none of its messages. `index`: its first one."""
    raw = bytearray(from_base64(exported))
    raw[_RATCHET_BYTES] = os.urandom(128)
    if index is not None:
        raw[_INDEX_BYTES] = index.to_bytes(4, "big")
    return to_base64(bytes(raw))
