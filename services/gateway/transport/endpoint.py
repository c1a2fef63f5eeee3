"""The public WebSocket address: Origin, limits and token of a handshake, then the socket is taken over."""

from fastapi import FastAPI, WebSocket
from starlette.requests import HTTPConnection

from chatterbox.chassis.http.http_errors import answer
from chatterbox.chassis.token_verifier import bearer
from chatterbox.wire.errors import ChatError, Code
from services.gateway.gateway import Gateway
from services.gateway.transport.handshake import EXTENSION, Handshake


def serve_websockets(app: FastAPI, gateway: Gateway, origins: frozenset[str]) -> None:
    """Let `gateway` take the WebSockets of `app`; pages of `origins` may connect besides those of its own origin.

    As a plain route: what FastAPI does for each call of a path with dependencies is a fifth of a whole connect.
    """

    async def ws(websocket: WebSocket) -> None:
        address = websocket.client.host if websocket.client else "unknown"
        try:
            check_origin(websocket, origins)
            gateway.admit(address)
            token = token_of(websocket)
        except ChatError as problem:
            gateway.metrics.handshakes_refused.inc(problem.code)
            await websocket.send_denial_response(answer(problem))
            return
        handshake = websocket.scope["extensions"][EXTENSION]
        assert isinstance(handshake, Handshake)  # noqa: S101 - chassis.serve is given a `front_door`
        await websocket.accept()
        gateway.open(handshake.take_over(), address, token)

    app.router.add_websocket_route("/ws", ws)


def check_origin(request: HTTPConnection, allowed: frozenset[str]) -> None:
    """Refuse pages of other origins (RFC 6454), compared exactly; programs that send no Origin may connect."""
    origin = request.headers.get("origin")
    if origin is None or origin in allowed:
        return
    host = request.headers.get("host", "")
    if origin not in {f"http://{host}", f"https://{host}"}:
        raise ChatError(Code.ORIGIN_REFUSED)


def token_of(request: HTTPConnection) -> str | None:
    """The token of a handshake: from the Authorization header, else from `?token=`, else None."""
    if (authorization := request.headers.get("authorization")) is not None:
        return bearer(authorization)
    return request.query_params.get("token")
