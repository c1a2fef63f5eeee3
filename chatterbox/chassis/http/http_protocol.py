"""Uvicorn's HTTP protocol with limits on connections, and a deadline and a size limit for requests."""

import asyncio
from asyncio import TimerHandle
from typing import Any

import httptools
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chatterbox.chassis.core.peer_address import unmapped
from chatterbox.chassis.core.raw_response import SECURITY_HEADERS, Headers, response_bytes
from chatterbox.chassis.core.request_target import BadRequestError, parse_target
from chatterbox.chassis.http.connection_limits import ConnectionLimits
from chatterbox.chassis.http.http_errors import answer, bad_request
from chatterbox.chassis.http.request_rate import RequestRate
from chatterbox.chassis.observability.rate_limited_log import RateLimitedLog
from chatterbox.wire.errors import ChatError

REQUEST_DEADLINE_S = 10.0
"""How long a request, or a WebSocket handshake, may take to arrive completely (seconds)."""
HEAD_BYTES = 32_768
"""The largest request line plus headers."""
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HttpProtocol(HttpToolsProtocol):
    """Refuses connections beyond the limits; closes one whose request is invalid, too slow, or has too large headers.

    At any time a connection waits for the rest of a request, for its response, or for the next request. One of two
    timers is armed in the first and the last case: the request's deadline, or uvicorn's keep-alive timeout.
    """

    limits: ConnectionLimits
    """Shared by all connections of a server; `serve.config` sets it."""
    request_rate: RequestRate | None
    """The same."""
    invalid_requests: RateLimitedLog
    """The same."""
    streamed_paths: tuple[str, ...] = ()
    """The same: of requests to these paths, and below them, only the head must arrive within the deadline."""
    parser: Any
    _counted = ""
    """What `limits` counts this connection as."""
    _early = b""
    """What arrived with an upgrade request after its end."""
    _deadline: TimerHandle | None = None
    _refusal: TimerHandle | None = None
    """Set while the refusal of an invalid request is held back."""
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
            self._refuse(answer(problem))

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._parse(data)
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
        target = parse_target(self.parser.get_method().decode("ascii"), self.url)
        self.url = target.origin_form
        if target.authority is not None:
            self.headers[:] = [(name, target.authority if name == b"host" else value) for name, value in self.headers]
        if self.parser.should_upgrade() and not self._should_upgrade() and _has_body(self.headers):
            raise BadRequestError("A request for an upgrade must not have a body.")  # the parser would not read it
        super().on_headers_complete()
        if self.streamed_paths and self._is_streamed():
            self._cancel_deadline()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._cancel_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        if self._refusal is not None:
            self._refusal.cancel()
        self._release()
        super().connection_lost(exc)

    def _parse(self, data: bytes) -> None:
        """Parse what was received, instead of uvicorn, which logs each invalid request and answers it with text."""
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._should_upgrade():
                    self._early = data[upgrade.args[0] :]
                    self.handle_websocket_upgrade()
                    return
                data = data[upgrade.args[0] :]  # of another protocol, which a server may ignore (RFC 9110 section 7.8)
            except httptools.HttpParserError as problem:
                self._refuse_invalid(problem)
                return
            else:
                return

    def _is_streamed(self) -> bool:
        """Whether the app itself limits the time of the body. What it does not read gets a deadline once it answers."""
        path = self.url.partition(b"?")[0].decode("latin-1")
        return any(path == each or path.startswith(f"{each}/") for each in self.streamed_paths)

    def _refuse_invalid(self, problem: httptools.HttpParserError) -> None:
        reason = problem.__context__ if isinstance(problem.__context__, BadRequestError) else problem
        detail = str(reason) if reason is not problem else f"The request is not valid HTTP/1.1: {problem}."
        self.invalid_requests.write(address=self.client and self.client[0], why=detail)
        delay_s = self.request_rate.spend_invalid(self.client[0]) if self.request_rate and self.client else 0.0
        if delay_s:
            self.transport.pause_reading()
            self._refusal = self.loop.call_later(delay_s, self._refuse, bad_request(detail))
        else:
            self._refuse(bad_request(detail))

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

    def _refuse(self, response: Response) -> None:
        headers = (*response.raw_headers, *SECURITY_HEADERS, (b"connection", b"close"))
        self._respond_and_close(response_bytes(response.status_code, headers, bytes(response.body)))

    def _respond_and_close(self, response: bytes) -> None:
        self.transport.write(response)
        self.transport.close()


def _has_body(headers: Headers) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in headers)
