"""The WebSocket after its handshake: frames in by callback, finished bytes out. Only this module knows the transport.

An idle connection has no ASGI task, queue or timer: this protocol object feeds a `SocketReceiver` and writes to its
transport. It aborts a peer that shows no life (to close would wait for the peer for ever), takes nothing more from
one that is behind, and lets a peer read why it was closed.
"""

import asyncio
import socket
from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any, Protocol

from chatterbox.wire.close_codes import SENTENCES, CloseCode
from services.gateway.connections.pacing import PacedQueue
from services.gateway.core.frame_reader import FrameReader, Opcode, ProtocolViolationError, read_close
from services.gateway.core.frame_writer import PING, close_frame, pong_frame
from services.gateway.transport import socket_options

CLOSE_S = 5.0
"""A peer has this long to take our close frame and answer it (seconds); then it is aborted."""
ENDED_S = 0.5
"""And so long when its login session has ended (seconds): what is unsent is not for it to read any more."""
LOST = 1006
"""Stands for the close code of a connection that ended without one (RFC 6455 section 7.4.1)."""


class SocketReceiver(Protocol):
    """What a live socket tells its owner. No call may block or raise."""

    def on_text(self, data: bytes) -> None:
        """A whole text message came; `data` is valid UTF-8."""

    def on_binary(self) -> None:
        """A binary message came."""

    def on_full(self) -> None:
        """The kernel took less than it was given: the peer reads too slowly."""

    def on_drained(self) -> None:
        """The kernel has taken all of it."""

    def on_gone(self) -> None:
        """The peer has gone, and nothing reaches it any more; `on_lost` follows when it is this one's turn."""

    def on_lost(self) -> None:
        """The connection is gone; nothing more comes or goes."""


