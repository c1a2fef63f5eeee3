"""A WebSocket after its handshake: received frames by callback, encoded frames out; the only user of the transport.

An idle connection has no ASGI task, queue or timer: this protocol object calls a `SocketReceiver` and writes to its
transport. It aborts an unresponsive peer (a close would wait for the peer indefinitely), stops reading from a peer
that is behind, and gives a peer time to read why it was closed. It handles a few frames per event-loop iteration and
reads nothing more until then, so that a peer that floods its connection delays only itself.
"""

import asyncio
import socket
from asyncio import Handle, TimerHandle
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.pacing import PacedQueue
from chatterbox.wire.close_codes import SENTENCES, CloseCode
from services.gateway.core.frame_budget import COST_SHIFT, TURN_COST, control_frame_bucket
from services.gateway.core.frame_reader import FrameReader, Opcode, ProtocolViolationError, read_close
from services.gateway.core.frame_writer import PING, close_frame, pong_frame
from services.gateway.transport import socket_options

CLOSE_S = 5.0
"""Time for a peer to read our close frame and answer it (seconds); then the connection is aborted."""
SESSION_ENDED_CLOSE_S = 0.5
"""The same after its login session has ended (seconds): the peer may no longer read what is unsent."""
LOST = 1006
"""Close code of a connection that ended without a close frame (RFC 6455 section 7.4.1)."""
_TEXT = int(Opcode.TEXT)
"""A plain integer compares faster."""


class SocketReceiver(Protocol):
    """Callbacks from a live socket to its owner. They must not block or raise."""

    def on_text(self, data: bytes) -> None:
        """A complete text message was received; `data` is valid UTF-8."""

    def on_binary(self) -> None:
        """A binary message was received."""

    def on_full(self) -> None:
        """The kernel accepted only part of a write: the peer reads too slowly."""

    def on_drained(self) -> None:
        """The kernel has accepted everything written."""

    def on_gone(self) -> None:
        """The peer has disconnected; writes are discarded. `on_lost` follows later, paced with other connections."""

    def on_lost(self) -> None:
        """The connection is closed; nothing more is received or sent."""


