"""The `/ws` endpoint: checks Origin, connection limits and token, then takes over the socket."""

from typing import Protocol

from fastapi import FastAPI, WebSocket
from starlette.requests import HTTPConnection

from chatterbox.chassis.core.host_names import is_same_origin, normal_origin
from chatterbox.chassis.core.peer_address import network
from chatterbox.chassis.http.http_errors import answer
from chatterbox.chassis.token_verifier import bearer
from chatterbox.wire.errors import ChatError, Code
from services.gateway.metrics import GatewayMetrics
from services.gateway.transport.handshake import EXTENSION, Handshake
from services.gateway.transport.live_socket import LiveSocket

_SHOWN_CHARS = 100
"""Characters of a header that an error quotes."""


class ConnectionAcceptor(Protocol):
    """What the endpoint hands accepted sockets to; `Gateway` implements it."""

    @property
    def metrics(self) -> GatewayMetrics: ...
    def admit(self, address: str) -> None: ...
    def open(self, live_socket: LiveSocket, address: str, token: str | None) -> None: ...


def serve_websockets(app: FastAPI, acceptor: ConnectionAcceptor, origins: frozenset[str]) -> None:
    """Serve `/ws` of `app`; pages of `origins` may connect, besides those of the server's own origin.

    A plain Starlette route: FastAPI's dependency handling takes a fifth of the time of a whole connect.
    """

    async def ws(websocket: WebSocket) -> None:
        address = network(websocket.client.host) if websocket.client else "unknown"
        try:
            check_origin(websocket, origins)
            acceptor.admit(address)
            token = token_of(websocket)
        except ChatError as problem:
            acceptor.metrics.handshakes_refused.inc(problem.code)
            await websocket.send_denial_response(answer(problem))
            return
        handshake = websocket.scope["extensions"][EXTENSION]
        assert isinstance(handshake, Handshake)  # noqa: S101 - chassis.serve gets an `upgrade_protocol`
        await websocket.accept()
        acceptor.open(handshake.take_over(), address, token)

    app.router.add_websocket_route("/ws", ws)


def check_origin(request: HTTPConnection, allowed: frozenset[str]) -> None:
    """Refuse pages of other origins (RFC 6454); programs that send no Origin may connect.

    `allowed` contains origins as `normal_origin` returns them.
    """
    origin = request.headers.get("origin")
    if origin is None or normal_origin(origin) in allowed:
        return
    host = request.headers.get("host", "")
    if not is_same_origin(origin, host):
        raise ChatError(
            Code.ORIGIN_REFUSED,
            f"Web pages of {origin[:_SHOWN_CHARS]!r} are not allowed to connect to {host[:_SHOWN_CHARS]!r}. "
            "If they should be, add their origin to CHATTERBOX_ORIGINS on the server, or let the proxy keep Host.",
        )


def token_of(request: HTTPConnection) -> str | None:
    """Return the token of a handshake: from the Authorization header, else from `?token=`, else None."""
    if (authorization := request.headers.get("authorization")) is not None:
        return bearer(authorization)
    return request.query_params.get("token")
