"""A WebSocket client that sends raw bytes, so that it can break every rule of the protocol."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.support.cable import reset

DEADLINE_S = 30.0

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


class Frame(NamedTuple):
    """A frame from the server."""

    opcode: int
    payload: bytes


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A frame from a client (RFC 6455 section 5.2), masked with zeros."""
    head = bytes([opcode | (0x80 if fin else 0)])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65_536:
        head += b"\xfe" + len(payload).to_bytes(2)
    else:
        head += b"\xff" + len(payload).to_bytes(8)
    return head + b"\0\0\0\0" + payload


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(CLOSE, code.to_bytes(2) + reason.encode())


class Peer:
    """One TCP connection to the server; every wait has a deadline."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, *pieces: bytes) -> None:
        self.writer.write(b"".join(pieces))

    async def drain(self) -> None:
        await asyncio.wait_for(self.writer.drain(), DEADLINE_S)

    async def head(self) -> str:
        """The head of the answer to an HTTP request."""
        return (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), DEADLINE_S)).decode()

    async def shake_hands(self, *headers: bytes) -> str:
        self.write(HANDSHAKE, *(header + b"\r\n" for header in headers), b"\r\n")
        return await self.head()

    async def frame(self) -> Frame:
        """The next frame from the server."""
        first, size = await self.exactly(2)
        if size > 125:
            size = int.from_bytes(await self.exactly(2 if size == 126 else 8))
        return Frame(first & 0x0F, await self.exactly(size))

    async def closed_with(self) -> tuple[int, str]:
        """Skip to the server's close frame; its code and reason."""
        while (answer := await self.frame()).opcode != CLOSE:
            pass
        return int.from_bytes(answer.payload[:2]), answer.payload[2:].decode()

    async def exactly(self, count: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(count), DEADLINE_S)

    def end(self) -> None:
        """Abort the connection without a close frame."""
        self.writer.transport.abort()

    def reset(self) -> None:
        """Reset the connection, as a machine does that has restarted."""
        reset(self.writer)

    async def rest(self) -> bytes:
        """Everything until the server ends the connection, by FIN or RST."""
        pieces: list[bytes] = []
        try:
            while piece := await asyncio.wait_for(self.reader.read(65_536), DEADLINE_S):
                pieces.append(piece)
        except ConnectionError:
            pass
        return b"".join(pieces)


@asynccontextmanager
async def dialled(port: int, *, receive_bytes: int = 0) -> AsyncIterator[Peer]:
    """A TCP connection without a handshake; `receive_bytes` bounds the receive buffers."""
    line = socket.socket()
    line.setblocking(False)
    if receive_bytes:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=line, limit=receive_bytes or 2**20)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def connected(port: int, *, receive_bytes: int = 0) -> AsyncIterator[Peer]:
    """A WebSocket connection."""
    async with dialled(port, receive_bytes=receive_bytes) as peer:
        assert "101 Switching" in await peer.shake_hands()
        yield peer
