"""The socket after its handshake, over loopback and the real server: what a peer may do, and what ends it."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import pytest

from chatterbox.chassis.http_protocol import HttpProtocol
from chatterbox.wire.close import SENTENCES, CloseCode
from services.gateway import live_socket as module
from services.gateway.framing import text_frame
from services.gateway.handshake import Handshake
from services.gateway.live_socket import LiveSocket
from tests.support import live
from tests.support.peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    Frame,
    Peer,
    close_frame,
    connected,
    dialled,
    frame,
)
from tests.support.waiting import until

PING_S = 0.25


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop of production: its transports differ from asyncio's."""
    return "asyncio", {"use_uvloop": True}


class Recorder:
    """A receiver that keeps what it was told."""

    def __init__(self, socket: LiveSocket) -> None:
        self.socket = socket
        self.told: list[str | bytes] = []
        self.most_unsent = 0
        self._changed = asyncio.Event()

    def _tell(self, what: str | bytes) -> None:
        self.told.append(what)
        self._changed.set()

    def on_text(self, data: bytes) -> None:
        self._tell(data)

    def on_binary(self) -> None:
        self._tell("binary")

    def on_full(self) -> None:
        self._tell("full")

    def on_drained(self) -> None:
        self._tell("drained")

    def on_gone(self) -> None:
        self._tell("gone")

    def on_lost(self) -> None:
        self._tell("lost")

    async def until(self, *told: str | bytes) -> None:
        """Wait until all of this has been told."""
        async with asyncio.timeout(10):
            while not set(told) <= set(self.told):
                self._changed.clear()
                await self._changed.wait()


class Echo(Recorder):
    """A receiver that sends back what it gets."""

    def on_text(self, data: bytes) -> None:
        super().on_text(data)
        self.socket.write(text_frame(data))


class Running:
    """The server and the receivers of its connections, in the order in which they came."""

    def __init__(self) -> None:
        self.kind: type[Recorder] = Recorder
        self.receivers: asyncio.Queue[Recorder] = asyncio.Queue()
        self.accepted: Callable[[Handshake], Awaitable[object]] = _at_once

    def new(self, socket: LiveSocket) -> Recorder:
        receiver = self.kind(socket)
        self.receivers.put_nowait(receiver)
        return receiver

    async def receiver(self) -> Recorder:
        return await asyncio.wait_for(self.receivers.get(), 10)

    def serving(self, *, ping_s: float = 20) -> AbstractAsyncContextManager[int]:
        return live.serving(self.new, ping_s=ping_s, accepted=self.accepted)


async def _at_once(_: Handshake) -> None:
    return


@pytest.fixture
def running() -> Running:
    return Running()


@pytest.fixture
async def port(running: Running) -> AsyncIterator[int]:
    async with running.serving() as port:
        yield port


@pytest.fixture
async def pinging(running: Running) -> AsyncIterator[int]:
    """The port of a server that loses patience quickly."""
    async with running.serving(ping_s=PING_S) as port:
        yield port


async def flood(receiver: Recorder) -> int:
    """Write until the kernel's buffers are full and much is unsent; returns the number of bytes written."""
    frame = text_frame(b"x" * 60_000)
    for count in range(2000):
        receiver.socket.write(frame)
        await asyncio.sleep(0)
        if "full" in receiver.told and receiver.socket.unsent_bytes > 200_000:
            return (count + 1) * len(frame)
    raise AssertionError("the peer took everything")


