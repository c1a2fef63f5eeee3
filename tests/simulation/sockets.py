"""A connection's two ends and what is between: bytes in order, as slow as the peer reads, until the line is lost."""

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Protocol

from chatterbox.wire.close_codes import CloseCode
from services.gateway.transport.live_socket import CLOSE_S, LOST, SESSION_ENDED_CLOSE_S, SocketReceiver
from services.gateway.transport.pacing import PacedQueue
from tests.simulation.conditions import Conditions
from tests.support.sabotage.gateway import is_dropped

SEND_S = (0.0001, 0.01)
"""On the way from peer to gateway (seconds)."""
NOTICE_S = (0.0001, 1.5)
"""Until a gateway notices that a line is lost (seconds)."""
DEPART_S = (0, 0.5)
"""From then until it is that connection's turn to be closed (seconds)."""


class Peer(Protocol):
    """Whoever is at the other end."""

    def on_payload(self, payload: bytes) -> None:
        """A frame was read."""

    def on_end(self, code: int) -> None:
        """Nothing more comes; `code` is 1006 where no close frame came."""


class SimulatedSocket:
    """What a `Connection` takes for its `LiveSocket`."""

    def __init__(self, conditions: Conditions, chance: Random, peer: Peer, *, drops_frames: bool = False) -> None:
        self._conditions = conditions
        self._chance = chance
        self._peer = peer
        self._drops_frames = drops_frames
        self._loop = asyncio.get_running_loop()
        self._receiver: SocketReceiver | None = None
        self._unread: deque[bytes] = deque()
        """What the kernel has; `_unsent` is what it did not take yet."""
        self._unread_bytes = 0
        self._unsent = b""
        self._cut_off = b""
        """The beginning of a frame whose end the peer has not read yet."""
        self._inbound: deque[bytes] = deque()
        self._last_s = 0.0
        self._is_reading = False
        self._is_full = False
        self._close_sent: CloseCode | None = None
        self._is_over = False
        """Whether the peer knows that it is."""
        self._is_lost = False
        """Whether the gateway's end is gone."""
        self.stalled_until_s = 0.0
        """Until then the peer reads nothing."""
        self.delivered_bytes = 0

    # What the gateway may do

    def begin(self, receiver: SocketReceiver, close_queue: PacedQueue) -> None:
        self._receiver = receiver

    def ping(self) -> bool:
        """Its line is never lost in silence: it needs no pings."""
        return False

    @property
    def close_code(self) -> int:
        return LOST if self._close_sent is None else self._close_sent

    def try_write(self, frames: bytes) -> int:
        assert not self._is_full, "this would come before what is unsent"
        assert self._close_sent is None, "this would come after the close frame"
        if self._drops_frames and is_dropped(frames, self._chance.random()):
            return len(frames)
        assert not self._is_lost, "nobody is there to read this"
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
        """What fits in, which may end within a frame."""
        taken = frames[: self._conditions.kernel_bytes - self._unread_bytes]
        if taken:
            self._unread.append(taken)
            self._unread_bytes += len(taken)
            self._read_soon()
        return len(taken)

    @property
    def unsent_bytes(self) -> int:
        return len(self._unsent)

    def close(self, code: CloseCode) -> None:
        if self._close_sent is not None or self._is_lost:
            return
        self._close_sent = code
        self._read_soon()
        self._loop.call_later(SESSION_ENDED_CLOSE_S if code is CloseCode.SESSION_ENDED else CLOSE_S, self.abort)

    def abort(self) -> None:
        """What is unread is gone."""
        self._is_lost = True
        self._unread.clear()
        self._end(LOST)

    @property
    def _owner(self) -> SocketReceiver:
        assert self._receiver is not None
        return self._receiver

    # What the peer may do

    def send(self, payload: bytes) -> None:
        self._in_turn(self._arrive, payload)

    def cut(self) -> None:
        """Lose the line. The gateway notices when it does; what is on its way to it arrives."""
        self._is_over = True
        self._loop.call_later(self._chance.uniform(*NOTICE_S), self._in_turn, self._lose)

    def _in_turn(self, what: Callable[..., None], *about: bytes) -> None:
        """By the line, which keeps the order."""
        self._last_s = max(self._last_s, self._loop.time() + self._chance.uniform(*SEND_S))
        self._loop.call_at(self._last_s, what, *about)

    def _arrive(self, payload: bytes) -> None:
        if self._is_lost:
            return
        self._inbound.append(payload)
        self._take_in()

    def _take_in(self) -> None:
        """A gateway takes nothing from one who is behind."""
        while self._inbound and not self._is_full:
            self._owner.on_text(self._inbound.popleft())

    def _lose(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._owner.on_gone()
            self._loop.call_later(self._chance.uniform(*DEPART_S), self._owner.on_lost)

    # Reading

    @property
    def has_unread(self) -> bool:
        return bool(self._unread) and not self._is_over

    def _read_soon(self) -> None:
        if not self._is_reading and not self._is_over:
            self._is_reading = True
            at_s = self._loop.time() + self._chance.uniform(*self._conditions.read_s)
            self._loop.call_at(max(at_s, self.stalled_until_s), self._read)

    def _read(self) -> None:
        """One piece at a time, so that no two pages are read at once."""
        self._is_reading = False
        if self._is_over:
            return
        if self._unread:
            piece = self._unread.popleft()
            self._unread_bytes -= len(piece)
            self.delivered_bytes += len(piece)
            payloads, self._cut_off = payloads_in(self._cut_off + piece)
            for payload in payloads:
                self._peer.on_payload(payload)
            self._drain()
        elif self._close_sent is not None:
            self._end(self._close_sent)
        if self._unread or self._close_sent is not None:
            self._read_soon()

    def _drain(self) -> None:
        """As kernels do: who is full may write again when half is free, not for each byte."""
        if self._unread_bytes > self._conditions.kernel_bytes // 2:
            return
        self._unsent = self._unsent[self._to_kernel(self._unsent) :]
        if self._is_full and not self._unsent and self._close_sent is None:
            self._is_full = False
            self._owner.on_drained()
            self._take_in()

    def _end(self, code: int) -> None:
        if not self._is_over:
            self._is_over = True
            self._peer.on_end(code)


def payloads_in(frames: bytes) -> tuple[list[bytes], bytes]:
    """The payloads of text frames that were joined, and what has come of one more."""
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
