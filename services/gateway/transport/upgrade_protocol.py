"""Where connections come in: plain HTTP is answered by uvicorn, what asks for a WebSocket goes to a `Handshake`."""

from typing import Any
from urllib.parse import unquote

import httptools
from starlette.types import Scope

from chatterbox.chassis.http.http_protocol import HttpProtocol
from services.gateway.connections.pacing import PacedQueue
from services.gateway.transport.handshake import Handshake

REQUESTS = 2
"""Connections whose first request is read in one turn of the event loop: half a millisecond's work, with the rest."""


def upgrade_protocol(handshake_class: type[Handshake] = Handshake) -> type["WebSocketUpgradeProtocol"]:
    """The HTTP protocol class of one server."""
    return type(
        "WebSocketUpgradeProtocol",
        (WebSocketUpgradeProtocol,),
        {"turns": PacedQueue(REQUESTS), "handshake_class": handshake_class},
    )


class WebSocketUpgradeProtocol(HttpProtocol):
    """The HTTP protocol. It hands on, as parsed, what asks for a WebSocket, and reads few new requests at a time.

    Uvicorn's own would write the request out, to be parsed again. Thousands may ask at the same moment: those who are
    in already, and whose messages are on their way, have their turns in between.
    """

    turns: PacedQueue
    handshake_class: type[Handshake]
    parser: Any
    _held = b""
    """The first bytes that came, while they wait for their turn."""
    _has_begun = False

    def data_received(self, data: bytes) -> None:
        if self._has_begun:
            super().data_received(data)
            return
        self._held = data
        self.turns.add(self._begin)
        if not self._has_begun:
            self.transport.pause_reading()

    def _begin(self) -> None:
        held, self._held, self._has_begun = self._held, b"", True
        if not self.transport.is_closing():
            self.transport.resume_reading()
            super().data_received(held)

    def _should_upgrade_to_ws(self) -> bool:
        return True

    def handle_websocket_upgrade(self) -> None:
        self.connections.discard(self)
        handshake = self.handshake_class(self.transport, self.server_state, self.config.ws_max_size)
        self.transport.set_protocol(handshake)
        self.parser = None  # it holds this object
        handshake.begin(self.app, self._websocket_scope())

    def _websocket_scope(self) -> Scope:
        """The request as ASGI's scope of a WebSocket, with its method besides, which nobody has checked yet."""
        address = httptools.parse_url(self.url)
        scope: Scope = {
            **self.scope,
            "type": "websocket",
            "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
            "scheme": "wss" if self.scheme == "https" else "ws",
            "path": self.root_path + unquote(address.path.decode("ascii")),
            "raw_path": self.root_path.encode("ascii") + address.path,
            "query_string": address.query or b"",
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        return scope