class TestMessages:
    async def test_arrive_whole_and_in_order(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"one"), frame(TEXT, b"tw", fin=False), frame(CONTINUATION, b"o"))
            peer.write(frame(TEXT, "drei ✓".encode()))
            receiver = await running.receiver()
            await receiver.until("drei ✓".encode())
        assert receiver.told == [b"one", b"two", "drei ✓".encode()]

    async def test_that_came_before_the_handover_are_delivered_in_order(self, running: Running) -> None:
        early = frame(TEXT, b"1") + frame(BINARY, b"2") + frame(TEXT, b"3")

        async def all_came(handshake: Handshake) -> None:
            while handshake.early != early:  # noqa: ASYNC110 - uvicorn's callback, which tells nobody
                await asyncio.sleep(0)

        running.accepted = all_came
        async with running.serving() as port, connected(port) as peer:
            peer.write(early)
            receiver = await running.receiver()
            peer.write(frame(TEXT, b"4"))
            await receiver.until(b"4")
        assert receiver.told[:4] == [b"1", "binary", b"3", b"4"]

    async def test_of_65536_bytes_are_taken(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"x" * 65_536))
            await (await running.receiver()).until(b"x" * 65_536)

    @pytest.mark.parametrize("size", [65_537, 4_000_000])
    async def test_of_more_end_the_connection_with_1009_that_the_peer_can_read(self, port: int, size: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"x" * size))
            await peer.drain()
            assert (await peer.closed_with())[0] == CloseCode.TOO_BIG
            assert await peer.rest() == b""

    async def test_of_65537_bytes_in_fragments_end_the_connection_with_1009(self, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"x" * 60_000, fin=False), frame(CONTINUATION, b"x" * 5_537))
            assert (await peer.closed_with())[0] == CloseCode.TOO_BIG

    async def test_in_64_fragments_are_taken(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"x", fin=False), frame(CONTINUATION, b"x", fin=False) * 62)
            peer.write(frame(CONTINUATION, b"x"))
            await (await running.receiver()).until(b"x" * 64)

    async def test_in_65_fragments_end_the_connection_with_1009(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"", fin=False), frame(CONTINUATION, b"", fin=False) * 64)
            assert await peer.closed_with() == (CloseCode.TOO_BIG, SENTENCES[CloseCode.TOO_BIG])
        assert b"" not in (await running.receiver()).told

    async def test_that_are_not_utf8_end_the_connection_with_1007(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"good"), frame(TEXT, b"\xff\xfe"), frame(TEXT, b"after"))
            assert await peer.closed_with() == (CloseCode.BAD_TEXT, SENTENCES[CloseCode.BAD_TEXT])
            receiver = await running.receiver()
        await receiver.until("lost")
        assert receiver.told == [b"good", "lost"]

    async def test_that_are_binary_are_told_apart(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(BINARY, b"\xff"))
            await (await running.receiver()).until("binary")

    async def test_that_came_whole_before_a_broken_frame_are_delivered(self, running: Running, port: int) -> None:
        running.kind = Echo
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"whole"), frame(PING, b"p"), frame(TEXT, b"too"), frame(0x3, b"no such opcode"))
            answers = [await peer.frame() for _ in range(4)]
        assert answers[:3] == [Frame(TEXT, b"whole"), Frame(PONG, b"p"), Frame(TEXT, b"too")]
        assert answers[3].opcode == CLOSE


class TestPings:
    async def test_are_answered_in_order_between_messages(self, running: Running, port: int) -> None:
        running.kind = Echo
        pings = [f"p{number}".encode() for number in range(200)]
        texts = [f"t{number}".encode() for number in range(200)]
        async with connected(port) as peer:
            for ping, text in zip(pings, texts, strict=True):
                peer.write(frame(PING, ping), frame(TEXT, text))
            answers = [await peer.frame() for _ in range(400)]
        assert [answer.payload for answer in answers if answer.opcode == PONG] == pings
        assert [answer.payload for answer in answers if answer.opcode == TEXT] == texts

    async def test_amid_a_fragmented_message_are_answered(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"a", fin=False), frame(PING, b"p"), frame(CONTINUATION, b"b"))
            assert await peer.frame() == Frame(PONG, b"p")
            await (await running.receiver()).until(b"ab")

    async def test_that_are_answered_keep_a_silent_peer(self, running: Running, pinging: int) -> None:
        async with connected(pinging) as peer:
            for _ in range(5):
                ping = await peer.frame()
                assert ping.opcode == PING
                peer.write(frame(PONG, ping.payload))
            assert (await running.receiver()).told == []


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
    async def test_is_kept_while_it_takes_something_though_it_answers_no_ping(
        self, running: Running, pinging: int
    ) -> None:
        async with connected(pinging, receive_bytes=65_536):
            receiver = await running.receiver()
            until_s = asyncio.get_running_loop().time() + 6 * PING_S
            while asyncio.get_running_loop().time() < until_s:
                receiver.socket.write(text_frame(b"x" * 100))
                await asyncio.sleep(PING_S / 10)
            assert "lost" not in receiver.told
            await receiver.until("lost")

    async def test_is_kept_while_it_is_full(self, running: Running, pinging: int) -> None:
        """Its answers to pings are not read then; whether it takes anything at all is its owner's question."""
        async with connected(pinging, receive_bytes=4096):
            receiver = await running.receiver()
            await flood(receiver)
            await asyncio.sleep(6 * PING_S)
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


