"""Deadlines: after a stall, pending input is read before `TimeoutError`."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest

from chatterbox.chassis.deadlines import deadline
from tests.support.waiting import MOST_S, proves_absence


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def pair() -> AsyncIterator[tuple[asyncio.StreamReader, socket.socket]]:
    """A reader, and the socket of its peer."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    yield reader, theirs
    writer.close()
    theirs.close()


async def test_a_response_that_arrived_during_a_stall_is_read(
    pair: tuple[asyncio.StreamReader, socket.socket],
) -> None:
    reader, peer = pair
    waiting = asyncio.ensure_future(_response(reader, 0.05))
    await asyncio.sleep(0)
    peer.send(b"yes\n")
    time.sleep(0.1)  # fixed: stalls the event loop # noqa: ASYNC251
    assert await waiting == b"yes\n"


async def test_a_missing_response_raises_timeout_error_in_time(
    pair: tuple[asyncio.StreamReader, socket.socket],
) -> None:
    started_s = time.monotonic()
    async with asyncio.timeout(MOST_S):  # or it would wait for ever
        with pytest.raises(TimeoutError):
            await _response(pair[0], 0.05)
    assert time.monotonic() - started_s >= 0.05


async def test_a_block_that_ends_in_time_is_not_cancelled() -> None:
    async with deadline(0.01):
        pass
    await proves_absence(0.1)


async def _response(reader: asyncio.StreamReader, within_s: float) -> bytes:
    async with deadline(within_s):
        return await reader.readline()
