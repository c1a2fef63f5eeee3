"""Request targets, upgrade requests and malformed requests as raw bytes, to each HTTP protocol class."""

import json
import logging
from collections.abc import AsyncIterator, Sequence
from itertools import product

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from chatterbox.chassis import serve
from chatterbox.chassis.core.host_names import AllowedHosts
from chatterbox.chassis.http.http_protocol import HttpProtocol
from services.gateway.transport.upgrade_protocol import upgrade_protocol
from tests.support import socket_server
from tests.support.peer import Peer, dialled

METHODS = ["GET", "POST", "OPTIONS"]
UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
REFUSED = [
    *product(("GET", "POST", "CONNECT"), ("*", "http://[::", "http://", "ftp://x/", "/a#b", "x", "http://x:x")),
    ("CONNECT", "example.org:443"),
    ("CONNECT", "/"),
    ("OPTIONS", "http://[::"),
    ("OPTIONS", "**"),
]


async def _echo(request: Request) -> Response:
    return PlainTextResponse(f"{request.headers['host']} {request.scope['raw_path'].decode()}?{request.url.query}")


APP = Starlette(routes=[Route("/{path:path}", _echo, methods=METHODS)])


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop used in production; its transports differ from asyncio's."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(params=["service", "gateway"])
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    http_class = upgrade_protocol() if request.param == "gateway" else HttpProtocol
    async with socket_server.served(serve.config(APP, http_class=http_class)) as port:
        yield port


def head(line: str, *headers: str) -> bytes:
    return "\r\n".join((line, *headers, "", "")).encode()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def response(port: int, *requests: bytes, then: Sequence[bytes] = ()) -> tuple[int, str]:
    """Status and body of the last response to `requests`, sent at once."""
    async with dialled(port) as peer:
        peer.write(*requests)
        found = await _response(peer)
        for request in then:
            peer.write(request)
            found = await _response(peer)
        return found


async def _response(peer: Peer) -> tuple[int, str]:
    lines = (await peer.head()).split("\r\n")
    length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
    return int(lines[0].split()[1]), (await peer.reader.readexactly(length)).decode()


@pytest.mark.parametrize("upgrade", [(), UPGRADE, H2C], ids=["plain", "websocket", "h2c"])
async def test_an_invalid_request_target_is_answered_400_as_json(
    port: int, upgrade: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    for method, target in REFUSED:
        status, body = await response(port, head(f"{method} {target} HTTP/1.1", "Host: localhost", *upgrade))
        assert (status, json.loads(body)["code"]) == (400, "bad_request"), (method, target)
    assert warnings(caplog) == ["request.invalid"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        head("GET x HTTP/1.1", "Host: localhost"),
        head("GET / HTTP/1.1", "Host: localhost", *UPGRADE[:3]),
        head("GET / HTTP/1.1", "Host: localhost", *UPGRADE),
        head("GET / HTTP/1.1", "Host: localhost"),
    ],
)
async def test_every_answer_has_security_headers(port: int, request_bytes: bytes) -> None:
    async with dialled(port) as peer:
        peer.write(request_bytes)
        lines = (await peer.head()).lower().split("\r\n")
    for line in ("x-content-type-options: nosniff", "cache-control: no-store"):
        assert lines.count(line) == 1


async def test_an_absolute_target_replaces_the_host_header(port: int) -> None:
    for target, expected in (
        ("http://localhost:1", "localhost:1 /?"),
        ("HTTP://[::1]/rooms/a%20b?x=1", "[::1] /rooms/a%20b?x=1"),
        ("https://localhost?x", "localhost /?x"),
    ):
        request = head(f"GET {target} HTTP/1.1", "Host: other")
        assert await response(port, request) == (200, expected)


async def test_an_absolute_target_for_another_server_is_refused() -> None:
    allowed = AllowedHosts([])
    async with socket_server.served(serve.config(APP, allowed_hosts=allowed)) as port:
        request = head("GET http://evil.example/ HTTP/1.1", "Host: localhost")
        assert (await response(port, request))[0] == 421


async def test_options_with_an_asterisk_is_routed_to_the_root(port: int) -> None:
    assert await response(port, head("OPTIONS * HTTP/1.1", "Host: localhost")) == (200, "localhost /?")


async def test_an_upgrade_to_another_protocol_is_ignored_and_the_connection_goes_on(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    first = head("GET /one HTTP/1.1", "Host: localhost", *H2C)
    second = head("POST /two HTTP/1.1", "Host: localhost", "Content-Length: 0", *H2C)
    assert await response(port, first, then=[second, first]) == (200, "localhost /one?")
    async with dialled(port) as peer:
        peer.write(first, second, first)
        answers = [await _response(peer) for _ in range(3)]
    assert [text for _, text in answers] == ["localhost /one?", "localhost /two?", "localhost /one?"]
    assert warnings(caplog) == []


@pytest.mark.parametrize("body", ["Content-Length: 37", "Transfer-Encoding: chunked"])
async def test_the_body_of_a_request_for_an_upgrade_is_never_taken_for_another_request(port: int, body: str) -> None:
    smuggled = head("GET /smuggled HTTP/1.1", "Host: localhost")
    async with dialled(port) as peer:
        peer.write(head("POST / HTTP/1.1", "Host: localhost", body, *H2C), smuggled)
        answered = await peer.rest()
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert answered.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"\0" * 100,
    ],
)
async def test_malformed_requests_are_answered_400_as_json_and_logged_once_a_minute(
    port: int, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        status, body = await response(port, request_bytes)
        assert (status, json.loads(body)["code"]) == (400, "bad_request")
    assert warnings(caplog) == ["request.invalid"]
