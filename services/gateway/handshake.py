"""The WebSocket handshake, by uvicorn and FastAPI; then the connection is taken over, and nothing of this remains.

FastAPI does what a handshake needs (routing, token, Origin). The endpoint finds this protocol object in the scope,
accepts, and takes the connection over as a `LiveSocket`, which takes this object's place at the transport.
"""

import logging
from typing import Any, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from chatterbox.wire.limits import Limits
from services.gateway.deframing import Deframer
from services.gateway.live_socket import LiveSocket

log = logging.getLogger("chatterbox.handshake")

EXTENSION = "chatterbox.handshake"
"""The scope extension under which the endpoint finds its `Handshake`."""
_BAD_HANDSHAKE = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Handshake(WebSocketsSansIOProtocol):
    """Uvicorn's sans-I/O protocol class for WebSockets, up to the moment at which the connection is taken over."""

    socket_class = LiveSocket
    fragments = Limits().fragments

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **kwargs)
        self.early = b""
        """What the client has sent before it could know that it was accepted."""
        self._taken = False

    def take_over(self) -> LiveSocket:
        """The accepted connection; nothing of it goes through uvicorn any more, but its shutdown."""
        self._taken = True
        socket = self.socket_class(
            self.transport, Deframer(self.config.ws_max_size, self.fragments), self.connections, self.early
        )
        if self.disconnected:
            return socket
        self.connections.discard(self)
        cast("set[object]", self.connections).add(socket)
        self.transport.set_protocol(socket)
        if self.early:
            self.transport.resume_reading()
        return socket

    # What uvicorn calls

    def handle_connect(self, event: Any) -> None:  # noqa: ANN401
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions = cast("dict[str, object]", self.scope["extensions"])
            extensions[EXTENSION] = self

    async def run_asgi(self) -> None:
        """As uvicorn's, but a connection that was taken over lives on when the endpoint has returned."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except Exception:
            log.exception("endpoint.failed")
            self.send_500_response()
        del self.scope  # it holds this object, and would keep both until the next garbage collection
        if not self._taken:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, but no bad handshake goes unanswered, and what comes after it is for the `LiveSocket`."""
        if self.handshake_initiated:
            self.early += data
            self.transport.pause_reading()
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_HANDSHAKE)
            self.transport.close()
