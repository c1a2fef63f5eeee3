"""The WebSocket after its handshake: frames in by callback, finished bytes out. Only this module knows the transport.

FastAPI does the handshake (routing, token, Origin); then the endpoint hands the socket it finds in the scope over
to a `Receiver` and returns. From there no ASGI task and no queue is left: this protocol object feeds the receiver
and writes to its transport. It is uvicorn's own sans-I/O protocol class, with what that lacks: it aborts a peer
that reads nothing (uvicorn only closes, which waits for the peer for ever), takes nothing more from one that is
behind, bounds fragments, and lets a peer read why it was closed.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from typing import Any, Protocol, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from chatterbox.wire.close import SENTENCES, CloseCode
from chatterbox.wire.limits import Limits

log = logging.getLogger("chatterbox.socket")

EXTENSION = "chatterbox.live_socket"
"""The scope extension under which the endpoint finds its `LiveSocket`."""
CLOSE_S = 5.0
"""A peer has this long to take our close frame and answer it (seconds); then it is aborted."""
ENDED_S = 0.5
"""And so long when its login session has ended (seconds): what is unsent is not for it to read any more."""
LOST = 1006
"""Stands for the close code of a connection that ended without one (RFC 6455 section 7.4.1)."""
_DROP_UNSENT = struct.pack("ii", 1, 0)
"""The socket option SO_LINGER: on, for no time at all."""
_BAD_HANDSHAKE = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Receiver(Protocol):
    """What a live socket tells its owner. No call may block or raise."""

    def on_text(self, data: bytes) -> None:
        """A whole text message came; `data` is valid UTF-8."""

    def on_binary(self) -> None:
        """A binary message came."""

    def on_full(self) -> None:
        """More is unsent than the limit: the peer reads too slowly."""

    def on_drained(self) -> None:
        """Most of what was unsent has gone out."""

    def on_lost(self) -> None:
        """The connection is gone; nothing more comes or goes."""


def text_frame(payload: bytes) -> bytes:
    r"""`payload` as one unmasked, unfragmented text frame (RFC 6455 section 5.2).

    >>> text_frame(b"hi")
    b'\x81\x02hi'
    """
    size = len(payload)
    if size < 126:
        return b"\x81%c%b" % (size, payload)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), payload)


def payload_of(frame: bytes) -> bytes:
    """What `text_frame` was given."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


class _Frames(ServerProtocol):
    """The parser of websockets, which takes a close frame amid a fragmented message too (RFC 6455 section 5.4)."""

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class _Nowhere(asyncio.Queue[Any]):
    """The queue of events for an ASGI app that has returned: holds nothing, shared by all connections."""

    def put_nowait(self, item: object) -> None:
        """Nobody will read it."""


_NOWHERE = _Nowhere()


