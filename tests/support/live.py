"""Only the gateway's socket, served as the gateway is: whoever tests it brings the receiver."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from chatterbox.chassis import serve
from services.gateway.live_socket import EXTENSION, LiveSocket, Receiver

UNSENT_BYTES = 262_144


async def _at_once() -> None:
    return


@asynccontextmanager
async def serving(
    receiver: Callable[[LiveSocket], Receiver],
    *,
    frame_bytes: int = 65_536,
    ping_s: float = 20,
    unsent_bytes: int = UNSENT_BYTES,
    websocket_class: type[LiveSocket] = LiveSocket,
    accepted: Callable[[], Awaitable[object]] = _at_once,
) -> AsyncIterator[int]:
    """Serve WebSockets on a free port, configured as the gateway is; gives the port.

    Each socket is accepted, then `accepted` is awaited, then it is handed over to a new `receiver`.
    """

    async def endpoint(websocket: WebSocket) -> None:
        live_socket = websocket.scope["extensions"][EXTENSION]
        assert isinstance(live_socket, LiveSocket)
        await websocket.accept()
        await accepted()
        live_socket.hand_over(receiver(live_socket), unsent_bytes)

    app = Starlette(routes=[WebSocketRoute("/{path:path}", endpoint)])
    config = serve.config(app, websocket_class=websocket_class, frame_bytes=frame_bytes, ping_s=ping_s)
    server = serve.DrainingServer(config, _at_once, lambda: None)
    listener = serve.bind("127.0.0.1", 0)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup([listener])
    try:
        yield int(listener.getsockname()[1])
    finally:
        await server.shutdown([listener])
