"""WebSocket handshake: runs the ASGI endpoint, writes its answer, and hands the connection to a `LiveSocket`.

The endpoint (routing, token, Origin) finds this protocol object in the scope, accepts, and calls `take_over`; the
`LiveSocket` then replaces this object as the transport's protocol.
"""

import asyncio
import logging
from typing import cast

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Scope
from uvicorn.server import ServerState

from chatterbox.chassis.core.raw_response import SECURITY_HEADERS, Headers, response_bytes
from chatterbox.chassis.http.http_errors import answer
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.gateway.core.frame_reader import FrameReader
from services.gateway.core.upgrade_request import BadUpgradeError, accept_header
from services.gateway.transport.live_socket import LiveSocket

log = logging.getLogger("chatterbox.handshake")

EXTENSION = "chatterbox.handshake"
"""The scope extension under which the endpoint finds its `Handshake`."""


class Handshake(asyncio.Protocol):
    """Protocol of a connection from its upgrade request until it is taken over or refused."""

    socket_class = LiveSocket
    fragments = Limits().fragments

    def __init__(self, transport: asyncio.Transport, server_state: ServerState, max_bytes: int) -> None:
        self.is_lost = False
        self._transport = transport
        self._server = server_state
        self._server_connections = cast("set[object]", server_state.connections)
        self._server_connections.add(self)
        self._max_bytes = max_bytes
        self.early = b""
        """Bytes that the client sent before it could know that it was accepted."""
        self._accept = b""
        self._is_answered = False
        self._is_taken = False
        self._refusal: Message = {}

    def begin(self, app: ASGIApp, scope: Scope) -> None:
        """Run `app`, or refuse an invalid upgrade request."""
        try:
            self._accept = accept_header(scope["method"], scope["http_version"], scope["headers"])
        except BadUpgradeError as problem:
            refusal = answer(ChatError(Code.BAD_REQUEST, str(problem)))
            refusal.status_code = problem.status
            refusal.headers.update(problem.headers)
            self._refuse_with(refusal)
            return
        scope["extensions"][EXTENSION] = self
        # Uvicorn's own set, not a TaskSet: uvicorn waits for these tasks when it shuts down.
        task = asyncio.get_running_loop().create_task(self._run_app(app, scope))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def take_over(self) -> LiveSocket:
        """Return the accepted connection; uvicorn no longer handles it, except to shut it down."""
        self._is_taken = True
        reader = FrameReader(self._max_bytes, self.fragments)
        socket = self.socket_class(self._transport, reader, self._server_connections, self.early)
        if not self.is_lost:
            self._server_connections.discard(self)
            self._server_connections.add(socket)
            self._transport.set_protocol(socket)
            if self.early:
                self._transport.resume_reading()
        return socket

    # ASGI side (WebSocket, ASGI 2.4)

    async def _run_app(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, _connect, self._send)
        except Exception:
            log.exception("endpoint.failed")
        if not self._is_answered:
            self._refuse_with(answer(ChatError(Code.INTERNAL)))
        elif not self._is_taken:
            self._transport.close()

    async def _send(self, message: Message) -> None:
        if message["type"] == "websocket.accept":
            upgrade = ((b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", self._accept))
            self._answer(101, (*upgrade, *message.get("headers", ())))
        elif message["type"] == "websocket.http.response.start":
            self._refusal = message
        elif message["type"] == "websocket.http.response.body" and self._refusal:
            self._refuse(self._refusal["status"], self._refusal["headers"], message["body"])
        elif message["type"] == "websocket.close":
            self._refuse_with(answer(ChatError(Code.NOT_FOUND)))
        else:
            raise RuntimeError(f"{message['type']}: only handshake messages are supported")

    def _refuse_with(self, response: Response) -> None:
        self._refuse(response.status_code, (*response.raw_headers, *SECURITY_HEADERS), bytes(response.body))

    def _refuse(self, status: int, headers: Headers, body: bytes) -> None:
        self._answer(status, (*headers, (b"connection", b"close")), body)
        self._transport.close()

    def _answer(self, status: int, headers: Headers, body: bytes = b"") -> None:
        self._is_answered = True
        if not self._transport.is_closing():
            self._transport.write(response_bytes(status, (*self._server.default_headers, *headers), body))

    # Transport side

    def data_received(self, data: bytes) -> None:
        self.early += data
        self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's interface
        self.is_lost = True
        self._server_connections.discard(self)

    def shutdown(self) -> None:
        """Called by uvicorn when it shuts down."""
        if not self._is_answered:
            self._refuse_with(answer(ChatError(Code.UNAVAILABLE)))


async def _connect() -> Message:
    """ASGI `receive`: the only message that a client sends before it is answered."""
    return {"type": "websocket.connect"}
