"""A simulated socket: delivers bytes in order, as fast as the peer reads, until the connection is lost."""

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Protocol

from chatterbox.chassis.pacing import PacedQueue
from chatterbox.wire.close_codes import CloseCode
from services.gateway.transport.live_socket import CLOSE_S, LOST, SESSION_ENDED_CLOSE_S, SocketReceiver
from tests.simulation.conditions import Conditions
from tests.support.sabotage.gateway import is_dropped

SEND_S = (0.0001, 0.01)
"""Latency from peer to gateway (seconds)."""
DETECT_S = (0.0001, 1.5)
"""Time until a gateway detects that a connection is lost (seconds)."""
CLOSE_QUEUE_S = (0, 0.5)
"""Time from then until the gateway's close queue reaches the connection (seconds)."""


class Peer(Protocol):
    """The other end."""

    def on_payload(self, payload: bytes) -> None:
        """A frame was read."""

    def on_end(self, code: int) -> None:
        """The connection has ended; `code` is 1006 without a close frame."""


class SimulatedSocket:
    """Stands in for a connection's `LiveSocket`."""

    def __init__(self, conditions: Conditions, rng: Random, peer: Peer, *, drops_frames: bool = False) -> None:
        self._conditions = conditions
        self._rng = rng
        self._peer = peer
        self._drops_frames = drops_frames
        self._loop = asyncio.get_running_loop()
        self._receiver: SocketReceiver | None = None
        self._unread: deque[bytes] = deque()
        """Data in the kernel's buffer; `_unsent` is data that it has not accepted yet."""
        self._unread_bytes = 0
        self._unsent = b""
        self._partial = b""
        """Start of a frame of which the peer has not read the end."""
        self._inbound: deque[bytes] = deque()
        self._last_s = 0.0
        self._is_reading = False
        self._is_full = False
        self._delayed_until_s = 0.0
        self._close_sent: CloseCode | None = None
        self._is_over = False
        """Whether the peer has been told that the connection ended."""
        self._is_lost = False
        """Whether the gateway's end is closed."""
        self.stalled_until_s = 0.0
        """The peer reads nothing until then."""
        self.delivered_bytes = 0

    # For the gateway

    def begin(self, receiver: SocketReceiver, close_queue: PacedQueue) -> None:
        self._receiver = receiver

    def ping(self) -> bool:
        """Losses are always detected here, so pings are not needed."""
        return False

    @property
    def close_code(self) -> int:
        return LOST if self._close_sent is None else self._close_sent

    def try_write(self, frames: bytes) -> int:
        assert not self._is_full, "this write would overtake unsent data"
        assert self._close_sent is None, "this write would follow the close frame"
        if self._drops_frames and is_dropped(frames, self._rng.random()):
            return len(frames)
        assert not self._is_lost, "the peer can't read this"
        return self._to_kernel(frames)

    def write(self, frames: bytes) -> None:
        if self._close_sent is not None or self._is_lost:
            return
        if not self._is_full:
            frames = frames[self._to_kernel(frames) :]
        self._unsent += frames
        if self._unsent and not self._is_full:
            self._is_full = True
            self._owner.on_full()

    def _to_kernel(self, frames: bytes) -> int:
        """Accept what fits into the buffer, which may end within a frame; returns the number of bytes."""
        accepted = frames[: self._conditions.kernel_bytes - self._unread_bytes]
        if accepted:
            self._unread.append(accepted)
            self._unread_bytes += len(accepted)
            self._read_soon()
        return len(accepted)

    @property
    def unsent_bytes(self) -> int:
        return len(self._unsent)

    def delay_reading(self, seconds: float) -> None:
        self._delayed_until_s = max(self._delayed_until_s, self._loop.time() + seconds)
        self._loop.call_at(self._delayed_until_s, self._receive)

    def close(self, code: CloseCode) -> None:
        if self._close_sent is not None or self._is_lost:
            return
        self._close_sent = code
        self._read_soon()
        self._loop.call_later(SESSION_ENDED_CLOSE_S if code is CloseCode.SESSION_ENDED else CLOSE_S, self.abort)

    def abort(self) -> None:
        """Discard unread data."""
        self._is_lost = True
        self._unread.clear()
        self._end(LOST)

    @property
    def _owner(self) -> SocketReceiver:
        assert self._receiver is not None
        return self._receiver

    # For the peer

    def send(self, payload: bytes) -> None:
        self._in_order(self._arrive, payload)

    def cut(self) -> None:
        """Lose the connection. The gateway detects it later; data in transit to it arrives."""
        self._is_over = True
        self._loop.call_later(self._rng.uniform(*DETECT_S), self._in_order, self._on_loss_detected)

    def _in_order(self, callback: Callable[..., None], *args: bytes) -> None:
        """Call after the latency, in the order of the calls."""
        self._last_s = max(self._last_s, self._loop.time() + self._rng.uniform(*SEND_S))
        self._loop.call_at(self._last_s, callback, *args)

    def _arrive(self, payload: bytes) -> None:
        if self._is_lost:
            return
        self._inbound.append(payload)
        self._receive()

    def _receive(self) -> None:
        """A gateway reads nothing from a full connection, or while it delays reading."""
        while self._inbound and not (self._is_full or self._is_lost or self._loop.time() < self._delayed_until_s):
            self._owner.on_text(self._inbound.popleft())

    def _on_loss_detected(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._owner.on_gone()
            self._loop.call_later(self._rng.uniform(*CLOSE_QUEUE_S), self._owner.on_lost)

    # Reading

    @property
    def has_unread(self) -> bool:
        return bool(self._unread) and not self._is_over

    def _read_soon(self) -> None:
        if not self._is_reading and not self._is_over:
            self._is_reading = True
            at_s = self._loop.time() + self._rng.uniform(*self._conditions.read_s)
            self._loop.call_at(max(at_s, self.stalled_until_s), self._read)

    def _read(self) -> None:
        """Read one write at a time, so that no two pages are read at once."""
        self._is_reading = False
        if self._is_over:
            return
        if self._unread:
            data = self._unread.popleft()
            self._unread_bytes -= len(data)
            self.delivered_bytes += len(data)
            payloads, self._partial = payloads_in(self._partial + data)
            for payload in payloads:
                self._peer.on_payload(payload)
            self._drain()
        elif self._close_sent is not None:
            self._end(self._close_sent)
        if self._unread or self._close_sent is not None:
            self._read_soon()

    def _drain(self) -> None:
        """Like a kernel, accept more data once half the buffer is free, not for each byte."""
        if self._unread_bytes > self._conditions.kernel_bytes // 2:
            return
        self._unsent = self._unsent[self._to_kernel(self._unsent) :]
        if self._is_full and not self._unsent and self._close_sent is None:
            self._is_full = False
            self._owner.on_drained()
            self._receive()

    def _end(self, code: int) -> None:
        if not self._is_over:
            self._is_over = True
            self._peer.on_end(code)


def payloads_in(frames: bytes) -> tuple[list[bytes], bytes]:
    """Split joined text frames into payloads; also returns the rest, an incomplete frame."""
    payloads: list[bytes] = []
    start = 0
    while start + 2 <= len(frames):
        length, begin = frames[start + 1], start + 2
        if (more := {126: 2, 127: 8}.get(length, 0)) > 0:
            length, begin = int.from_bytes(frames[begin : begin + more]), begin + more
        if begin + length > len(frames):
            break
        payloads.append(frames[begin : begin + length])
        start = begin + length
    return payloads, frames[start:]
