"""The end of a line that answers, and the door at which it begins: an HTTP protocol, so a line needs no port."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

import httptools
from starlette.requests import HTTPConnection
from uvicorn.server import ServerState

from chatterbox.chassis.core.length_prefix import UPGRADE, PayloadReader, PayloadTooLargeError, prefixed
from chatterbox.chassis.core.raw_response import response_bytes
from chatterbox.chassis.http import http_errors
from chatterbox.chassis.http.http_protocol import HttpProtocol
from chatterbox.chassis.http.internal_http import require_service_key
from chatterbox.wire.errors import ChatError

log = logging.getLogger("chatterbox.rpc")

Answer: TypeAlias = Callable[[bytes], Awaitable[bytes]]
"""Answers a question; must not raise."""


class RpcServerProtocol(asyncio.Protocol):
    """An open line: questions in, answers out, in the same order."""

    def __init__(self, transport: asyncio.Transport, server: ServerState, answer: Answer, most_bytes: int) -> None:
        """`server` is told of the line, and waits when it stops for the question that is being answered."""
        self._transport = transport
        self._server = server
        self._others = cast("set[object]", server.connections)
        self._others.add(self)
        self._answer = answer
        self._payloads = PayloadReader(most_bytes)
        self._asked: deque[bytes] = deque()
        self._is_answering = False
        self._is_stopping = False

    def data_received(self, data: bytes) -> None:
        try:
            self._asked.extend(self._payloads.feed(data))
        except PayloadTooLargeError as problem:
            log.warning("rpc.connection_closed", extra={"why": str(problem)})
            self._transport.abort()
            return
        if self._asked and not self._is_answering:
            self._is_answering = True
            task = asyncio.get_running_loop().create_task(self._answer_all())
            self._server.tasks.add(task)
            task.add_done_callback(self._server.tasks.discard)

    async def _answer_all(self) -> None:
        try:
            while self._asked and not self._transport.is_closing():
                answered = prefixed(await self._answer(self._asked.popleft()))
                if not self._transport.is_closing():
                    self._transport.write(answered)
        finally:
            self._is_answering = False
            if self._is_stopping:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._others.discard(self)
        self._asked.clear()

    def shutdown(self) -> None:
        """Uvicorn stops."""
        self._is_stopping = True
        if not self._is_answering:
            self._transport.close()


def rpc_upgrade_protocol(path: str, service_key: str, answer: Answer, most_bytes: int) -> type[HttpProtocol]:
    """The HTTP protocol class of a server that answers a line to `path`; no question is larger than `most_bytes`."""
    return type(
        "RpcUpgradeProtocol",
        (RpcUpgradeProtocol,),
        {"path": path.encode(), "service_key": service_key, "answer": staticmethod(answer), "most_bytes": most_bytes},
    )


class RpcUpgradeProtocol(HttpProtocol):
    """The HTTP protocol, which hands on what asks for a line."""

    path: bytes
    service_key: str
    answer: Answer
    most_bytes: int
    parser: Any

    def _should_upgrade(self) -> bool:
        return self._get_upgrade() == UPGRADE and httptools.parse_url(self.url).path == self.path

    def handle_websocket_upgrade(self) -> None:
        """Begin the line, or refuse it: this is what uvicorn calls for whatever is to be switched to."""
        self.connections.discard(self)
        try:
            require_service_key(HTTPConnection(dict(self.scope)), self.service_key)
        except ChatError as problem:
            refused = http_errors.answer(problem)
            headers = (*refused.raw_headers, (b"connection", b"close"))
            self.transport.write(response_bytes(refused.status_code, headers, bytes(refused.body)))
            self.transport.close()
            return
        self.transport.write(response_bytes(101, ((b"connection", b"Upgrade"), (b"upgrade", UPGRADE))))
        self.transport.set_protocol(RpcServerProtocol(self.transport, self.server_state, self.answer, self.most_bytes))
        self.parser = None  # it holds this object
