"""The handshake over loopback and the real server: what comes in, and what an app may say to it."""

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

from chatterbox.chassis import http_protocol, serve
from services.gateway.front_door import front_door
from services.gateway.live_socket import LiveSocket
from tests.support import live
from tests.support.peer import DEADLINE_S, HANDSHAKE, PING, PONG, Frame, Peer, connected, dialled, frame
from tests.support.waiting import proves_absence


class Indifferent:
    """A receiver that takes no notice."""

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
    """The event loop of production: its transports differ from asyncio's."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with live.serving(Indifferent) as port:
        yield port


async def test_accepts_no_compression(port: int) -> None:
    async with dialled(port) as peer:
        head = await peer.shake_hands(b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    assert head.startswith("HTTP/1.1 101")
    assert "extensions" not in head.lower()


async def test_half_sent_is_ended_with_408(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_DEADLINE_S", 0.1)
    async with dialled(port) as peer:
        peer.write(HANDSHAKE)
        assert (await peer.rest()).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_that_never_begins_is_ended(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_DEADLINE_S", 0.1)
    async with dialled(port) as peer:
        assert (await peer.rest()).startswith(b"HTTP/1.1 408")


async def test_in_time_is_not_ended_later(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_DEADLINE_S", 1.0)
    async with connected(port) as peer:
        await proves_absence(1.2)
        peer.write(frame(PING, b"still here"))
        assert await peer.frame() == Frame(PONG, b"still here")


async def test_without_end_is_refused_with_431(port: int) -> None:
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
async def test_that_is_not_one_is_answered_and_ended(port: int, sent: bytes, status: str) -> None:
    async with dialled(port) as peer:
        peer.write(sent)
        assert (await peer.rest()).startswith(b"HTTP/1.1 " + status.encode())


async def denies(websocket: WebSocket) -> None:
    await websocket.send_denial_response(JSONResponse({"detail": "Not today."}, 429, {"Retry-After": "5"}))


async def closes(websocket: WebSocket) -> None:
    await websocket.close()


async def breaks(_: WebSocket) -> None:
    raise RuntimeError("a bug")


async def says_nothing(_: WebSocket) -> None:
    return


async def accepts_and_breaks(websocket: WebSocket) -> None:
    await websocket.accept(headers=[(b"x-served-by", b"here")])
    raise RuntimeError("a bug")


async def sends_by_asgi(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")


class NeverAnswers:
    """An endpoint; `is_asked` is set once somebody waits for it."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.is_asked.set()
        await asyncio.Event().wait()


@asynccontextmanager
async def asked(endpoint: object) -> AsyncIterator[Peer]:
    """Somebody who asks an app with this endpoint for a WebSocket."""
    app = Starlette(routes=[WebSocketRoute("/ws", endpoint)])  # type: ignore[arg-type]
    async with live.served(serve.config(app, http_class=front_door())) as port, dialled(port) as peer:
        peer.write(HANDSHAKE, b"\r\n")
        yield peer


async def answer(peer: Peer) -> tuple[str, dict[str, object]]:
    head, _, body = (await peer.rest()).decode().partition("\r\n\r\n")
    return head.lower(), json.loads(body)


class TestAnApp:
    async def test_may_refuse_in_its_own_words(self) -> None:
        async with asked(denies) as peer:
            head, body = await answer(peer)
        assert head.startswith("http/1.1 429 too many requests\r\n")
        assert "retry-after: 5" in head
        assert "connection: close" in head
        assert f"content-length: {len(json.dumps(body, separators=(',', ':')))}" in head
        assert body == {"detail": "Not today."}

    async def test_that_has_no_such_address_says_so(self) -> None:
        async with asked(closes) as peer:
            head, body = await answer(peer)
        assert head.startswith("http/1.1 404 ")
        assert body["code"] == "not_found"

    @pytest.mark.parametrize("endpoint", [breaks, says_nothing])
    async def test_that_breaks_is_answered_for(self, endpoint: object) -> None:
        async with asked(endpoint) as peer:
            head, body = await answer(peer)
        assert head.startswith("http/1.1 500 ")
        assert body["code"] == "internal"

    @pytest.mark.parametrize("endpoint", [accepts_and_breaks, sends_by_asgi])
    async def test_that_breaks_once_it_has_accepted_loses_the_connection(self, endpoint: object) -> None:
        async with asked(endpoint) as peer:
            rest = await peer.rest()
        assert rest.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert rest.endswith(b"\r\n\r\n")

    async def test_gets_its_headers_into_the_answer(self) -> None:
        async with asked(accepts_and_breaks) as peer:
            assert "x-served-by: here" in (await peer.head()).lower()

    async def test_that_has_not_answered_when_the_server_stops_is_answered_for(self) -> None:
        endpoint = NeverAnswers()
        app = Starlette(routes=[WebSocketRoute("/ws", endpoint)])
        served = live.served(serve.config(app, http_class=front_door()))
        port = await served.__aenter__()
        async with dialled(port) as peer:
            peer.write(HANDSHAKE, b"\r\n")
            await asyncio.wait_for(endpoint.is_asked.wait(), DEADLINE_S)
            stopping = asyncio.create_task(served.__aexit__(None, None, None))
            head, body = await answer(peer)
            stopping.cancel()
        assert head.startswith("http/1.1 503 ")
        assert body["code"] == "unavailable"
