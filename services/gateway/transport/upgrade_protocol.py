"""HTTP protocol class of a gateway: uvicorn answers plain HTTP, a `Handshake` takes over WebSocket upgrades."""

from urllib.parse import unquote

from starlette.types import Scope

from chatterbox.chassis.http.http_protocol import HttpProtocol
from chatterbox.chassis.pacing import PacedQueue
from chatterbox.wire.rate_limits import FIRST_REQUESTS_PER_TURN
from services.gateway.transport.handshake import Handshake

REQUESTS_PER_TURN = FIRST_REQUESTS_PER_TURN.bound.limit
"""New connections whose first request is parsed per event-loop turn: half a millisecond's work, including the rest."""


def upgrade_protocol(handshake_class: type[Handshake] = Handshake) -> type["WebSocketUpgradeProtocol"]:
    """Create the HTTP protocol class of one server."""
    return type(
        "WebSocketUpgradeProtocol",
        (WebSocketUpgradeProtocol,),
        {"first_requests": PacedQueue(REQUESTS_PER_TURN), "handshake_class": handshake_class},
    )


class WebSocketUpgradeProtocol(HttpProtocol):
    """Passes parsed upgrade requests to a `Handshake`; parses the first request of only a few connections per turn.

    Uvicorn's own protocol would serialize the request, only to be parsed again. Pacing keeps a burst of thousands of
    new connections from delaying messages to the existing ones.
    """

    first_requests: PacedQueue
    handshake_class: type[Handshake]
    _first_bytes = b""
    """First bytes received, while the connection waits for its turn."""
    _is_started = False

    def data_received(self, data: bytes) -> None:
        if self._is_started:
            super().data_received(data)
            return
        self._first_bytes = data
        self.first_requests.add(self._start)
        if not self._is_started:
            self.transport.pause_reading()

    def _start(self) -> None:
        data, self._first_bytes, self._is_started = self._first_bytes, b"", True
        if not self.transport.is_closing():
            self.transport.resume_reading()
            super().data_received(data)

    def _should_upgrade_to_ws(self) -> bool:
        return True

    def handle_websocket_upgrade(self) -> None:
        self._release()
        self.connections.discard(self)
        handshake = self.handshake_class(self.transport, self.server_state, self.config.ws_max_size)
        handshake.early = self._early
        self.transport.set_protocol(handshake)
        self.parser = None  # breaks the reference cycle with this object
        handshake.begin(self.app, self._websocket_scope())

    def _websocket_scope(self) -> Scope:
        """Build the ASGI WebSocket scope of the request; it keeps the HTTP method, which is not validated yet."""
        path, _, query = self.url.partition(b"?")
        scope: Scope = {
            **self.scope,
            "type": "websocket",
            "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
            "scheme": "wss" if self.scheme == "https" else "ws",
            "path": self.root_path + unquote(path.decode("ascii")),
            "raw_path": self.root_path.encode("ascii") + path,
            "query_string": query,
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        return scope
