"""Closing of live sockets, by either side, without leaks."""

import asyncio
import gc
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from chatterbox.chassis.http.http_protocol import HttpProtocol
from chatterbox.wire.close_codes import SENTENCES, CloseCode
from services.gateway.core.frame_writer import text_frame
from services.gateway.transport import live_socket as module
from services.gateway.transport.handshake import Handshake
from services.gateway.transport.live_socket import LiveSocket
from tests.integration.gateway.live_socket.receivers import PING_S, Running, flood
from tests.support.peer import (
    CLOSE,
    CONTINUATION,
    HANDSHAKE,
    PING,
    TEXT,
    Frame,
    Peer,
    close_frame,
    connected,
    dialled,
    frame,
)


class TestClosing:
    async def test_close_sends_code_and_reason_and_accepts_the_answer(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            receiver = await running.receiver()
            receiver.socket.close(CloseCode.SESSION_ENDED)
            assert await peer.closed_with() == (4501, SENTENCES[CloseCode.SESSION_ENDED])
            peer.write(close_frame(4501))
            assert await peer.rest() == b""
        await receiver.until("lost")

    async def test_close_frame_follows_earlier_writes_and_ends_the_stream(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            socket = (await running.receiver()).socket
            socket.write(text_frame(b"before"))
            socket.close(CloseCode.RESTART)
            socket.write(text_frame(b"after"))
            socket.close(CloseCode.BEHIND)
            assert await peer.frame() == Frame(TEXT, b"before")
            assert (await peer.closed_with())[0] == CloseCode.RESTART
            peer.write(frame(PING, b"too late"), close_frame(1012))
            assert await peer.rest() == b""

    async def test_messages_received_after_close_are_discarded(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            receiver = await running.receiver()
            receiver.socket.close(CloseCode.RESTART)
            peer.write(frame(TEXT, b"late"), close_frame(1012))
            await receiver.until("lost")
        assert receiver.events == ["lost"]

    async def test_close_frame_reaches_a_slow_peer(self, running: Running, port: int) -> None:
        async with connected(port, receive_bytes=65_536) as peer:
            receiver = await running.receiver()
            await flood(receiver)
            receiver.socket.close(CloseCode.BEHIND)
            assert (await peer.closed_with())[0] == CloseCode.BEHIND
            peer.write(close_frame(4000))
            await receiver.until("lost")

    async def test_close_frame_of_the_peer_is_answered_with_its_code(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(close_frame(1000, "bye"))
            assert await peer.closed_with() == (1000, "bye")
            assert await peer.rest() == b""
            await (await running.receiver()).until("lost")

    async def test_close_frame_within_a_fragmented_message_is_answered(self, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"half", fin=False), close_frame(1000), frame(CONTINUATION, b"other half"))
            assert (await peer.closed_with())[0] == 1000

    @pytest.mark.parametrize("ending", [Peer.end, Peer.reset])
    async def test_each_lost_connection_is_reported_once_as_gone_and_once_as_lost(
        self, running: Running, port: int, ending: Callable[[Peer], None]
    ) -> None:
        """`gone` immediately, `lost` once the close queue reaches the connection."""
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(connected(port)) for _ in range(30)]
            receivers = [await running.receiver() for _ in peers]
            for peer in peers:
                ending(peer)
            for receiver in receivers:
                await receiver.until("lost")
        assert [receiver.events for receiver in receivers] == [["gone", "lost"]] * len(peers)

    @pytest.mark.parametrize("ending", [frame(TEXT, b"\xff"), close_frame(1000)], ids=["violation", "close"])
    @pytest.mark.timing
    async def test_receiver_is_told_that_it_is_lost_when_the_close_frame_is_sent(
        self, running: Running, port: int, ending: bytes
    ) -> None:
        async with connected(port) as peer:
            receiver = await running.receiver()
            peer.write(ending)
            assert (await peer.frame()).opcode == CLOSE
            async with asyncio.timeout(module.CLOSE_S / 2):
                await receiver.until("lost")

    async def test_connection_lost_before_the_handover_is_reported(self, running: Running) -> None:
        async def gone(handshake: Handshake) -> None:
            while not handshake.is_lost:  # noqa: ASYNC110 - set by a callback of the transport
                await asyncio.sleep(0)

        running.accepted = gone
        async with running.serving() as port:
            async with connected(port):
                pass
            receiver = await running.receiver()
            await receiver.until("lost")
        assert receiver.events == ["lost"]

    async def test_connections_lost_during_the_handshake_log_nothing(
        self, running: Running, port: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(20):
            async with dialled(port) as peer:
                peer.write(HANDSHAKE, b"\r\n")
                await peer.drain()
        async with connected(port):
            while running.receivers.qsize() > 1:
                await (await running.receiver()).until("lost")
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []

    async def test_server_shutdown_closes_connections_with_restart(self, running: Running) -> None:
        server = running.serving()
        async with server as port, connected(port) as peer:
            await running.receiver()
            stopping = asyncio.create_task(server.__aexit__(None, None, None))
            assert (await peer.closed_with())[0] == CloseCode.RESTART
            peer.write(close_frame(1012))
            await stopping


def _live_objects() -> int:
    return sum(isinstance(each, LiveSocket | HttpProtocol) for each in gc.get_objects())


class TestMemory:
    async def test_ended_connections_leave_no_reference_cycles(self, running: Running, pinging: int) -> None:
        gc.collect()
        gc.disable()
        before = _live_objects()
        try:
            for _ in range(20):
                async with connected(pinging) as peer:
                    peer.write(frame(TEXT, b"hello"), close_frame(1000))
                    await peer.rest()
                await (await running.receiver()).until("lost")
            async with asyncio.timeout(60):
                while _live_objects() > before:  # noqa: ASYNC110 - the keepalive drops them at its next ping
                    await asyncio.sleep(2 * PING_S)  # fixed: a round of pings, as counting holds up the event loop
        finally:
            gc.enable()
