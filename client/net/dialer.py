"""Opens WebSocket connections, and explains why one could not be opened or has ended."""

from http import HTTPStatus
from logging import getLogger
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from chatterbox.wire.close_codes import SENTENCES, CloseCode
from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.net.failure_reason import reason
from client.net.http_api import RefusalBody
from client.net.proxy_route import UnusableEnvironment, route_to, tls_context
from client.net.user_agent import USER_AGENT
from client.text.session_ended import BY_CLOSE_CODE

OPEN_S = 10.0
CLOSE_S = 1.0
PING_S = 20.0
"""Interval between pings, and how long the pong may take (seconds)."""
FRAME_LIMIT_BYTES = 16 * 2**20

QUIET = getLogger("client.websocket")
"""A logger that is disabled, as the traffic contains the token."""
QUIET.disabled = True


def socket_address(server: str) -> str:
    """The WebSocket address of a server.

    >>> socket_address("https://chat.example.org")
    'wss://chat.example.org/ws'
    """
    return f"ws{server.removeprefix('http')}/ws"


class ConnectWithoutRedirects(connect):
    """Connects over the route to `server`. Does not follow redirects: the token is for this server only.

    Raises `OSError` or `WebSocketException` when it can't connect, and nothing else.
    """

    def __init__(self, server: str, **options: Any) -> None:  # noqa: ANN401 - the library's own arguments
        route, address = route_to(server), socket_address(server)
        if address.startswith("wss:"):
            options["ssl"] = tls_context()
        if route.proxy is not None and route.proxy.startswith("https:"):
            options["proxy_ssl"] = tls_context()
        super().__init__(address, proxy=route.proxy, **options)

    async def connect(self) -> ClientConnection:
        try:
            return await super().connect()
        except (OSError, WebSocketException):
            raise
        except Exception as problem:  # the library parses what a proxy sends, and does not document every exception
            raise ConnectionError(reason(problem)) from problem

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


def dial(server: str) -> connect:
    """Open a connection, as an async context manager. Its traffic is never logged."""
    return ConnectWithoutRedirects(
        server,
        compression=None,
        logger=QUIET,
        max_size=FRAME_LIMIT_BYTES,
        open_timeout=OPEN_S,
        close_timeout=CLOSE_S,
        ping_interval=PING_S,
        ping_timeout=PING_S,
        user_agent_header=USER_AGENT,
    )


def why_not_opened(problem: Exception, server: str) -> tuple[str, float]:
    """Return why a connection could not be opened, and how long the server asks us to wait (seconds)."""
    if isinstance(problem, UnusableEnvironment):
        return str(problem), 0.0
    if not isinstance(problem, InvalidStatus):
        return route_to(server).explain(reason(problem)), 0.0
    response = problem.response
    try:
        refusal = decode_json(response.body or b"", RefusalBody)
    except UnreadableError:
        return f"the server answered {_status(response.status_code)}", 0.0
    return refusal.detail.rstrip("."), refusal.retry_after_s or 0.0


def why_closed(closed: ConnectionClosed) -> tuple[str, int | None]:
    """Return why a connection ended, and the close code if the server closed it."""
    if closed.rcvd is None:
        silent = closed.sent is not None and closed.sent.code == 1011
        return ("no response from the server" if silent else "the connection dropped"), None
    if closed.sent is not None and not closed.rcvd_then_sent:
        return "closed by this client", None
    return _words(closed.rcvd.code, closed.rcvd.reason), closed.rcvd.code


def _words(code: int, sent: str) -> str:
    if code in BY_CLOSE_CODE:
        return BY_CLOSE_CODE[code]
    known = SENTENCES[CloseCode(code)] if code in set(CloseCode) else f"The server closed the connection (code {code})."
    return sent or known


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}" if code in set(HTTPStatus) else str(code)
