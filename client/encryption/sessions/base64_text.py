"""Unpadded base64, as it stands inside encrypted objects; on the wire, base64url is used."""

import base64
import binascii


def to_base64(data: bytes) -> str:
    """Unpadded standard base64."""
    return base64.b64encode(data).rstrip(b"=").decode("ascii")


def from_base64(text: str) -> bytes:
    """The inverse of `to_base64`; raises `ValueError`."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None


def to_url(text: str) -> str:
    """The same bytes in base64url.

    >>> to_url("a+/b")
    'a-_b'
    """
    return text.replace("+", "-").replace("/", "_")


def from_url(text: str) -> str:
    """The same bytes in standard base64."""
    return text.replace("-", "+").replace("_", "/")