class LiveSocket(asyncio.Protocol):
    """One connection's protocol object, from the handshake to the end.

    What the kernel does not take at once waits in the transport, and until that has gone the connection is full. With
    one that is not full, bytes may go past the transport, and stay in order.
    """

    __slots__ = ("_close_timer", "_deframer", "_delivered_at_ping_bytes", "_departures", "_early", "_heard",
                 "_is_closing", "_is_full", "_is_pinged", "_others", "_receiver", "_socket", "_transport", "close_code",
                 "try_write")  # fmt: skip

    def __init__(self, transport: asyncio.Transport, deframer: FrameReader, others: set[Any], early: bytes) -> None:
        """`others` are the server's connections, which it shuts down; `early` came before there was a receiver."""
        self._transport = transport
        self._deframer: FrameReader | None = deframer
        self._others = others
        self._early = early
        self._receiver: SocketReceiver | None = None
        self._departures: PacedQueue | None = None
        self._is_closing = False
        self._close_timer: TimerHandle | None = None
        self._delivered_at_ping_bytes = 0
        self._is_full = False
        self._is_pinged = False
        self._heard = False
        self.close_code = LOST
        """How it ended: as the close frame said that we sent, or `LOST`."""
        self._socket: socket.socket | None = None
        """A second hold of the transport's own, from the begin until the connection is lost."""
        self.try_write: Callable[[bytes], int]
        """Hands finished frames to the kernel and returns how many of their bytes it took; raises `OSError`.

        Only for a connection that is neither full nor over, as its receiver was told. What the kernel did not take is
        for `write`, at once.
        """

    # What the owner may do

    def begin(self, receiver: SocketReceiver, departures: PacedQueue) -> None:
        """From now on `receiver` owns the connection. When the peer has gone, it is closed in turn of `departures`."""
        if self._transport.is_closing():
            receiver.on_lost()
            return
        self._socket = socket_options.hold(self._transport)
        self.try_write = self._past_transport(self._socket)
        self._receiver = receiver
        self._departures = departures
        self._transport.set_write_buffer_limits(high=0)
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def _past_transport(self, held: socket.socket) -> Callable[[bytes], int]:
        return held.send

    def write(self, frames: bytes) -> None:
        """Send finished frames, after everything that was written before."""
        if not (self._is_closing or self._transport.is_closing()):
            self._transport.write(frames)

    @property
    def unsent_bytes(self) -> int:
        """What waits for the kernel to take it."""
        return self._transport.get_write_buffer_size()

    @property
    def delivered_bytes(self) -> int:
        """Grows when the peer takes something: so much has reached it, or, where that can't be known, the kernel."""
        told = socket_options.delivered_bytes(self._socket) if self._socket is not None else None
        return -self.unsent_bytes if told is None else told

    def close(self, code: CloseCode) -> None:
        """Say why, wait for the peer to agree, then go; after `CLOSE_S` seconds go in any case."""
        if self._is_closing or self._transport.is_closing():
            return
        self._say_goodbye(code, SENTENCES[code])
        if code is CloseCode.SESSION_ENDED:
            self._end_after(ENDED_S, self._reset)
        self._closing()

    def abort(self) -> None:
        """Cut the connection now; what is unsent is dropped, by the kernel too."""
        self._is_closing = True
        self._lose()
        self._reset()

    def beat(self) -> bool:
        """Ping; abort a peer that has shown no life since the last ping. One that is only slow gets another round.

        Returns whether there is to be another ping.
        """
        if self._is_closing or self._transport.is_closing():
            return False
        if self._is_full:  # nothing is read from it, and a ping would wait behind what is unsent
            self._is_pinged = False
            return True
        delivered_bytes = self.delivered_bytes
        if self._is_pinged and not self._heard and delivered_bytes <= self._delivered_at_ping_bytes + len(PING):
            self.abort()
            return False
        self._is_pinged, self._heard, self._delivered_at_ping_bytes = True, False, delivered_bytes
        self._transport.write(PING)
        return True

    def _reset(self) -> None:
        if self._socket is not None:
            socket_options.drop_unsent(self._socket)
            self._transport.abort()

    # What comes in

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._deframer is None or (self._receiver is None and not self._is_closing):
            return
        try:
            for opcode, payload in self._deframer.feed(data):
                self._take(opcode, payload)
        except ProtocolViolationError as violation:
            self._fail(violation.code)

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.CLOSE:
            self._answer_close(payload)
        elif self._is_closing or self._receiver is None:
            return
        elif opcode == Opcode.TEXT:
            if not _is_utf8(payload):
                raise ProtocolViolationError(CloseCode.BAD_TEXT)
            self._receiver.on_text(payload)
        elif opcode == Opcode.BINARY:
            self._receiver.on_binary()
        elif opcode == Opcode.PING:
            self.write(pong_frame(payload))

    # The end

    def _answer_close(self, payload: bytes) -> None:
        """The peer goes, or agrees that we do. Our answer has `CLOSE_S` seconds to get there."""
        code, reason = read_close(payload)
        self._deframer = None
        if not self._is_closing:
            self._say_goodbye(code, reason)
            self._closing()
        self._transport.close()

    def _fail(self, code: CloseCode) -> None:
        """Say why, then throw away what still comes until the peer closes, for `CLOSE_S` seconds at most.

        To close with bytes unread would reset the connection: the peer might never see the close frame.
        """
        self._deframer = None
        if self._is_closing or self._transport.is_closing():
            return
        self._say_goodbye(code, SENTENCES[code])
        self._transport.write_eof()
        self._closing()

    def _say_goodbye(self, code: int, reason: str) -> None:
        self.close_code = code
        self._transport.write(close_frame(code, reason))

    def _closing(self) -> None:
        """Nothing goes out any more, and the end will come: a transport's close may wait for the peer for ever."""
        self._is_closing = True
        self._lose()
        self._end_after(CLOSE_S, self._transport.abort)

    def _lose(self) -> None:
        """Tell the owner, once, before anything that it writes could come after a close frame."""
        receiver, self._receiver = self._receiver, None  # it holds this object
        if receiver is not None:
            receiver.on_lost()

    def _end_after(self, seconds: float, end: Callable[[], None]) -> None:
        if self._close_timer is None:
            self._close_timer = asyncio.get_running_loop().call_later(seconds, end)

    def eof_received(self) -> bool:
        """The peer is gone; whether the transport stays open for now, until it is this one's turn to be closed."""
        if self._receiver is None or self._is_closing:
            self._closing()
            return False
        self._gone(self._receiver)
        return True

    def _gone(self, receiver: SocketReceiver) -> None:
        """Where thousands go at once, only this much is done for each at that moment."""
        self._is_closing = True
        receiver.on_gone()
        if self._departures is not None:
            self._departures.add(self.depart)

    def depart(self) -> None:
        """Close a connection whose peer has gone, or tell that it was lost."""
        if self in self._others:
            self._closing()
            self._transport.close()
        else:
            self._lose()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._others.discard(self)
        self._deframer = None
        if self._close_timer is not None:
            self._close_timer.cancel()
        if self._receiver is not None and not self._is_closing:
            self._gone(self._receiver)
        self._is_closing = True
        if self._socket is not None:
            self._socket.detach()  # the transport closes it next, and its number may be another connection's then
            self._socket = None

    def shutdown(self) -> None:
        """Uvicorn stops; whoever was not drained by now is told to come back."""
        self.close(CloseCode.RESTART)

    # Whether the peer reads

    def pause_writing(self) -> None:
        """The peer reads too slowly: take nothing more from it, for that would have to be answered too."""
        self._is_full = True
        if self._receiver is not None and not self._transport.is_closing():
            self._keep_reading(wanted=False)
            self._receiver.on_full()

    def resume_writing(self) -> None:
        self._is_full = False
        if self._receiver is not None and not (self._is_closing or self._transport.is_closing()):
            self._keep_reading(wanted=True)
            self._receiver.on_drained()

    def _keep_reading(self, *, wanted: bool) -> None:
        if self._transport.is_reading() is wanted:
            return
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
