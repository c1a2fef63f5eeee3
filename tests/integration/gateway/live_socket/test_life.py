"""Unresponsive peers are aborted; slow ones are kept."""

import asyncio

import pytest

from chatterbox.wire.close_codes import CloseCode
from services.gateway.core.frame_writer import text_frame
from services.gateway.transport import live_socket as module
from tests.integration.gateway.live_socket.receivers import PING_S, Echo, Running, flood
from tests.support.peer import PING, TEXT, connected, frame
from tests.support.waiting import proves_absence, until


class TestUnresponsivePeer:
    async def test_peer_that_answers_no_ping_is_aborted(self, running: Running, pinging: int) -> None:
        async with connected(pinging):
            await (await running.receiver()).until("lost")

    async def test_peer_that_does_not_answer_the_close_frame_is_aborted(
        self, running: Running, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "CLOSE_S", 0.1)
        async with connected(port):
            receiver = await running.receiver()
            receiver.socket.close(CloseCode.RESTART)
            await receiver.until("lost")

    async def test_unsent_data_is_discarded_when_the_login_session_ends(self, running: Running, port: int) -> None:
        async with connected(port, receive_bytes=4096) as peer:
            receiver = await running.receiver()
            written = await flood(receiver)
            unsent = receiver.socket.unsent_bytes
            receiver.socket.close(CloseCode.SESSION_ENDED)
            await until(receiver.socket._transport.is_closing, 10)
            assert len(await peer.rest()) < written - unsent, "the kernel went on to send"


class TestSlowPeer:
    @pytest.mark.timing
    async def test_peer_that_receives_data_is_kept_although_it_answers_no_ping(
        self, running: Running, pinging: int
    ) -> None:
        async with connected(pinging, receive_bytes=65_536):
            receiver = await running.receiver()
            for _ in range(60):
                receiver.socket.write(text_frame(b"x" * 100))
                await proves_absence(PING_S / 10)
            assert "lost" not in receiver.events
            await receiver.until("lost")

    @pytest.mark.timing
    async def test_full_connection_is_kept_although_it_answers_no_ping(self, running: Running, pinging: int) -> None:
        """Its pongs are not read while it is full; its owner decides whether it receives anything at all."""
        async with connected(pinging, receive_bytes=4096):
            receiver = await running.receiver()
            await flood(receiver)
            await proves_absence(6 * PING_S)
            assert "lost" not in receiver.events

    async def test_receiver_is_told_when_the_socket_is_full_and_when_it_is_drained(
        self, running: Running, port: int
    ) -> None:
        async with connected(port, receive_bytes=65_536) as peer:
            receiver = await running.receiver()
            await flood(receiver)
            reading = asyncio.create_task(peer.rest())
            await receiver.until("full", "drained")
            receiver.socket.abort()
            await reading
        assert receiver.events[:2] == ["full", "drained"]

    async def test_peer_that_reads_nothing_cannot_grow_the_write_buffer_with_pings(
        self, running: Running, port: int
    ) -> None:
        """Every ping must be answered: if reading went on, pongs would pile up."""
        async with connected(port, receive_bytes=4096) as peer:
            receiver = await running.receiver()
            pings = frame(PING, b"x" * 125) * 500
            peer.write(pings * 300)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(peer.writer.drain(), 1)
            assert receiver.socket.unsent_bytes < 1_000_000

    async def test_slow_peer_gets_everything_and_is_read_again_once_it_reads(self, running: Running, port: int) -> None:
        running.kind = Echo
        sent = [b"%06d" % number * 1000 for number in range(1500)]
        async with connected(port, receive_bytes=65_536) as peer:
            peer.write(*(frame(TEXT, text) for text in sent))
            receiver = await running.receiver()
            await receiver.until("full")
            assert [(await peer.frame()).payload for _ in sent] == sent
