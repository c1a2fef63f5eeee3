"""A server whose connections end in recording receivers."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.gateway.live_socket.receivers import PING_S, Running


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop used in production; its transports differ from asyncio's."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def running() -> Running:
    return Running()


@pytest.fixture
async def port(running: Running) -> AsyncIterator[int]:
    async with running.serving() as port:
        yield port


@pytest.fixture
async def pinging(running: Running) -> AsyncIterator[int]:
    """The port of a server that pings often."""
    async with running.serving(ping_s=PING_S) as port:
        yield port
