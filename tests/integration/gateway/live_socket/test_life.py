"""Whether a peer is there and takes what it is sent: who is aborted, who is only slow."""

import asyncio

import pytest

from chatterbox.wire.close import CloseCode
from services.gateway import live_socket as module
from services.gateway.framing import text_frame
from tests.integration.gateway.live_socket.receivers import PING_S, Echo, Running, flood
from tests.support.peer import PING, TEXT, connected, frame
from tests.support.waiting import proves_absence, until


class TestAPeerThatShowsNoLife:
    async def test_is_aborted_when_it_answers_no_ping(self, running: Running, pinging: int) -> None:
        async with connected(pinging):
            await (await running.receiver()).until("lost")

    async def test_is_aborted_when_it_does_not_answer_our_close(
        self, running: Running, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "CLOSE_S", 0.1)
        async with connected(port):
            receiver = await running.receiver()
            receiver.socket.close(CloseCode.RESTART)
            await receiver.until("lost")

    async def test_gets_nothing_that_is_unsent_when_its_login_session_has_ended(
        self, running: Running, port: int
    ) -> None:
        async with connected(port, receive_bytes=4096) as peer:
            receiver = await running.receiver()
            written = await flood(receiver)
            unsent = receiver.socket.unsent_bytes
            receiver.socket.close(CloseCode.SESSION_ENDED)
            await until(receiver.socket._transport.is_closing, 10)
            assert len(await peer.rest()) < written - unsent, "the kernel went on to send"


class TestASlowPeer:
    @pytest.mark.timing
    async def test_is_kept_while_it_takes_something_though_it_answers_no_ping(
        self, running: Running, pinging: int
    ) -> None:
        async with connected(pinging, receive_bytes=65_536):
            receiver = await running.receiver()
            for _ in range(60):
                receiver.socket.write(text_frame(b"x" * 100))
                await proves_absence(PING_S / 10)
            assert "lost" not in receiver.told
            await receiver.until("lost")

    @pytest.mark.timing
    async def test_is_kept_while_it_is_full(self, running: Running, pinging: int) -> None:
        """Its answers to pings are not read then; whether it takes anything at all is its owner's question."""
        async with connected(pinging, receive_bytes=4096):
            receiver = await running.receiver()
            await flood(receiver)
            await proves_absence(6 * PING_S)
            assert "lost" not in receiver.told

    async def test_is_told_of_when_it_falls_behind_and_when_it_caught_up(self, running: Running, port: int) -> None:
        async with connected(port, receive_bytes=65_536) as peer:
            receiver = await running.receiver()
            await flood(receiver)
            reading = asyncio.create_task(peer.rest())
            await receiver.until("full", "drained")
            receiver.socket.abort()
            await reading
        assert receiver.told[:2] == ["full", "drained"]

    async def test_cannot_make_us_hoard_what_it_does_not_read(self, running: Running, port: int) -> None:
        """Every ping must be answered: were they taken without end, so would our answers be kept."""
        async with connected(port, receive_bytes=4096) as peer:
            receiver = await running.receiver()
            pings = frame(PING, b"x" * 125) * 500
            peer.write(pings * 300)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(peer.writer.drain(), 1)
            assert receiver.socket.unsent_bytes < 1_000_000

    async def test_gets_everything_and_is_heard_again_once_it_reads(self, running: Running, port: int) -> None:
        running.kind = Echo
        sent = [b"%06d" % number * 1000 for number in range(1500)]
        async with connected(port, receive_bytes=65_536) as peer:
            peer.write(*(frame(TEXT, text) for text in sent))
            receiver = await running.receiver()
            await receiver.until("full")
            assert [(await peer.frame()).payload for _ in sent] == sent
