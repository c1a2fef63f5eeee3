"""Codes that people copy by hand: bytes in base32, in groups of four. Pure."""

from base64 import b32decode, b32encode

_GROUP = 4


def code_text(raw: bytes) -> str:
    """The code for `raw`, whose length is a multiple of 5.

    >>> code_text(bytes(5))
    'aaaa-aaaa'
    """
    text = b32encode(raw).decode().lower()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def code_bytes(text: str) -> bytes:
    r"""The bytes of a typed code; case, spaces and hyphens don't matter. Empty if it is none.

    >>> code_bytes("AAAA aaaa"), code_bytes("a1")
    (b'\x00\x00\x00\x00\x00', b'')
    """
    try:
        return b32decode("".join(text.split()).replace("-", "").upper().encode("ascii"))
    except ValueError:
        return b""
