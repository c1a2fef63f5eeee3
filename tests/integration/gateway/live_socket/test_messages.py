"""Messages and pings over loopback to the real server, and which of them close the connection."""

import asyncio

import pytest

from chatterbox.wire.close_codes import SENTENCES, CloseCode
from services.gateway.transport.handshake import Handshake
from tests.integration.gateway.live_socket.receivers import Echo, Running
from tests.support.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, connected, frame


class TestMessages:
    async def test_messages_and_fragments_arrive_complete_and_in_order(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"one"), frame(TEXT, b"tw", fin=False), frame(CONTINUATION, b"o"))
            peer.write(frame(TEXT, "drei ✓".encode()))
            receiver = await running.receiver()
            await receiver.until("drei ✓".encode())
        assert receiver.events == [b"one", b"two", "drei ✓".encode()]

    async def test_messages_received_before_the_handover_are_delivered_in_order(self, running: Running) -> None:
        early = frame(TEXT, b"1") + frame(BINARY, b"2") + frame(TEXT, b"3")

        async def all_came(handshake: Handshake) -> None:
            while handshake.early != early:  # noqa: ASYNC110 - set by a callback of the transport
                await asyncio.sleep(0)

        running.accepted = all_came
        async with running.serving() as port, connected(port) as peer:
            peer.write(early)
            receiver = await running.receiver()
            peer.write(frame(TEXT, b"4"))
            await receiver.until(b"4")
        assert receiver.events[:4] == [b"1", "binary", b"3", b"4"]

    async def test_message_of_65536_bytes_is_accepted(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"x" * 65_536))
            await (await running.receiver()).until(b"x" * 65_536)

    @pytest.mark.parametrize("size", [65_537, 4_000_000])
    async def test_message_of_more_than_65536_bytes_is_closed_with_1009_that_the_peer_can_read(
        self, port: int, size: int
    ) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"x" * size))
            await peer.drain()
            assert (await peer.closed_with())[0] == CloseCode.TOO_BIG
            assert await peer.rest() == b""

    async def test_fragmented_message_of_65537_bytes_is_closed_with_1009(self, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"x" * 60_000, fin=False), frame(CONTINUATION, b"x" * 5_537))
            assert (await peer.closed_with())[0] == CloseCode.TOO_BIG

    async def test_message_of_64_fragments_is_accepted(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"x", fin=False), frame(CONTINUATION, b"x", fin=False) * 62)
            peer.write(frame(CONTINUATION, b"x"))
            await (await running.receiver()).until(b"x" * 64)

    async def test_message_of_65_fragments_is_closed_with_1009(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"", fin=False), frame(CONTINUATION, b"", fin=False) * 64)
            assert await peer.closed_with() == (CloseCode.TOO_BIG, SENTENCES[CloseCode.TOO_BIG])
        assert b"" not in (await running.receiver()).events

    async def test_text_that_is_not_utf8_is_closed_with_1007(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"good"), frame(TEXT, b"\xff\xfe"), frame(TEXT, b"after"))
            assert await peer.closed_with() == (CloseCode.BAD_TEXT, SENTENCES[CloseCode.BAD_TEXT])
            receiver = await running.receiver()
        await receiver.until("lost")
        assert receiver.events == [b"good", "lost"]

    async def test_binary_message_is_reported_as_binary(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(BINARY, b"\xff"))
            await (await running.receiver()).until("binary")

    async def test_complete_messages_before_an_invalid_frame_are_delivered(self, running: Running, port: int) -> None:
        running.kind = Echo
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"whole"), frame(PING, b"p"), frame(TEXT, b"too"), frame(0x3, b"no such opcode"))
            answers = [await peer.frame() for _ in range(4)]
        assert answers[:3] == [Frame(TEXT, b"whole"), Frame(PONG, b"p"), Frame(TEXT, b"too")]
        assert answers[3].opcode == CLOSE


class TestPings:
    async def test_pings_between_messages_are_answered_in_order(self, running: Running, port: int) -> None:
        running.kind = Echo
        pings = [f"p{number}".encode() for number in range(200)]
        texts = [f"t{number}".encode() for number in range(200)]
        async with connected(port) as peer:
            for ping, text in zip(pings, texts, strict=True):
                peer.write(frame(PING, ping), frame(TEXT, text))
            answers = [await peer.frame() for _ in range(400)]
        assert [answer.payload for answer in answers if answer.opcode == PONG] == pings
        assert [answer.payload for answer in answers if answer.opcode == TEXT] == texts

    async def test_ping_within_a_fragmented_message_is_answered(self, running: Running, port: int) -> None:
        async with connected(port) as peer:
            peer.write(frame(TEXT, b"a", fin=False), frame(PING, b"p"), frame(CONTINUATION, b"b"))
            assert await peer.frame() == Frame(PONG, b"p")
            await (await running.receiver()).until(b"ab")

    async def test_silent_peer_that_answers_pings_is_kept(self, running: Running, pinging: int) -> None:
        async with connected(pinging) as peer:
            for _ in range(5):
                ping = await peer.frame()
                assert ping.opcode == PING
                peer.write(frame(PONG, ping.payload))
            assert (await running.receiver()).events == []
