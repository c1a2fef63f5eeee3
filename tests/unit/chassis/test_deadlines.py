"""A deadline for answers: an event loop that stood still reads what has come before anything counts as late."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest

from chatterbox.chassis.deadlines import deadline
from tests.support.waiting import proves_absence


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def pair() -> AsyncIterator[tuple[asyncio.StreamReader, socket.socket]]:
    """What the other end sends, and the other end."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    yield reader, theirs
    writer.close()
    theirs.close()


async def test_an_answer_that_came_while_we_stood_still_is_read(
    pair: tuple[asyncio.StreamReader, socket.socket],
) -> None:
    reader, other_end = pair
    waits = asyncio.ensure_future(_answer(reader, 0.05))
    await asyncio.sleep(0)
    other_end.send(b"yes\n")
    time.sleep(0.1)  # fixed: the event loop stands still # noqa: ASYNC251
    assert await waits == b"yes\n"


async def test_no_answer_is_late(pair: tuple[asyncio.StreamReader, socket.socket]) -> None:
    began_s = time.monotonic()
    with pytest.raises(TimeoutError):
        await _answer(pair[0], 0.05)
    assert 0.05 <= time.monotonic() - began_s < 1


async def test_what_ends_in_time_is_left_alone() -> None:
    async with deadline(0.01):
        pass
    await proves_absence(0.1)


async def _answer(reader: asyncio.StreamReader, within_s: float) -> bytes:
    async with deadline(within_s):
        return await reader.readline()
