"""Listening sockets, and starting and stopping of the server."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chatterbox.chassis import serve


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="not Linux")
def test_accepted_sockets_have_keepalive_and_user_timeout() -> None:
    with serve.bind("127.0.0.1", 0) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()[:2]):
            accepted, _ = listener.accept()
    with accepted:
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == serve.KEEPALIVE_IDLE_S
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == serve.UNREAD_MS


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    await Response()(scope, receive, send)


@asynccontextmanager
async def serving(drain: serve.Drain) -> AsyncIterator[tuple[serve.DrainingServer, str, asyncio.Task[None]]]:
    """A running server, its URL, and its task; the block must stop the server."""
    ready = asyncio.Event()
    server = serve.DrainingServer(serve.config(_app), drain, ready.set)
    with serve.bind("127.0.0.1", 0) as listener:
        task = asyncio.create_task(server._serve([listener]))
        await asyncio.wait_for(ready.wait(), 10)
        yield server, f"http://127.0.0.1:{listener.getsockname()[1]}", task
        async with asyncio.timeout(10):
            await task


async def test_the_date_header_is_refreshed() -> None:
    dates: set[str] = set()
    async with serving(serve.nothing_to_drain) as (server, url, _):
        async with httpx.AsyncClient(base_url=url) as http, asyncio.timeout(10):
            while len(dates) < 2:
                dates.add((await http.get("/")).headers["date"])
        server.stop()


async def test_stop_takes_effect_without_waiting_for_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "TICK_S", 3600)
    async with serving(serve.nothing_to_drain) as (server, url, _):
        async with httpx.AsyncClient(base_url=url) as http:
            await http.get("/")
        server.stop()


async def test_the_first_signal_starts_the_drain_and_the_second_stops_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serve, "TICK_S", 3600)
    draining = asyncio.Event()

    async def drain() -> None:
        draining.set()
        await asyncio.Event().wait()  # for ever

    async with serving(drain) as (server, url, task):
        async with httpx.AsyncClient(base_url=url) as http:
            await http.get("/")
        server.handle_exit(signal.SIGTERM, None)
        await asyncio.wait_for(draining.wait(), 10)
        assert not task.done()
        server.handle_exit(signal.SIGTERM, None)


async def test_an_error_in_the_drain_is_logged_and_the_server_stops(caplog: pytest.LogCaptureFixture) -> None:
    async def drain() -> None:
        raise ValueError("no such connection")

    async with serving(drain) as (server, _, _):
        server.handle_exit(signal.SIGTERM, None)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == ["drain.failed"]
    assert "no such connection" in caplog.text
