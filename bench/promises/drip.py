"""A slow reader: reads a fixed number of bytes a second, or none, and records the offset of each message."""

import asyncio
import json
import socket
from contextlib import suppress
from typing import Any

from tests.support.peer import HANDSHAKE, PING, PONG, TEXT, frame

RECEIVE_BYTES = 4096
SEGMENT_BYTES = 1448
"""As over Ethernet; with loopback's larger segments the kernels would hold megabytes."""
AT_ONCE_BYTES = 65_536
STEP_S = 0.25
CONNECT_S = 30.0


class Drip:
    """A connection with adjustable speed: `bytes_per_s` None reads without limit, 0 reads nothing."""

    def __init__(self, port: int, token: str) -> None:
        self._address = ("127.0.0.1", port)
        self._token = token
        self._line = socket.socket()
        self._data = bytearray()
        self._reading: asyncio.Task[None] | None = None
        self.bytes_per_s: float | None = None
        self.welcomed = asyncio.Event()
        self.first: dict[str, int] = {}
        """For each room the offset of the first expected message."""
        self.offsets: dict[str, list[int]] = {}
        self.ended_s: float | None = None
        """The time at which the connection ended, by the event loop's clock."""

    async def open(self) -> None:
        """Connect and wait for the welcome, at full speed."""
        self._line.setblocking(False)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._line, self._address)
        await loop.sock_sendall(self._line, HANDSHAKE + f"Authorization: Bearer {self._token}\r\n\r\n".encode())
        while b"\r\n\r\n" not in self._data:
            self._data += await loop.sock_recv(self._line, 1024)
        head, _, rest = bytes(self._data).partition(b"\r\n\r\n")
        assert b" 101 " in head, head
        self._data = bytearray(rest)
        self._reading = asyncio.create_task(self._read())
        await asyncio.wait_for(self.welcomed.wait(), CONNECT_S)

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
        self._line.close()

    def mistakes(self, room: str, head: int) -> int:
        """The number of messages up to `head` that are missing, duplicated or out of order."""
        expected = list(range(self.first[room], head + 1))
        came = self.offsets.get(room, [])
        return len(set(expected) ^ set(came)) + len(came) - len(set(came)) + (came != sorted(came))

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._take()
            pace = self.bytes_per_s
            if pace == 0:
                await asyncio.sleep(STEP_S)
                continue
            try:
                data = await loop.sock_recv(self._line, AT_ONCE_BYTES if pace is None else int(pace * STEP_S))
            except ConnectionError:
                data = b""
            if not data:
                self.ended_s = loop.time()
                return
            self._data += data
            if pace is not None:
                await asyncio.sleep(len(data) / pace)

    def _take(self) -> None:
        """Process the complete frames in the buffer."""
        at = 0
        while (whole := _frame(self._data, at)) is not None:
            opcode, payload, at = whole
            if opcode == TEXT:
                self._on_text(json.loads(payload))
            elif opcode == PING:
                with suppress(OSError):
                    self._line.send(frame(PONG, payload))
        del self._data[:at]

    def _on_text(self, said: dict[str, Any]) -> None:
        if said["type"] == "message":
            self.offsets.setdefault(said["room"], []).append(said["at"]["offset"])
        elif said["type"] == "welcome":
            self.first = {room["room"]: room["at"]["offset"] + 1 for room in said["rooms"]}
            self.welcomed.set()


def _frame(data: bytearray, at: int) -> tuple[int, bytes, int] | None:
    """Opcode and payload of the frame at `at`, and the start of the next; None if incomplete (RFC 6455 section 5.2)."""
    if len(data) < at + 2:
        return None
    size, head = data[at + 1] & 127, 2
    if size > 125:
        more = 2 if size == 126 else 8
        size, head = int.from_bytes(data[at + 2 : at + 2 + more]), 2 + more
    end = at + head + size
    if len(data) < at + head or len(data) < end:
        return None
    return data[at] & 15, bytes(data[at + head : end]), end
