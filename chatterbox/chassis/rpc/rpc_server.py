"""RPC server: an HTTP protocol class that upgrades connections, so that RPC needs no port of its own."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

import httptools
from starlette.requests import HTTPConnection
from uvicorn.server import ServerState

from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
from chatterbox.chassis.core.length_prefix import UPGRADE, PayloadReader, PayloadTooLargeError, prefixed
from chatterbox.chassis.core.raw_response import response_bytes
from chatterbox.chassis.http import http_errors
from chatterbox.chassis.http.http_protocol import HttpProtocol
from chatterbox.chassis.http.internal_http import require_caller
from chatterbox.wire.errors import ChatError

log = logging.getLogger("chatterbox.rpc")

RpcHandler: TypeAlias = Callable[[bytes], Awaitable[bytes]]
"""Turns a request into its response; must not raise."""


MAX_WAITING = 4
"""Requests of a connection that may wait: `RpcClient` sends one at a time, so more come from something else."""


class RpcServerProtocol(asyncio.Protocol):
    """An open connection: requests are handled one at a time and answered in order."""

    def __init__(self, transport: asyncio.Transport, server: ServerState, handler: RpcHandler, max_bytes: int) -> None:
        """Registers with `server`, which waits at shutdown for the request being handled."""
        self._transport = transport
        self._server = server
        self._connections = cast("set[object]", server.connections)
        self._connections.add(self)
        self._handler = handler
        self._payloads = PayloadReader(max_bytes)
        self._requests: deque[bytes] = deque()  # bounded: by `MAX_WAITING`
        self._is_handling = False
        self._is_stopping = False

    def data_received(self, data: bytes) -> None:
        try:
            self._requests.extend(self._payloads.feed(data))
        except PayloadTooLargeError as problem:
            log.warning("rpc.connection_closed", extra={"why": str(problem)})
            self._transport.abort()
            return
        if len(self._requests) > MAX_WAITING:
            log.warning("rpc.connection_closed", extra={"why": f"more than {MAX_WAITING} requests are waiting"})
            self._transport.abort()
            return
        if self._requests and not self._is_handling:
            self._is_handling = True
            task = asyncio.get_running_loop().create_task(self._handle_all())
            self._server.tasks.add(task)
            task.add_done_callback(self._server.tasks.discard)

    async def _handle_all(self) -> None:
        try:
            while self._requests and not self._transport.is_closing():
                response = prefixed(await self._handler(self._requests.popleft()))
                if not self._transport.is_closing():
                    self._transport.write(response)
        finally:
            self._is_handling = False
            if self._is_stopping:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._connections.discard(self)
        self._requests.clear()

    def shutdown(self) -> None:
        """Close, after the request being handled; called by uvicorn when it stops."""
        self._is_stopping = True
        if not self._is_handling:
            self._transport.close()


def rpc_upgrade_protocol(
    path: str, callers: CallerKeys, caller: ServiceName, handler: RpcHandler, max_bytes: int
) -> type[HttpProtocol]:
    """The HTTP protocol class of a server that accepts RPC connections of `caller` at `path`.

    `max_bytes` bounds a request.
    """
    return type(
        "RpcUpgradeProtocol",
        (RpcUpgradeProtocol,),
        {
            "path": path.encode(),
            "callers": callers,
            "caller": caller,
            "handler": staticmethod(handler),
            "max_bytes": max_bytes,
        },
    )


class RpcUpgradeProtocol(HttpProtocol):
    """The HTTP protocol, which upgrades requests for RPC."""

    path: bytes
    callers: CallerKeys
    caller: ServiceName
    handler: RpcHandler
    max_bytes: int
    parser: Any

    def _should_upgrade(self) -> bool:
        return self._get_upgrade() == UPGRADE and httptools.parse_url(self.url).path == self.path

    def handle_websocket_upgrade(self) -> None:
        """Upgrade the connection, or refuse: uvicorn calls this for every upgrade that `_should_upgrade` accepts."""
        self.connections.discard(self)
        try:
            require_caller(HTTPConnection(dict(self.scope)), self.callers, self.caller)
        except ChatError as problem:
            refusal = http_errors.answer(problem)
            headers = (*refusal.raw_headers, (b"connection", b"close"))
            self.transport.write(response_bytes(refusal.status_code, headers, bytes(refusal.body)))
            self.transport.close()
            return
        self.transport.write(response_bytes(101, ((b"connection", b"Upgrade"), (b"upgrade", UPGRADE))))
        self.transport.set_protocol(RpcServerProtocol(self.transport, self.server_state, self.handler, self.max_bytes))
        self.parser = None  # breaks a reference cycle: the parser holds this object