class LiveSocket(asyncio.Protocol):
    """Protocol object of one connection, from the handshake to the end.

    Data that the kernel does not accept at once waits in the transport; until it is written the connection is full.
    While a connection is not full, `try_write` may bypass the transport and bytes stay in order.
    """

    __slots__ = ("_close_queue", "_close_timer", "_continuation", "_control_frames", "_delayed_until_s",
                 "_delivered_at_ping_bytes", "_early", "_has_received", "_is_closing", "_is_full", "_is_pinged",
                 "_is_pong_due", "_reader", "_receiver", "_server_connections", "_socket", "_transport",
                 "_unhandled", "close_code", "try_write")  # fmt: skip

    def __init__(
        self, transport: asyncio.Transport, reader: FrameReader, server_connections: set[Any], early: bytes
    ) -> None:
        """`server_connections` are those that uvicorn shuts down; `early` was received before `begin`."""
        self._transport = transport
        self._reader: FrameReader | None = reader
        self._server_connections = server_connections
        self._early = early
        self._receiver: SocketReceiver | None = None
        self._close_queue: PacedQueue | None = None
        self._is_closing = False
        self._close_timer: TimerHandle | None = None
        self._delivered_at_ping_bytes = 0
        self._is_full = False
        self._is_pinged = False
        self._has_received = False
        """Whether anything was received since the last ping."""
        self._is_pong_due = False
        """Whether the last ping is unanswered; only one pong for each is not counted."""
        self._control_frames: TokenBucket | None = None
        """Created on demand: most clients send no pings."""
        self._unhandled: Iterator[tuple[int, bytes]] | None = None
        """Frames that were read but not handled yet."""
        self._continuation: Handle | None = None
        """Set while input is held back, and reading paused, until it runs."""
        self._delayed_until_s = 0.0
        """Input is held back until then, by the event loop's clock."""
        self.close_code = LOST
        """The code of the close frame that was sent, or `LOST`."""
        self._socket: socket.socket | None = None
        """A second handle of the transport's socket, from `begin` until the connection is lost."""
        self.try_write: Callable[[bytes], int]
        """Passes encoded frames to the kernel and returns how many bytes it accepted; raises `OSError`.

        Only for a connection that is neither full nor over, according to the callbacks of its receiver. Pass the
        remaining bytes to `write` at once.
        """

    # For the owner

    def begin(self, receiver: SocketReceiver, close_queue: PacedQueue) -> None:
        """Start calling `receiver`. Once the peer has disconnected, `close_queue` decides when to close."""
        if self._transport.is_closing():
            receiver.on_lost()
            return
        self._socket = socket_options.duplicate_handle(self._transport)
        self.try_write = self._past_transport(self._socket)
        self._receiver = receiver
        self._close_queue = close_queue
        self._transport.set_write_buffer_limits(high=0)
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def _past_transport(self, handle: socket.socket) -> Callable[[bytes], int]:
        return handle.send

    def write(self, frames: bytes) -> None:
        """Send encoded frames, after everything written before."""
        if not (self._is_closing or self._transport.is_closing()):
            self._transport.write(frames)

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the kernel has not accepted yet."""
        return self._transport.get_write_buffer_size()

    @property
    def delivered_bytes(self) -> int:
        """Grows as the peer receives data: bytes it acknowledged or, if unavailable, minus the unsent bytes."""
        acknowledged = socket_options.delivered_bytes(self._socket) if self._socket is not None else None
        return -self.unsent_bytes if acknowledged is None else acknowledged

    def delay_reading(self, seconds: float) -> None:
        """Handle nothing more of what the peer sends for `seconds`; the kernels' buffers then slow it down."""
        if not (self._is_closing or self._transport.is_closing()):
            self._delayed_until_s = max(self._delayed_until_s, asyncio.get_running_loop().time() + seconds)
            self._hold_back()

    def close(self, code: CloseCode) -> None:
        """Send a close frame and wait for the peer's; after `CLOSE_S` seconds abort."""
        if self._is_closing or self._transport.is_closing():
            return
        self._send_close(code, SENTENCES[code])
        if code is CloseCode.SESSION_ENDED:
            self._start_close_timer(SESSION_ENDED_CLOSE_S, self._reset)
        self._begin_close()

    def abort(self) -> None:
        """Reset the connection now; unsent data is discarded, also by the kernel."""
        self._is_closing = True
        self._notify_lost()
        self._reset()

    def ping(self) -> bool:
        """Send a ping; abort a peer that has been silent since the last one. A slow peer gets another interval.

        Returns whether to ping again.
        """
        if self._is_closing or self._transport.is_closing():
            return False
        if self._is_full or self._continuation is not None:  # reading is paused: its pong would not be read
            self._is_pinged = False
            return True
        delivered_bytes = self.delivered_bytes
        if self._is_pinged and not self._has_received and delivered_bytes <= self._delivered_at_ping_bytes + len(PING):
            self.abort()
            return False
        self._is_pinged, self._has_received, self._delivered_at_ping_bytes = True, False, delivered_bytes
        self._is_pong_due = True
        self._transport.write(PING)
        return True

    def _reset(self) -> None:
        if self._socket is not None:
            socket_options.discard_unsent(self._socket)
            self._transport.abort()

    # Receiving

    def data_received(self, data: bytes) -> None:
        self._has_received = True
        if self._reader is None or (self._receiver is None and not self._is_closing):
            return
        self._handle(self._reader.feed(data))

    def _handle(self, frames: Iterator[tuple[int, bytes]]) -> None:
        """Handle what this turn may handle; keep the rest for later."""
        cost_left = TURN_COST
        try:
            for opcode, payload in frames:
                if opcode == _TEXT and self._receiver is not None and not self._is_closing:
                    if not payload.isascii():
                        _check_utf8(payload)
                    self._receiver.on_text(payload)
                else:
                    self._on_other(opcode, payload)
                cost_left -= 1 + (len(payload) >> COST_SHIFT)
                if cost_left <= 0 or self._continuation is not None or self._is_full:
                    self._unhandled = frames
                    self._hold_back()
                    return
        except ProtocolViolationError as violation:
            self._fail(violation.code)

    def _on_other(self, opcode: int, payload: bytes) -> None:
        """Handle anything but the text of a message for the receiver."""
        if opcode == Opcode.CLOSE:
            self._answer_close(payload)
        elif self._is_closing or self._receiver is None:
            return
        elif opcode == Opcode.BINARY:
            self._receiver.on_binary()
        elif opcode == Opcode.PING:
            self._count_control_frame()
            self.write(pong_frame(payload))
        elif opcode == Opcode.PONG:
            if not self._is_pong_due:
                self._count_control_frame()
            self._is_pong_due = False

    def _count_control_frame(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._control_frames is None:
            self._control_frames = control_frame_bucket(now_s)
        if (wait_s := self._control_frames.borrow(now_s)) > 0:
            self.delay_reading(wait_s)

    def _hold_back(self) -> None:
        """Pause reading, and continue with the frames that were read in the next turn or after the delay."""
        if self._continuation is None:
            if not self._transport.is_closing():
                self._set_reading(wanted=False)
            self._continuation = asyncio.get_running_loop().call_soon(self._continue)

    def _continue(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._delayed_until_s:
            self._continuation = loop.call_at(self._delayed_until_s, self._continue)
            return
        self._continuation = None
        if self._is_full and not self._is_closing:
            return  # `resume_writing` continues
        frames, self._unhandled = self._unhandled, None
        if frames is not None and self._reader is not None:
            self._handle(frames)
            self._hold_back()  # what is read now would be handled in this turn as well
        elif not self._transport.is_closing():
            self._set_reading(wanted=True)

    def _end_delay(self) -> None:
        """Go on reading: the peer's close frame is expected next."""
        self._delayed_until_s = 0.0
        if self._continuation is not None:
            self._continuation.cancel()
            self._continuation = asyncio.get_running_loop().call_soon(self._continue)

    # Closing

    def _answer_close(self, payload: bytes) -> None:
        """Handle a close frame: the peer closes, or answers ours. Our answer has `CLOSE_S` seconds to be delivered."""
        code, reason = read_close(payload)
        self._reader = None
        if not self._is_closing:
            self._send_close(code, reason)
            self._begin_close()
        self._transport.close()

    def _fail(self, code: CloseCode) -> None:
        """Send a close frame, then discard input until the peer closes, for at most `CLOSE_S` seconds.

        Closing with unread bytes would reset the connection, and the peer might never see the close frame.
        """
        self._reader = None
        if self._is_closing or self._transport.is_closing():
            return
        self._send_close(code, SENTENCES[code])
        self._transport.write_eof()
        self._begin_close()

    def _send_close(self, code: int, reason: str) -> None:
        self.close_code = code
        self._transport.write(close_frame(code, reason))

    def _begin_close(self) -> None:
        """Stop sending and start the close timer: a transport's close may wait for the peer indefinitely."""
        self._is_closing = True
        self._end_delay()
        self._notify_lost()
        self._start_close_timer(CLOSE_S, self._transport.abort)

    def _notify_lost(self) -> None:
        """Call `on_lost` once, before the owner could write anything after the close frame."""
        receiver, self._receiver = self._receiver, None  # breaks the reference cycle with the receiver
        if receiver is not None:
            receiver.on_lost()

    def _start_close_timer(self, seconds: float, callback: Callable[[], None]) -> None:
        if self._close_timer is None:
            self._close_timer = asyncio.get_running_loop().call_later(seconds, callback)

    def eof_received(self) -> bool:
        """The peer has closed; returns whether to keep the transport open until the close queue reaches this one."""
        if self._receiver is None or self._is_closing:
            self._begin_close()
            return False
        self._on_gone(self._receiver)
        return True

    def _on_gone(self, receiver: SocketReceiver) -> None:
        """Do the minimum now: thousands of peers may disconnect at once."""
        self._is_closing = True
        receiver.on_gone()
        if self._close_queue is not None:
            self._close_queue.add(self._finish_gone)

    def _finish_gone(self) -> None:
        """Close a connection whose peer has disconnected, or report it as lost if the transport already did."""
        if self in self._server_connections:
            self._begin_close()
            self._transport.close()
        else:
            self._notify_lost()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's interface
        self._server_connections.discard(self)
        self._reader = None
        if self._close_timer is not None:
            self._close_timer.cancel()
        if self._continuation is not None:
            self._continuation.cancel()
        self._unhandled = None
        if self._receiver is not None and not self._is_closing:
            self._on_gone(self._receiver)
        self._is_closing = True
        if self._socket is not None:
            self._socket.detach()  # the transport closes the descriptor next; its number may then be reused
            self._socket = None

    def shutdown(self) -> None:
        """Called by uvicorn when it shuts down: connections that were not drained must reconnect."""
        self.close(CloseCode.RESTART)

    # Flow control

    def pause_writing(self) -> None:
        """The peer reads too slowly: stop reading from it, since replies would only add to the unsent data."""
        self._is_full = True
        if self._receiver is not None and not self._transport.is_closing():
            self._set_reading(wanted=False)
            self._receiver.on_full()

    def resume_writing(self) -> None:
        self._is_full = False
        if self._receiver is not None and not (self._is_closing or self._transport.is_closing()):
            self._receiver.on_drained()
            if self._continuation is None:
                self._continue()

    def _set_reading(self, *, wanted: bool) -> None:
        if self._transport.is_reading() is wanted:
            return
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()


def _check_utf8(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        raise ProtocolViolationError(CloseCode.BAD_TEXT) from None