class TestClosing:
    async def test_says_code_and_reason_and_takes_the_answer(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            receiver = await running.receiver()
            receiver.socket.close(CloseCode.SESSION_ENDED)
            assert await peer.closed_with() == (4501, SENTENCES[CloseCode.SESSION_ENDED])
            peer.write(close_frame(4501))
            assert await peer.rest() == b""
        await receiver.until("lost")

    async def test_lets_what_was_written_before_go_first_and_nothing_after(self, running: Running, port: int) -> None:
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

    async def test_passes_on_nothing_that_comes_later(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            receiver = await running.receiver()
            receiver.socket.close(CloseCode.RESTART)
            peer.write(frame(TEXT, b"late"), close_frame(1012))
            await receiver.until("lost")
        assert receiver.told == ["lost"]

    async def test_of_a_slow_peer_still_reaches_it(self, running: Running, port: int) -> None:
        async with connected(port, receive_bytes=65_536) as peer:
            receiver = await running.receiver()
            await flood(receiver)
            receiver.socket.close(CloseCode.BEHIND)
            assert (await peer.closed_with())[0] == CloseCode.BEHIND
            peer.write(close_frame(4000))
            await receiver.until("lost")

    async def test_by_the_peer_is_answered_with_its_code(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(close_frame(1000, "bye"))
            assert await peer.closed_with() == (1000, "bye")
            assert await peer.rest() == b""
            await (await running.receiver()).until("lost")

    async def test_by_the_peer_amid_a_fragmented_message_is_answered(self, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"half", fin=False), close_frame(1000), frame(CONTINUATION, b"other half"))
            assert (await peer.closed_with())[0] == 1000

    @pytest.mark.parametrize("ending", [Peer.end, Peer.reset])
    async def test_of_lost_lines_is_told_once_for_each(
        self, running: Running, port: int, ending: Callable[[Peer], None]
    ) -> None:
        """At once that the peer has gone, and in its turn that all is over."""
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(connected(port)) for _ in range(30)]
            receivers = [await running.receiver() for _ in peers]
            for peer in peers:
                ending(peer)
            for receiver in receivers:
                await receiver.until("lost")
        assert [receiver.told for receiver in receivers] == [["gone", "lost"]] * len(peers)

    @pytest.mark.parametrize("ending", [frame(TEXT, b"\xff"), close_frame(1000)], ids=["violation", "close"])
    async def test_is_told_when_our_close_frame_goes_out_for_nothing_may_follow_it(
        self, running: Running, port: int, ending: bytes
    ) -> None:
        async with connected(port) as peer:
            receiver = await running.receiver()
            peer.write(ending)
            assert (await peer.frame()).opcode == CLOSE
            async with asyncio.timeout(module.CLOSE_S / 2):
                await receiver.until("lost")

    async def test_of_a_line_lost_before_the_handover_is_told(self, running: Running) -> None:
        async def gone(handshake: Handshake) -> None:
            while not handshake.is_lost:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0)

        running.accepted = gone
        async with running.serving() as port:
            async with connected(port):
                pass
            receiver = await running.receiver()
            await receiver.until("lost")
        assert receiver.told == ["lost"]

    async def test_of_lines_cut_amid_the_handshake_leaves_no_trace(
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

    async def test_when_the_server_stops_asks_to_come_back(self, running: Running) -> None:
        server = running.serving()
        async with server as port, connected(port) as peer:
            await running.receiver()
            stopping = asyncio.create_task(server.__aexit__(None, None, None))
            assert (await peer.closed_with())[0] == CloseCode.RESTART
            peer.write(close_frame(1012))
            await stopping


def _kept() -> int:
    return sum(isinstance(each, LiveSocket | HttpProtocol) for each in gc.get_objects())


class TestMemory:
    async def test_nothing_of_a_connection_waits_for_the_garbage_collector(
        self, running: Running, pinging: int
    ) -> None:
        gc.collect()
        gc.disable()
        before = _kept()
        try:
            for _ in range(20):
                async with connected(pinging) as peer:
                    peer.write(frame(TEXT, b"hello"), close_frame(1000))
                    await peer.rest()
                await (await running.receiver()).until("lost")
            await until(lambda: _kept() <= before, 10)  # who beats for them lets go of them at the next beat
        finally:
            gc.enable()
