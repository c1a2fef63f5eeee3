"""Where connections come in: plain HTTP is answered by uvicorn, what asks for a WebSocket goes to a `Handshake`."""

from urllib.parse import unquote

import httptools
from starlette.types import Scope

from chatterbox.chassis.http_protocol import HttpProtocol
from services.gateway.handshake import Handshake


class FrontDoor(HttpProtocol):
    """The HTTP protocol, which hands on what asks for a WebSocket, as it was parsed.

    Uvicorn's own would write the request out, to be parsed again.
    """

    handshake_class = Handshake

    def _should_upgrade_to_ws(self) -> bool:
        return True

    def handle_websocket_upgrade(self) -> None:
        self.connections.discard(self)
        handshake = self.handshake_class(self.transport, self.server_state, self.config.ws_max_size)
        self.transport.set_protocol(handshake)
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
