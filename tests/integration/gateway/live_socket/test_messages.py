"""What a peer may send over loopback to the real server, and what of it ends the connection."""

import asyncio

import pytest

from chatterbox.wire.close_codes import SENTENCES, CloseCode
from services.gateway.transport.handshake import Handshake
from tests.integration.gateway.live_socket.receivers import Echo, Running
from tests.support.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, connected, frame


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