class LiveSocket(WebSocketsSansIOProtocol):
    """One connection's protocol object."""

    fragments = Limits().fragments

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **kwargs)
        self.conn = _Frames(max_size=self.config.ws_max_size, logger=self.logger)
        self._receiver: Receiver | None = None
        self._written_bytes = 0
        self._sent_at_ping_bytes = 0
        self._heard_since_ping = False

    # What the owner may do

    def hand_over(self, receiver: Receiver, unsent_bytes: int) -> None:
        """From now on `receiver` owns the connection; `unsent_bytes` is where `on_full` is called."""
        self._receiver = receiver
        if self.disconnected:
            receiver.on_lost()
            return
        self.transport.set_write_buffer_limits(high=unsent_bytes, low=unsent_bytes // 4)
        self.read_paused = False
        self._keep_reading(wanted=True)
        while not self.queue.empty():
            event = self.queue.get_nowait()
            if event["type"] == "websocket.receive" and not self.close_sent:
                self._pass_on(event.get("text"))

    def write(self, frames: bytes) -> None:
        """Send finished frames, after everything that was written before."""
        if not (self.close_sent or self.transport.is_closing()):
            self._written_bytes += len(frames)
            self.transport.write(frames)

    @property
    def unsent(self) -> int:
        """Bytes that wait for the peer to read."""
        return self.transport.get_write_buffer_size()

    @property
    def close_code(self) -> int:
        """How it ended: as the close frame said that we sent, or `LOST`."""
        return LOST if self.conn.close_sent is None else self.conn.close_sent.code

    def close(self, code: CloseCode) -> None:
        """Say why, wait for the peer to agree, then go; after `CLOSE_S` seconds go in any case."""
        if self.close_sent or self.transport.is_closing() or self.conn.state is not State.OPEN:
            return
        self.conn.send_close(code, SENTENCES[code])
        self.transport.write(b"".join(self.conn.data_to_send()))
        if code is CloseCode.SESSION_ENDED:
            self.close_timer = self.loop.call_later(ENDED_S, self._reset)
        self._closing()

    def abort(self) -> None:
        """Cut the connection now; what is unsent is dropped, by the kernel too."""
        self.close_sent = True
        self._reset()

    def _reset(self) -> None:
        """End the connection by RST: after FIN the kernel would keep what is unsent until the peer has read it."""
        if self.disconnected:  # its descriptor may be another connection's by now
            return
        with contextlib.suppress(OSError):  # the peer has gone this moment
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP_UNSENT)
        self.transport.abort()

    # What uvicorn calls

    def handle_connect(self, event: Any) -> None:  # noqa: ANN401
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions = cast("dict[str, object]", self.scope["extensions"])
            extensions[EXTENSION] = self

    async def run_asgi(self) -> None:
        """As uvicorn's, but a connection that was handed over lives on when the endpoint has returned."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except Exception:
            log.exception("endpoint.failed")
            self.send_500_response()
        if self._receiver is None:
            self.transport.close()
        else:
            self._forget_handshake()

    def _forget_handshake(self) -> None:
        """Let go of what only the handshake needed: half of what an idle connection would weigh."""
        del self.scope, self.request, self.response
        self.queue = _NOWHERE

    def send_receive_event_to_app(self) -> None:
        if self._receiver is None:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        if self.curr_msg_data_type != "text":
            self._receiver.on_binary()
        elif _is_utf8(data):
            self._receiver.on_text(bytes(data))
        else:
            self._fail(CloseCode.BAD_TEXT)

    def _pass_on(self, text: str | None) -> None:
        assert self._receiver is not None  # noqa: S101 - handed over
        if text is None:
            self._receiver.on_binary()
        else:
            self._receiver.on_text(text.encode())

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= self.fragments:
            self._fail(CloseCode.TOO_BIG)
        else:
            super().handle_cont(event)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, but what came whole before a broken frame counts, and no bad handshake goes unanswered."""
        self._heard_since_ping = True
        self.conn.receive_data(data)
        self.handle_events()
        if self.conn.parser_exc is not None:
            self.handle_parser_exception()
        elif self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_HANDSHAKE)
            self.transport.close()

    def handle_ping(self) -> None:
        """The parser has the pong ready; if it has our close frame ready too, replies may still go before that."""
        if self.close_sent:
            self.conn.data_to_send()
        elif self.conn.state is State.OPEN:
            super().handle_ping()

    def _fail(self, code: CloseCode) -> None:
        self.conn.fail(code, SENTENCES[code])
        self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Say why, then throw away what still comes until the peer closes, for `CLOSE_S` seconds at most.

        To close with bytes unread would reset the connection: the peer might never see the close frame.
        """
        if self.close_sent or self.transport.is_closing():
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.write_eof()
        self._closing()

    def eof_received(self) -> None:
        """The peer is gone, and the transport closes; but it would wait for ever until what is unsent is read."""
        self._closing()

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        if self.close_timer is None:
            self._closing()

    def _closing(self) -> None:
        self.close_sent = True
        self.stop_keepalive()
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(CLOSE_S, self.transport.abort)

    def send_keepalive_ping(self) -> None:
        self._sent_at_ping_bytes = self._written_bytes - self.unsent
        self._heard_since_ping = False
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """No pong: abort a peer that shows no life; one that is only slow gets another round."""
        self.pong_timer = None
        self.pending_ping_payload = None
        if self._heard_since_ping or self._written_bytes - self.unsent > self._sent_at_ping_bytes:
            self.schedule_ping()
        else:
            self.abort()

    def pause_writing(self) -> None:
        """Too much is unsent: until it is read, take nothing more, for that would have to be answered too."""
        super().pause_writing()
        if self._receiver is not None and not self.transport.is_closing():
            self._keep_reading(wanted=False)
            self._receiver.on_full()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._receiver is not None and not self.transport.is_closing():
            self._keep_reading(wanted=True)
            self._receiver.on_drained()

    def _keep_reading(self, *, wanted: bool) -> None:
        if self.transport.is_closing() or self.transport.is_reading() is wanted:
            return
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._receiver is not None:
            self._receiver.on_lost()

    def shutdown(self) -> None:
        """Uvicorn stops; whoever was not drained by now is told to come back."""
        if self._receiver is None:
            super().shutdown()
        else:
            self.close(CloseCode.RESTART)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
