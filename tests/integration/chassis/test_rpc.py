"""RPC over a real socket: upgrade, calls, limits, closing; each call gets its own response or an error."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette

from chatterbox.chassis import serve
from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
from chatterbox.chassis.core.length_prefix import prefixed
from chatterbox.chassis.rpc.rpc_client import NotHttpError, RpcClient, open_rpc
from chatterbox.chassis.rpc.rpc_server import MAX_WAITING, rpc_upgrade_protocol
from tests.support.socket_server import served
from tests.support.waiting import until

KEY = "a key of these tests"
MAX_BYTES = 1_000_000
DEADLINE_S = 20.0
"""Timeout of a test, for calls that are never answered (seconds)."""


class Echo:
    """Responds with the request, once `released` is set."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.released.set()
        self.requests: list[bytes] = []

    async def __call__(self, request: bytes) -> bytes:
        self.requests.append(request)
        await self.released.wait()
        return request


@pytest.fixture
def echo() -> Echo:
    return Echo()


@asynccontextmanager
async def at_port(echo: Echo, max_bytes: int = MAX_BYTES) -> AsyncIterator[str]:
    callers = CallerKeys.of({ServiceName.GATEWAY: KEY})
    protocol = rpc_upgrade_protocol("/line", callers, ServiceName.GATEWAY, echo, max_bytes)
    config = serve.config(Starlette(), http_class=protocol)
    config.lifespan = "off"
    async with asyncio.timeout(DEADLINE_S), served(config) as port:
        yield f"http://127.0.0.1:{port}/line"


@asynccontextmanager
async def other_server(handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]) -> AsyncIterator[str]:
    """A server that is not an RPC server; yields its URL."""

    writers: list[asyncio.StreamWriter] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        handle(reader, writer)

    async with await asyncio.start_server(serve_one, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/line"
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def opened(url: str, max_bytes: int = MAX_BYTES) -> AsyncIterator[RpcClient]:
    client = await open_rpc(url, KEY, max_bytes)
    try:
        yield client
    finally:
        client.abort()


@pytest.mark.parametrize("payload", [b"", b"hello", b"x" * MAX_BYTES], ids=["empty", "small", "most"])
async def test_a_call_returns_the_response_of_the_handler(echo: Echo, payload: bytes) -> None:
    async with at_port(echo) as url, opened(url) as client:
        for _ in range(3):
            assert await client.call(payload) == payload


async def test_pipelined_requests_are_answered_in_order(echo: Echo) -> None:
    async with at_port(echo) as url, opened(url) as client:
        client._transport.write(prefixed(b"1") + prefixed(b"2")[:3])
        client._transport.write(prefixed(b"2")[3:])
        assert await client.call(b"3") == b"1"  # it receives the response to the first request, which nothing awaited
        await until(lambda: echo.requests == [b"1", b"2", b"3"], 5)


async def test_a_client_that_does_not_wait_for_responses_is_disconnected(echo: Echo) -> None:
    echo.released.clear()
    async with at_port(echo) as url, opened(url) as client:
        call = asyncio.ensure_future(client.call(b"0"))
        await until(lambda: echo.requests == [b"0"], 5)
        for number in range(MAX_WAITING + 1):
            client._transport.write(prefixed(str(number + 1).encode()))
        with pytest.raises(ConnectionError):
            await call
        assert echo.requests == [b"0"]
        echo.released.set()


async def test_a_too_large_request_closes_the_connection_unhandled(echo: Echo) -> None:
    async with at_port(echo, max_bytes=100) as url, opened(url) as client:
        with pytest.raises(ConnectionError):
            await client.call(b"x" * 101)
        assert not echo.requests


async def test_a_too_large_response_closes_the_connection(echo: Echo) -> None:
    async with at_port(echo) as url, opened(url, max_bytes=100) as client:
        with pytest.raises(ConnectionError):
            await client.call(b"x" * 101)


async def test_a_call_on_a_closed_connection_fails_without_reaching_the_server(echo: Echo) -> None:
    async with at_port(echo) as url, opened(url) as client:
        client.abort()
        with pytest.raises(ConnectionError):
            await client.call(b"hello")
        assert not echo.requests


async def test_a_stopping_server_answers_the_request_in_progress_and_then_closes(echo: Echo) -> None:
    echo.released.clear()
    async with at_port(echo) as url:
        client = await open_rpc(url, KEY, MAX_BYTES)
        call = asyncio.ensure_future(client.call(b"hello"))
        await until(lambda: echo.requests == [b"hello"], 5)
        asyncio.get_running_loop().call_later(0.2, echo.released.set)
    assert await call == b"hello"
    with pytest.raises(ConnectionError):
        await client.call(b"more")


async def test_a_client_that_disconnects_during_a_call_does_not_affect_others(echo: Echo) -> None:
    async with at_port(echo) as url, opened(url) as other:
        echo.released.clear()
        async with opened(url) as client:
            call = asyncio.ensure_future(client.call(b"hello"))
            await until(lambda: echo.requests == [b"hello"], 5)
        with pytest.raises(ConnectionError):
            await call
        echo.released.set()
        assert await other.call(b"and I") == b"and I"


async def test_a_server_that_does_not_speak_http_raises_not_http_error() -> None:
    async with other_server(lambda _, writer: writer.write(b"220 mail.example ESMTP\r\n")) as url:
        with pytest.raises(NotHttpError):
            await open_rpc(url, KEY, MAX_BYTES)


async def test_a_server_that_closes_at_once_raises_connection_error() -> None:
    async with other_server(lambda _, writer: writer.close()) as url:
        with pytest.raises(ConnectionError):
            await open_rpc(url, KEY, MAX_BYTES)


async def test_a_payload_sent_with_the_upgrade_response_is_discarded() -> None:
    """Otherwise it would be taken for the response to the first request."""

    def too_early(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upgraded = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: chatterbox-line\r\n\r\n"
        writer.write(upgraded + prefixed(b"early"))

    async with other_server(too_early) as url, opened(url) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.call(b"hello")
