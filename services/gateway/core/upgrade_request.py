"""Validates a WebSocket upgrade request and computes its accept key (RFC 6455 section 4.2). Pure."""

import binascii
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha1

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 section 1.3."""
VERSION = b"13"
_REQUIRED = frozenset({b"sec-websocket-key", b"sec-websocket-version"})
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


class BadUpgradeError(Exception):
    """Invalid upgrade request; answer it with `status` and `headers`. The message gives the reason."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers or {}


def accept_header(method: str, http_version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the `Sec-WebSocket-Accept` value for an upgrade request; header names are lower case.

    Raises `BadUpgradeError`.

    >>> key = b"dGhlIHNhbXBsZSBub25jZQ=="
    >>> accept_header("GET", "1.1", [(b"sec-websocket-key", key), (b"sec-websocket-version", b"13")])
    b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    if method != "GET":
        raise BadUpgradeError(405, "A WebSocket upgrade must use GET.", {"Allow": "GET"})
    if http_version != "1.1":
        raise BadUpgradeError(505, "A WebSocket upgrade must use HTTP/1.1.")
    required = _required_headers(headers)
    version = required.get(b"sec-websocket-version")
    if version != VERSION:
        raise BadUpgradeError(426, "Sec-WebSocket-Version must be 13.", {"Sec-WebSocket-Version": "13"})
    key = required.get(b"sec-websocket-key", b"")
    if not _is_key(key):
        raise BadUpgradeError(400, "Sec-WebSocket-Key must be 16 bytes in base64.")
    return b64encode(sha1(key + GUID, usedforsecurity=False).digest())


def _required_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Collect the headers that a handshake needs; rejects duplicates and a request body."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _REQUIRED:
            if name in found:
                raise BadUpgradeError(400, f"Duplicate header: {name.decode()}.")
            found[name] = value
        elif name in _BODY_HEADERS and value != b"0":
            raise BadUpgradeError(400, "A WebSocket upgrade request must not have a body.")
    return found


def _is_key(key: bytes) -> bool:
    try:
        return len(binascii.a2b_base64(key, strict_mode=True)) == 16
    except binascii.Error:
        return False
