"""WebSocket handshakes over loopback: requests of clients and answers of apps."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from chatterbox.chassis import serve
from chatterbox.chassis.http import http_protocol
from services.gateway.transport.live_socket import LiveSocket
from services.gateway.transport.upgrade_protocol import upgrade_protocol
from tests.support import socket_server
from tests.support.peer import DEADLINE_S, HANDSHAKE, PING, PONG, Frame, Peer, connected, dialled, frame
from tests.support.waiting import proves_absence


class IgnoringReceiver:
    """Ignores all callbacks."""

    def __init__(self, socket: LiveSocket) -> None:
        pass

    def on_text(self, data: bytes) -> None:
        pass

    def on_binary(self) -> None:
        pass

    def on_full(self) -> None:
        pass

    def on_drained(self) -> None:
        pass

    def on_gone(self) -> None:
        pass

    def on_lost(self) -> None:
        pass


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop used in production; its transports differ from asyncio's."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with socket_server.serving(IgnoringReceiver) as port:
        yield port


async def test_handshake_accepts_no_compression(port: int) -> None:
    async with dialled(port) as peer:
        head = await peer.shake_hands(b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    assert head.startswith("HTTP/1.1 101")
    assert "extensions" not in head.lower()


async def test_incomplete_handshake_request_gets_408(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_DEADLINE_S", 0.1)
    async with dialled(port) as peer:
        peer.write(HANDSHAKE)
        assert (await peer.rest()).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_connection_without_a_request_gets_408(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_DEADLINE_S", 0.1)
    async with dialled(port) as peer:
        assert (await peer.rest()).startswith(b"HTTP/1.1 408")


async def test_request_deadline_does_not_end_an_accepted_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_DEADLINE_S", 1.0)
    async with connected(port) as peer:
        await proves_absence(1.2)
        peer.write(frame(PING, b"still here"))
        assert await peer.frame() == Frame(PONG, b"still here")


async def test_endless_header_gets_431(port: int) -> None:
    async with dialled(port) as peer:
        peer.write(HANDSHAKE, b"X-Endless: ", b"x" * 1_000_000)
        assert (await peer.head()).startswith("HTTP/1.1 431")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HANDSHAKE.replace(b"GET", b"POST") + b"\r\n", "405"),
        (HANDSHAKE.replace(b"Sec-WebSocket-Key", b"X-Key") + b"\r\n", "400"),
        (HANDSHAKE.replace(b"Version: 13", b"Version: 8") + b"\r\n", "426"),
        (HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n", "505"),
        (HANDSHAKE + b"Content-Length: 5\r\n\r\nhello", "400"),
        (HANDSHAKE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        (HANDSHAKE + b"X-Delete: \x7f\r\n\r\n", "400"),
    ],
    ids=["post", "no-key", "old-version", "old-http", "body", "chunks", "DEL"],
)
async def test_invalid_handshake_request_is_answered_and_closed(port: int, sent: bytes, status: str) -> None:
    async with dialled(port) as peer:
        peer.write(sent)
        assert (await peer.rest()).startswith(b"HTTP/1.1 " + status.encode())


async def deny(websocket: WebSocket) -> None:
    await websocket.send_denial_response(JSONResponse({"detail": "Not today."}, 429, {"Retry-After": "5"}))


async def close(websocket: WebSocket) -> None:
    await websocket.close()


async def fail(_: WebSocket) -> None:
    raise RuntimeError("a bug")


async def return_without_answer(_: WebSocket) -> None:
    return


async def accept_and_fail(websocket: WebSocket) -> None:
    await websocket.accept(headers=[(b"x-served-by", b"here")])
    raise RuntimeError("a bug")


async def send_by_asgi(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")


class NeverAnswers:
    """An endpoint that never answers; `is_called` is set once it runs."""

    def __init__(self) -> None:
        self.is_called = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.is_called.set()
        await asyncio.Event().wait()


@asynccontextmanager
async def requested(endpoint: object) -> AsyncIterator[Peer]:
    """A client that requests a WebSocket from an app with this endpoint."""
    app = Starlette(routes=[WebSocketRoute("/ws", endpoint)])  # type: ignore[arg-type]
    async with socket_server.served(serve.config(app, http_class=upgrade_protocol())) as port, dialled(port) as peer:
        peer.write(HANDSHAKE, b"\r\n")
        yield peer


async def answer(peer: Peer) -> tuple[str, dict[str, object]]:
    head, _, body = (await peer.rest()).decode().partition("\r\n\r\n")
    return head.lower(), json.loads(body)


class TestApp:
    async def test_app_can_refuse_a_handshake_with_its_own_response(self) -> None:
        async with requested(deny) as peer:
            head, body = await answer(peer)
        assert head.startswith("http/1.1 429 too many requests\r\n")
        assert "retry-after: 5" in head
        assert "connection: close" in head
        assert f"content-length: {len(json.dumps(body, separators=(',', ':')))}" in head
        assert body == {"detail": "Not today."}

    async def test_handshake_closed_by_the_app_gets_404(self) -> None:
        async with requested(close) as peer:
            head, body = await answer(peer)
        assert head.startswith("http/1.1 404 ")
        assert body["code"] == "not_found"

    @pytest.mark.parametrize("endpoint", [fail, return_without_answer])
    async def test_failing_app_gets_500(self, endpoint: object) -> None:
        async with requested(endpoint) as peer:
            head, body = await answer(peer)
        assert head.startswith("http/1.1 500 ")
        assert body["code"] == "internal"

    @pytest.mark.parametrize("endpoint", [accept_and_fail, send_by_asgi])
    async def test_app_that_fails_after_accepting_loses_the_connection(self, endpoint: object) -> None:
        async with requested(endpoint) as peer:
            rest = await peer.rest()
        assert rest.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert rest.endswith(b"\r\n\r\n")

    async def test_headers_of_accept_are_in_the_response(self) -> None:
        async with requested(accept_and_fail) as peer:
            assert "x-served-by: here" in (await peer.head()).lower()

    async def test_unanswered_handshake_gets_503_when_the_server_stops(self) -> None:
        endpoint = NeverAnswers()
        app = Starlette(routes=[WebSocketRoute("/ws", endpoint)])
        served = socket_server.served(serve.config(app, http_class=upgrade_protocol()))
        port = await served.__aenter__()
        async with dialled(port) as peer:
            peer.write(HANDSHAKE, b"\r\n")
            await asyncio.wait_for(endpoint.is_called.wait(), DEADLINE_S)
            stopping = asyncio.create_task(served.__aexit__(None, None, None))
            head, body = await answer(peer)
            stopping.cancel()
        assert head.startswith("http/1.1 503 ")
        assert body["code"] == "unavailable"
