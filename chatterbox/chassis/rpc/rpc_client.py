"""The end of a line that asks."""

import asyncio
import ssl
from urllib.parse import urlsplit

import httptools

from chatterbox.chassis.core.length_prefix import UPGRADE, PayloadReader, PayloadTooLargeError, prefixed


class RpcRefusedError(Exception):
    """What was asked for a line gave another answer: `status` and `body` of an HTTP response."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"no line: {status}")
        self.status = status
        self.body = body


class NotHttpError(Exception):
    """What was asked for a line does not speak HTTP."""


class RpcClient(asyncio.Protocol):
    """An open line. It takes one question at a time: whoever gives one up must end the line with `abort`."""

    def __init__(self, transport: asyncio.Transport, most_bytes: int) -> None:
        """No answer is larger than `most_bytes`."""
        self._transport = transport
        self._payloads = PayloadReader(most_bytes)
        self._answer: asyncio.Future[bytes] | None = None

    async def ask(self, question: bytes) -> bytes:
        """Returns the answer; raises `ConnectionError` where the line ends before it."""
        if self._transport.is_closing():
            raise ConnectionResetError(_ENDED)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(prefixed(question))
        return await self._answer

    def abort(self) -> None:
        """End it now."""
        self._transport.abort()

    def close(self) -> None:
        """End it after what has been written."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            for answer in self._payloads.feed(data):
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(answer)
        except PayloadTooLargeError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(str(exc or _ENDED)))


_ENDED = "the connection has ended"


async def open_rpc(url: str, key: str, most_bytes: int) -> RpcClient:
    """A line to `url`, for who has its service key.

    Raises `RpcRefusedError`, `NotHttpError`, or `OSError` where there is no connection.
    """
    where = urlsplit(url)
    request = (
        f"GET {where.path or '/'} HTTP/1.1\r\n"
        f"Host: {where.netloc.rpartition('@')[2]}\r\n"
        "Connection: Upgrade\r\n"
        f"Upgrade: {UPGRADE.decode()}\r\n"
        f"Authorization: Bearer {key}\r\n\r\n"
    )
    is_secure = where.scheme == "https"
    transport, opening = await asyncio.get_running_loop().create_connection(
        lambda: _RpcUpgrade(request.encode(), most_bytes),
        where.hostname or "",
        where.port or (443 if is_secure else 80),
        ssl=ssl.create_default_context() if is_secure else None,
    )
    try:
        return await opening.line
    except BaseException:
        transport.abort()
        raise


class _RpcUpgrade(asyncio.Protocol):
    """Asks for the line, and gives its place at the transport to the line."""

    def __init__(self, request: bytes, most_bytes: int) -> None:
        self.line: asyncio.Future[RpcClient] = asyncio.get_running_loop().create_future()
        self._request = request
        self._most_bytes = most_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            line = RpcClient(self._transport, self._most_bytes)
            self._transport.set_protocol(line)
            self._end_with(line)
        except httptools.HttpParserError:
            self._end_with(NotHttpError())

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_with(ConnectionResetError(str(exc or _ENDED)))

    def _end_with(self, outcome: RpcClient | Exception) -> None:
        if self.line.done():
            return
        if isinstance(outcome, Exception):
            self.line.set_exception(outcome)
        else:
            self.line.set_result(outcome)

    # The parser's callbacks

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() != 101:
            self._end_with(RpcRefusedError(self._parser.get_status_code(), self._body))
