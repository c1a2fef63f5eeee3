"""The opening handshake of a WebSocket, the server's side of it (RFC 6455 section 4.2). Pure."""

import binascii
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha1

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 section 1.3."""
VERSION = b"13"
_NEEDED = frozenset({b"sec-websocket-key", b"sec-websocket-version"})
_OF_A_BODY = frozenset({b"content-length", b"transfer-encoding"})


class BadUpgradeError(Exception):
    """The request for a WebSocket is none; `status` and `headers` are for the answer, the message says why."""

    def __init__(self, status: int, why: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers or {}


def accepted(method: str, http_version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """What answers the key of a request whose `Upgrade` and `Connection` ask for a WebSocket; header names are lower.

    Raises `BadUpgradeError`.

    >>> accepted("GET", "1.1", [(b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="), (b"sec-websocket-version", b"13")])
    b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    if method != "GET":
        raise BadUpgradeError(405, "A WebSocket is asked for with GET.", {"Allow": "GET"})
    if http_version != "1.1":
        raise BadUpgradeError(505, "A WebSocket is asked for with HTTP/1.1.")
    needed = _once(headers)
    version = needed.get(b"sec-websocket-version")
    if version != VERSION:
        raise BadUpgradeError(426, "Sec-WebSocket-Version must be 13.", {"Sec-WebSocket-Version": "13"})
    key = needed.get(b"sec-websocket-key", b"")
    if not _is_key(key):
        raise BadUpgradeError(400, "Sec-WebSocket-Key must be 16 bytes in base64.")
    return b64encode(sha1(key + GUID, usedforsecurity=False).digest())


def _once(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers that a handshake needs; none may come twice, and there may be no body."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _NEEDED:
            if name in found:
                raise BadUpgradeError(400, f"{name.decode()} comes twice.")
            found[name] = value
        elif name in _OF_A_BODY and value != b"0":
            raise BadUpgradeError(400, "A request for a WebSocket has no body.")
    return found


def _is_key(key: bytes) -> bool:
    try:
        return len(binascii.a2b_base64(key, strict_mode=True)) == 16
    except binascii.Error:
        return False
