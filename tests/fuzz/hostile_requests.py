"""Hostile requests as bytes, from a seed: HTTP, WebSocket upgrades, frames and JSON bodies.

The routes are read from the server's own API reference, so that a new route is attacked without being listed here.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from tests.support.peer import frame

DEEP = 5_000
TARGETS = (
    "*", "/", "//", "http://[::", "http://x", "http://localhost/rooms", "ftp://x/", "x", "/%00", "/%0a", "/%ff",
    "/..%2f..", "/rooms/%2e%2e/internal/jwks", "/internal/jwks", "/metrics", "/ws", "/docs",
    "/docs-assets/..%2fpyproject.toml", "/rooms#x", "/?" + "a=b&" * 2_000, "/" + "a/" * 2_000,
    "/rooms/" + "%f0%9f%98%80" * 300, "/messages?limit=" + "9" * 5_000, "/openapi.json", "/asyncapi.json",
    "/health/ready", "/sessions/x", "/rooms?limit=-1&limit=nan",
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PROPFIND", "GET\0", "get")
UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)
HEADERS = (
    "Host: evil.example", "Host: [::", "Host:", "Content-Length: -1", "Content-Length: 99999999999999999999",
    "Content-Length: 5", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Expect: 100-continue",
    "Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "Authorization: Bearer " + "x" * 9_000,
    "Authorization: Basic Og==", "X-Forwarded-For: 203.0.113.7, not an address", "X-Request-Id: a b",
    "Cookie: " + "x" * 4_000, "Content-Type: multipart/form-data; boundary=x",
    "Content-Type: application/json; charset=utf-16", "Content-Encoding: gzip",
    "Range: bytes=0-,-1,5-2", "If-None-Match: *", "Origin: null", "Origin: http://evil.example", "Sec-WebSocket-Key: !",
    "Sec-WebSocket-Version: 99", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99",
    "Sec-WebSocket-Protocol: a,,b", "Upgrade: h2c", "Upgrade: websocket", "Connection: close, Upgrade", "Connection: x",
    "X-Long: " + "x" * 20_000, *("X-Many: x",) * 3,
)  # fmt: skip
WORDS: tuple[Any, ...] = (
    "null", "true", "0", "-1", "1e999", "9" * 400, "NaN", '""', '"\\ud800"', '"\\u0000"', '"' + "x" * 60_000 + '"',
    "[]", "{}", "[" * DEEP, '{"a":' * DEEP, '"\xff"', '"general"', '"password"', '"alice"', '{"$ref":"#"}', "[null]",
    '"2026-13-99"',
)  # fmt: skip
FIELDS = (
    "username", "password", "old", "new", "code", "room", "topic", "private", "content", "key", "id", "type", "token",
    "resume", "at", "epoch", "offset", "user", "name", "\\u0075sername", "", "x" * 1_000,
)  # fmt: skip
FRAME_TYPES = (
    "connect",
    "send",
    "join",
    "leave",
    "create",
    "rooms",
    "history",
    "topic",
    "invite",
    "members",
    "ping",
    "renew",
    "x",
)

Routes: TypeAlias = Sequence[tuple[str, str]]
"""Method and path of each public route."""
Pieces: TypeAlias = tuple[bytes, ...]
"""What is sent on one connection; each piece once the one before is answered."""


def routes_of(openapi: dict[str, Any]) -> list[tuple[str, str]]:
    return [(method.upper(), path) for path, methods in openapi["paths"].items() for method in methods]


class HostileRequests:
    """An endless sequence of hostile requests; the same seed gives the same sequence."""

    def __init__(self, seed: int, routes: Routes, token: str) -> None:
        self._random = random.Random(seed)
        self._routes = [*routes]
        self._token = token

    def http(self) -> Iterator[Pieces]:
        """HTTP requests with any target, headers and body."""
        return self._endless(self._http)

    def bodies(self) -> Iterator[Pieces]:
        """Valid requests of a route, except for their JSON body."""
        return self._endless(self._body)

    def upgrades(self) -> Iterator[Pieces]:
        """WebSocket upgrade requests."""
        return self._endless(self._upgrade)

    def frames(self) -> Iterator[Pieces]:
        """A valid upgrade request and, once it is answered, frames."""
        while True:
            token = f"?token={self._token}" if self._random.random() < 0.5 else ""
            frames = b"".join(self._frame() for _ in range(self._random.randint(1, 8)))
            yield _request(f"GET /ws{token} HTTP/1.1", *UPGRADE), self._sometimes_damaged(frames)

    def _endless(self, make: Callable[[], bytes]) -> Iterator[Pieces]:
        while True:
            yield (self._sometimes_damaged(make()),)

    def _sometimes_damaged(self, data: bytes) -> bytes:
        return self._damaged(data) if self._random.random() < 0.4 else data

    def _damaged(self, data: bytes) -> bytes:
        """The same with a few bytes changed, repeated or missing."""
        choice = self._random
        changed = bytearray(data)
        for _ in range(choice.randint(1, 4)):
            at = choice.randrange(len(changed) + 1)
            match choice.randrange(4):
                case 0:
                    changed[at : at + 1] = choice.randbytes(1)
                case 1:
                    del changed[at : at + choice.randint(1, 20)]
                case 2:
                    changed[at:at] = changed[at : at + 40]
                case _:
                    changed[at:at] = choice.choice((b"\r\n", b"\0", b"\r", b" ", b"\xff\xfe", b"\r\n\r\n"))
        return bytes(changed)

    def _path(self) -> tuple[str, str]:
        method, path = self._random.choice(self._routes)
        for name in ("{room}", "{session}", "{username}"):
            path = path.replace(name, self._random.choice(("general", "%00", "%ff", "..", "x" * 300, "a%2Fb")))
        return method, path

    def _http(self) -> bytes:
        choice = self._random
        method, path = self._path()
        if choice.random() < 0.5:
            path = choice.choice(TARGETS)
        if choice.random() < 0.5:
            method = choice.choice(METHODS)
        headers = choice.sample(HEADERS, choice.randrange(4))
        version = choice.choice(
            ("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "http/1.1", "")
        )
        body = choice.choice(("", "", "{}", "a=b", "5\r\nhello\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "x" * 70_000))
        return _request(f"{method} {path} {version}", *headers) + body.encode()

    def _json(self) -> bytes:
        choice = self._random
        if choice.random() < 0.2:
            return str(choice.choice(WORDS)).encode("latin-1")
        pairs = (f'"{choice.choice(FIELDS)}":{choice.choice(WORDS)}' for _ in range(choice.randint(1, 4)))
        return f"{{{','.join(pairs)}}}".encode("latin-1")

    def _body(self) -> bytes:
        method, path = self._path()
        may_end_the_session = method == "DELETE" or path == "/logout"
        is_authorized = not may_end_the_session and self._random.random() < 0.5
        authorized = [f"Authorization: Bearer {self._token}"] if is_authorized else []
        body = self._json()
        return _request(f"{method} {path} HTTP/1.1", *authorized, *_JSON, f"Content-Length: {len(body)}") + body

    def _upgrade(self) -> bytes:
        choice = self._random
        target = choice.choice(("/ws", "/ws", "/ws?token=x", *TARGETS))
        method = choice.choice(("GET", "GET", "GET", "GET", *METHODS))
        headers = [each for each in UPGRADE if choice.random() < 0.9] + choice.sample(HEADERS, choice.randrange(3))
        choice.shuffle(headers)
        return _request(f"{method} {target} HTTP/1.1", *headers)

    def _frame(self) -> bytes:
        choice = self._random
        match choice.randrange(5):
            case 0:
                return choice.randbytes(choice.randint(1, 40))
            case 1:
                return frame(choice.randrange(16), choice.randbytes(choice.choice((0, 1, 2, 125, 126, 300))))
            case 2:
                return frame(choice.choice((0, 1, 8, 9)), b"x" * choice.randrange(200), fin=choice.random() < 0.5)
            case 3:
                return b"\x81\xff" + choice.randbytes(8) + b"\0\0\0\0"  # announces up to 2 ** 63 bytes
            case _:
                fields = self._json().removeprefix(b"{")
                return frame(1, b'{"type":"%s","id":1,%s' % (choice.choice(FRAME_TYPES).encode(), fields))


_JSON = ("Content-Type: application/json",)


def _request(line: str, *headers: str) -> bytes:
    return "\r\n".join((line, "Host: localhost", *headers, "", "")).encode("latin-1")
