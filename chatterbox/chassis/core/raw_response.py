"""Serializes HTTP responses, for connections that uvicorn no longer handles."""

from collections.abc import Iterable
from http import HTTPStatus

Headers = Iterable[tuple[bytes, bytes]]
SECURITY_HEADERS: Headers = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
"""As `SecurityHeadersMiddleware` adds them, for responses that do not pass it."""


def response_bytes(status: int, headers: Headers, body: bytes = b"") -> bytes:
    r"""A complete HTTP/1.1 response (RFC 9112).

    >>> response_bytes(404, [(b"content-length", b"2")], b"no")
    b'HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno'
    """
    lines = [b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode())]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join((*lines, b"", body))
