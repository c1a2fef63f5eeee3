"""Receivers that record the callbacks of a real server's live sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from services.gateway.core.frame_writer import text_frame
from services.gateway.transport.handshake import Handshake
from services.gateway.transport.live_socket import LiveSocket
from tests.support import socket_server

PING_S = 0.25


class Recorder:
    """Records its callbacks."""

    def __init__(self, socket: LiveSocket) -> None:
        self.socket = socket
        self.events: list[str | bytes] = []
        self._changed = asyncio.Event()

    def _record(self, event: str | bytes) -> None:
        self.events.append(event)
        self._changed.set()

    def on_text(self, data: bytes) -> None:
        self._record(data)

    def on_binary(self) -> None:
        self._record("binary")

    def on_full(self) -> None:
        self._record("full")

    def on_drained(self) -> None:
        self._record("drained")

    def on_gone(self) -> None:
        self._record("gone")

    def on_lost(self) -> None:
        self._record("lost")

    async def until(self, *events: str | bytes) -> None:
        """Wait until all of these were recorded."""
        async with asyncio.timeout(10):
            while not set(events) <= set(self.events):
                self._changed.clear()
                await self._changed.wait()


class Echo(Recorder):
    """Sends back what it receives."""

    def on_text(self, data: bytes) -> None:
        super().on_text(data)
        self.socket.write(text_frame(data))


class Running:
    """A server and the receivers of its connections, in the order of connecting."""

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
        return socket_server.serving(self.new, ping_s=ping_s, accepted=self.accepted)


async def _at_once(_: Handshake) -> None:
    return


async def flood(receiver: Recorder) -> int:
    """Write until the kernel's buffers are full and much is unsent; returns the number of bytes written."""
    frame = text_frame(b"x" * 60_000)
    for count in range(2000):
        receiver.socket.write(frame)
        await asyncio.sleep(0)
        if "full" in receiver.events and receiver.socket.unsent_bytes > 200_000:
            return (count + 1) * len(frame)
    raise AssertionError("the peer received everything")
