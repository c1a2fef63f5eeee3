"""Uvicorn's HTTP protocol with limits on connections, and a deadline and a size limit for requests."""

import asyncio
from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chatterbox.chassis.core.peer_address import unmapped
from chatterbox.chassis.core.raw_response import response_bytes
from chatterbox.chassis.http.connection_limits import ConnectionLimits
from chatterbox.chassis.http.http_errors import answer
from chatterbox.wire.errors import ChatError

REQUEST_DEADLINE_S = 10.0
"""How long a request, or a WebSocket handshake, may take to arrive completely (seconds)."""
HEAD_BYTES = 32_768
"""The largest request line plus headers."""
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HttpProtocol(HttpToolsProtocol):
    """Refuses connections beyond the limits; closes one whose request arrives too slowly or has too large headers.

    At any time a connection waits for the rest of a request, for its response, or for the next request. One of two
    timers is armed in the first and the last case: the request's deadline, or uvicorn's keep-alive timeout.
    """

    limits: ConnectionLimits
    """Shared by all connections of a server; `serve.config` sets it."""
    parser: Any
    _counted = ""
    """What `limits` counts this connection as."""
    _deadline: TimerHandle | None = None
    _head_bytes: int | None = 0
    """Bytes received of the request's head; None once it is complete."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            self.client = (unmapped(self.client[0]), self.client[1])
        self._start_deadline()
        try:
            self._counted = self.limits.count(self.client[0] if self.client else "", len(self.connections))
        except ChatError as problem:
            self._refuse(problem)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waits_without_timer():  # what arrived was no part of a request, such as an empty line
            self._start_deadline()
        if self._head_bytes is not None and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._respond_and_close(_HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._start_deadline()

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._cancel_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self._release()
        super().connection_lost(exc)

    def _release(self) -> None:
        self.limits.release(self._counted)
        self._counted = ""

    def _waits_without_timer(self) -> bool:
        is_answering = self.cycle is not None and not self.cycle.response_complete
        is_timed = self._deadline is not None or self.timeout_keep_alive_task is not None
        return self.parser is not None and not is_answering and not is_timed and not self.transport.is_closing()

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_DEADLINE_S, self._time_out)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _time_out(self) -> None:
        self._deadline = None
        self._respond_and_close(_TIMED_OUT)

    def _refuse(self, problem: ChatError) -> None:
        response = answer(problem)
        headers = (*response.raw_headers, (b"connection", b"close"))
        self._respond_and_close(response_bytes(response.status_code, headers, bytes(response.body)))

    def _respond_and_close(self, response: bytes) -> None:
        self.transport.write(response)
        self.transport.close()
