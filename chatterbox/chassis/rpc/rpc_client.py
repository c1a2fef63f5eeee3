"""RPC client: opens a connection by HTTP upgrade and sends one request at a time."""

import asyncio
import ssl
from urllib.parse import urlsplit

import httptools

from chatterbox.chassis.core.length_prefix import UPGRADE, PayloadReader, PayloadTooLargeError, prefixed


class RpcRefusedError(Exception):
    """The server refused the upgrade: `status` and `body` of its HTTP response."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"upgrade refused: {status}")
        self.status = status
        self.body = body


class NotHttpError(Exception):
    """The server does not speak HTTP."""


class NotSentError(ConnectionResetError):
    """The connection had ended before anything of the request was written to it."""


class RpcClient(asyncio.Protocol):
    """An open connection. It takes one request at a time; a caller that gives up on a response must call `abort`."""

    def __init__(self, transport: asyncio.Transport, max_bytes: int) -> None:
        """`max_bytes` bounds a response."""
        self._transport = transport
        self._payloads = PayloadReader(max_bytes)
        self._response: asyncio.Future[bytes] | None = None

    async def call(self, request: bytes) -> bytes:
        """Send a request and return its response.

        Raises `ConnectionError` if the connection ends first: `NotSentError` if the server can't have the request.
        """
        if self._transport.is_closing():
            raise NotSentError(_ENDED)
        self._response = asyncio.get_running_loop().create_future()
        self._transport.write(prefixed(request))
        return await self._response

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def close(self) -> None:
        """Close after everything written has been sent."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            for response in self._payloads.feed(data):
                if self._response is not None and not self._response.done():
                    self._response.set_result(response)
        except PayloadTooLargeError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._response is not None and not self._response.done():
            self._response.set_exception(ConnectionResetError(str(exc or _ENDED)))


_ENDED = "the connection has ended"


async def open_rpc(url: str, key: str, max_bytes: int) -> RpcClient:
    """Open a connection to `url`, authenticated with the service key.

    Raises `RpcRefusedError`, `NotHttpError`, or `OSError` if the server can't be reached.
    """
    parts = urlsplit(url)
    request = (
        f"GET {parts.path or '/'} HTTP/1.1\r\n"
        f"Host: {parts.netloc.rpartition('@')[2]}\r\n"
        "Connection: Upgrade\r\n"
        f"Upgrade: {UPGRADE.decode()}\r\n"
        f"Authorization: Bearer {key}\r\n\r\n"
    )
    is_secure = parts.scheme == "https"
    transport, upgrade = await asyncio.get_running_loop().create_connection(
        lambda: _RpcUpgrade(request.encode(), max_bytes),
        parts.hostname or "",
        parts.port or (443 if is_secure else 80),
        ssl=ssl.create_default_context() if is_secure else None,
    )
    try:
        return await upgrade.client
    except BaseException:
        transport.abort()
        raise


class _RpcUpgrade(asyncio.Protocol):
    """Requests the upgrade, then hands the transport to an `RpcClient`."""

    def __init__(self, request: bytes, max_bytes: int) -> None:
        self.client: asyncio.Future[RpcClient] = asyncio.get_running_loop().create_future()
        self._request = request
        self._max_bytes = max_bytes
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
            client = RpcClient(self._transport, self._max_bytes)
            self._transport.set_protocol(client)
            self._finish(client)
        except httptools.HttpParserError:
            self._finish(NotHttpError())

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(ConnectionResetError(str(exc or _ENDED)))

    def _finish(self, outcome: RpcClient | Exception) -> None:
        if self.client.done():
            return
        if isinstance(outcome, Exception):
            self.client.set_exception(outcome)
        else:
            self.client.set_result(outcome)

    # Callbacks of the HTTP parser

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() != 101:
            self._finish(RpcRefusedError(self._parser.get_status_code(), self._body))
