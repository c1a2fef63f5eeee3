"""Serves the gateway's WebSocket transport alone; the test provides the receiver of each connection."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from chatterbox.chassis import serve
from chatterbox.chassis.pacing import PacedQueue
from chatterbox.chassis.tasks import background
from services.gateway.transport.handshake import EXTENSION, Handshake
from services.gateway.transport.keepalive import Keepalive
from services.gateway.transport.live_socket import LiveSocket, SocketReceiver
from services.gateway.transport.upgrade_protocol import upgrade_protocol


async def _at_once(_: Handshake) -> None:
    return


async def _nothing_to_drain() -> None:
    return


@asynccontextmanager
async def serving(
    receiver: Callable[[LiveSocket], SocketReceiver],
    *,
    frame_bytes: int = 65_536,
    ping_s: float = 20,
    handshake_class: type[Handshake] = Handshake,
    accepted: Callable[[Handshake], Awaitable[object]] = _at_once,
    connections_per_address: int | None = None,
) -> AsyncIterator[int]:
    """Serve WebSockets on a free port, configured as the gateway is; gives the port.

    Each socket is accepted, then `accepted` is awaited, then it is taken over for a new `receiver`.
    """
    pulse = Keepalive(ping_s)
    departures = PacedQueue(8)

    async def endpoint(websocket: WebSocket) -> None:
        handshake = websocket.scope["extensions"][EXTENSION]
        assert isinstance(handshake, Handshake)
        await websocket.accept()
        await accepted(handshake)
        live_socket = handshake.take_over()
        pulse.add(live_socket)
        live_socket.begin(receiver(live_socket), departures)

    app = Starlette(routes=[WebSocketRoute("/{path:path}", endpoint)])
    config = serve.config(
        app,
        http_class=upgrade_protocol(handshake_class),
        frame_bytes=frame_bytes,
        connections_per_address=connections_per_address,
    )
    async with background(pulse.run(), "test.pings"), served(config) as port:
        yield port


@asynccontextmanager
async def served(config: uvicorn.Config, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve an app on a free port; gives the port."""
    server = serve.DrainingServer(config, _nothing_to_drain, lambda: None)
    listener = serve.bind(host, 0)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup([listener])
    try:
        yield int(listener.getsockname()[1])
    finally:
        await server.shutdown([listener])
