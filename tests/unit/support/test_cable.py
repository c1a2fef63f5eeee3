"""The cable that other tests damage does what they believe it does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.cable import Cable, Way, cable


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A server that says everything back, and ends when its client has ended."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65_536):
                writer.write(chunk)
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


class Peer:
    """A client of the cable."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, data: bytes) -> None:
        self._writer.write(data)

    def end(self) -> None:
        self._writer.write_eof()

    async def hears(self, data: bytes) -> None:
        assert await asyncio.wait_for(self._reader.readexactly(len(data)), 5) == data

    async def hears_nothing(self) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self._reader.read(1), 0.1)

    async def is_at_the_end(self) -> None:
        assert await asyncio.wait_for(self._reader.read(1), 5) == b""

    async def is_reset(self) -> None:
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await asyncio.wait_for(self._reader.readexactly(1), 5)

    def close(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def peer(line: Cable) -> AsyncIterator[Peer]:
    """One that is known to be connected all the way."""
    peer = Peer(*await asyncio.open_connection("127.0.0.1", line.port))
    peer.say(b"hello")
    await peer.hears(b"hello")
    yield peer
    peer.close()


@pytest.fixture
async def line() -> AsyncIterator[Cable]:
    async with echo() as port, cable(port) as line:
        yield line


async def test_undamaged_cable_passes_on_bytes_and_the_end_of_the_stream(line: Cable) -> None:
    async with peer(line) as one:
        one.say(b"x" * 1_000_000)
        one.end()
        await one.hears(b"x" * 1_000_000)
        await one.is_at_the_end()


@pytest.mark.parametrize("way", Way)
async def test_blocked_cable_keeps_bytes_and_passes_them_on_once_mended(line: Cable, way: Way) -> None:
    async with peer(line) as one:
        line.block(way)
        one.say(b"kept")
        one.end()
        await one.hears_nothing()
        line.mend()
        await one.hears(b"kept")
        await one.is_at_the_end()


async def test_a_block_affects_new_connections_only_if_asked_to(line: Cable) -> None:
    line.block(Way.TO_CLIENT)
    async with peer(line) as one:
        line.block(Way.TO_CLIENT, new=True)
        late = Peer(*await asyncio.open_connection("127.0.0.1", line.port))
        for each in (one, late):
            each.say(b"kept")
            await each.hears_nothing()
        line.mend()
        for each in (one, late):
            await each.hears(b"kept")
        late.close()


async def test_cut_cable_resets_old_and_new_connections_until_mended(line: Cable) -> None:
    async with peer(line) as one:
        line.cut()
        await one.is_reset()
        late = Peer(*await asyncio.open_connection("127.0.0.1", line.port))
        await late.is_reset()
        late.close()
    line.mend()
    async with peer(line):
        assert line.accepted == 3


async def test_slowed_down_cable_passes_everything_on_late(line: Cable) -> None:
    async with peer(line) as one:
        line.slow_down(Way.TO_CLIENT, delay_s=0.1, bytes_per_s=100_000)
        began_s = time.monotonic()
        one.say(b"x" * 10_000)
        await one.hears(b"x" * 10_000)
        assert time.monotonic() - began_s >= 0.2


async def test_injected_bytes_arrive_as_if_the_other_end_had_sent_them(line: Cable) -> None:
    async with peer(line) as one:
        line.inject(Way.TO_CLIENT, b"from nobody")
        await one.hears(b"from nobody")
        line.inject(Way.TO_SERVER, b"for the server")
        await one.hears(b"for the server")


async def test_cable_to_a_server_that_is_away_resets_connections(line: Cable) -> None:
    async with cable(1) as nowhere:
        late = Peer(*await asyncio.open_connection("127.0.0.1", nowhere.port))
        await late.is_reset()
        late.close()
