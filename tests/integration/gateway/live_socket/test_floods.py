"""A connection that sends faster than it may is handled a few frames at a time, in order, without loss."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.rate_limits import CONTROL_FRAMES
from services.gateway.core.frame_budget import TURN_COST
from services.gateway.transport.live_socket import LiveSocket
from tests.integration.gateway.live_socket.receivers import PING_S, Echo, Recorder, Running
from tests.support.peer import PING, PONG, TEXT, close_frame, connected, frame
from tests.support.waiting import proves_absence, until


class Turns:
    """Counts the iterations of the event loop."""

    def __init__(self) -> None:
        self.now = 0

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[None]:
        ticking = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticking.cancel()

    async def _tick(self) -> None:
        while True:
            self.now += 1
            await asyncio.sleep(0)


def counter(turns: Turns) -> type[Recorder]:
    """Receivers that also note in which turn each text arrived."""

    class Counting(Recorder):
        def __init__(self, socket: LiveSocket) -> None:
            super().__init__(socket)
            self.turns: list[int] = []

        def on_text(self, data: bytes) -> None:
            self.turns.append(turns.now)
            super().on_text(data)

    return Counting


async def frames_per_turn(running: Running, port: int, sent: list[bytes]) -> Counter[int]:
    """Send these texts at once; for each turn of the event loop the number of texts handled in it."""
    turns = Turns()
    running.kind = kind = counter(turns)
    async with connected(port) as peer, turns.counting():
        receiver = await running.receiver()
        assert isinstance(receiver, kind)
        peer.write(*(frame(TEXT, text) for text in sent))
        await receiver.until(sent[-1])
    assert [event for event in receiver.events if isinstance(event, bytes)] == sent
    return Counter(receiver.turns)  # type: ignore[attr-defined]


class TestFloods:
    async def test_tiny_frames_are_handled_a_few_per_turn_in_order(self, running: Running, port: int) -> None:
        handled = await frames_per_turn(running, port, [b"%d" % number for number in range(2000)])
        assert max(handled.values()) <= TURN_COST

    async def test_large_frames_are_handled_one_per_turn(self, running: Running, port: int) -> None:
        handled = await frames_per_turn(running, port, [b"%08d" % number * 8192 for number in range(20)])
        assert max(handled.values()) == 1

    async def test_receiver_that_delays_reading_gets_nothing_more_until_then(self, running: Running, port: int) -> None:
        class Delaying(Recorder):
            def on_text(self, data: bytes) -> None:
                super().on_text(data)
                self.socket.delay_reading(3600)

        running.kind = Delaying
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"1"), frame(TEXT, b"2"))
            receiver = await running.receiver()
            await receiver.until(b"1")
            peer.write(frame(TEXT, b"3"))
            await peer.drain()
            for _ in range(100):
                await asyncio.sleep(0)
            assert receiver.events == [b"1"]

    async def test_delayed_connection_can_still_be_closed_and_answers_the_close_frame(
        self, running: Running, port: int
    ) -> None:
        class Delaying(Recorder):
            def on_text(self, data: bytes) -> None:
                super().on_text(data)
                self.socket.delay_reading(3600)

        running.kind = Delaying
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"1"), frame(TEXT, b"2"))
            receiver = await running.receiver()
            await receiver.until(b"1")
            receiver.socket.close(CloseCode.RESTART)
            assert (await peer.closed_with())[0] == CloseCode.RESTART
            peer.write(close_frame(1012))
            assert await peer.rest() == b""
        assert receiver.events == [b"1", "lost"]

    async def test_delayed_connection_is_not_taken_for_a_silent_one(self, running: Running, pinging: int) -> None:
        """Its pongs are not read."""
        async with connected(pinging):
            receiver = await running.receiver()
            receiver.socket.delay_reading(3600)
            await proves_absence(6 * PING_S)
            assert "lost" not in receiver.events

    async def test_pings_beyond_their_burst_are_answered_at_a_rate(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            await running.receiver()
            peer.write(frame(PING, b"x" * 125) * 100_000)
            for _ in range(CONTROL_FRAMES.bound.burst):
                assert (await peer.frame()).opcode == PONG
            with pytest.raises(TimeoutError):  # the kernel's buffers are full: the gateway has stopped reading
                await asyncio.wait_for(peer.writer.drain(), 1)

    async def test_unrequested_pongs_count_as_much_as_pings(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            receiver = await running.receiver()
            peer.write(frame(PONG) * 2 * CONTROL_FRAMES.bound.burst, frame(TEXT, b"after"))
            await peer.drain()
            await until(lambda: not receiver.socket._transport.is_reading(), 10)
            assert receiver.events == []

    async def test_flood_that_fills_the_socket_is_echoed_completely_once_the_peer_reads(
        self, running: Running, port: int
    ) -> None:
        running.kind = Echo
        sent = [b"%06d" % number * 20 for number in range(40_000)]
        async with connected(port, receive_bytes=4096) as peer:
            receiver = await running.receiver()
            peer.write(*(frame(TEXT, text) for text in sent))
            await receiver.until("full")
            assert [(await peer.frame()).payload for _ in sent] == sent
